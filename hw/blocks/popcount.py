"""Match sums: the matches of a beat's lanes, added up on carry chains."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.blocks.carry import Lanes, add_fields
from hw.plan.match_sum import AddLevel, MatchSumConfig

__all__ = ["MatchSum"]


class MatchSum(wiring.Component):
    """Sum of the matches of ``simd`` lanes; `hw.plan.match_sum` says how they are added.

    A lane that rides in a later level may come later: then it needs no registers on
    its way, as an array has each code in the next rows a cycle later anyway.

    Parameters
    ----------
    config : MatchSumConfig

    Attributes
    ----------
    codes : unsigned(simd * lane_bits), in
        Lane i in bits ``[i*lane_bits, (i+1)*lane_bits)``, ``config.delays[i]`` cycles
        behind lane 0.
    flips : unsigned(simd), in
        The match of a code t is t where the lane's bit is 0, the weight +1, and
        ``2**lane_bits - 1 - t`` where it is 1. Lane i's is ``config.flip_delays[i]``
        cycles behind lane 0's.
    sum : unsigned(sum_bits), out
        `latency_cycles` behind lane 0.
    carry_code, carry_flip : unsigned(1), out
        A last lane that is not in the sum, in the same cycle as it: its match is
        ``carry_code ^ carry_flip``. 0 where there is none.
    """

    def __init__(self, *, config: MatchSumConfig) -> None:
        self.config = config
        super().__init__(
            {
                "codes": In(config.simd * config.lane_bits),
                "flips": In(config.simd),
                "sum": Out(config.sum_bits),
                "carry_code": Out(1),
                "carry_flip": Out(1),
            }
        )

    @property
    def latency_cycles(self) -> int:
        return self.config.latency_cycles

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        groups = config.groups
        left, right = self._planes(0, groups), self._planes(groups, min(2 * groups, config.simd))
        rest: list[Value] = []
        for number, level in enumerate(config.levels):
            sums = add_fields(
                m,
                platform,
                name=f"level_{number}",
                bits=level.bits,
                left=left,
                right=right,
                rider=self._rider(m, number, level),
                longest=level.longest_chain,
            )
            numbers = self._numbers(m, number, level, sums, rest)
            half = len(level.maxima) // 2
            left = [Lanes(plane[:half]) for plane in numbers]
            right = [Lanes(plane[half : 2 * half]) for plane in numbers]
            rest = [plane[2 * half :] for plane in numbers]
        m.d.comb += self.sum.eq(Cat(*rest))
        if config.has_carry:
            last = Lanes(self.codes[-1], self._late_flips(m, "carry", range(config.simd)[-1:]))
            assert last.flips is not None
            m.d.comb += [self.carry_code.eq(last.codes), self.carry_flip.eq(last.flips)]
        return m

    def _planes(self, first: int, stop: int) -> list[Lanes]:
        """Bits, lowest first, of the lanes from ``first`` to ``stop``."""
        bits = self.config.lane_bits
        codes = self.codes[first * bits : stop * bits]
        return [Lanes(codes[place::bits], self.flips[first:stop]) for place in range(bits)]

    def _rider(self, m: Module, number: int, level: AddLevel) -> Lanes | None:
        if not level.riders:
            return None
        codes = self.codes[level.riders.start : level.riders.stop]
        return Lanes(codes, self._late_flips(m, f"level_{number}", level.riders))

    def _late_flips(self, m: Module, name: str, lanes: range) -> Value:
        """Flips of riders, as late as their codes."""
        value: Value = self.flips[lanes.start : lanes.stop]
        late = self.config.delays[lanes.start] - self.config.flip_delays[lanes.start]
        for k in range(1, late + 1):
            register = Signal(len(lanes), name=f"{name}_flips_{k}", reset_less=True)
            m.d.sync += register.eq(value)
            value = register
        return value

    def _numbers(
        self, m: Module, number: int, level: AddLevel, sums: list[Value], rest: list[Value]
    ) -> list[Value]:
        """Bits of all numbers after a level, lowest first; ``rest`` is one left over."""
        planes = []
        for place in range(max(level.maxima).bit_length()):
            plane = sums[place]
            if len(level.maxima) > len(level.bits):
                plane = Cat(plane, rest[place] if place < len(rest) else Const(0, 1))
            if level.registered:
                register = Signal(len(plane), name=f"numbers_{number}_{place}", reset_less=True)
                m.d.sync += register.eq(plane)
                plane = register
            planes.append(plane)
        return planes
