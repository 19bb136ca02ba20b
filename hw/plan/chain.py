"""The folding search as numbers: the cheapest path through a chain of options.

A *chain* is a row of segments. Each has options; an option takes so many cycles a
frame and costs a vector of resources, scaled so that the budget is 1 of each. It is
entered with so many lanes, and left in a state: all that the next segment sees.
Between two segments stands a width converter, which costs something for each
(state, lanes) or forbids the pair.

For a limit of cycles, is there a path within the budget, and which is the cheapest?
Without the budget that is a shortest path. With it:

1. Weigh the resources by w >= 0. If the shortest path under w costs more than
   ``sum(w)``, no path is within the budget: a proof, for any w. "Cheaper than the best
   path known" is one more resource with a budget, so a proof of the same kind says that
   a path is the best.
2. The best w is found by Kelley's method: as a function of w, each path is a plane
   above what step 1 can prove; the next w is where the planes found so far are highest.
   Most limits are settled here, by a path that fits or by a proof that none does.
3. Where neither comes, paths are built from the front: all but those that another one
   dominates (same state, no worse in any resource) and those that, with the shortest
   way to the end added, break a bound of step 1 for some w used before. What arrives is
   the answer, exactly. As step 2 leaves little between bound and budget, few live on.
4. Of more than `WIDTHS` only the most promising live on, first few, then more. What
   then arrives fits, but if nothing does, the limit is undecided, and the answer says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

__all__ = ["Answer", "Chain", "Link", "pareto"]

Costs = NDArray[np.float64]
Indices = NDArray[np.int64]

#: Paths alive at once, in one try after the other.
WIDTHS = (200, 4000)

#: Times as many that are looked at for domination.
MORE = 8

#: Shortest paths tried for a limit before the exact search.
PRICES = 30

#: Planes that the next weights are chosen by.
PLANES = 8

#: Costs are sums of some twenty terms of at most 1.
EPSILON = 1e-9


@dataclass(frozen=True, kw_only=True, eq=False)
class Link:
    """The options of one segment, and the converters in front of it.

    Attributes
    ----------
    cycles : (options,)
    costs : (options, resources)
    enter : (options,), index of the lanes with which an option is entered, ascending
    leave : (options,), index of the state in which it is left
    allowed : (states of the segment before, entries)
    converters : (states of the segment before, entries, resources)
    """

    cycles: Indices
    costs: Costs
    enter: Indices
    leave: Indices
    allowed: NDArray[np.bool_]
    converters: Costs

    def members(self, entry: int) -> slice:
        """The options entered so."""
        first, end = np.searchsorted(self.enter, [entry, entry + 1])
        return slice(int(first), int(end))


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What is known of a limit.

    Attributes
    ----------
    path : an option of each segment, within the budget; None where none was found
    nearest : the options that fill the scarcest resource least; empty where no chain of
        options is so fast
    proven : whether this is final: the cheapest path, or none as there is none
    gap : part of the objective by which another path might be cheaper; 0 if `proven`
    """

    path: tuple[int, ...] | None
    nearest: tuple[int, ...]
    proven: bool
    gap: float = 0.0


@dataclass(frozen=True, kw_only=True, eq=False)
class _Sweep:
    """Shortest ways to the end under some weights (step 1).

    A path within the budget, of an objective below ``area``, has
    ``cost @ weights <= share + slope * area``.
    """

    weights: Costs
    share: float
    slope: float
    entries: list[Costs]  # from in front of each segment, converter not included
    states: list[Costs]  # from behind each segment


class Chain:
    """Segments in a row; a path takes one option of each.

    Parameters
    ----------
    links : list of Link
        The first one's converters have one state: what the chain starts from.
    fixed : (resources,)
        What is there in any case.
    objective : (resources,)
        Weights of the resources in what is called cheap.
    """

    def __init__(self, links: list[Link], *, fixed: Costs, objective: Costs) -> None:
        self.links = links
        self.fixed = fixed
        self.objective = objective

    def cost(self, path: tuple[int, ...]) -> Costs:
        """Of a whole path, the fixed part included."""
        total, state = self.fixed.copy(), 0
        for link, option in zip(self.links, path, strict=True):
            total += link.converters[state, link.enter[option]] + link.costs[option]
            state = int(link.leave[option])
        return total

    def fit(self, limit: int) -> Answer:
        """Some path of at most ``limit`` cycles within the budget, or a proof of none."""
        return _Limited(self, limit).fit()

    def cheapest(self, limit: int) -> Answer:
        """The path of least objective among those."""
        limited = _Limited(self, limit)
        answer = limited.fit()
        return answer if answer.path is None else limited.improve(answer.path)


