"""Adders of numbers that sum lanes under constant weights, as `hw.plan.constant` plans them.

Numbers are unsigned. A subtraction adds the complement, ``2**width - 1 - number``; so a
number is a *form*, a sum of lanes with their signs, plus an offset that is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Adder", "Lane", "Operand", "Output", "Pair", "SumPlan", "chains"]

#: Sites of a chain, about: a longer one is slow from end to end, a shorter one has more ends.
_LONGEST_CHAIN = 48


@dataclass(frozen=True)
class Lane:
    """A lane's code, or its complement."""

    index: int
    inverted: bool
    bits: int = 1

    @property
    def high(self) -> int:
        return 2**self.bits - 1

    @property
    def offset(self) -> int:
        return self.high if self.inverted else 0

    @property
    def position(self) -> float:
        return self.index

    def flipped(self) -> Lane:
        return Lane(self.index, not self.inverted, self.bits)


@dataclass(frozen=True)
class Pair:
    """Two binary lanes whose sum is made in the site that adds it: no cells of its own."""

    first: Lane
    second: Lane

    @property
    def high(self) -> int:
        return 2

    @property
    def offset(self) -> int:
        return self.first.offset + self.second.offset

    @property
    def position(self) -> float:
        return (self.first.index + self.second.index) / 2

    def flipped(self) -> Pair:
        return Pair(self.first.flipped(), self.second.flipped())


@dataclass(eq=False)
class Adder:
    """``left + right + rider``, registered.

    Attributes
    ----------
    left, right : Operand
        ``right`` is None where a number only passes.
    rider : Lane or None
    cycle : int
        Cycles from the lanes to the sum: its sources are read one cycle before.
    """

    left: Operand
    right: Operand | None = None
    rider: Lane | None = None
    cycle: int = 0

    def __post_init__(self) -> None:
        rider = [] if self.rider is None else [self.rider]
        terms = [*self.operands(), *rider]
        #: Greatest value, and the number's offset over its form.
        self.high = sum(term.high for term in terms)
        self.offset = sum(term.offset for term in terms)
        self.width = max(1, self.high.bit_length())
        #: Bits of the operands; the sum has one more where it can carry.
        self.places = max(operand.width for operand in self.operands())
        #: Adders from here down to the lanes.
        self.level = 1 + max(operand.level for operand in self.operands())
        #: Mean of the indices of the lanes that are read below it.
        self.position = sum(term.position for term in terms) / len(terms)

    @property
    def sites(self) -> int:
        """Sites of a carry chain: a place each, and the boundary to the next field."""
        return self.places + 1

    def operands(self) -> list[Operand]:
        return [operand for operand in (self.left, self.right) if operand is not None]


@dataclass(frozen=True)
class Operand:
    """A source as it enters an adder; lanes and pairs carry inversions of their own."""

    source: Lane | Pair | Adder
    inverted: bool = False

    @property
    def width(self) -> int:
        return max(1, self.source.high.bit_length())

    @property
    def high(self) -> int:
        return 2**self.width - 1 if self.inverted else self.source.high

    @property
    def offset(self) -> int:
        """Of the number that is added, over the form or its negative."""
        return 2**self.width - 1 - self.source.offset if self.inverted else self.source.offset

    @property
    def position(self) -> float:
        return self.source.position

    @property
    def level(self) -> int:
        return self.source.level if isinstance(self.source, Adder) else 0


@dataclass(frozen=True)
class Output:
    """Matches of an output: ``number - offset``, or ``offset - number`` where ``negative``."""

    adder: Adder
    negative: bool
    offset: int


@dataclass(frozen=True)
class SumPlan:
    """The adders of some outputs.

    Attributes
    ----------
    groups : list of list of Adder
        Adders of each group of outputs that share sums; sources come first.
    outputs : list of Output
    cycles : int
        Cycles from lanes to the last outputs; each has those of its adder.
    """

    groups: list[list[Adder]]
    outputs: list[Output]
    cycles: int

    @property
    def sites(self) -> int:
        """Sites of carry chains, their ends not counted."""
        return sum(adder.sites for group in self.groups for adder in group)


def chains(adders: Sequence[Adder]) -> list[list[Adder]]:
    """Adders of one cycle on carry chains of about equal length.

    A chain is placed as one: adders of neighbouring lanes share it, so that each lane's way
    from the chain of one group to that of the next is short.
    """
    adders = sorted(adders, key=lambda adder: adder.position)
    sites = sum(adder.sites for adder in adders)
    count = -(-sites // _LONGEST_CHAIN)
    found: list[list[Adder]] = [[] for _ in range(count)]
    before = 0
    for adder in adders:
        found[before * count // sites].append(adder)
        before += adder.sites
    return [chain for chain in found if chain]
