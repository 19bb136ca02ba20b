"""Blocks in their harnesses, of the shapes that are proved; a broken copy goes in as the block."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from hw.blocks.line_buffer_serial import SerialLineBuffer
from hw.link.register import StreamBuffer, StreamRegister, StreamRelay
from hw.plan.join import FifoConfig
from hw.plan.stream import LineBufferConfig, WidthConfig
from tests.formal.follow import Follow
from tests.formal.windows import FollowWindows

__all__ = ["PARALLEL", "REGISTERS", "SERIAL", "converter", "fifo", "line_buffer"]

#: Block, beats that it holds, cycles within which a beat moves.
REGISTERS = [(StreamRegister, 1, 1), (StreamBuffer, 2, 2), (StreamRelay, 2, 3)]


def fifo(block: Any, depth: int, memory: Any) -> Follow:
    config = FifoConfig(width=1, depth=depth, memory=memory)
    return Follow(block(config=config), most=depth, wait=config.full_rate_depth)


def converter(block: Any, i_lanes: int, o_lanes: int) -> Follow:
    """Up to a group is collected, another stands collected, a third is taken apart."""
    config = WidthConfig(i_lanes=i_lanes, o_lanes=o_lanes, lane_bits=1)
    group = config.block_lanes
    parts = (config.i_beats > 1) + (config.o_beats > 1)
    return Follow(
        block(config=config),
        i_lanes=i_lanes,
        o_lanes=o_lanes,
        most=parts * group,
        due=group,
        wait=max(config.i_beats, config.o_beats) + 1,
    )


class _FourWords(LineBufferConfig):
    @cached_property
    def depth(self) -> int:
        return 4


class _TwoRows(LineBufferConfig):
    @cached_property
    def rows(self) -> int:
        return 2


class _FourRows(LineBufferConfig):
    @cached_property
    def rows(self) -> int:
        return 4


def _serial(**fields: Any) -> LineBufferConfig:
    return _FourWords(channels=1, lane_bits=1, simd=1, **fields)


#: Configs, and cycles within which a word moves. A window that is the whole map; one with padding
#: at its side; a stride that leaves rows and columns out; two windows side by side.
SERIAL = {
    "whole": (_serial(height=2, width=2, kernel=(2, 2)), 14),
    "padded": (_serial(height=1, width=2, kernel=(1, 2), left=1), 12),
    "strided": (_serial(height=2, width=2, stride=(2, 2)), 12),
    "columns": (_serial(height=1, width=2, columns=2), 12),
}

#: Likewise: a window in two beats, twice; padding to the right and below, where the end of a row
#: and the beginning of the next are one move; banks of two rows each.
PARALLEL = {
    "repeated": (_TwoRows(height=2, width=2, kernel=(2, 2), channels=1, lane_bits=1,
                          simd=2, repeats=2), 10),
    "joined": (_TwoRows(height=2, width=2, kernel=(2, 2), bottom=1, right=1, channels=1,
                        lane_bits=1, simd=4), 9),
    "turning": (_FourRows(height=2, width=1, kernel=(2, 1), top=1, channels=1, lane_bits=1,
                          simd=2), 11),
}  # fmt: skip


def line_buffer(block: Any, shape: str) -> FollowWindows:
    """A line buffer of a shape of `SERIAL` or `PARALLEL`."""
    serial = block.__name__ == SerialLineBuffer.__name__
    config, wait = (SERIAL if serial else PARALLEL)[shape]
    return FollowWindows(block(config=config), config=config, wait=wait)
