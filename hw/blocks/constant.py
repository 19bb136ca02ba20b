"""Sums under constant weights.

On ECP5 each adder of `hw.plan.constant` is a field on a carry chain, see
`hw.blocks.carry` for sites, fields and riders; adders of the same group and cycle share
chains. What a site adds is worked out here from truth tables, since lanes may be
inverted and a pair of lanes is the operand ``(a ^ b) + 2 * (a & b)`` made on the spot:
P = f(A, B) ^ g(C, D), G = f(A, B). P and G share the entries of C = D = 0 in INIT, so

- with g of one input or none D reads 1, and these entries are G's alone;
- with g of two inputs ``g(0, 0)`` must be 0. The operands may change places; where
  neither has that, g becomes a LUT of its own in front of the site.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from amaranth.hdl import Const, Instance, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from numpy.typing import ArrayLike

from hw.fabric import family_of
from hw.plan.adders import Adder, Lane, Operand, Pair, chains
from hw.plan.constant import plan_sums

__all__ = ["ConstantSums"]

#: Inputs of a function and its table: bit ``first + 2 * second`` for inputs first, second.
_Function = tuple[tuple[Value, ...], int]
#: INIT of a site and its inputs A, B, C, D.
_Site = tuple[int, dict[str, Value]]


class ConstantSums(wiring.Component):
    """Sums of lanes under the weights of all outputs, a new sum every cycle.

    Parameters
    ----------
    weights : bool array (O, lanes)
        True is +1.
    lane_bits : int

    Attributes
    ----------
    plan : SumPlan
        How each number stands to the matches of its output.
    codes : unsigned(lanes * lane_bits), in
        Lane i in bits ``[i*lane_bits, (i+1)*lane_bits)``.
    numbers : list of unsigned, out
        Of each output; they follow the codes by the cycles of their adder.
    """

    def __init__(self, *, weights: ArrayLike, lane_bits: int = 1) -> None:
        signs = np.asarray(weights, np.bool_)
        self.plan = plan_sums(signs, lane_bits=lane_bits)
        self.lane_bits = lane_bits
        ports = {"codes": In(signs.shape[1] * lane_bits)}
        self._names = [f"number_{n}" for n in range(len(signs))]
        for name, output in zip(self._names, self.plan.outputs, strict=True):
            ports[name] = Out(output.adder.width)
        super().__init__(ports)

    @property
    def latency_cycles(self) -> int:
        return self.plan.cycles

    @property
    def numbers(self) -> list[Value]:
        return [getattr(self, name) for name in self._names]

    def elaborate(self, platform: object) -> Module:
        m = Module()
        builder = _Builder(m, self.codes, self.lane_bits, self.plan.cycles)
        for number, adders in enumerate(self.plan.groups):
            by_cycle: dict[int, list[Adder]] = {}
            for adder in adders:
                by_cycle.setdefault(adder.cycle, []).append(adder)
            for cycle, together in sorted(by_cycle.items()):
                name = f"group_{number}_cycle_{cycle}"
                if family_of(platform) == "ecp5":
                    builder.add_on_chains(name, together)
                else:
                    builder.add_plainly(name, together)
        for port, output in zip(self.numbers, self.plan.outputs, strict=True):
            m.d.comb += port.eq(builder.number(output.adder, output.adder.cycle))
        return m


class _Builder:
    """Makes adders, and the registers in which lanes and sums wait for their users."""

    def __init__(self, m: Module, codes: Value, lane_bits: int, cycles: int) -> None:
        self.m = m
        self.lane_bits = lane_bits
        self.codes = [codes]
        for cycle in range(1, cycles):
            waiting = Signal(len(codes), name=f"codes_{cycle}", reset_less=True)
            m.d.sync += waiting.eq(self.codes[-1])
            self.codes.append(waiting)
        #: Each sum in the cycles after it was made.
        self.sums: dict[Adder, list[Signal]] = {}

    def number(self, adder: Adder, cycle: int) -> Signal:
        """An adder's sum as it is to be read in a cycle."""
        line = self.sums[adder]
        while len(line) <= cycle - adder.cycle:
            waiting = Signal(adder.width, name=f"{line[0].name}_{len(line)}", reset_less=True)
            self.m.d.sync += waiting.eq(line[-1])
            line.append(waiting)
        return line[cycle - adder.cycle]

    def lane(self, lane: Lane, cycle: int) -> Value:
        """A lane's code, not inverted."""
        return self.codes[cycle].word_select(lane.index, self.lane_bits)

    def add_plainly(self, name: str, adders: list[Adder]) -> None:
        for number, adder in enumerate(adders):
            total: Value = Const(0, 1)
            for operand in adder.operands():
                total = total + self._value(operand, adder.cycle - 1)
            if adder.rider is not None:
                total = total + self._value(Operand(adder.rider), adder.cycle - 1)
            self._register(f"{name}_{number}", adder, total)

    def _value(self, operand: Operand, cycle: int) -> Value:
        source = operand.source
        if isinstance(source, Pair):
            lanes = (Operand(source.first), Operand(source.second))
            value = sum((self._value(lane, cycle) for lane in lanes), Const(0, 1))
        elif isinstance(source, Lane):
            code = self.lane(source, cycle)
            value = ~code if source.inverted else code
        else:
            value = self.number(source, cycle)
        return ~value if operand.inverted else value

    def _register(self, name: str, adder: Adder, total: Value) -> None:
        register = Signal(adder.width, name=name, reset_less=True)
        self.m.d.sync += register.eq(total)
        self.sums[adder] = [register]

    def add_on_chains(self, name: str, adders: list[Adder]) -> None:
        """Adders that are made in one cycle."""
        self.add_plainly(f"{name}_passing", [adder for adder in adders if adder.right is None])
        fields = [adder for adder in adders if adder.right is not None]
        for number, chain in enumerate(chains(fields)):
            self._add_on_chain(f"{name}_{number}", chain)

    def _add_on_chain(self, name: str, adders: list[Adder]) -> None:
        sites: list[_Site] = []
        for adder in adders:
            sites.append(
                _boundary(adder.rider and self._bits(Operand(adder.rider), adder.cycle)[0])
            )
            left = self._bits(adder.left, adder.cycle)
            assert adder.right is not None
            right = self._bits(adder.right, adder.cycle)
            for place in range(adder.places):
                a, b = (bits[place] if place < len(bits) else ((), 0) for bits in (left, right))
                sites.append(self._site(a, b))
        if adders[-1].width > adders[-1].places:
            sites.append(_boundary(None))
        sums = _chain(self.m, name, sites)
        start = 1
        for number, adder in enumerate(adders):
            self._register(f"{name}_{number}", adder, sums[start : start + adder.width])
            start += adder.sites

    def _bits(self, operand: Operand, user: int) -> list[_Function]:
        """Bits of an operand of an adder made in cycle ``user``, lowest first."""
        source, cycle = operand.source, user - 1
        if isinstance(source, Pair):
            assert not operand.inverted
            inputs = (self.lane(source.first, cycle), self.lane(source.second, cycle))
            counts = [
                (first ^ source.first.inverted) + (second ^ source.second.inverted)
                for second in (0, 1)
                for first in (0, 1)
            ]
            return [(inputs, _table(count >> place & 1 for count in counts)) for place in (0, 1)]
        inverted = operand.inverted
        if isinstance(source, Lane):
            value = self.lane(source, cycle)
            inverted ^= source.inverted
        else:
            value = self.number(source, cycle)
        return [((bit,), 0b01 if inverted else 0b10) for bit in value]

    def _site(self, f: _Function, g: _Function) -> _Site:
        """The site that adds two bits, see the module's text."""
        if len(f[0]) < len(g[0]) or (len(g[0]) == 2 and g[1] & 1):
            f, g = g, f
        if len(g[0]) == 2 and g[1] & 1:
            made = Signal()
            self.m.d.comb += made.eq(_apply(g))
            g = ((made,), 0b10)
        init = 0
        for index in range(16):
            a = f[1] >> (index & 3 & (1 << len(f[0])) - 1) & 1
            b = g[1] >> (index >> 2 & (1 << len(g[0])) - 1) & 1
            init |= (a if index < 4 else a ^ b) << index
        return init, {**dict(zip("AB", f[0], strict=False)), **dict(zip("CD", g[0], strict=False))}


