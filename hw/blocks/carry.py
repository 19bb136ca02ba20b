"""Adders of many short numbers on one carry chain.

A site of a carry chain has a propagate P and a generate G, both functions of its
inputs; its sum is P ^ carry in, its carry out is P ? carry in : G. Two operands a, b
have P = a ^ b and G = a (or b, equal where P = 0). Between two *fields* stands a site
with P = 0: its sum is the carry out of the field below, so that field's highest bit,
and its G, the *rider*, is the carry into the field above. So many numbers share one
chain, and the ends of chains, which cost sites of their own, are few.

On ECP5 a site is half of a CCU2C. P is any function of A, B, C and D, bits 0 to 15 of
INIT being its table; G is a function of A and B, with bits 0 to 3 as its table. Inputs
left open read 1. So, INIT for what a site adds to its carry in, with its reason:

====================================  ======  ========================================
two matches A ^ B and C ^ D           0x6996  P is their parity, G = A ^ B
one match A ^ B                       0x6000  P = A ^ B; G = 0 where that is 0
A and B                               0x6008  P = A ^ B, G = A & B; C = D = 1
A alone                               0xA000  P = A; G = 0 where that is 0
(D ? A : C) and B                     0x663C  P is their parity, G = B
(D ? A : C) alone                     0xAAF0  P is it; G = 0 where that is 0
(D ? A : 0) and B                     0x66CC  as above with C = 1
(D ? A : 0) alone                     0xAA00
boundary with a match A ^ B as rider  0x0006  P = 0 for C = D = 1; G = A ^ B
boundary with A as rider              0x000A  G = A, whatever B is
boundary                              0x0000
====================================  ======  ========================================

For simulators and other families the same sums are vectors, an operation for the same
bit of all fields: full adders in LUTs, two of them each. An iCE40 has a carry in each of its logic
cells, so a bit of a long chain takes one; but what comes into a chain and out of it takes one
too, and a match is a LUT of its own there, while two LUTs add three bits of which one is a match.
So fields of `ICE40_CHAIN` bits and more are chains there, each its own, and shorter ones vectors.
``python -m benchmarks.popcount`` has the figures, and those of Gowin, where chains save nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from amaranth.hdl import Cat, Const, Instance, Module, Mux, Signal, Value

from hw.fabric import family_of
from hw.plan.carry import LONGEST_CHAIN, chains

__all__ = ["ICE40_CHAIN", "Choice", "Lanes", "Site", "add_fields", "chain_of"]

#: Bits of the operands from which on an addition is a carry chain on iCE40.
ICE40_CHAIN = 3

#: INIT and connections of a site; a boundary with a 1 makes a carry of 1.
Site = tuple[int, dict[str, Value]]


@dataclass(frozen=True)
class Lanes:
    """A bit of each field: ``codes``, each XORed with its bit of ``flips`` where there are any.

    Bit i is field i's; both are of one width, and fields beyond it have 0.
    """

    codes: Value
    flips: Value | None = None

    def __len__(self) -> int:
        return len(self.codes)

    def value(self) -> Value:
        return self.codes if self.flips is None else self.codes ^ self.flips

    def site(self, field: int) -> tuple[Value, ...] | None:
        """What field ``field`` has here: a bit, a code and its flip, or nothing."""
        if field >= len(self):
            return None
        if self.flips is None:
            return (self.codes[field],)
        return self.codes[field], self.flips[field]


@dataclass(frozen=True)
class Choice:
    """A bit of the one field: ``bit`` where ``later`` is 1, else ``start`` (None: 0)."""

    later: Value
    bit: Value
    start: Value | None

    def value(self) -> Value:
        return Mux(self.later, self.bit, 0 if self.start is None else self.start)


def add_fields(
    m: Module,
    platform: object,
    *,
    name: str,
    bits: Sequence[int],
    left: Sequence[Lanes | Choice],
    right: Sequence[Lanes],
    rider: Lanes | None = None,
    carry_out: bool = True,
    longest: int = LONGEST_CHAIN,
) -> list[Value]:
    """Sums ``left + right + rider`` of each field.

    Parameters
    ----------
    name : str
        Of the signals and cells; unique in ``m``.
    bits : sequence of int
        Width of each field's operands. Bits beyond it are 0 and are not looked at.
    left, right : sequence of Lanes
        The operands' bits, lowest first; at least ``max(bits)``. A `Choice` stands for
        a bit on the left of the only field.
    rider : Lanes or None
    carry_out : bool
        False, of a single field: its sum has no more bits than its operands.
    longest : int
        See `hw.plan.carry.chains`.

    Returns
    -------
    list of Value
        Bits of the sums, lowest first, ``max(bits) + 1`` vectors of a bit a field;
        one less without ``carry_out``.
    """
    if not carry_out:
        assert len(bits) == 1, "fields need boundaries"
    if family_of(platform) == "ecp5":
        return _on_chains(m, name, bits, left, right, rider, carry_out, longest)
    count = max(bits)
    left_bits = [bit.value() for bit in left[:count]]
    right_bits = [bit.value() for bit in right[:count]]
    carry = Const(0, 1) if rider is None else rider.value()
    if family_of(platform) == "ice40" and len(bits) > 1 and count >= ICE40_CHAIN:
        return _one_by_one(m, name, bits, left, right, rider)
    if len(bits) == 1:
        total = Signal(count + carry_out, name=name)
        m.d.comb += total.eq(Cat(*left_bits) + Cat(*right_bits) + carry)
        return list(total)
    return _ripple(m, name, len(bits), left_bits, right_bits, carry)


def _ripple(
    m: Module, name: str, fields: int, left: list[Value], right: list[Value], carry: Value
) -> list[Value]:
    """Vectors of full adders, from the lowest bit to the highest."""
    sums: list[Value] = []
    for place, a in enumerate(left):
        odd, both = a, Const(0, 1)
        if place < len(right):
            odd, both = a ^ right[place], a & right[place]
        total = Signal(fields, name=f"{name}_sum_{place}")
        ripple = Signal(fields, name=f"{name}_carry_{place}")
        m.d.comb += [total.eq(odd ^ carry), ripple.eq(both | (odd & carry))]
        sums.append(total)
        carry = ripple
    return [*sums, carry]


def _one_by_one(
    m: Module,
    name: str,
    bits: Sequence[int],
    left: Sequence[Lanes | Choice],
    right: Sequence[Lanes],
    rider: Lanes | None,
) -> list[Value]:
    """A plain addition of each field; a rider is twice in front of the lowest bits."""
    zero = Const(0, 1)
    planes: list[list[Value]] = [[zero] * len(bits) for _ in range(max(bits) + 1)]
    for field, width in enumerate(bits):
        one = Cat(_match(lanes, field) for lanes in left[:width])
        other = Cat(_match(lanes, field) for lanes in right[:width])
        total = Signal(width + 1, name=f"{name}_{field}")
        if rider is None or field >= len(rider):
            m.d.comb += total.eq(one + other)
        else:
            carry = _match(rider, field)
            m.d.comb += total.eq((Cat(carry, one) + Cat(carry, other)) >> 1)
        for place, bit in enumerate(total):
            planes[place][field] = bit
    return [Cat(*plane) for plane in planes]


def _match(lanes: Lanes | Choice, field: int) -> Value:
    """What a field has, as a bit."""
    assert isinstance(lanes, Lanes), "a choice among several fields"
    bits = lanes.site(field)
    if bits is None:
        return Const(0, 1)
    return bits[0] if len(bits) == 1 else bits[0] ^ bits[1]


def _on_chains(
    m: Module,
    name: str,
    bits: Sequence[int],
    left: Sequence[Lanes | Choice],
    right: Sequence[Lanes],
    rider: Lanes | None,
    carry_out: bool,
    longest: int,
) -> list[Value]:
    """The sums on CCU2Cs."""
    zero = Const(0, 1)
    planes: list[list[Value]] = [[zero] * len(bits) for _ in range(max(bits) + carry_out)]
    for number, fields in enumerate(chains(bits, longest)):
        sites: list[Site] = []
        for field in fields:
            sites.append(_boundary(rider.site(field) if rider is not None else None))
            for place in range(bits[field]):
                other = right[place].site(field) if place < len(right) else None
                sites.append(_adder(left[place], other, field))
        if carry_out:
            sites.append(_boundary(None))
        sums = chain_of(m, f"{name}_{number}", sites)
        position = 1
        for field in fields:
            for place in range(bits[field] + carry_out):
                planes[place][field] = sums[position + place]
            position += bits[field] + 1
    return [Cat(*plane) for plane in planes]


def _boundary(rider: tuple[Value, ...] | None) -> Site:
    if rider is None:
        return 0x0000, {}
    return (0x000A if len(rider) == 1 else 0x0006), dict(zip("AB", rider, strict=False))


def _adder(left: Lanes | Choice, other: tuple[Value, ...] | None, field: int) -> Site:
    """The site that adds ``left`` and the other operand, or the first of them alone."""
    if isinstance(left, Choice):
        ports = {"A": left.bit, "D": left.later}
        if left.start is not None:
            ports["C"] = left.start
        if other is None:
            return (0xAA00 if left.start is None else 0xAAF0), ports
        (ports["B"],) = other
        return (0x66CC if left.start is None else 0x663C), ports
    one = left.site(field)
    assert one is not None, "a field has no left operand"
    if other is None:
        return (0xA000 if len(one) == 1 else 0x6000), dict(zip("AB", one, strict=False))
    assert len(one) == len(other), "a match and a bit in one site"
    init = 0x6008 if len(one) == 1 else 0x6996
    return init, dict(zip("ABCD", one + other, strict=False))


def chain_of(m: Module, name: str, sites: list[Site]) -> list[Value]:
    """CCU2Cs for sites, lowest first; returns the sites' sums."""
    sites = [*sites, (0x0000, {})] if len(sites) % 2 else sites
    sums = Signal(len(sites), name=f"{name}_sums")
    carry: Value | None = None
    for at in range(0, len(sites), 2):
        ports: dict[str, object] = {}
        for half, (init, inputs) in enumerate(sites[at : at + 2]):
            ports[f"p_INIT{half}"] = Const(init, 16)
            ports[f"p_INJECT1_{half}"] = "NO"
            ports[f"o_S{half}"] = sums[at + half]
            for port in "ABCD":
                ports[f"i_{port}{half}"] = inputs.get(port, Const(1, 1))
        if carry is not None:
            ports["i_CIN"] = carry
        if at + 2 < len(sites):
            carry = Signal(name=f"{name}_carry_{at // 2}")
            ports["o_COUT"] = carry
        m.submodules[f"{name}_{at // 2}"] = Instance("CCU2C", **ports)
    return list(sums)
