"""The processing element."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.blocks.carry import Choice, Lanes, add_fields
from hw.blocks.popcount import MatchSum
from hw.plan.array import ArrayConfig

__all__ = ["PE"]


class PE(wiring.Component):
    """XNOR lanes, match sum and accumulator of one row; the same in every row.

    A single level of thresholds is a start value of the accumulator: for matches A,
    b = ``match_bits`` and a threshold t, ``2**b - t + A`` has bit b set if A >= t, so
    that bit is the code.

    Parameters
    ----------
    config : ArrayConfig

    Attributes
    ----------
    codes : unsigned(simd * lane_bits), in
    flips : unsigned(simd), in
        As `MatchSum`.
    valid, later, last : unsigned(1), in
        `MatchSum`'s latency behind the beat: add the sum; it is not the fold's first;
        it is the fold's last. ``last`` implies ``valid``.
    start : unsigned(match_bits + 1), in
        Of an array of one level, ``2**match_bits - t`` for t from 0 to
        ``2**match_bits``; looked at when ``valid`` and not ``later``. Others have none.
    result : unsigned(pe_bits), out
        From the cycle after ``last``. Of one level: the code, 1 if A >= t, until the
        next fold's. Else the matches A: where there are several levels only for that
        cycle, where there are none until the next fold's.
    """

    def __init__(self, *, config: ArrayConfig) -> None:
        self.config = config
        members = {
            "codes": In(config.simd * config.lane_bits),
            "flips": In(config.simd),
            "valid": In(1),
            "later": In(1),
            "last": In(1),
            "result": Out(config.pe_bits),
        }
        if config.has_start:
            members["start"] = In(config.match_bits + 1)
        super().__init__(members)

    @property
    def latency_cycles(self) -> int:
        return self.config.match_sum.latency_cycles + 1

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        m.submodules.match_sum = match_sum = MatchSum(config=config.match_sum)
        m.d.comb += [match_sum.codes.eq(self.codes), match_sum.flips.eq(self.flips)]

        bits = config.match_bits + config.has_start
        total = Signal(bits)
        accumulator = Signal(bits, reset_less=True)
        if config.synapse_folds > 1:
            with m.If(self.valid):
                m.d.sync += accumulator.eq(total)
        m.d.comb += total.eq(self._total(m, platform, match_sum, accumulator))
        if config.synapse_folds > 1 and config.thresholds is not None and not config.has_start:
            m.d.comb += self.result.eq(accumulator)
            return m
        result = Signal(config.pe_bits, reset_less=True)
        with m.If(self.last):
            m.d.sync += result.eq(total[-1] if config.has_start else total)
        m.d.comb += self.result.eq(result)
        return m

    def _total(
        self, m: Module, platform: object, match_sum: MatchSum, accumulator: Signal
    ) -> Value:
        """What the accumulator has after this beat."""
        config = self.config
        carry = Lanes(match_sum.carry_code, match_sum.carry_flip)
        rider = carry if config.match_sum.has_carry else None
        right = [Lanes(bit) for bit in match_sum.sum]
        start = list(self.start) if config.has_start else None
        if config.synapse_folds > 1:
            first = start or [None] * len(accumulator)
            left = [Choice(self.later, bit, s) for bit, s in zip(accumulator, first, strict=True)]
        elif start is not None:
            left = [Lanes(bit) for bit in start]
        else:
            left, right = right, []
            if rider is None:
                return match_sum.sum
        sums = add_fields(
            m,
            platform,
            name="total",
            bits=[len(left)],
            left=left,
            right=right,
            rider=rider,
            carry_out=len(left) < len(accumulator),
        )
        return Cat(*sums)
