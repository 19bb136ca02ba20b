"""Forms of a popcount of matches, each between registers; see `benchmarks.popcount`."""

from __future__ import annotations

from collections.abc import Callable

from amaranth.hdl import Cat, ClockDomain, ClockSignal, Elaboratable, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["FORMS", "Harness", "Popcount"]

#: Makes the bits of a count of bits, lowest first.
Counter = Callable[[list[Value]], list[Value]]
#: Makes a sum of bits.
Form = Callable[[Module, list[Value]], Value]


def _whole(m: Module, bits: list[Value]) -> Value:
    """One sum, whose order is left to Yosys."""
    del m
    total = bits[0]
    for bit in bits[1:]:
        total = total + bit
    return total


def _tree(m: Module, bits: list[Value]) -> Value:
    """A binary tree of adders."""
    del m
    numbers = bits
    while len(numbers) > 1:
        rest = numbers[len(numbers) // 2 * 2 :]
        numbers = [a + b for a, b in zip(numbers[::2], numbers[1::2], strict=False)] + rest
    return numbers[0]


def _three(bits: list[Value]) -> list[Value]:
    """3:2, a full adder."""
    a, b, c = bits
    return [a ^ b ^ c, (a & b) | (a & c) | (b & c)]


def _seven(bits: list[Value]) -> list[Value]:
    """7:3, four full adders."""
    first, second = _three(bits[:3]), _three(bits[3:6])
    third = _three([first[0], second[0], bits[6]])
    return [third[0], *_three([first[1], second[1], third[1]])]


def _six(bits: list[Value]) -> list[Value]:
    """6:3, of each bit a function of all six."""
    a, b, c, d, e, f = bits
    low, high = _three([a, b, c]), _three([d, e, f])
    both = low[0] & high[0]
    return [low[0] ^ high[0], *_three([low[1], high[1], both])]


def _four(bits: list[Value]) -> list[Value]:
    """4:3, a LUT4 for each bit."""
    a, b, c, d = bits
    parity, every = a ^ b ^ c ^ d, a & b & c & d
    two = (a & b) | (c & d) | ((a | b) & (c | d))
    return [parity, two & ~every, every]


def _named(m: Module, bits: list[Value]) -> list[Value]:
    """The bits as signals, so that what reads them twice does not make them twice."""
    signals = [Signal(name="bit") for _ in bits]
    m.d.comb += [signal.eq(bit) for signal, bit in zip(signals, bits, strict=True)]
    return list(signals)


def _compressed(counters: dict[int, Counter]) -> Form:
    """Columns are counted until each has two bits; one adder adds these."""

    def form(m: Module, bits: list[Value]) -> Value:
        columns = [bits]
        while max(len(column) for column in columns) > 2:
            after: list[list[Value]] = [[] for _ in range(len(columns) + 3)]
            for place, column in enumerate(columns):
                rest = list(column)
                while len(rest) > 2:
                    width = max((w for w in counters if w <= len(rest)), default=3)
                    count = counters.get(width, _three)
                    for offset, bit in enumerate(_named(m, count(rest[:width]))):
                        after[place + offset].append(bit)
                    rest = rest[width:]
                after[place] += rest
            while not after[-1]:
                after.pop()
            columns = after
        # A column may be empty: a number has a zero there.
        first = [column[0] if column else 0 for column in columns]
        second = [column[1] if len(column) > 1 else 0 for column in columns]
        return Cat(*(Value.cast(bit) for bit in first)) + Cat(*(Value.cast(b) for b in second))

    return form


def _looked_up(m: Module, bits: list[Value]) -> Value:
    """Four bits are looked up; adders add these numbers."""
    groups = [bits[at : at + 4] for at in range(0, len(bits), 4)]
    numbers = [Cat(*_four(group)) if len(group) == 4 else _whole(m, group) for group in groups]
    return _tree(m, numbers)


#: By name: what makes a sum of bits.
FORMS: dict[str, Form] = {
    "one sum": _whole,
    "tree of adders": _tree,
    "3:2, then a chain": _compressed({3: _three}),
    "6:3, then a chain": _compressed({6: _six, 3: _three}),
    "7:3, then a chain": _compressed({7: _seven, 3: _three}),
    "4 looked up, then adders": _looked_up,
}


class Popcount(wiring.Component):
    """Matches of ``lanes`` lanes, counted in one of `FORMS`; registers are around it.

    Attributes
    ----------
    codes, flips : unsigned(lanes), in
    sum : unsigned, out
        A cycle later.
    """

    def __init__(self, form: str, lanes: int) -> None:
        self._form, self._lanes = form, lanes
        sums = lanes.bit_length()
        super().__init__({"codes": In(lanes), "flips": In(lanes), "sum": Out(sums)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        matches = [code ^ flip for code, flip in zip(self.codes, self.flips, strict=True)]
        m.d.sync += self.sum.eq(FORMS[self._form](m, _named(m, matches)))
        return m


class Harness(Elaboratable):
    """A block behind four pins, so that its inputs and outputs are registers and no pins.

    A shift register feeds the inputs; outputs are taken with ``load`` and shifted out. That is
    a cell for each bit of either.

    Parameters
    ----------
    block : wiring.Component

    Attributes
    ----------
    clk, i, load, o : the pins
    bits : cells that are the harness's
    """

    def __init__(self, block: wiring.Component) -> None:
        self._block = block
        self._ports: dict[bool, list[Value]] = {True: [], False: []}
        for _, member, value in block.signature.flatten(block):
            self._ports[member.flow == In].append(Value.cast(value))
        self.bits = sum(len(value) for values in self._ports.values() for value in values)
        self.clk, self.i, self.load, self.o = (Signal(name=n) for n in ("clk", "i", "load", "o"))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.domains.sync = ClockDomain("sync", reset_less=True)
        m.d.comb += ClockSignal().eq(self.clk)
        m.submodules.block = self._block
        inputs, outputs = Cat(*self._ports[True]), Cat(*self._ports[False])
        fed, taken = Signal(len(inputs)), Signal(len(outputs))
        m.d.sync += [fed.eq(Cat(self.i, fed)), taken.eq(taken[1:])]
        with m.If(self.load):
            m.d.sync += taken.eq(outputs)
        at = 0
        for value in self._ports[True]:
            m.d.comb += value.eq(fed[at : at + len(value)])
            at += len(value)
        m.d.comb += self.o.eq(taken[0])
        return m
