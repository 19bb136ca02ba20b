"""What a plan was asked for, and the refusals of what cannot be had."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from hw.plan.cost import Budget, Cost, Share
from hw.plan.search import Choice, shortages
from hw.plan.searches import Searches
from sw.errors import PlanError

__all__ = ["Candidate", "Request", "too_large", "too_slow"]

_PLURAL = {
    "lut": "LUTs",
    "ff": "flip-flops",
    "bram": "block RAMs",
    "dsp": "DSPs",
    "spram": "SPRAMs of 256 Kbit",
}


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """Another device to name where a network does not fit the one asked for."""

    board: str
    size: str | None
    budget: Budget


@dataclass(frozen=True, kw_only=True)
class Request:
    """What was asked for; `multipliers` says whether any may be used."""

    name: str
    board: str
    size: str | None
    budget: Budget
    clock_mhz: float
    share: Share
    candidates: tuple[Candidate, ...]
    multipliers: bool = True

    @property
    def device(self) -> str:
        return _device(self.board, self.size)

    @property
    def usable(self) -> Cost:
        """The most that may be used."""
        usable = self.share.usable(self.budget)
        return usable if self.multipliers else replace(usable, dsp=0)


def _device(board: str, size: str | None) -> str:
    return board if size is None else f"{board} {size}"


def too_slow(search: Searches, request: Request, choice: Choice | None, fps: float) -> PlanError:
    """The refusal of a rate that the device does not reach.

    Parameters
    ----------
    choice : Choice or None
        The least full one that reaches it; None where none does on any device.
    """
    usable = request.usable
    limit = int(request.clock_mhz * 1e6 / fps)
    best, _ = search.fastest(usable)
    if best is None:
        return too_large(search, request)
    reached = request.clock_mhz * 1e6 / best.cycles
    lack = ""
    if choice is None:
        lack = f": layer '{search.slowest}' takes at least {search.floor} cycles a frame"
    else:
        resource, needed, allowed = shortages(choice, usable)[0]
        lack = f": that takes {needed} {_PLURAL[resource]} of {allowed} usable"
    return PlanError(
        f"'{request.name}' on {request.device} at {request.clock_mhz:g} MHz reaches "
        f"{reached:.0f} frames/s within the device, not the {fps:g} asked for{lack}",
        f"Ask for at most {math.floor(reached)} frames/s"
        + _recommend(search, request, limit, " or take "),
    )


def too_large(search: Searches, request: Request) -> PlanError:
    """The refusal of a network that does not fit however slowly it may run."""
    usable = request.usable
    slowest = search.most_cycles
    choice = search.cheapest(slowest, usable)
    assert choice is not None
    parts = [
        f"{needed} {_PLURAL[n]}, {needed - allowed} more than the {allowed} usable of "
        f"{getattr(request.budget, n)}"
        for n, needed, allowed in shortages(choice, usable)
    ]
    advice = _recommend(search, request, slowest, "Take ")
    return PlanError(
        f"'{request.name}' does not fit {request.device}: it needs {' and '.join(parts)}; its "
        f"weights alone are {search.weight_bits / 1e6:.3g} Mbit, and a frame would take "
        f"{choice.cycles} cycles",
        advice or "Take a larger device, raise --share, or train a smaller network",
    )


def _recommend(search: Searches, request: Request, limit: int, before: str) -> str:
    """``before`` and the smallest candidate that takes the network within ``limit``."""
    for candidate in sorted(request.candidates, key=lambda c: (c.budget.lut, c.budget.bram)):
        usable = request.share.usable(candidate.budget)
        choice = search.on(candidate.budget).cheapest(limit, usable)
        if choice is not None and choice.fullness(usable) <= 1:
            return f"{before}{_device(candidate.board, candidate.size)}, which it fits"
    return ""
