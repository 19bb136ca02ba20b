"""Sums of lanes under constant weights: the adders that several outputs share.

An output is ``form = sum(w * x)`` over its lanes, w = +-1 known. Constants as such save
only the XORs of a popcount; what saves most is that outputs share sums:

1. Take b outputs. A lane's column of b weights is one of 2**b sign patterns, or with
   the sign of the first output taken out, which only inverts the lane, one of
   ``2**(b - 1)`` *classes*. Every output is a sum of the same class sums, each added or
   subtracted; so a lane is counted once for all b outputs.
2. Split the b outputs into halves. A class is a pattern p of the first half and one q
   of the second, which the second half sees with a sign. For each (p, q) let ``plus``
   and ``minus`` be the sums of the two signs: the first half needs ``plus + minus``,
   the second ``plus - minus``. Over q, or over p, these add up to the class sums of a
   half on its own, and step 2 goes on with each half, as in a fast Hadamard transform.
3. Counting costs a b-th of a popcount for each output, the rest about ``2**(b + 1) / b``
   adders: five or six outputs are best for 200 to 1,000 lanes. Four take a seventh more
   sites there and are not known to be easier to route.
4. Class sums are trees of adders of two numbers and a *rider*, a lane in the carry
   input. A site may take functions of two lanes as each of its operands, so that two
   *pairs* of lanes and a rider, five lanes, are added at once: d levels count up to
   ``6 * 2**(d - 1) - 1`` lanes. A tree joins neighbouring lanes first, and chains are made
   of adders of neighbouring lanes, so that all groups may lie one beside the other with
   their lanes in the same order.
5. Many lanes are dealt to *blocks*, each with steps 1 to 4 of its own, and an output's sum
   is handed from block to block, each adding its share. That takes more sites, since fewer
   lanes share a class, but a lane's wires end within its block: whole, 64 outputs of 576
   lanes take 12,500 sites and cannot be routed on an LFE5U-85F.

Numbers are unsigned. A subtraction adds the complement, ``2**width - 1 - number``; so a
number is its form plus an offset that is known, and nothing is ever negative. Each
adder has a register: one level a cycle. An adder stands as late as its users allow, so
that it is lanes that wait, once for all outputs, and not sums.
"""

from __future__ import annotations

import functools
import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hw.plan.adders import Adder, Lane, Operand, Output, Pair, SumPlan

__all__ = ["group_hops", "group_sizes", "lane_blocks", "plan_sums", "sum_cycles"]

#: Outputs that share sums, at most.
_LARGEST_GROUP = 7

#: Lanes of a block, about.
_BLOCK_LANES = 96

#: Sites, about, that read lanes in the same cycle; the next ones read them a cycle later,
#: so that a lane's wires stay short in a large layer.
_SITES_PER_HOP = 2500


