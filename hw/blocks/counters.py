"""Small pieces that the stream blocks share."""

from __future__ import annotations

from amaranth.hdl import Array, Const, Module, Signal, Value
from amaranth.lib.memory import Memory

__all__ = ["Counter", "make_memory", "mark_outside", "nest", "replicate"]


class Counter:
    """A loop index 0 to ``count`` - 1; costs nothing where ``count`` is 1.

    `value` is the index, `last` whether it is the last one. `nest` advances it.
    """

    def __init__(self, count: int, name: str) -> None:
        self.count = count
        self.value: Value = Const(0, 1)
        self.last: Value = Const(1, 1)
        if count > 1:
            self.value = Signal(range(count), name=name)
            self.last = self.value == count - 1


def nest(m: Module, step: Value, *counters: Counter) -> None:
    """Advance nested loops, innermost first, in every cycle in which ``step`` is high."""
    carry = step
    for counter in counters:
        if isinstance(counter.value, Signal):
            with m.If(carry):
                m.d.sync += counter.value.eq(counter.value + 1)
                if counter.count & (counter.count - 1):
                    with m.If(counter.last):
                        m.d.sync += counter.value.eq(0)
            carry = carry & counter.last


def make_memory(shape: int, depth: int, kind: str) -> Memory:
    """A zeroed memory that Yosys makes of block RAM or of LUTs, as told."""
    style = "block" if kind == "block" else "distributed"
    return Memory(shape=shape, depth=depth, init=[], attrs={"ram_style": style})


def mark_outside(
    m: Module, out: Value, table: dict[int, tuple[bool, ...]], taps: int, name: str
) -> Signal:
    """Bit k: whether tap k of the window at position ``out`` is outside the map."""
    outside = Signal(taps, name=name)
    with m.Switch(out):
        for position, mask in table.items():
            with m.Case(position):
                m.d.comb += outside.eq(sum(bit << k for k, bit in enumerate(mask)))
    return outside


def replicate(code: int, lane_bits: int, lanes: int) -> int:
    """A beat of ``lanes`` equal codes."""
    return sum(code << lane * lane_bits for lane in range(lanes))


def pick(values: list[Value], index: Value) -> Value:
    """``values[index]``, where the list is as long as a power of two."""
    return values[0] if len(values) == 1 else Array(values)[index]
