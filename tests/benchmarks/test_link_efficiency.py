"""The line's efficiency on a chip that is compiled anyway, and as stored."""

from __future__ import annotations

import json

import pytest

from benchmarks import link_efficiency
from benchmarks.fault_cases import Bench
from benchmarks.link_efficiency import CASES, PATH, measure
from sw.model import save
from tests.sw.model.small import small_model


@pytest.mark.parametrize("latency", [0.0, 0.0004])
def test_the_line_never_rests(tmp_path, latency) -> None:
    """Frames of six bytes: sixteen in flight cover eight of the host's latency."""
    save(small_model(), tmp_path / "model.npz")
    run = measure(Bench.of(tmp_path / "model.npz"), frames=40, latency=latency)
    assert run["frame_bytes"] == 6 and run["packet_bytes"] == 15 and run["slots"] == 16
    assert 0.95 <= run["busy"] <= 1.001
    assert run["payload"] == pytest.approx(run["busy"] * 6 / 15, abs=1e-3)


def test_stored() -> None:
    stored = json.loads(PATH.read_text())
    assert list(stored) == list(CASES)
    for name, case in CASES.items():
        for latency in ("0", "0.001"):
            run = stored[name]["latencies"][latency]
            assert run["frame_bytes"] == case.height * case.width * case.channels * case.bits // 8
            assert 0.95 <= run["busy"] <= 1.001, name
            assert run["payload"] >= 0.95, name


def test_printed(capsys: pytest.CaptureFixture[str]) -> None:
    link_efficiency.main([])
    assert "32x32x3" in capsys.readouterr().out
