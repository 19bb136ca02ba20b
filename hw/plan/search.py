"""The folding search: the most frames/s in a budget, or the least area for a speed.

The pipeline is as slow as its slowest stage, so there is a limit of T cycles per frame
that every segment keeps, and the question for each T is whether a chain of foldings
fits the device: `hw.plan.chain` answers it exactly. What fits under one limit fits
under every higher one, so bisection over the cycle counts that occur finds the least.

Neighbours are tied together by the width converter between them, and by the rule that
the second keeps up with each beat of the first (`Segment.takes`).

A network that forks is searched as the chain of its segments, one behind the other. Queues
and the converters between segments that are no neighbours depend on all foldings together,
so they are left out at first, which gives the bound that the plan is compared with. What they
take in the choice that is found is then set aside, and the search repeated, until they fit.

Before that, foldings are dropped that another one replaces in any chain: entered and
left with the same lanes, asking no more of the next segment, and no worse in cycles or
any resource.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cache
from itertools import pairwise
from math import gcd

import numpy as np

from hw.plan.block_ram import SPRAM
from hw.plan.chain import Answer, Chain, Link, pareto
from hw.plan.cost import RESOURCES, Cost, width_cost
from hw.plan.edges import join
from hw.plan.fabric import ECP5, Fabric
from hw.plan.foldings import foldings
from hw.plan.layer import LayerPlan, Segment, converter, feeders, named, segments, shape
from hw.plan.stages import Stage

__all__ = ["Choice", "Search", "worth"]

#: Times that area is set aside for queues, more each time, before a limit is given up.
TRIES = 12

#: LUTs that a block RAM is worth beside SPRAM.
SPARE_LUTS = 40


def worth(fabric: Fabric, sprams: int = 0) -> Cost:
    """What resources are worth, in twentieths of a LUT.

    About as many as there are for each that a plan may use, on devices of any size. Of block
    RAM there is enough where weights may lie in SPRAM.
    """
    block_ram = SPARE_LUTS if sprams else fabric.bram_luts
    return Cost(lut=20, ff=16, bram=round(20 * block_ram), dsp=20 * 100, spram=20 * SPRAM.luts)


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A folding of the whole network and its cost, link and control included.

    Attributes
    ----------
    cycles_bound : int
        No folding of the network that fits has fewer cycles per frame.
    area_gap : float
        Part of its area (`Search`) by which one of the same speed might be smaller.
    between : Cost
        Part of the cost that the search cannot see: forks, queues, and converters between
        segments that are no neighbours.
    """

    segments: tuple[Segment, ...] = field(repr=False)
    layers: tuple[LayerPlan, ...] = field(repr=False)
    cost: Cost
    cycles_bound: int = 0
    area_gap: float = 0.0
    between: Cost = field(default_factory=Cost)

    @property
    def cycles(self) -> int:
        return max(segment.cycles for segment in self.segments)

    def fullness(self, usable: Cost) -> float:
        """Greatest used part of any resource; above 1 it does not fit."""
        return max(_part(getattr(self.cost, n), getattr(usable, n)) for n in RESOURCES)


