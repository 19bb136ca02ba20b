"""The plan of an accelerator: every block's config, and what it will cost and do.

A plan is frozen and holds no weights: the core takes the configs from it and the
data from the model (`hw.plan.stages.cut` gives both the same order). The same
model, device budget and options give the same plan.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from hw.plan.clock import CLOCK_SHARE, design_fmax
from hw.plan.cost import Budget, Cost, Share, link_cost
from hw.plan.fabric import fabric_of
from hw.plan.layer import LayerPlan, rounded
from hw.plan.link import LinkConfig
from hw.plan.objectness import least_scores, objectness_of
from hw.plan.refusal import Candidate, Request, too_large, too_slow
from hw.plan.search import Choice
from hw.plan.searches import Searches
from hw.plan.stages import HeadStage, cut
from hw.plan.stream import HeadConfig
from hw.plan.weights import Packing
from sw.errors import PlanError
from sw.model.model import Model

__all__ = ["Clock", "LayerPlan", "Plan", "largest_memory", "make_plan"]

#: A clock in MHz, or a function that gives the fastest one there is up to a limit.
Clock = float | Callable[[float], float]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """An accelerator for one model on one device.

    Attributes
    ----------
    i_lanes, i_bits : int
        The core's input beat: `i_lanes` neighbouring elements of `i_bits` bits each.
    i_elements : int
        Elements of an input frame.
    predicted : Cost
        The whole device: layers, link and control.
    cycles_per_frame : int
        In steady state, with an input that never starves and an output never stalled.
    limited_by : str
        What keeps the plan from more frames/s: "lut", "ff", "bram", "dsp", "spram", "fps" (as many
        as were asked for), or the name of a layer that is folded no further.
    fmax_mhz : float
        Clock that the routed design is predicted to reach.
    gap : float
        How far from the best folding, under the same model, the plan may be: the part
        of its cycles (with a rate asked for, of its area) that a better one might save.
        0 says that it is proven to be the best.
    objectness : float or None
        Of a detector: the objectness from which on the core marks a box.
    """

    model: str
    board: str
    size: str | None
    clock_mhz: float
    i_lanes: int
    i_bits: int
    i_elements: int
    layers: tuple[LayerPlan, ...] = field(repr=False)
    predicted: Cost
    cycles_per_frame: int
    limited_by: str
    fmax_mhz: float = 0.0
    gap: float = 0.0
    objectness: float | None = None

    @property
    def fits(self) -> bool:
        """Always true: `make_plan` refuses what does not fit."""
        return True

    @property
    def frames_per_second(self) -> float:
        """Of the core alone; a link may carry fewer."""
        return self.clock_mhz * 1e6 / self.cycles_per_frame

    @property
    def head(self) -> HeadConfig:
        config = self.layers[-1].head
        assert config is not None, "the last layer is the head"
        return config

    @property
    def weights(self) -> Packing:
        """How full the block RAMs of all weights are."""
        return sum((layer.weights for layer in self.layers), Packing())

    @property
    def bottleneck(self) -> LayerPlan:
        """The first of the slowest layers."""
        return max(self.layers, key=lambda layer: layer.cycles)

    def summary(self) -> dict[str, Any]:
        """What `hw.plan --json` prints."""
        predicted: dict[str, Any] = dict(self.predicted.summary())
        predicted["packed"] = rounded(self.predicted.packed)
        predicted |= self.weights.summary()
        predicted["fmax_mhz"] = round(self.fmax_mhz, 1)
        predicted["cycles_per_frame"] = self.cycles_per_frame
        predicted["frames_per_second"] = round(self.frames_per_second, 3)
        summary = {
            "board": self.board,
            "size": self.size,
            "clock_mhz": self.clock_mhz,
            "fits": self.fits,
            "limited_by": self.limited_by,
            "gap": round(self.gap, 4),
            "predicted": predicted,
            "layers": [layer.summary() for layer in self.layers],
        }
        if self.objectness is not None:
            summary["objectness"] = self.objectness
        return summary


def make_plan(
    model: Model,
    *,
    board: str,
    size: str | None = None,
    budget: Budget,
    clock: Clock,
    fps: float | None = None,
    share: Share | float | None = None,
    candidates: Sequence[Candidate] = (),
    objectness: float | None = None,
    beside: Cost = Cost(),
) -> Plan:
    """Choose every layer's folding.

    Parameters
    ----------
    model : Model
    board, size : str
        Names for reports and errors.
    budget : has integer attributes ``lut``, ``ff``, ``bram``, ``dsp``, ``spram``
        Of the whole device.
    clock : float or callable
        Clock of the core in MHz, or the fastest one up to a limit as a function of it: the
        plan then takes the fastest up to `CLOCK_SHARE` of its predicted Fmax.
    fps : float, optional
        Frames/s to reach with the least area; without it the most frames/s are sought.
    share : Share or float, optional
        Part of the budget that may be used; a number stands for LUTs and flip-flops.
    candidates : sequence of Candidate
        Devices that an error may recommend.
    objectness : float, optional
        Of a detector: from which on the core marks a box; `DEFAULT_OBJECTNESS` without it.
    beside : Cost
        Of what the design has beside the core and a link by UART.

    Raises
    ------
    PlanError
        The hardware lacks an op as it is, or the network cannot fit, or cannot be so fast; the
        objectness is out of range, or the model no detector.
    """
    objectness = objectness_of(model, objectness)
    search = _searches(model, budget, objectness, beside)
    fastest = CLOCK_SHARE * design_fmax(Cost(), budget, memory=0, pools=False)
    request = Request(
        name=model.name,
        board=board,
        size=size,
        budget=budget,
        # Where it is to be chosen: faster than any design, to begin with.
        clock_mhz=clock(fastest) if callable(clock) else clock,
        share=Share.of(share, budget),
        candidates=tuple(candidates),
    )
    choice, limited_by, clock_mhz = _best(search, request, clock, fps)
    plan = _plan(request, choice, limited_by, clock_mhz)
    gap = 1 - choice.cycles_bound / choice.cycles if fps is None else choice.area_gap
    return replace(plan, gap=gap, objectness=objectness)


def _searches(model: Model, budget: Budget, objectness: float | None, beside: Cost) -> Searches:
    stages = cut(model.graph, least_scores(model, objectness))
    head = stages[-1]
    assert isinstance(head, HeadStage)
    link = LinkConfig.of(model, score_bits=head.score_bits)
    return Searches(
        stages,
        fixed=link_cost(link) + beside,
        link_lanes=max(1, 8 // link.field_bits),
        budget=budget,
    )


def _plan(request: Request, choice: Choice, limited_by: str, clock_mhz: float) -> Plan:
    """The plan of a choice, but for what was asked of the search."""
    first = choice.segments[0]
    return Plan(
        model=request.name,
        board=request.board,
        size=request.size,
        clock_mhz=clock_mhz,
        i_lanes=first.i_lanes,
        i_bits=first.i_bits,
        i_elements=first.i_elements,
        layers=choice.layers,
        predicted=choice.cost,
        cycles_per_frame=choice.cycles,
        limited_by=limited_by,
        fmax_mhz=_fmax(choice, request.budget),
    )


def _best(
    search: Searches, request: Request, clock: Clock, fps: float | None
) -> tuple[Choice, str, float]:
    """`_settle`, where multipliers may cost clock the faster of with and without them.

    With a rate to reach, they are taken where it cannot be reached without.
    """
    limit = fabric_of(request.budget).dsp_mhz
    if limit is None or not request.usable.dsp or not search.multiplies:
        return _settle(search, request, clock, fps)
    without = None
    with suppress(PlanError):
        without = _settle(search, replace(request, multipliers=False), clock, fps)
        if fps is not None:
            return without
    if not callable(clock) and clock > limit:
        if without is not None:
            return without
        _settle(search, request, clock, fps)
        raise PlanError(
            f"'{request.name}' takes multipliers, which {request.device} has up to {limit:g} MHz, "
            f"and {clock:g} MHz were asked for",
            f"Ask for at most --clock {limit:g}",
        )
    found = _settle(search, request, clock, fps)
    if without is not None and without[2] / without[0].cycles >= found[2] / found[0].cycles:
        return without
    return found


def _settle(
    search: Searches, request: Request, clock: Clock, fps: float | None
) -> tuple[Choice, str, float]:
    """The choice, what limits it, and the clock, which may depend on the choice."""
    while True:
        if fps is None:
            choice, limited_by = search.fastest(request.usable)
            if choice is None:
                raise too_large(search, request)
        else:
            choice, limited_by = _fast_enough(search, request, fps), "fps"
        if not callable(clock):
            return choice, limited_by, clock
        reached = clock(CLOCK_SHARE * _fmax(choice, request.budget))
        # A rate asked for must be reached at the clock that there will be.
        if fps is None or reached >= request.clock_mhz:
            return choice, limited_by, reached
        request = replace(request, clock_mhz=reached)


def _fmax(choice: Choice, budget: Budget) -> float:
    """Clock in MHz that the routed design is predicted to reach."""
    return design_fmax(
        choice.cost,
        budget,
        memory=largest_memory(choice.layers),
        pools=any(layer.kind == "pool" for layer in choice.layers),
    )


def largest_memory(layers: Sequence[LayerPlan]) -> int:
    """Block RAMs of the largest weight memory."""
    return max(layer.memory_bram for layer in layers)


def _fast_enough(search: Searches, request: Request, fps: float) -> Choice:
    """The choice of least area that reaches ``fps``."""
    if fps <= 0:
        raise PlanError(f"{fps:g} frames/s were asked for", "Give a rate above 0")
    usable = request.usable
    limit = int(request.clock_mhz * 1e6 / fps)
    choice = search.cheapest(limit, usable)
    if choice is not None and choice.fullness(usable) <= 1:
        return choice
    raise too_slow(search, request, choice, fps)