class _Limited:
    """A chain within a limit of cycles, and what has been found out about it."""

    def __init__(self, chain: Chain, limit: int) -> None:
        self._chain = chain
        self._links = chain.links
        self._late = [link.cycles > limit for link in chain.links]
        self._members = [
            [link.members(entry) for entry in range(link.allowed.shape[1])] for link in chain.links
        ]
        self._sweeps: list[_Sweep] = []
        self._found: dict[tuple[int, ...], Costs] = {}

    def fit(self) -> Answer:
        resources = len(self._chain.fixed)
        weights = np.full(resources, 1 / resources)
        planes: list[Costs] = []
        reached = 0.0
        for _ in range(PRICES):
            path = self._shortest(weights, 1.0, 0.0)
            if not path:
                return Answer(path=None, nearest=(), proven=True)
            cost = self._found[path]
            if cost.max() <= 1 + EPSILON:
                return Answer(path=path, nearest=path, proven=True)
            if weights @ cost > 1 + EPSILON:
                return self._none(proven=True)
            reached = max(reached, float(weights @ cost))
            planes.append(cost)
            planes, weights, highest = _next_weights(planes)
            if highest <= reached + EPSILON:
                break  # no weights prove more
        decided, path = self._exact(np.inf)
        if path is None:
            return self._none(proven=decided)
        return Answer(path=path, nearest=path, proven=True)

    def improve(self, path: tuple[int, ...]) -> Answer:
        """The cheapest path, with one to begin with."""
        objective, best = self._chain.objective, path
        area = float(objective @ self._found_cost(path))
        resources = len(objective)
        bound, weights, planes = 0.0, np.append(np.zeros(resources), 1.0), list[Costs]()
        for _ in range(PRICES):
            share, slope = float(weights[:-1].sum()), float(weights[-1] / area)
            found = self._shortest(weights[:-1] + slope * objective, share, slope)
            cost = self._found[found]
            value = float(weights[:-1] @ cost + slope * (objective @ cost))
            if slope > 0:
                bound = max(bound, (value - share) / slope)
            if cost.max() <= 1 + EPSILON and objective @ cost < area:
                best, area = found, float(objective @ cost)
            if bound >= area * (1 - 1e-6):
                return Answer(path=best, nearest=best, proven=True)
            planes.append(cost)
            rows = [np.append(plane, objective @ plane / area) for plane in planes]
            rows, weights, _ = _next_weights(rows)
            planes = [row[:-1] for row in rows]
        decided, better = self._exact(area)
        best = better or best
        area = float(objective @ self._found_cost(best))
        gap = 0.0 if decided else 1 - bound / area
        return Answer(path=best, nearest=best, proven=decided, gap=gap)

    def _found_cost(self, path: tuple[int, ...]) -> Costs:
        if path not in self._found:
            self._found[path] = self._chain.cost(path)
        return self._found[path]

    def _none(self, *, proven: bool) -> Answer:
        nearest = min(self._found, key=lambda path: (float(self._found[path].max()), path))
        return Answer(path=None, nearest=nearest, proven=proven)

    def _shortest(self, weights: Costs, share: float, slope: float) -> tuple[int, ...]:
        """The shortest path under ``weights``, empty where there is none; keeps the sweep."""
        links, last = self._links, len(self._links) - 1
        states, entries, totals = [], [], []
        behind = np.zeros(int(links[last].leave.max()) + 1)
        for index in range(last, -1, -1):
            link = links[index]
            total = link.costs @ weights + behind[link.leave]
            total[self._late[index]] = np.inf
            entry = np.array([total[members].min() for members in self._members[index]])
            states.append(behind)
            entries.append(entry)
            totals.append(total)
            onward = np.where(link.allowed, link.converters @ weights + entry, np.inf)
            behind = onward.min(1)
        if not np.isfinite(behind[0]):
            return ()
        sweep = _Sweep(
            weights=weights, share=share, slope=slope, entries=entries[::-1], states=states[::-1]
        )
        self._sweeps.append(sweep)
        path, state = [], 0
        for index, link in enumerate(links):
            onward = link.converters[state] @ weights + sweep.entries[index]
            entry = int(np.where(link.allowed[state], onward, np.inf).argmin())
            members = self._members[index][entry]
            option = members.start + int(totals[last - index][members].argmin())
            path.append(option)
            state = int(link.leave[option])
        found = tuple(path)
        self._found_cost(found)
        return found

    def _exact(self, area: float) -> tuple[bool, tuple[int, ...] | None]:
        """Steps 3 and 4: whether all paths were seen, and the best of an objective below ``area``.

        Without a limit on the objective any path will do.
        """
        resources = len(self._chain.fixed)
        for row in np.eye(resources):
            self._shortest(row, 1.0, 0.0)
        if area < np.inf:
            self._shortest(self._chain.objective, 0.0, 1.0)
        best, any_path = None, area == np.inf
        for width in WIDTHS:
            seen_all, path = self._build(area, width)
            if path is not None:
                best, area = path, float(self._chain.objective @ self._found_cost(path))
            if seen_all or (any_path and best):
                return True, best
        return False, best

    def _build(self, area: float, width: int) -> tuple[bool, tuple[int, ...] | None]:
        """Paths from the front, ``width`` of them alive; whether that was all, and the best."""
        bounds = [
            (sweep, sweep.share + (sweep.slope * area if sweep.slope else 0) + EPSILON)
            for sweep in self._sweeps
        ]
        costs, states = self._chain.fixed[None], np.zeros(1, np.int64)
        history: list[tuple[Indices, Indices]] = []
        seen_all = True
        for index, link in enumerate(self._links):
            grown = [
                self._grow(index, entry, costs, states, bounds)
                for entry in range(link.allowed.shape[1])
            ]
            costs, back, option, rank = (np.concatenate(part) for part in zip(*grown, strict=True))
            if len(costs) > MORE * width:
                best = np.argpartition(rank, MORE * width)[: MORE * width]
                costs, back, option, rank = costs[best], back[best], option[best], rank[best]
                seen_all = False
            states = link.leave[option]
            kept = [np.flatnonzero(states == state) for state in np.unique(states)]
            alive = np.concatenate([k[pareto(costs[k])] for k in kept] or [states])
            if len(alive) > width:
                alive = alive[np.argsort(rank[alive], kind="stable")[:width]]
                seen_all = False
            costs, states = costs[alive], states[alive]
            history.append((back[alive], option[alive]))
        if not len(costs):
            return seen_all, None
        at = int((costs @ self._chain.objective).argmin())
        path: list[int] = []
        for back, option in reversed(history):
            path.append(int(option[at]))
            at = int(back[at])
        return seen_all, tuple(reversed(path))

    def _grow(
        self,
        index: int,
        entry: int,
        costs: Costs,
        states: Indices,
        bounds: list[tuple[_Sweep, float]],
    ) -> tuple[Costs, Indices, Indices, Costs]:
        """Paths that go on through the options of an entry: costs, paths before, options, and rank.

        The rank is the least distance to a bound: the lower, the more promising.
        """
        link, members = self._links[index], self._members[index][entry]
        back = np.flatnonzero(link.allowed[states, entry])
        arrived = costs[back] + link.converters[states[back], entry]
        for sweep, most in bounds:
            kept = arrived @ sweep.weights + sweep.entries[index][entry] <= most
            back, arrived = back[kept], arrived[kept]
        if len(back) > 1:
            kept = pareto(arrived)
            back, arrived = back[kept], arrived[kept]
        option = np.arange(members.start, members.stop)[~self._late[index][members]]
        first, second = np.divmod(np.arange(len(back) * len(option)), max(1, len(option)))
        option = option[second]
        rank = np.full(len(option), -np.inf)
        for sweep, most in bounds:
            through = (link.costs @ sweep.weights + sweep.states[index][link.leave])[option]
            total = (arrived @ sweep.weights)[first] + through
            kept = total <= most
            first, option = first[kept], option[kept]
            rank = np.maximum(rank, (total - most) / sweep.weights.sum())[kept]
        return arrived[first] + link.costs[option], back[first], option, rank


