"""The folding search: the most frames/s in a budget, or the least area for a speed.

The pipeline is as slow as its slowest stage, so the problem falls apart: for a
limit of T cycles per frame each segment takes its cheapest folding of at most T
cycles. Neighbours are tied together by the width converter between them, and by
the rule that the second keeps up with each beat of the first (`Segment.takes`): a
shortest path over the segments settles both. The best T is found by bisection over
the cycle counts that occur.

"Cheapest" weighs each resource by what the device has of it. Where that overdraws
block RAM, block RAM is given a higher price, and where it overdraws the others a
lower one, again by bisection: the dearer block RAM is, the less of it is used.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np

from hw.plan.cost import RESOURCES, Cost, width_cost
from hw.plan.layer import LayerPlan, Segment, converter, foldings, join, segments
from hw.plan.stages import Stage

__all__ = ["Choice", "Search"]

#: Steps of the bisection of block RAM's price, and its greatest power of two.
PRICE_STEPS = 8
PRICE_RANGE = 8.0

#: Faster limits that are tried after the bisection: what fits is not quite monotone.
MORE_LIMITS = 6


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A folding of the whole network and its cost, link and control included."""

    segments: tuple[Segment, ...] = field(repr=False)
    layers: tuple[LayerPlan, ...] = field(repr=False)
    cost: Cost

    @property
    def cycles(self) -> int:
        return max(segment.cycles for segment in self.segments)

    def fullness(self, usable: Cost) -> float:
        """Greatest used part of any resource; above 1 it does not fit."""
        return max(_part(getattr(self.cost, n), getattr(usable, n)) for n in RESOURCES)


class Search:
    """All foldings of a network, and choices among them for any budget.

    Parameters
    ----------
    stages : tuple of Stage
    fixed : Cost
        Of everything outside the core.
    link_lanes : int
        Elements a beat that the link delivers; a converter follows where the core
        wants another number of them.
    """

    def __init__(self, stages: tuple[Stage, ...], *, fixed: Cost, link_lanes: int) -> None:
        self._fixed = fixed
        self._link_lanes = link_lanes
        self._columns = [_Column(tuple(foldings(group))) for group in segments(stages)]

    @property
    def floor(self) -> int:
        """Cycles per frame with every folding undone."""
        return max(int(column.cycles.min()) for column in self._columns)

    @property
    def slowest(self) -> str:
        """Name of the layer that sets `floor`."""
        column = max(self._columns, key=lambda column: int(column.cycles.min()))
        best = column.options[int(column.cycles.argmin())]
        return max(best.layers, key=lambda layer: layer.cycles).name

    def limits(self) -> list[int]:
        """Cycle counts that a network could have, ascending."""
        counts = np.unique(np.concatenate([column.cycles for column in self._columns]))
        return [int(count) for count in counts if count >= self.floor]

    def cheapest(self, limit: int, usable: Cost) -> Choice | None:
        """The choice of least area within ``limit`` cycles, or the nearest to fitting.

        None where no chain of foldings is that fast.
        """
        if limit < self.floor:
            return None
        choices: list[Choice] = []
        low, high, exponent = -PRICE_RANGE, PRICE_RANGE, 0.0
        for _ in range(PRICE_STEPS):
            choice = self._path(limit, usable, 2.0**exponent)
            if choice is None:
                return None
            choices.append(choice)
            if choice.fullness(usable) <= 1:
                return choice
            if choice.cost.bram > usable.bram:
                low = exponent
            else:
                high = exponent
            exponent = (low + high) / 2
        return min(choices, key=lambda choice: choice.fullness(usable))

    def fastest(self, usable: Cost) -> tuple[Choice | None, str]:
        """The choice with the fewest cycles that fits, of these the one of least area.

        Returns
        -------
        choice : Choice or None
            None where nothing fits.
        limited_by : str
            The resource that forbids the next better one, or the layer that sets `floor`.
        """
        limits = self.limits()

        def fit(index: int) -> Choice | None:
            choice = self.cheapest(limits[index], usable)
            return choice if choice is not None and choice.fullness(usable) <= 1 else None

        index = bisect_left(range(len(limits)), True, key=lambda i: fit(i) is not None)
        if index == len(limits):
            choice = self.cheapest(limits[-1], usable)
            assert choice is not None, "the slowest folding of a chain always exists"
            return None, scarcest(choice, usable)
        for faster in range(index - 1, max(-1, index - 1 - MORE_LIMITS), -1):
            if fit(faster) is not None:
                index = faster
        best = fit(index)
        assert best is not None
        # The choice may be faster than it had to be; then it is the best of that speed.
        index = min(index, bisect_left(limits, best.cycles))
        better = self.cheapest(limits[index - 1], usable) if index else None
        return fit(index), self.slowest if better is None else scarcest(better, usable)

    def _path(self, limit: int, usable: Cost, price: float) -> Choice | None:
        """Least-area chain of foldings, converters included, or None.

        All that the next segment sees of a folding is its lanes and what they take,
        so the best path to each such pair is enough.
        """
        weights = np.array([_part(1, getattr(usable, n)) for n in RESOURCES])
        weights[RESOURCES.index("bram")] *= price
        # (lanes out, least lanes in) to the area so far and the foldings chosen.
        best: dict[tuple[int, int], tuple[float, tuple[int, ...]]]
        best = {(self._link_lanes, 1): (0.0, ())}
        for column in self._columns:
            arrivals = [
                min(
                    (area + _converter_area(lanes, i_lanes, column.bits) @ weights, path)
                    if takes <= i_lanes
                    else (np.inf, path)
                    for (lanes, takes), (area, path) in best.items()
                )
                for i_lanes in column.i_lanes
            ]
            area = np.array([total for total, _ in arrivals])[column.i_index]
            area = area + np.where(column.cycles <= limit, column.costs @ weights, np.inf)
            best = {}
            for leaving, members in column.groups.items():
                index = int(members[np.argmin(area[members])])
                if np.isfinite(area[index]):
                    path = arrivals[int(column.i_index[index])][1]
                    best[leaving] = (float(area[index]), (*path, index))
            if not best:
                return None
        _, path = min(best.values())
        chosen = tuple(c.options[i] for c, i in zip(self._columns, path, strict=True))
        layers = join(chosen)
        first = width_cost(converter(self._link_lanes, chosen[0].i_lanes, chosen[0].i_bits))
        cost = sum((layer.cost for layer in layers), self._fixed + first)
        return Choice(segments=chosen, layers=layers, cost=cost)


