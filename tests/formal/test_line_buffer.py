"""The line buffer's control: every tap is read after it was written and before it is overwritten.

With memories of a few words, for which the planner would take more: slower, and no less right; and
soon full, so that writer and reader wait for each other.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hw.blocks.line_buffer_parallel import ParallelLineBuffer
from hw.blocks.line_buffer_serial import SerialLineBuffer
from tests.formal.check import fails, holds
from tests.formal.harnesses import PARALLEL, SERIAL, line_buffer
from tests.formal.mutants import mutant

BLOCKS = {"serial": SerialLineBuffer, "parallel": ParallelLineBuffer}


@pytest.mark.parametrize(
    ("mode", "shape"),
    [*(("serial", shape) for shape in SERIAL), *(("parallel", shape) for shape in PARALLEL)],
)
def test_line_buffer(mode: str, shape: str, tmp_path: Path) -> None:
    holds(line_buffer(BLOCKS[mode], shape), tmp_path, second=12)


@pytest.mark.parametrize(
    ("block", "shape", "old", "new"),
    [
        # Four places more than there are: overwritten before they are read.
        (SerialLineBuffer, "whole", "init=config.capacity - 1 +", "init=config.capacity + 3 +"),
        # Complete with any pixel of the row: read before it is written.
        (SerialLineBuffer, "whole", "pixel & y.at(rows) & x.at(columns)", "pixel & y.at(rows)"),
        # Another place for the next frame.
        (SerialLineBuffer, "strided", "add(config.height * places.row",
         "add(1 + config.height * places.row"),
        # Half of the places are never given free: stands still.
        (SerialLineBuffer, "whole", "m.d.sync += released.eq(0)", "pass"),
        # As the first and second above.
        (ParallelLineBuffer, "repeated", "init=config.capacity - 1 +",
         "init=config.capacity + 3 +"),
        (ParallelLineBuffer, "repeated", "write_now & y.at(rows)", "write_now"),
        # All banks hold the rows of one turn.
        (ParallelLineBuffer, "turning", "slot + (step.first > bank)", "slot"),
        # The end of a row waits for the beginning of the next: stands still.
        (ParallelLineBuffer, "joined", "fetched | (enable & (left != 0))", "fetched"),
        # The window moves while the last one waits: lost.
        (ParallelLineBuffer, "joined", "~full | load)", "1)"),
        # A window that has been taken stays on offer: doubled.
        (ParallelLineBuffer, "repeated", "m.d.sync += held.eq(0)", "pass"),
        # Rows are never given free: stands still.
        (ParallelLineBuffer, "turning", ", released.eq(sy * config.width - 1)]", "]"),
    ],
)  # fmt: skip
def test_broken_line_buffer(block: Any, shape: str, old: str, new: str, tmp_path: Path) -> None:
    fails(line_buffer(mutant(block, old, new), shape), tmp_path)
