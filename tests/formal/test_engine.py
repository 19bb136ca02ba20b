"""The engine itself: what it takes for free, and what it finds."""

from __future__ import annotations

from pathlib import Path

import pytest
from amaranth.hdl import Assert, Assume, Cover, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In

from tests.formal.engine import Verdict, examine, second_opinion


class Count(wiring.Component):
    """Counts cycles of ``up`` to seven and stays there."""

    def __init__(self, *, claim: int, assumed: bool = False) -> None:
        self._claim, self._assumed = claim, assumed
        super().__init__({"up": In(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        count = Signal(4)
        with m.If(self.up & (count != 7)):
            m.d.sync += count.eq(count + 1)
        m.d.comb += [Assert(count <= self._claim), Cover(count == 4)]
        if self._assumed:
            m.d.comb += Assume(count < 4)
        return m


class Collide(wiring.Component):
    """Claims that a word that is read while it is written is what was there before."""

    def __init__(self, attrs: dict[str, int]) -> None:
        self._attrs = attrs
        super().__init__({"data": In(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.memory = memory = Memory(shape=1, depth=2, init=[], attrs=self._attrs)
        write, read = memory.write_port(), memory.read_port(domain="comb")
        fetched, before, older = Signal(), Signal(), Signal()
        m.d.comb += [write.en.eq(1), write.data.eq(self.data)]
        m.d.sync += [fetched.eq(read.data), before.eq(self.data), older.eq(before)]
        m.d.comb += [Assert(fetched == older), Cover(older)]
        return m


@pytest.mark.parametrize(
    ("claim", "assumed", "verdict"),
    [
        (7, False, Verdict(proved=True, frame=None, cover=4)),
        (5, False, Verdict(proved=False, frame=6, cover=4)),
        # The cover tells of assumptions under which too little is reached.
        (5, True, Verdict(proved=True, frame=None, cover=None)),
    ],
)
def test_verdicts(claim: int, assumed: bool, verdict: Verdict, tmp_path: Path) -> None:
    assert examine(Count(claim=claim, assumed=assumed), folder=tmp_path) == verdict


@pytest.mark.parametrize(
    ("claim", "assumed", "frame"), [(7, False, None), (5, False, 6), (5, True, None)]
)
def test_second_opinion(claim: int, assumed: bool, frame: int | None, tmp_path: Path) -> None:
    examine(Count(claim=claim, assumed=assumed), folder=tmp_path, cover=False)
    assert second_opinion(tmp_path, depth=10) == frame
    assert second_opinion(tmp_path, depth=6) is None, "frames 0 to 5"


@pytest.mark.parametrize(("depth", "proved"), [(6, True), (7, False)])
def test_depth(depth: int, proved: bool, tmp_path: Path) -> None:
    harness = Count(claim=5)
    assert examine(harness, folder=tmp_path, depth=depth, cover=False).proved == proved


@pytest.mark.parametrize("attrs", [{}, {"no_rw_check": 1}])
def test_collision_is_unknown_where_the_design_says_so(
    attrs: dict[str, int], tmp_path: Path
) -> None:
    assert examine(Collide(attrs), folder=tmp_path, cover=False).proved == (not attrs)