@functools.cache
def _tree(lanes: int, levels: int) -> tuple[int, tuple[int, int, int]]:
    """Fewest sites that count ``lanes`` in ``levels``; lanes on the left, right and riding."""
    if lanes <= 2:
        return 0, (lanes, 0, 0)
    if levels == 0:
        return 10**9, (0, 0, 0)
    best = (10**9, (0, 0, 0))
    for rider in (0, 1):
        for left in range((lanes - rider + 1) // 2, lanes - rider):
            right = lanes - rider - left
            sites = _tree(left, levels - 1)[0] + _tree(right, levels - 1)[0]
            best = min(best, (sites + left.bit_length() + 1, (left, right, rider)))
    return best


def _levels(lanes: int) -> int:
    """Levels that count so many binary lanes, see step 4 above."""
    return 0 if lanes <= 2 else 1 + (-(-(lanes + 1) // 6) - 1).bit_length()


def _halves(size: int) -> tuple[int, int]:
    return size - size // 2, size // 2


def _group_levels(size: int) -> int:
    """Levels of step 2 above for a group of ``size`` outputs."""
    if size == 1:
        return 0
    first, second = _halves(size)
    # Each class of a half is the sum of as many as the other half has classes.
    return 1 + max(second - 1 + _group_levels(first), first - 1 + _group_levels(second))


def _group_sites(size: int, width: float) -> float:
    """Sites of step 2 for class sums of ``width`` bits, about."""
    if size == 1:
        return 0
    first, second = _halves(size)
    total = 2 ** (size - 1) * (width + 1)
    for mine, other in ((first, second), (second, first)):
        bits = width + 1
        for step in range(other - 1):
            total += 2 ** (size - 3 - step) * (bits + 1)
            bits += 1
        total += _group_sites(mine, bits)
    return total


def _estimate(size: int, lanes: int) -> float:
    """Sites for each output in groups of ``size``, near enough to choose the size by."""
    classes = 2 ** (size - 1)
    each = lanes / classes
    counting = max(0.0, 1.25 * each - 2.5) * classes
    return (counting + _group_sites(size, np.log2(1 + each))) / size


def lane_blocks(lanes: int) -> list[range]:
    """The lanes of each block, see step 5 above: as equal as may be."""
    count = max(1, round(lanes / _BLOCK_LANES))
    return [range(lanes * n // count, lanes * (n + 1) // count) for n in range(count)]


def _largest_block(lanes: int) -> int:
    return max(map(len, lane_blocks(lanes)))


@functools.cache
def group_sizes(outputs: int, lanes: int) -> tuple[int, ...]:
    """How many outputs of so many lanes share sums: groups as equal as may be."""
    block = _largest_block(lanes)
    best = min(range(1, min(outputs, _LARGEST_GROUP) + 1), key=lambda b: _estimate(b, block))
    groups = -(-outputs // best)
    return tuple(outputs // groups + (g < outputs % groups) for g in range(groups))


@functools.cache
def sum_cycles(outputs: int, lanes: int, lane_bits: int) -> int:
    """Cycles that are enough for any weights, whatever the sizes of the classes are.

    At least two, the time that the thresholds of a border class take.
    """
    block = _largest_block(lanes)
    counting = (block - 1).bit_length() if lane_bits > 1 else _levels(block)
    sizes = group_sizes(outputs, lanes)
    summing = counting + max(map(_group_levels, sizes)) + len(lane_blocks(lanes)) - 1
    return max(2, summing) + group_hops(sizes, lanes)[-1]


def group_hops(sizes: Sequence[int], lanes: int) -> list[int]:
    """Cycles that each group works behind the first."""
    sites = sizes[0] * _estimate(sizes[0], _largest_block(lanes))
    groups = max(1, int(_SITES_PER_HOP / max(1.0, sites)))
    return [number // groups for number in range(len(sizes))]


def plan_sums(
    weights: ArrayLike, *, lane_bits: int = 1, sizes: Sequence[int] | None = None
) -> SumPlan:
    """Adders for the outputs of constant weights.

    Parameters
    ----------
    weights : bool array (O, lanes)
        True is +1.
    lane_bits : int
        Width of a lane's code.
    sizes : sequence of int, or None
        How many outputs, one after the other, share sums; None: `group_sizes`.
    """
    signs = np.asarray(weights, np.bool_)
    groups: list[list[Adder]] = []
    outputs: list[Output] = []
    of_all = sizes is None
    sizes = sizes or group_sizes(*signs.shape)
    hops = group_hops(sizes, signs.shape[1])
    latest: dict[Adder, int] = {}
    for size, hop in zip(sizes, hops, strict=True):
        rows = signs[len(outputs) : len(outputs) + size]
        items: list[_Item] = []
        for block in lane_blocks(signs.shape[1]):
            group = _Group(lane_bits=lane_bits)
            items = group.build(rows[:, block], first=block.start, before=items)
            groups.append(group.adders)
        for row, item in zip(rows, items, strict=True):
            adder = item.source
            assert isinstance(adder, Adder)
            # matches = form + base, and number = +-form + adder.offset.
            base = int((~row).sum()) * (2**lane_bits - 1)
            offset = adder.offset + base if item.negative else adder.offset - base
            outputs.append(Output(adder, item.negative, offset))
            latest[adder] = hop
    cycles = _schedule([adder for group in groups for adder in group], latest)
    assert not of_all or cycles <= sum_cycles(*signs.shape, lane_bits)
    return SumPlan(groups, outputs, cycles)


def _schedule(adders: list[Adder], latest: dict[Adder, int]) -> int:
    """Set the cycles of all adders, each as late as its users, or ``latest``, let it be."""
    last = max(latest.values())
    for adder in reversed(adders):
        for operand in adder.operands():
            if isinstance(operand.source, Adder):
                before = latest[adder] - 1
                latest[operand.source] = min(latest.get(operand.source, before), before)
    start = min(latest.values()) - 1
    for adder in adders:
        adder.cycle = latest[adder] - start
    return last - start


@dataclass(frozen=True)
class _Item:
    """A term of an output: the source's form, or its negative."""

    source: Lane | Pair | Adder
    negative: bool = False

    def operand(self, negative: bool) -> Operand:
        """As it enters a sum whose form is the wanted one, or its negative."""
        if self.negative == negative:
            return Operand(self.source)
        if isinstance(self.source, Adder):
            return Operand(self.source, inverted=True)
        return Operand(self.source.flipped())

    @property
    def minus(self) -> _Item:
        return _Item(self.source, not self.negative)


#: Lanes of a class; each lane's sign is that of the class's sum.
_Lanes = list[_Item]
#: Signs of a class in each output of a group, the first one always True.
_Pattern = tuple[bool, ...]
_T = TypeVar("_T")


class _Group:
    """Makes the adders of a group of outputs; ``adders`` collects them, sources first."""

    def __init__(self, *, lane_bits: int) -> None:
        self.lane_bits = lane_bits
        self.adders: list[Adder] = []

    def build(
        self, signs: NDArray[np.bool_], *, first: int, before: Sequence[_Item]
    ) -> list[_Item]:
        """Sums of the outputs with the weights ``signs`` (b, lanes of a block).

        ``first`` is the index of the first lane, ``before`` the sums of the blocks before.
        """
        classes: dict[_Pattern, _Lanes] = {}
        for index, column in enumerate(signs.T, first):
            pattern = tuple(bool(sign == column[0]) for sign in column)
            item = _Item(Lane(index, False, self.lane_bits), not column[0])
            classes.setdefault(pattern, []).append(item)
        if len(signs) == 1:
            found = [self._count(classes[(True,)])]
        else:
            found = self._split(len(signs), classes, self._count_both)
        if before:
            return [self._add(sums, item) for sums, item in zip(before, found, strict=True)]
        return [self._registered(item) for item in found]

    def _split(
        self,
        size: int,
        classes: dict[_Pattern, _T],
        both: Callable[[_T | None, _T | None], tuple[_Item, _Item]],
    ) -> list[_Item]:
        """Step 2: outputs of a group from its classes; ``both`` makes sum and difference."""
        first, second = _halves(size)
        table: dict[tuple[_Pattern, _Pattern], dict[bool, _T]] = {}
        for pattern, content in sorted(classes.items(), key=lambda entry: entry[0]):
            sign, seen = pattern[first], tuple(bit == pattern[first] for bit in pattern[first:])
            table.setdefault((pattern[:first], seen), {})[sign] = content
        mine: dict[_Pattern, list[_Item]] = {}
        others: dict[_Pattern, list[_Item]] = {}
        for (p, q), signed in table.items():
            total, difference = both(signed.get(True), signed.get(False))
            mine.setdefault(p, []).append(total)
            others.setdefault(q, []).append(difference)
        outputs: list[_Item] = []
        for count, half in ((first, mine), (second, others)):
            sums = {pattern: self._sum(items) for pattern, items in half.items()}
            outputs += self._split(count, sums, self._add_both) if count > 1 else [sums[(True,)]]
        return outputs

    def _add_both(self, plus: _Item | None, minus: _Item | None) -> tuple[_Item, _Item]:
        """Sum and difference of two class sums."""
        if plus is None:
            assert minus is not None
            return minus, minus.minus
        if minus is None:
            return plus, plus
        return self._add(plus, minus), self._add(plus, minus.minus)

    def _count_both(self, plus: _Lanes | None, minus: _Lanes | None) -> tuple[_Item, _Item]:
        """Sum and difference of the lanes of two classes; one lane may ride in these."""
        if plus is None or minus is None:
            one = self._count(plus or minus or [])
            return one, one.minus if plus is None else one
        plus, minus = list(plus), list(minus)
        larger, sign = max((plus, False), (minus, True), key=lambda entry: _saved(len(entry[0])))
        rider = None
        if self.lane_bits == 1 and len(larger) > 1:
            rider = _rarer(larger)
            larger.remove(rider)
        a, b = self._count(plus), self._count(minus)
        against = rider.minus if rider is not None and sign else rider
        return self._add(a, b, rider), self._add(a, b.minus, against)

    def _count(self, lanes: _Lanes) -> _Item:
        """Sum of the lanes of a class."""
        if self.lane_bits > 1:
            return self._sum(lanes)
        return self._count_tree(lanes, _levels(len(lanes)))

    def _count_tree(self, lanes: _Lanes, levels: int) -> _Item:
        """Sum of lanes of one bit, neighbours first."""
        if len(lanes) == 1:
            return lanes[0]
        if len(lanes) == 2:
            return _pair(lanes, _mostly_negative(lanes))
        _, (left, right, riding) = _tree(len(lanes), levels)
        if (left, right) == (2, 2):
            # Of two pairs in a site one must not be inverted: see `hw.blocks.constant`. The
            # sign that most lanes have becomes the sum's, and is dealt to that pair.
            negative = _mostly_negative(lanes)
            lanes = sorted(lanes, key=lambda lane: lane.negative != negative)
            a, b = (_pair(lanes[first : first + 2], negative) for first in (2, 0))
        else:
            a = self._count_tree(lanes[:left], levels - 1)
            b = self._count_tree(lanes[left : left + right], levels - 1)
        return self._add(a, b, lanes[-1] if riding else None)

    def _sum(self, items: Sequence[_Item]) -> _Item:
        """Sum of some numbers, first those that are ready first."""
        heap = [(item.operand(item.negative).level, n, item) for n, item in enumerate(items)]
        heapq.heapify(heap)
        while len(heap) > 1:
            _, number, a = heapq.heappop(heap)
            _, _, b = heapq.heappop(heap)
            total = self._add(a, b)
            heapq.heappush(heap, (total.operand(total.negative).level, number, total))
        return heap[0][2]

    def _add(self, a: _Item, b: _Item, rider: _Item | None = None) -> _Item:
        """``a + b + rider``, as it is or negated, whichever has the smaller numbers."""
        best = None
        for negative in (a.negative, b.negative):
            riding = None
            if rider is not None:
                riding = rider.operand(negative).source
                assert isinstance(riding, Lane)
            adder = Adder(a.operand(negative), b.operand(negative), riding)
            if best is None or adder.high < best[0].high:
                best = adder, negative
        assert best is not None
        self.adders.append(best[0])
        return _Item(*best)

    def _registered(self, item: _Item) -> _Item:
        """An output's sum as an adder's, which a single lane or pair is not yet."""
        if isinstance(item.source, Adder):
            return item
        self.adders.append(Adder(item.operand(item.negative)))
        return _Item(self.adders[-1], item.negative)


def _saved(lanes: int) -> int:
    """Sites saved by taking a lane out of a class; most where that saves a level."""
    if lanes < 2:
        return -1
    fewer = _tree(lanes - 1, _levels(lanes - 1))[0]
    return _tree(lanes, _levels(lanes))[0] - fewer


def _pair(lanes: _Lanes, negative: bool) -> _Item:
    """Two lanes as the form of their sum, or its negative."""
    first, second = (lane.operand(negative).source for lane in lanes)
    assert isinstance(first, Lane) and isinstance(second, Lane)
    return _Item(Pair(first, second), negative)


def _mostly_negative(lanes: _Lanes) -> bool:
    return 2 * sum(lane.negative for lane in lanes) > len(lanes)


def _rarer(lanes: _Lanes) -> _Item:
    """A lane of the sign that fewer lanes have, if any."""
    negative = _mostly_negative(lanes)
    return next((lane for lane in lanes if lane.negative != negative), lanes[0])