@cache
def _converter_area(lanes: int, i_lanes: int, bits: int) -> np.ndarray:
    cost = width_cost(converter(lanes, i_lanes, bits))
    return np.array([getattr(cost, name) for name in RESOURCES], float)


class _Column:
    """The foldings of one segment as arrays, grouped by what their neighbours see."""

    def __init__(self, options: tuple[Segment, ...]) -> None:
        self.options = options
        self.bits = options[0].i_bits
        self.cycles = np.array([option.cycles for option in options])
        self.costs = np.array([[getattr(o.cost, n) for n in RESOURCES] for o in options], float)
        self.i_lanes, self.i_index = np.unique([o.i_lanes for o in options], return_inverse=True)
        self.i_lanes = [int(lanes) for lanes in self.i_lanes]
        leaving: dict[tuple[int, int], list[int]] = {}
        for index, option in enumerate(options):
            leaving.setdefault((option.o_lanes, option.takes), []).append(index)
        self.groups = {key: np.array(members) for key, members in leaving.items()}


def scarcest(choice: Choice, usable: Cost) -> str:
    """The resource of which ``choice`` uses the greatest part."""
    return max(RESOURCES, key=lambda n: _part(getattr(choice.cost, n), getattr(usable, n)))


def shortages(choice: Choice, usable: Cost) -> Sequence[tuple[str, int, int]]:
    """(resource, needed, usable) of every resource that is overdrawn, worst first."""
    over = [
        (n, getattr(choice.cost, n), getattr(usable, n))
        for n in RESOURCES
        if getattr(choice.cost, n) > getattr(usable, n)
    ]
    return sorted(over, key=lambda item: -_part(item[1], item[2]))


def _part(used: int, usable: int) -> float:
    if usable > 0:
        return used / usable
    return 0.0 if used == 0 else float(used) * 1e6
