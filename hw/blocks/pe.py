"""The processing element."""

from __future__ import annotations

from amaranth.hdl import Const, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.blocks.popcount import MatchSum
from hw.plan.array import ArrayConfig

__all__ = ["PE"]


class PE(wiring.Component):
    """XNOR lanes, match sum and accumulator of one row; the same in every row.

    Parameters
    ----------
    config : ArrayConfig

    Attributes
    ----------
    codes : unsigned(simd * lane_bits), in
    weights : unsigned(simd), in
        As `MatchSum`; a beat and its weights arrive in the same cycle.
    valid, last : unsigned(1), in
        `MatchSum`'s latency behind the beat: add the sum; it is the fold's last.
    matches : unsigned(match_bits), out
        Matches A of the fold, from the cycle after ``last`` until the next fold's.
    """

    def __init__(self, *, config: ArrayConfig) -> None:
        self.config = config
        super().__init__(
            {
                "codes": In(config.simd * config.lane_bits),
                "weights": In(config.simd),
                "valid": In(1),
                "last": In(1),
                "matches": Out(config.match_bits),
            }
        )

    @property
    def latency_cycles(self) -> int:
        return self.config.match_sum.latency_cycles + 1

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        m.submodules.match_sum = match_sum = MatchSum(config=config.match_sum)
        m.d.comb += [match_sum.codes.eq(self.codes), match_sum.weights.eq(self.weights)]

        matches = Signal(config.match_bits, reset_less=True)
        accumulator = Signal(config.match_bits)
        total = Signal(config.match_bits)
        before = accumulator if config.synapse_folds > 1 else Const(0, 1)
        m.d.comb += total.eq(before + match_sum.sum + match_sum.carry)
        # Two registers, so that the accumulator is cleared by the flip-flops' own
        # reset, without a LUT per bit, while the finished sum waits beside it.
        with m.If(self.valid):
            m.d.sync += accumulator.eq(total)
        with m.If(self.last):
            m.d.sync += [matches.eq(total), accumulator.eq(0)]
        m.d.comb += self.matches.eq(matches)
        return m