def _next_weights(planes: list[Costs]) -> tuple[list[Costs], Costs, float]:
    """Planes worth keeping, the weights (of sum 1) where the least is highest, and how high.

    The highest point of the lower envelope is a corner: as many of the planes and of
    the sides of the simplex meet there as there are weights. All corners are tried,
    which for so few planes is quicker than a solver.
    """
    rows = np.array(planes)
    count, size = rows.shape
    # Unknowns: weights and height. Planes: row @ w - height >= 0; sides: w >= 0.
    faces = np.block([[rows, -np.ones((count, 1))], [np.eye(size), np.zeros((size, 1))]])
    corners = np.array(list(combinations(range(count + size), size)))
    systems = np.concatenate(
        [faces[corners], np.tile(np.append(np.ones(size), 0.0), (len(corners), 1, 1))], axis=1
    )
    regular = np.abs(np.linalg.det(systems)) > 1e-12
    right = np.zeros((int(regular.sum()), size + 1, 1))
    right[:, -1] = 1
    points = np.linalg.solve(systems[regular], right)[:, :, 0]
    legal = (points @ faces.T >= -1e-9).all(1)
    points = points[legal]
    best = points[points[:, -1].argmax()]
    weights = np.maximum(0, best[:-1])
    weights /= weights.sum()
    near = np.argsort(rows @ weights, kind="stable")[: PLANES - 1]
    kept = [planes[i] for i in sorted({*near.tolist(), count - 1})]
    return kept, weights, float(best[-1])


def pareto(costs: Costs) -> Indices:
    """Indices of the rows of ``costs`` that no other row dominates, one of equal ones."""
    order = np.lexsort(costs.T[::-1])
    kept: list[Indices] = []
    while len(order):
        head, order = order[:128], order[128:]
        # Only rows before it, in lexicographic order, dominate a row.
        worse = _worse(costs[head], costs[head])
        head = head[~np.any(np.tril(worse, -1), axis=1)]
        kept.append(head)
        if len(order):
            parts = np.array_split(order, max(1, len(order) // 4096))
            order = np.concatenate(
                [p[~np.any(_worse(costs[p], costs[head]), axis=1)] for p in parts]
            )
    return np.sort(np.concatenate(kept)) if kept else order


def _worse(some: Costs, others: Costs) -> NDArray[np.bool_]:
    """(some, others): whether each of ``some`` is no better than each of ``others``."""
    return np.all(some[:, None] >= others[None], axis=2)
