"""The search of a network on a device, with memories that are loaded at first and without.

An iCE40 UP5K's memories of 256 Kbit (SPRAM) are empty after configuration. A design that has
weights in any of them pays once for what loads them, `LOADER`, which no sum over layers could
tell. So there are two searches where a device has such memories: one that leaves them out,
and one that has the loader and may use them. The second is asked where the first finds nothing
that fits and is fast enough, or nothing as fast.
"""

from __future__ import annotations

from dataclasses import replace

from hw.plan.cost import LOADER, Budget, Cost
from hw.plan.fabric import fabric_of
from hw.plan.search import Choice, Search
from hw.plan.stages import Stage, WindowStage

__all__ = ["Searches"]


class Searches:
    """All foldings of a network on a device, and choices among them.

    Parameters
    ----------
    stages : tuple of Stage
    fixed : Cost
        Of everything outside the core, but what loads memories.
    link_lanes : int
        See `Search`.
    budget : Budget
        Of the device: its fabric, and whether it has memories that are loaded.
    """

    def __init__(
        self, stages: tuple[Stage, ...], *, fixed: Cost, link_lanes: int, budget: Budget
    ) -> None:
        self._stages = stages
        self._fixed = fixed
        self._link_lanes = link_lanes
        self._made: dict[tuple[str, int], Search] = {}
        self._use(budget)

    def _use(self, budget: Budget) -> None:
        self._bare = self._search(budget, 0)
        self._loaded = self._search(budget, budget.spram) if budget.spram else None

    def _search(self, budget: Budget, sprams: int) -> Search:
        fabric = fabric_of(budget)
        key = fabric.name, sprams
        if key not in self._made:
            self._made[key] = Search(
                self._stages,
                fixed=self._fixed + LOADER if sprams else self._fixed,
                link_lanes=self._link_lanes,
                fabric=fabric,
                sprams=sprams,
            )
        return self._made[key]

    def on(self, budget: Budget) -> Searches:
        """The same network on another device."""
        other = object.__new__(Searches)
        other.__dict__ |= self.__dict__
        other._use(budget)
        return other

    @property
    def multiplies(self) -> bool:
        """Whether some folding takes multipliers."""
        return self._bare.multiplies

    @property
    def floor(self) -> int:
        """Cycles per frame with every folding undone."""
        return self._bare.floor

    @property
    def slowest(self) -> str:
        """Name of the layer that sets `floor`."""
        return self._bare.slowest

    @property
    def weight_bits(self) -> int:
        """Bits of all weights."""
        weighed = [stage for stage in self._stages if isinstance(stage, WindowStage)]
        return sum(
            stage.outputs * stage.fan_in * getattr(stage, "weight_bits", 1) for stage in weighed
        )

    @property
    def most_cycles(self) -> int:
        """Cycles per frame of the slowest foldings."""
        return self._bare.limits()[-1]

    def cheapest(self, limit: int, usable: Cost) -> Choice | None:
        """`Search.cheapest`: without memories to load where that fits, or the nearest to it."""
        choice = self._bare.cheapest(limit, usable)
        if self._loaded is None or choice is None or choice.fullness(usable) <= 1:
            return choice
        other = self._loaded.cheapest(limit, usable)
        assert other is not None, "a chain so fast, and others beside it"
        return min(choice, other, key=lambda c: c.fullness(usable))

    def fastest(self, usable: Cost) -> tuple[Choice | None, str]:
        """`Search.fastest`: with memories to load where that takes fewer cycles."""
        choice, limited_by = self._bare.fastest(usable)
        if self._loaded is None:
            return choice, limited_by
        other, others_limit = self._loaded.fastest(usable)
        if other is None or choice is None:
            return (choice, limited_by) if other is None else (other, others_limit)
        # The bound of one is none of the other.
        bound = min(choice.cycles_bound, other.cycles_bound)
        if other.cycles < choice.cycles:
            choice, limited_by = other, others_limit
        return replace(choice, cycles_bound=bound), limited_by
