"""The COBS encoder: what tokens become, to a depth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hw.link.cobs import CobsEncoder
from tests.formal.check import fails
from tests.formal.encoder import Encoding
from tests.formal.engine import examine, second_opinion
from tests.formal.mutants import mutant

#: Frames that are examined, by ABC and by Z3; the code of a full block leaves in frame 8.
DEPTH, SECOND_DEPTH = 11, 9


def harness(block: Any) -> Encoding:
    """Blocks of three bytes at most, in a ring of 16."""
    return Encoding(block(), full=4, ring=16, o_wait=6, i_wait=24)


def test_encoder(tmp_path: Path) -> None:
    verdict = examine(harness(CobsEncoder), folder=tmp_path, depth=DEPTH)
    assert verdict.proved and verdict.cover is not None and verdict.cover < DEPTH, verdict
    assert second_opinion(tmp_path, depth=SECOND_DEPTH) is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        # A full block's code is that of one byte less.
        ("write_data.eq(FULL)", "write_data.eq(FULL - 1)"),
        # A block's bytes leave before its code is known.
        ("ended.eq(head)", "ended.eq(free)"),
        # The code is overwritten by the last byte.
        ("m.d.sync += [free.eq(free + 1), code.eq(code + 1), empty.eq(0)]",
         "m.d.sync += [code.eq(code + 1), empty.eq(0)]"),
        # The zero behind a packet is left out.
        ("write_addr.eq(head), write_data.eq(0), write_en.eq(1)",
         "write_addr.eq(head), write_data.eq(1), write_en.eq(1)"),
        # Nothing leaves: stands still.
        ("valid.eq(Cat(sent != ended, valid))", "valid.eq(Cat(0, valid))"),
    ],
)  # fmt: skip
def test_broken_encoder(old: str, new: str, tmp_path: Path) -> None:
    fails(harness(mutant(CobsEncoder, old, new)), tmp_path, depth=DEPTH)