class Search:
    """All foldings of a network, and choices among them for any budget of a fabric.

    Area, where one choice is called smaller than another, is counted in LUTs: see `worth`.

    Parameters
    ----------
    stages : tuple of Stage
    fixed : Cost
        Of everything outside the core.
    link_lanes : int
        Elements of a byte of the link, which hands over as many of them at a time as
        the core's beat is a multiple of; a converter makes the beat of them.
    fabric : Fabric
        Of the devices; costs, ``fixed`` among them, are counted for ECP5 and turned into its own.
    sprams : int
        Memories of 256 Kbit that weights may lie in; ``fixed`` has what loads them.
    """

    def __init__(
        self,
        stages: tuple[Stage, ...],
        *,
        fixed: Cost,
        link_lanes: int,
        fabric: Fabric = ECP5,
        sprams: int = 0,
    ) -> None:
        self._fixed = fabric.cost(fixed)
        self._fabric = fabric
        self._sprams = sprams
        self._link_lanes = link_lanes
        self._stages = stages
        self._groups = segments(stages)
        self._feeders = feeders(self._groups)
        # Networks repeat themselves.
        distinct = {shape(group): group for group in self._groups}
        made = {
            key: _Table(tuple(foldings(group, fabric.block_ram, sprams)), fabric)
            for key, group in distinct.items()
        }
        self._tables = [made[shape(group)] for group in self._groups]

    @property
    def multiplies(self) -> bool:
        """Whether some folding takes multipliers."""
        return any(table.needs("dsp") for table in self._tables)

    @property
    def floor(self) -> int:
        """Cycles per frame with every folding undone."""
        return max(int(table.cycles.min()) for table in self._tables)

    @property
    def slowest(self) -> str:
        """Name of the layer that sets `floor`."""
        cycles = [int(table.cycles.min()) for table in self._tables]
        index = cycles.index(max(cycles))
        best = self._tables[index].options[int(self._tables[index].cycles.argmin())]
        layers = named(best, self._groups[index]).layers
        return max(layers, key=lambda layer: layer.cycles).name

    def limits(self) -> list[int]:
        """Cycle counts that a network could have, ascending."""
        counts = np.unique(np.concatenate([table.cycles for table in self._tables]))
        return [int(count) for count in counts if count >= self.floor]

    def cheapest(self, limit: int, usable: Cost) -> Choice | None:
        """The choice of least area within ``limit`` cycles, or the nearest to fitting.

        None where no chain of foldings is that fast.
        """
        if limit < self.floor:
            return None
        aside, bound, choice = Cost(), 0.0, None
        for _ in range(TRIES):
            found = self._choice(self._chain(usable, aside).cheapest(limit))
            assert found is not None, "there is a chain so fast"
            if choice is None:
                bound = (1 - found.area_gap) * _area(_less(found.cost, found.between), usable)
            if choice is None or found.fullness(usable) < choice.fullness(usable):
                choice = found
            more = _most(aside, found.between)
            if more == aside or choice.fullness(usable) <= 1:
                break
            aside = more
        assert choice is not None
        if choice.between == Cost():
            return choice
        return replace(choice, area_gap=max(0.0, 1 - bound / _area(choice.cost, usable)))

    def fastest(self, usable: Cost) -> tuple[Choice | None, str]:
        """The choice with the fewest cycles that fits, of these the one of least area.

        Returns
        -------
        choice : Choice or None
            None where nothing fits.
        limited_by : str
            The resource that forbids the next better one, or the layer that sets `floor`.
        """
        aside, bound, limited_by = Cost(), 0, ""
        for _ in range(TRIES):
            choice, limited_by = self._fastest(usable, aside)
            if choice is None:
                break
            bound = bound or choice.cycles_bound
            if choice.fullness(usable) <= 1:
                return replace(choice, cycles_bound=bound), limited_by
            aside = _most(aside, choice.between)
        if aside != Cost():
            # With so much set aside nothing fits, but the smallest may need less.
            choice = self.cheapest(self.limits()[-1], usable)
            if choice is not None and choice.fullness(usable) <= 1:
                return replace(choice, cycles_bound=bound), limited_by
        return None, limited_by

    def _fastest(self, usable: Cost, aside: Cost) -> tuple[Choice | None, str]:
        """`fastest`, with some area set aside."""
        chain, limits = self._chain(usable, aside), self.limits()
        answers: dict[int, Answer] = {}
        # Nothing below `low` fits, something at `high` does; `proven` is below all that
        # could fit, which is `low` unless a limit was left undecided.
        low, high = 0, len(limits)
        while low < high:
            middle = (low + high) // 2
            answers[middle] = answer = chain.fit(limits[middle])
            if answer.path is None:
                low = middle + 1
            else:
                high = middle
        refused = [i for i, answer in answers.items() if answer.path is None and answer.proven]
        proven = max(refused, default=-1) + 1
        if high == len(limits):
            choice = self._choice(chain.fit(limits[-1]))
            assert choice is not None, "the slowest folding of a chain always exists"
            return None, scarcest(choice, usable)
        best = self._choice(chain.cheapest(limits[high]), limits[proven])
        better = self._choice(answers[high - 1]) if high else None
        return best, self.slowest if better is None else scarcest(better, usable)

    def _choice(self, answer: Answer, cycles_bound: int = 0) -> Choice | None:
        """The foldings of an answer, converters included."""
        if not answer.nearest:
            return None
        chosen = tuple(
            named(table.options[index], group)
            for table, index, group in zip(self._tables, answer.nearest, self._groups, strict=True)
        )
        fabric, layers = self._fabric, join(self._stages, chosen)
        first = from_link(self._link_lanes, chosen[0].i_lanes)
        entry = width_cost(converter(first, chosen[0].i_lanes, chosen[0].i_bits))
        seen = fabric.total(layer.cost for segment in chosen for layer in segment.layers)
        for index, (before, after) in enumerate(pairwise(chosen)):
            if self._feeders[index + 1] == index:
                between = converter(before.o_lanes, after.i_lanes, after.i_bits)
                seen += fabric.cost(width_cost(between))
        layers = tuple(replace(layer, cost=fabric.cost(layer.cost)) for layer in layers)
        used = sum((layer.cost for layer in layers), Cost())
        cost = used + self._fixed + fabric.cost(entry)
        # Parts are rounded up, so that of fewer parts may be a little less.
        between = _most(Cost(), _less(used, seen))
        return Choice(
            segments=chosen,
            layers=layers,
            cost=cost,
            cycles_bound=cycles_bound,
            area_gap=answer.gap,
            between=between,
        )

    def _chain(self, usable: Cost, aside: Cost) -> Chain:
        """The foldings as numbers, 1 being all that is usable of a resource."""
        needed = [
            name
            for name in RESOURCES
            if getattr(self._fixed + aside, name)
            or any(table.needs(name) for table in self._tables)
        ]
        scale = np.array([_part(1, getattr(usable, name)) for name in needed])
        first, *others = self._tables
        delivered = [from_link(self._link_lanes, int(lanes)) for lanes in first.i_lanes]
        links = [first.link([delivered], [1], needed, scale)]
        leaving = first.leaving
        for index, table in enumerate(others, 1):
            if self._feeders[index] == index - 1:
                before = [[lanes] * len(table.i_lanes) for lanes, _ in leaving]
                takes = [takes for _, takes in leaving]
            else:
                # What it reads comes through a queue, and from elsewhere.
                before = [[int(lanes) for lanes in table.i_lanes] for _ in leaving]
                takes = [1] * len(leaving)
            links.append(table.link(before, takes, needed, scale))
            leaving = table.leaving
        fixed = _vector(self._fixed + aside, needed) * scale
        price = _vector(worth(self._fabric, self._sprams), needed) / scale
        return Chain(links, fixed=fixed, objective=price / price.mean())


