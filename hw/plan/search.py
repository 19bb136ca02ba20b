"""The folding search: the most frames/s in a budget, or the least area for a speed.

The pipeline is as slow as its slowest stage, so the problem falls apart: for a
limit of T cycles per frame each segment takes its cheapest folding of at most T
cycles. Only the width converters between segments tie neighbours together; a
shortest path over the few cheapest foldings of each segment settles them. The
best T is found by bisection over the cycle counts that occur.

"Cheapest" weighs the resources by what the device has of them. One weighing can
overdraw block RAM where another would have used LUTs, so a handful are tried,
in a fixed order, and the one that fits with the least area wins.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from hw.plan.cost import RESOURCES, Cost, width_cost
from hw.plan.layer import LayerPlan, Segment, converter, foldings, join, segments
from hw.plan.stages import Stage

__all__ = ["Choice", "Search"]

#: Price of block RAM relative to LUTs, each as a part of what may be used.
BLOCK_RAM_PRICES = (1.0, 0.25, 4.0, 0.05, 20.0)

#: Foldings of a segment that take part in the shortest path.
BREADTH = 8


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

    def area(self, usable: Cost) -> float:
        """Sum of the used parts: what "least area" means here."""
        return sum(_part(getattr(self.cost, n), getattr(usable, n)) for n in RESOURCES)


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
        self._options = [tuple(foldings(group)) for group in segments(stages)]
        self._cycles = [np.array([s.cycles for s in options]) for options in self._options]
        self._costs = [
            np.array([[getattr(s.cost, n) for n in RESOURCES] for s in options], np.float64)
            for options in self._options
        ]

    @property
    def floor(self) -> int:
        """Cycles per frame with every folding undone."""
        return max(int(cycles.min()) for cycles in self._cycles)

    @property
    def slowest(self) -> str:
        """Name of the layer that sets `floor`."""
        index = max(range(len(self._cycles)), key=lambda i: int(self._cycles[i].min()))
        best = self._options[index][int(self._cycles[index].argmin())]
        return max(best.layers, key=lambda layer: layer.cycles).name

    def limits(self) -> list[int]:
        """Cycle counts that a network could have, ascending."""
        counts = np.unique(np.concatenate(self._cycles))
        return [int(count) for count in counts if count >= self.floor]

    def cheapest(self, limit: int, usable: Cost) -> Choice | None:
        """The choice of least area within ``limit`` cycles, or the nearest to fitting.

        None where some segment has no folding that fast.
        """
        if limit < self.floor:
            return None
        choices = [self._path(limit, usable, price) for price in BLOCK_RAM_PRICES]
        fitting = [choice for choice in choices if choice.fullness(usable) <= 1]
        if fitting:
            return min(fitting, key=lambda choice: choice.area(usable))
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

        def misfit(limit: int) -> bool:
            choice = self.cheapest(limit, usable)
            return choice is None or choice.fullness(usable) > 1

        index = bisect_right(limits, False, key=lambda limit: not misfit(limit))
        if index == len(limits):
            choice = self.cheapest(limits[-1], usable)
            assert choice is not None
            return None, scarcest(choice, usable)
        best = self.cheapest(limits[index], usable)
        if index == 0:
            return best, self.slowest
        better = self.cheapest(limits[index - 1], usable)
        assert better is not None
        return best, scarcest(better, usable)

    def _path(self, limit: int, usable: Cost, price: float) -> Choice:
        """Least-area chain of foldings, converters included (Viterbi over segments)."""
        weights = np.array([_part(1, getattr(usable, n)) for n in RESOURCES])
        weights[RESOURCES.index("bram")] *= price
        kept: list[list[int]] = []
        areas: list[np.ndarray] = []
        for cycles, costs in zip(self._cycles, self._costs, strict=True):
            area = np.where(cycles <= limit, costs @ weights, np.inf)
            order = np.argsort(area, kind="stable")[:BREADTH]
            kept.append([int(i) for i in order if np.isfinite(area[i])])
            areas.append(area)
        totals = [
            float(areas[0][i]) + _join_area(self._link_lanes, self._options[0][i], weights)
            for i in kept[0]
        ]
        paths = [(i,) for i in kept[0]]
        for position in range(1, len(kept)):
            previous, before = self._options[position - 1], kept[position - 1]
            new_totals, new_paths = [], []
            for i in kept[position]:
                segment = self._options[position][i]
                steps = [
                    total + _join_area(previous[b].o_lanes, segment, weights)
                    for total, b in zip(totals, before, strict=True)
                ]
                best = int(np.argmin(steps))
                new_totals.append(steps[best] + float(areas[position][i]))
                new_paths.append((*paths[best], i))
            totals, paths = new_totals, new_paths
        path = paths[int(np.argmin(totals))]
        chosen = tuple(options[i] for options, i in zip(self._options, path, strict=True))
        layers = join(chosen)
        cost = self._fixed + _joint(self._link_lanes, chosen[0])
        cost = sum((layer.cost for layer in layers), cost)
        return Choice(segments=chosen, layers=layers, cost=cost)


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


def _joint(lanes: int, after: Segment) -> Cost:
    """Of the converter from beats of ``lanes`` elements to the segment's."""
    return width_cost(converter(lanes, after.i_lanes, after.i_bits))


def _join_area(lanes: int, after: Segment, weights: np.ndarray) -> float:
    cost = _joint(lanes, after)
    return float(sum(getattr(cost, n) * w for n, w in zip(RESOURCES, weights, strict=True)))
