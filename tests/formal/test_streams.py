"""Registers, the queue and the width converter lose, double and reorder nothing, and never halt.

Proved for ever, at these shapes: docs/formal.md has the table.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hw.blocks.fifo import StreamFifo
from hw.blocks.width import WidthConverter
from hw.link.register import StreamBuffer, StreamRegister, StreamRelay
from tests.formal.check import fails, holds
from tests.formal.follow import Follow
from tests.formal.harnesses import REGISTERS, converter, fifo
from tests.formal.mutants import mutant


@pytest.mark.parametrize(("block", "most", "wait"), REGISTERS)
def test_registers(block: Any, most: int, wait: int, tmp_path: Path) -> None:
    holds(Follow(block(2), most=most, wait=wait), tmp_path, second=20)


@pytest.mark.parametrize(
    ("block", "most", "wait", "old", "new"),
    [
        # Takes a beat while it still has one: lost.
        (StreamRegister, 1, 1, "~o_stream.valid | o_stream.ready),\n            o_stream.payload.eq"
         "(payload)", "1),\n            o_stream.payload.eq(payload)"),
        # Forgets the spare beat: doubled.
        (StreamBuffer, 2, 2, "                waits.eq(0),\n", ""),
        # Never empties: stands still.
        (StreamRelay, 2, 3, "with m.Elif(next_one.ready):", "with m.Elif(0):"),
    ],
)  # fmt: skip
def test_broken_registers(
    block: Any, most: int, wait: int, old: str, new: str, tmp_path: Path
) -> None:
    fails(Follow(mutant(block, old, new)(2), most=most, wait=wait), tmp_path, second=True)


# Depths that are no power of two, and the least.
@pytest.mark.parametrize(("depth", "memory"), [(1, "lut"), (3, "lut"), (3, "block"), (4, "block")])
def test_fifo(depth: int, memory: str, tmp_path: Path) -> None:
    holds(fifo(StreamFifo, depth, memory), tmp_path, second=10)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        # One place too many: a beat is overwritten.
        ("room = Signal(range(-1, config.depth), init=config.depth - 1)",
         "room = Signal(range(-1, config.depth + 1), init=config.depth)"),
        # Counted as taken although the output waits: lost.
        ("step.eq(enable & ~there[-1])", "step.eq(~there[-1])"),
        # The free places are never counted up: stands still.
        ("_count(m, room, up=leaves, down=write_now)",
         "_count(m, room, up=room[-1] & ~room[-1], down=write_now)"),
    ],
)  # fmt: skip
def test_broken_fifo(old: str, new: str, tmp_path: Path) -> None:
    fails(fifo(mutant(StreamFifo, old, new), 3, "lut"), tmp_path)


@pytest.mark.parametrize(("i_lanes", "o_lanes"), [(1, 3), (3, 1), (2, 3), (3, 2)])
def test_width_converter(i_lanes: int, o_lanes: int, tmp_path: Path) -> None:
    holds(converter(WidthConverter, i_lanes, o_lanes), tmp_path, second=12)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        # The last beat ends up lowest: reordered.
        ("Cat(group.payload[width:], self.i_stream.payload)",
         "Cat(self.i_stream.payload, group.payload[:-width])"),
        # Goes on although the group was not taken: lost.
        ("~group.valid | group.ready)", "1)"),
        # The next group replaces this one too early.
        ("(take & beat.last)", "take"),
    ],
)  # fmt: skip
def test_broken_width_converter(old: str, new: str, tmp_path: Path) -> None:
    fails(converter(mutant(WidthConverter, old, new), 2, 3), tmp_path)
