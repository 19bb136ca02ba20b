"""Match sums: XNOR of codes and weights, added up.

Shaped for four-input LUTs: sum and carry of a full adder whose third input is a
match are functions of (a, b, x, w), one LUT each, so about half of the XNORs cost
nothing. The counters of `MatchSumConfig` are worked out side by side, one vector
operation for the same full adder of all of them; simulators run that quickly and
synthesis sees one repeated structure.
"""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.plan.array import MatchSumConfig

__all__ = ["MatchSum"]


class MatchSum(wiring.Component):
    """Sum of the matches of ``simd`` lanes.

    Parameters
    ----------
    config : MatchSumConfig

    Attributes
    ----------
    codes : unsigned(simd * lane_bits), in
        Lane i in bits ``[i*lane_bits, (i+1)*lane_bits)``.
    weights : unsigned(simd), in
        Bit i is lane i's weight; 1 is +1.
    sum : unsigned(sum_bits), out
    carry : unsigned(1), out
        ``sum + carry`` is the sum of the matches, where the match of a code t is t
        if its weight is 1 and ``2**lane_bits - 1 - t`` if it is 0.

    Both outputs follow the inputs by `latency_cycles`; nothing stalls.
    """

    def __init__(self, *, config: MatchSumConfig) -> None:
        self.config = config
        super().__init__(
            {
                "codes": In(config.simd * config.lane_bits),
                "weights": In(config.simd),
                "sum": Out(config.sum_bits),
                "carry": Out(1),
            }
        )

    @property
    def latency_cycles(self) -> int:
        return self.config.latency_cycles

    def elaborate(self, platform: object) -> Module:
        m = Module()
        if self.config.lane_bits == 1:
            numbers, carries = self._counters(m)
        else:
            numbers, carries = self._pairs(m), []
        while len(numbers) > 1:
            numbers, carries = _add_level(m, numbers, carries)
        (total, maximum) = numbers[0]
        assert maximum == self.config.sum_max
        m.d.comb += self.sum.eq(total)
        if carries:
            (carry,) = carries
            m.d.comb += self.carry.eq(carry)
        return m

    def _counters(self, m: Module) -> tuple[list[tuple[Value, int]], list[Value]]:
        """First register of binary lanes: (count, its maximum) of each counter, carries."""
        config = self.config
        counters, counted = config.counters, config.simd - config.carries
        # Lane p * counters + c is the p-th of counter c; the last row may be short.
        positions = [
            (self.codes[start : min(start + counters, counted)],
             self.weights[start : min(start + counters, counted)])
            for start in range(0, counted, counters)
        ]  # fmt: skip
        planes = []
        for bit in _count(m, positions):
            plane = Signal(counters, name=f"count_{len(planes)}", reset_less=True)
            m.d.sync += plane.eq(bit)
            planes.append(plane)
        numbers = []
        for counter in range(counters):
            maximum = len(range(counter, counted, counters))
            numbers.append((Cat(*planes)[counter::counters][: maximum.bit_length()], maximum))
        if not config.carries:
            return numbers, []
        carry = Signal(counters, name="carries", reset_less=True)
        m.d.sync += carry.eq(~(self.codes[counted:] ^ self.weights[counted:]))
        return numbers, list(carry)

    def _pairs(self, m: Module) -> list[tuple[Value, int]]:
        """First register of wider lanes: sums of two matches each, with their maximum."""
        bits = self.config.lane_bits
        matches = [
            Mux(weight, code, ~code)
            for weight, code in zip(
                self.weights,
                (self.codes.word_select(i, bits) for i in range(self.config.simd)),
                strict=True,
            )
        ]
        numbers, _ = _add_level(m, [(match, 2**bits - 1) for match in matches], [])
        return numbers


def _count(m: Module, positions: list[tuple[Value, Value]]) -> list[Value]:
    """Bits, lowest first, of the number of matches at ``positions``, for all counters.

    n positions are two halves of about (n - 1) / 2, each counted in the same way,
    added by a ripple of full adders whose carry input is the match left over.
    """
    if not positions:
        return []
    match = ~(positions[0][0] ^ positions[0][1])
    if len(positions) == 1:
        return [match]
    if len(positions) == 2:
        other = ~(positions[1][0] ^ positions[1][1])
        return [match ^ other, match & other]
    middle = 1 + (len(positions) - 1) // 2
    low, high = _count(m, positions[1:middle]), _count(m, positions[middle:])
    bits, carry = _ripple(m, low, high, match)
    if len(positions).bit_length() > len(bits):
        bits.append(carry)
    return bits


def _add_level(
    m: Module, numbers: list[tuple[Value, int]], carries: list[Value]
) -> tuple[list[tuple[Value, int]], list[Value]]:
    """Add neighbours, with a carry each while they last, and register all that is left."""
    added = []
    carries = list(carries)
    for left, right in zip(numbers[0::2], numbers[1::2], strict=False):
        maximum = left[1] + right[1] + (1 if carries else 0)
        carry = carries.pop(0) if carries else Const(0, 1)
        total = Signal(maximum.bit_length(), reset_less=True)
        m.d.sync += total.eq(_add(m, left[0], right[0], carry))
        added.append((total, maximum))
    if len(numbers) % 2:
        value, maximum = numbers[-1]
        total = Signal(maximum.bit_length(), reset_less=True)
        m.d.sync += total.eq(value)
        added.append((total, maximum))
    if not carries:
        return added, []
    kept = Signal(len(carries), name="carries", reset_less=True)
    m.d.sync += kept.eq(Cat(*carries))
    return added, list(kept)


def _add(m: Module, a: Value, b: Value, carry: Value) -> Value:
    """Sum of two numbers and a carry.

    A carry chain takes four sites more than its bits, so that numbers of up to
    four bits are cheaper as a ripple of LUTs, two to a full adder.
    """
    if max(len(a), len(b)) > 4:
        return a + b + carry
    bits, carry = _ripple(m, list(a), list(b), carry)
    return Cat(*bits, carry)


def _ripple(m: Module, a: list[Value], b: list[Value], carry: Value) -> tuple[list[Value], Value]:
    """Sum bits and last carry of a ripple of full adders; each bit may be a vector of bits."""
    bits = []
    for place in range(max(len(a), len(b))):
        operands = [half[place] for half in (a, b) if place < len(half)]
        odd, both = operands[0], Const(0, 1)
        if len(operands) == 2:
            odd, both = operands[0] ^ operands[1], operands[0] & operands[1]
        total, ripple = Signal(len(odd), name="total"), Signal(len(odd), name="ripple")
        m.d.comb += [total.eq(odd ^ carry), ripple.eq(both | (odd & carry))]
        bits.append(total)
        carry = ripple
    return bits, carry