def _table(bits: Iterable[int]) -> int:
    return sum(int(bit) << place for place, bit in enumerate(bits))


def _apply(function: _Function) -> Value:
    """A function of two inputs as logic."""
    (first, second), table = function
    terms = [
        (first if index & 1 else ~first) & (second if index & 2 else ~second)
        for index in range(4)
        if table >> index & 1
    ]
    value = Const(0, 1)
    for term in terms:
        value = value | term
    return value


def _boundary(rider: _Function | None) -> _Site:
    """P = 0, and G is the rider: INIT 0x000A, or 0x0005 for an inverted one."""
    if rider is None:
        return 0x0000, {}
    return (0x000A if rider[1] == 0b10 else 0x0005), {"A": rider[0][0]}


def _chain(m: Module, name: str, sites: list[_Site]) -> Signal:
    """CCU2Cs for sites, lowest first; returns the sites' sums."""
    sites = [*sites, (0x0000, {})] if len(sites) % 2 else sites
    sums = Signal(len(sites), name=f"{name}_sums")
    carry: Value = Const(0, 1)
    for at in range(0, len(sites), 2):
        ports: dict[str, object] = {"i_CIN": carry}
        for half, (init, inputs) in enumerate(sites[at : at + 2]):
            ports[f"p_INIT{half}"] = Const(init, 16)
            ports[f"p_INJECT1_{half}"] = "NO"
            ports[f"o_S{half}"] = sums[at + half]
            for port in "ABCD":
                ports[f"i_{port}{half}"] = inputs.get(port, Const(1, 1))
        carry = Signal(name=f"{name}_carry_{at // 2}")
        ports["o_COUT"] = carry
        m.submodules[f"{name}_{at // 2}"] = Instance("CCU2C", **ports)
    return sums
