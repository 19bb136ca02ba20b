"""Sums of two numbers that are there or not, as products with bits of a digit are.

On ECP5 a site of a carry chain ANDs both bits with their gates as it adds them. In the terms
of `hw.blocks.carry`, a site has A and B, a bit and its gate, and C and D, another's:

==============================  ======  =====================================
A & B and C & D                 0x7888  P = (A & B) ^ (C & D), G = A & B
A & B alone                     0x8000  P = A & B; G = 0 where that is 0
~(A & B) and C & D              0x8777  P = ~(A & B) ^ (C & D), G = ~(A & B)
~(A & B) alone                  0x7000  P = ~(A & B); G = 0 where that is 0
1 and A & B                     0x700F  P = ~(A & B), G = 1
1 alone                         0xF000  P = 1
boundary with a carry of 1      0x000F  P = 0, G = 1
==============================  ======  =====================================
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value

from hw.blocks.carry import Site, chain_of
from hw.fabric import family_of

__all__ = ["Gated", "add_gated"]


@dataclass(frozen=True)
class Gated:
    """The number ``bits``, lowest first, where ``gate`` is 1, else 0; None is a bit that is 0."""

    bits: Sequence[Value | None]
    gate: Value

    def value(self) -> Value:
        number = Cat(Const(0, 1) if bit is None else bit for bit in self.bits)
        return Mux(self.gate, number, 0)


def add_gated(
    m: Module, platform: object, *, name: str, number: Gated, other: Gated, subtract: bool = False
) -> Value:
    """``number + other``, or with ``subtract`` ``number - other``.

    Parameters
    ----------
    name : str
        Of the signals and cells; unique in ``m``.
    number, other : Gated
        Of as many bits as the result, which has no carry.
    """
    assert len(number.bits) == len(other.bits), "widths differ"
    count = len(number.bits)
    if family_of(platform) != "ecp5":
        total = Signal(count, name=name)
        a, b = number.value(), other.value()
        m.d.comb += total.eq(a - b if subtract else a + b)
        return total
    sites: list[Site] = [(0x000F if subtract else 0x0000, {})]
    for one, two in zip(number.bits, other.bits, strict=True):
        first, second = _pair(one, number.gate), _pair(two, other.gate)
        sites.append(_less(first, second) if subtract else _plus(first, second))
    return Cat(chain_of(m, name, sites)[1 : count + 1])


def _pair(bit: Value | None, gate: Value) -> tuple[Value, ...]:
    return () if bit is None else (bit, gate)


def _plus(first: tuple[Value, ...], second: tuple[Value, ...]) -> Site:
    """The site that adds two gated bits, or the one there is."""
    init = {0: 0x0000, 2: 0x8000, 4: 0x7888}[len(first + second)]
    return init, dict(zip("ABCD", first + second, strict=False))


def _less(first: tuple[Value, ...], second: tuple[Value, ...]) -> Site:
    """The site that adds a gated bit and the complement of another."""
    if second:
        ports = dict(zip("ABCD", second + first, strict=False))
        return (0x8777 if first else 0x7000), ports
    return (0x700F if first else 0xF000), dict(zip("AB", first, strict=False))
