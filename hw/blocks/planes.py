"""A row of the integer array that takes its weights bit plane by bit plane."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.blocks.carry import Choice, Lanes, add_fields
from hw.blocks.popcount import MatchSum
from hw.plan.integer import IntegerArrayConfig

__all__ = ["PlaneRow"]


class PlaneRow(wiring.Component):
    """Match sum and accumulator, doubled from plane to plane; see `hw.plan.integer`.

    Parameters
    ----------
    config : IntegerArrayConfig

    Attributes
    ----------
    codes : unsigned(simd * lane_bits), in
    weights : unsigned(simd), in
        Flips of the plane's lanes, as `MatchSum`.
    valid, keep, last : unsigned(1), in
        `MatchSum`'s latency behind the beat: add the sum; to the accumulator as it is, not
        to twice of it; it is the fold's last, which implies ``valid``.
    start : unsigned(sum_bits), in
        A cycle behind the last beat's sum: what is added to all that was accumulated.
    result : unsigned(acc_bits), out
        From two cycles after the last beat's sum, for a cycle.
    """

    def __init__(self, *, config: IntegerArrayConfig) -> None:
        self.config = config
        super().__init__(
            {
                "codes": In(config.simd * config.lane_bits),
                "weights": In(config.simd),
                "valid": In(1),
                "keep": In(1),
                "last": In(1),
                "start": In(config.sum_bits),
                "result": Out(config.acc_bits),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        m.submodules.match_sum = match_sum = MatchSum(config=config.match_sum)
        m.d.comb += [match_sum.codes.eq(self.codes), match_sum.flips.eq(self.weights)]
        accumulator, total = Signal(config.sum_bits), Signal(config.sum_bits)
        doubled = [None, *accumulator[:-1]]
        carry = Lanes(match_sum.carry_code, match_sum.carry_flip)
        sums = add_fields(
            m,
            platform,
            name="sums",
            bits=[config.sum_bits],
            left=[Choice(self.keep, *bits) for bits in zip(accumulator, doubled, strict=True)],
            right=[Lanes(bit) for bit in match_sum.sum[: config.sum_bits]],
            rider=carry if config.match_sum.has_carry else None,
            carry_out=False,
        )
        # A finished sum has a register, as the next fold starts from 0 in the next cycle.
        finished = Signal(config.sum_bits, reset_less=True)
        m.d.comb += total.eq(Cat(*sums))
        with m.If(self.valid):
            m.d.sync += accumulator.eq(total)
        with m.If(self.last):
            m.d.sync += [accumulator.eq(0), finished.eq(total)]
        result = Signal(config.acc_bits, reset_less=True)
        m.d.sync += result.eq((finished * config.step + self.start)[1:])
        m.d.comb += self.result.eq(result)
        return m
