"""What tests ask of a proof: both provers agree, and of a broken copy that it is refuted."""

from __future__ import annotations

from pathlib import Path

from amaranth.lib import wiring

from tests.formal.engine import examine, second_opinion

__all__ = ["fails", "holds"]


def holds(harness: wiring.Component, folder: Path, *, second: int) -> None:
    """Proved for ever by ABC, its cover reached; and by Z3 for ``second`` frames."""
    verdict = examine(harness, folder=folder)
    assert verdict.proved and verdict.cover is not None, verdict
    assert second_opinion(folder, depth=second) is None


def fails(
    harness: wiring.Component, folder: Path, *, depth: int | None = None, second: bool = False
) -> None:
    """Refuted by ABC, in ``depth`` frames if given; with ``second`` by Z3 too, in no more."""
    verdict = examine(harness, folder=folder, depth=depth, cover=False)
    assert not verdict.proved and verdict.frame is not None, verdict
    if second:
        frame = second_opinion(folder, depth=verdict.frame + 1)
        assert frame is not None and frame <= verdict.frame
