"""Sums of gated numbers: against integers, and the cells against the plain form by proof."""

from __future__ import annotations

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator, SimulatorContext

from hw.blocks.gated import Gated, add_gated
from tests.hw.blocks.test_carry import prove_equal


class Adder(wiring.Component):
    """`add_gated` of ``number`` and of ``other << 1``, six bits of each and a result of seven."""

    def __init__(self, *, subtract: bool, of_one: bool = False) -> None:
        self.subtract, self.of_one = subtract, of_one
        super().__init__({"number": In(6), "other": In(6), "gates": In(2), "total": Out(7)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        number = [None] * 7 if self.of_one else [*self.number, None]
        total = add_gated(
            m,
            platform,
            name="adder",
            number=Gated(number, self.gates[0]),
            other=Gated([None, *self.other[:4], None, self.other[5]], self.gates[1]),
            subtract=self.subtract,
        )
        m.d.comb += self.total.eq(total)
        return m


KINDS = [dict(subtract=s, of_one=o) for s in (False, True) for o in (False, True)]


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_sums(kind, rng):
    block = Adder(**kind)

    async def check(ctx: SimulatorContext) -> None:
        for _ in range(40):
            number, other, gates = (int(rng.integers(0, high)) for high in (64, 64, 4))
            ctx.set(block.number, number)
            ctx.set(block.other, other)
            ctx.set(block.gates, gates)
            first = 0 if kind["of_one"] else number * (gates & 1)
            second = (((other & 15) << 1) + ((other >> 5) << 6)) * (gates >> 1)
            expected = first - second if kind["subtract"] else first + second
            assert ctx.get(block.total) == expected % 128

    simulator = Simulator(block)
    simulator.add_testbench(check)
    simulator.run()


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_cells_are_equal(kind, tmp_path):
    prove_equal(Adder(**kind), tmp_path)