class _Table:
    """The foldings of one segment as arrays, those left out that another one replaces."""

    def __init__(self, options: tuple[Segment, ...], fabric: Fabric) -> None:
        self._fabric = fabric
        kept = _irreplaceable(options, fabric)
        kept.sort(key=lambda option: option.i_lanes)
        self.options = tuple(kept)
        self.bits = options[0].i_bits
        self.cycles = np.array([option.cycles for option in kept])
        self.costs = np.array([_vector(fabric.cost(option.cost), RESOURCES) for option in kept])
        self.i_lanes, self._enter = np.unique([o.i_lanes for o in kept], return_inverse=True)
        states = [(option.o_lanes, option.takes) for option in kept]
        self.leaving = sorted(set(states))
        self._leave = np.array([self.leaving.index(state) for state in states])

    def needs(self, name: str) -> bool:
        return bool(self.costs[:, RESOURCES.index(name)].any())

    def link(
        self,
        before: Sequence[Sequence[int]],
        takes: Sequence[int],
        needed: Sequence[str],
        scale: np.ndarray,
    ) -> Link:
        """The options behind a segment that is left in one of some states.

        ``before`` has, state by state, the lanes that each of `i_lanes` is made of, and
        ``takes`` the fewest that keep up.
        """
        chosen = [RESOURCES.index(name) for name in needed]
        converters = [
            [
                _converter_cost(lanes, int(i_lanes), self.bits, self._fabric)
                for lanes, i_lanes in zip(state, self.i_lanes, strict=True)
            ]
            for state in before
        ]
        return Link(
            cycles=self.cycles,
            costs=self.costs[:, chosen] * scale,
            enter=self._enter,
            leave=self._leave,
            allowed=np.array(takes)[:, None] <= self.i_lanes,
            converters=np.array(converters)[:, :, chosen] * scale,
        )


def from_link(fields: int, lanes: int) -> int:
    """Elements that the link hands over at a time, of ``fields`` in a byte."""
    return gcd(fields, lanes)


def _irreplaceable(options: tuple[Segment, ...], fabric: Fabric) -> list[Segment]:
    """Options that no other one replaces, see above."""
    groups: dict[tuple[int, int], list[Segment]] = {}
    for option in options:
        groups.setdefault((option.i_lanes, option.o_lanes), []).append(option)
    kept: list[Segment] = []
    for group in groups.values():
        rows = [[o.takes, o.cycles, *_vector(fabric.cost(o.cost), RESOURCES)] for o in group]
        kept += [group[i] for i in pareto(np.array(rows, float))]
    return kept


def _vector(cost: Cost, names: Sequence[str]) -> np.ndarray:
    return np.array([getattr(cost, name) for name in names], float)


@cache
def _converter_cost(lanes: int, i_lanes: int, bits: int, fabric: Fabric) -> np.ndarray:
    return _vector(fabric.cost(width_cost(converter(lanes, i_lanes, bits))), RESOURCES)


def _less(cost: Cost, part: Cost) -> Cost:
    return Cost(**{f.name: getattr(cost, f.name) - getattr(part, f.name) for f in fields(Cost)})


def _most(one: Cost, other: Cost) -> Cost:
    """The greater of each resource."""
    return Cost(**{n: max(getattr(one, n), getattr(other, n)) for n in RESOURCES})


def _area(cost: Cost, usable: Cost) -> float:
    """See `Search`."""
    return sum(_part(getattr(cost, n), getattr(usable, n)) for n in RESOURCES)


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
