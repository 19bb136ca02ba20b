"""Small pieces that the stream blocks share."""

from __future__ import annotations

from collections.abc import Collection

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib.memory import Memory, ReadPort

__all__ = [
    "Counter",
    "Loop",
    "delay",
    "make_memory",
    "nest",
    "read_registered",
    "replicate",
    "rotate",
]


class Counter:
    """A loop index 0 to ``count`` - 1; costs nothing where ``count`` is 1.

    `value` is the index, `last` whether it is the last one. `nest` advances it.
    """

    start = 0

    def __init__(self, count: int, name: str) -> None:
        self.count = count
        self.value: Value = Const(0, 1)
        self.last: Value = Const(1, 1)
        if count > 1:
            self.value = Signal(range(count), name=name)
            self.last = self.value == count - 1


class Loop:
    """A loop whose `last` is a register's bit, for where the clock counts.

    Index i stands in `value` as ``i - (count - 1)``: negative until the last one,
    so that no comparison is needed. `at` tells indices apart.
    """

    def __init__(self, count: int, name: str) -> None:
        self.count = count
        self.start = 1 - count
        self.value: Value = Const(0, 1)
        self.last: Value = Const(1, 1)
        if count > 1:
            self.value = Signal(signed((count - 2).bit_length() + 1), name=name, init=self.start)
            self.last = ~self.value[-1]

    def at(self, indices: Collection[int]) -> Value:
        """Whether the index is among ``indices``."""
        chosen = set(indices) & set(range(self.count))
        if len(chosen) in (0, self.count):
            return Const(int(bool(chosen)), 1)
        low = min(chosen)
        if len(chosen) == self.count - low:
            return self.last if low == self.count - 1 else self.value >= low + self.start
        if len(chosen) == 1:
            return self.value == low + self.start
        size = 1 << len(self.value)
        table = sum(1 << ((index + self.start) % size) for index in chosen)
        return Const(table, size).bit_select(self.value.as_unsigned(), 1)


def nest(m: Module, step: Value, *counters: Counter | Loop) -> None:
    """Advance nested loops, innermost first, in every cycle in which ``step`` is high."""
    carry = step
    for counter in counters:
        if isinstance(counter.value, Signal):
            following = carry & counter.last
            with m.If(carry):
                m.d.sync += counter.value.eq(_increment(counter.value))
            if counter.count % (1 << len(counter.value)):
                # Outermost, which makes it the flip-flops' own reset.
                with m.If(following):
                    m.d.sync += counter.value.eq(counter.start)
            carry = following


def _increment(value: Value) -> Value:
    """One more; in LUTs where that takes fewer than a carry chain with its ends."""
    if len(value) > 6:
        return value + 1
    return Cat(value[0] ^ 1, *(value[i] ^ value[:i].all() for i in range(1, len(value))))


def make_memory(shape: int, depth: int, kind: str) -> Memory:
    """A zeroed memory that Yosys makes of block RAM or of LUTs, as told.

    To be read through `read_registered`, and where a word is never wanted in the
    cycle in which it is written: see there.
    """
    style = "block" if kind == "block" else "distributed"
    return Memory(shape=shape, depth=depth, init=[], attrs={"ram_style": style, "no_rw_check": 1})


def read_registered(m: Module, port: ReadPort, address: Value, enable: Value, cycles: int) -> Value:
    """What ``port``, of domain "comb", reads at ``address``, ``cycles`` registers later.

    Yosys merges the first register into block RAM, and the netlist pass
    (`hw.flow.netlist`) the second, if it has the same enable and no reset. The
    memory's attribute ``no_rw_check`` tells Yosys that what is read in the cycle of a
    write to the same address is never looked at, which the reading block has to
    prove; without it a block RAM gets a register and a multiplexer for each bit that
    hold back the old word.
    """
    m.d.comb += port.addr.eq(address)
    value: Value = port.data
    for cycle in range(cycles):
        later = Signal(len(value), name=f"read_{cycle}", reset_less=True)
        with m.If(enable):
            m.d.sync += later.eq(value)
        value = later
    return value


def delay(m: Module, enable: Value, values: list[Value], cycles: int) -> list[Value]:
    """The values that many registers later."""
    for _ in range(cycles):
        later = [Signal(len(value), name="tag") for value in values]
        with m.If(enable):
            m.d.sync += [new.eq(old) for new, old in zip(later, values, strict=True)]
        values = list(later)
    return values


def replicate(code: int, lane_bits: int, lanes: int) -> int:
    """A beat of ``lanes`` equal codes."""
    return sum(code << lane * lane_bits for lane in range(lanes))


def rotate(values: list[Value], turn: Value, count: int) -> list[Value]:
    """``values[turn]`` and those after it, around the end, the first ``count`` of them.

    The list is as long as a power of two. Bit by bit of ``turn``, which takes fewer
    LUTs than a multiplexer for each.
    """
    for bit in reversed(range(len(values).bit_length() - 1)):
        # Those that the bits below may still bring to the front.
        needed = min(len(values), count + (1 << bit) - 1)
        values = [
            Mux(turn[bit], values[(i + (1 << bit)) % len(values)], values[i]) for i in range(needed)
        ] + values[needed:]
    return values[:count]
