"""The line buffer's control: every tap is read after it was written and before it is overwritten.

Serial mode, with memories of four words, for which the planner would take sixteen: slower, and no
less right; and soon full, so that writer and reader wait for each other.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from hw.blocks.line_buffer_serial import SerialLineBuffer
from hw.plan.stream import LineBufferConfig
from tests.formal.engine import examine
from tests.formal.mutants import mutant
from tests.formal.one_word import OneWordMemory
from tests.formal.windows import FollowWindows


class SmallMemories(LineBufferConfig):
    @cached_property
    def depth(self) -> int:
        return 4


def config(**fields: Any) -> LineBufferConfig:
    return SmallMemories(channels=1, lane_bits=1, simd=1, **fields)


#: A window that is the whole map; one with padding at its side; a stride that leaves rows and
#: columns out; two windows side by side. And cycles within which a word moves.
SHAPES = {
    "whole": (config(height=2, width=2, kernel=(2, 2)), 14),
    "padded": (config(height=1, width=2, kernel=(1, 2), left=1), 12),
    "strided": (config(height=2, width=2, stride=(2, 2)), 12),
    "columns": (config(height=1, width=2, columns=2), 12),
}


def harness(block: Any, shape: str, monkeypatch: pytest.MonkeyPatch) -> FollowWindows:
    chosen, wait = SHAPES[shape]
    memories: list[OneWordMemory] = []

    def make(*arguments: Any) -> OneWordMemory:
        memories.append(OneWordMemory(*arguments))
        return memories[-1]

    monkeypatch.setitem(block.elaborate.__globals__, "make_memory", make)
    return FollowWindows(block(config=chosen), config=chosen, memories=memories, wait=wait)


@pytest.mark.parametrize("shape", SHAPES)
def test_line_buffer(shape: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    verdict = examine(harness(SerialLineBuffer, shape, monkeypatch), folder=tmp_path)
    assert verdict.proved and verdict.cover is not None, verdict


@pytest.mark.parametrize(
    ("shape", "old", "new"),
    [
        # Four places more than there are: overwritten before they are read.
        ("whole", "init=config.capacity - 1 +", "init=config.capacity + 3 +"),
        # Complete with any pixel of the row: read before it is written.
        ("whole", "pixel & y.at(rows) & x.at(columns)", "pixel & y.at(rows)"),
        # Another place for the next frame.
        ("strided", "add(config.height * places.row", "add(1 + config.height * places.row"),
        # Half of the places are never given free: stands still.
        ("whole", "m.d.sync += released.eq(0)", "pass"),
    ],
)
def test_broken_line_buffer(
    shape: str, old: str, new: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = harness(mutant(SerialLineBuffer, old, new), shape, monkeypatch)
    verdict = examine(broken, folder=tmp_path, cover=False)
    assert not verdict.proved and verdict.frame is not None, verdict
