"""Plans with weights in memories that are loaded at first (SPRAM)."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise, product

import numpy as np
import pytest

import boards
from hw.plan.array import FEW_STARTS
from hw.plan.block_ram import SB_RAM40, SPRAM
from hw.plan.cost import LOADER, RESOURCES, Cost, width_cost
from hw.plan.edges import join
from hw.plan.fabric import FABRICS
from hw.plan.foldings import foldings
from hw.plan.layer import Segment, converter, segments
from hw.plan.plan import Plan, make_plan
from hw.plan.search import from_link
from hw.plan.searches import Searches
from hw.plan.stages import cut
from sw.errors import PlanError
from sw.model.model import Model
from tests.hw.plan.graphs import Builder, model_of

UP5K = boards.find("icebreaker").budget
FIXED = Cost(lut=300, ff=200, bram=1)


def dense(*widths: int) -> Model:
    """Dense layers of so many neurons behind pixels of 8 bits, and ten classes."""
    builder = Builder(np.random.default_rng(1), 1, 1, widths[0], "uint8")
    for width in widths[1:]:
        builder.dense(width).threshold()
    return model_of(builder.dense(10).head(), "dense")


def plan(model: Model, budget: boards.DeviceBudget = UP5K, fps: float | None = None) -> Plan:
    return make_plan(
        model, board="icebreaker", size="UP5K", budget=budget, clock=24, fps=fps, share=0.9
    )


def test_weights_that_fit_no_block_ram() -> None:
    """0.67 Mbit: beyond a UP5K's 30 block RAMs, within its SPRAM."""
    model = dense(784, 512, 512)
    made = plan(model)
    used = [layer.array.weights.sprams for layer in made.layers if layer.array]
    assert made.predicted.spram == sum(used) and 0 < sum(used) <= 4
    for layer in made.layers:
        array = layer.array
        if array is not None and array.weight_memory == "spram":
            assert array.hops == 1 and array.rows * array.simd <= 64
            assert array.weights.depth <= SPRAM.deepest
            assert layer.summary()["spram"] == layer.cost.spram == array.weights.sprams
            assert layer.summary()["weights_bram"] == 0
    # Start values leave the LUTs for the block RAMs that are free.
    thresholds = [layer.array.thresholds for layer in made.layers if layer.array]
    assert any(given is not None and given.memory == "block" for given in thresholds)
    with pytest.raises(PlanError, match=r"it needs \d+ block RAMs, \d+ more than the 30 usable"):
        plan(model, replace(UP5K, spram=0))


def test_no_memory_to_load_where_none_is_needed() -> None:
    model = dense(196, 32)
    slow = plan(model, fps=100)
    assert slow.predicted.spram == 0
    without = plan(model, replace(UP5K, spram=0), fps=100)
    assert slow.summary() == without.summary()
    assert plan(model).frames_per_second >= without.frames_per_second


def test_too_large_for_all_memories() -> None:
    text = (
        r"it needs .*\d+ SPRAMs of 256 Kbit, \d+ more than the 4 usable of 4.*"
        r"weights alone are 2\.\d+ Mbit"
    )
    with pytest.raises(PlanError, match=text):
        plan(dense(784, 1024, 1024, 1024))


@pytest.mark.parametrize("sprams", [0, 1, 4])
def test_foldings(sprams: int) -> None:
    (first, second) = segments(cut(dense(64, 48).graph))
    found = [s.layers[0].array for s in foldings(first, SB_RAM40, sprams)]
    arrays = [array for array in found if array is not None]
    loaded = [array for array in arrays if array.weight_memory == "spram"]
    assert bool(loaded) == bool(sprams)
    for array in loaded:
        assert array.rows_per_hop == array.rows and array.weights.sprams <= sprams
    blocks = [a for a in arrays if a.thresholds is not None and a.thresholds.memory == "block"]
    assert bool(blocks) == bool(sprams)
    assert all(a.neuron_folds > FEW_STARTS for a in blocks)
    others = [s for s in foldings(second, SB_RAM40) if s in tuple(foldings(second, SB_RAM40, 4))]
    assert others == list(foldings(second, SB_RAM40)), "what there is without, there is with them"


def every_choice(model: Model, sprams: int) -> list[tuple[int, Cost]]:
    """Cycles and cost of each chain in which all keep up, on an UP5K."""
    stages, fabric, found = cut(model.graph), FABRICS["up5k"], []
    options: list[tuple[Segment, ...]] = [
        tuple(foldings(group, fabric.block_ram, sprams)) for group in segments(stages)
    ]
    fixed = fabric.cost(FIXED + LOADER if sprams else FIXED)
    for chosen in product(*options):
        if any(b.i_lanes < a.takes for a, b in pairwise(chosen)):
            continue
        lanes, first = from_link(1, chosen[0].i_lanes), chosen[0]
        entry = fabric.cost(width_cost(converter(lanes, first.i_lanes, first.i_bits)))
        layers = join(stages, chosen)
        cost = fabric.total(layer.cost for layer in layers) + fixed + entry
        found.append((max(segment.cycles for segment in chosen), cost))
    return found


def test_as_good_as_trying_every_folding(rng: np.random.Generator) -> None:
    model = dense(12, 18)
    choices = every_choice(model, 0) + every_choice(model, 1)
    for _ in range(6):
        some = choices[int(rng.integers(len(choices)))][1]
        budget = replace(UP5K, lut=int(some.lut * rng.uniform(0.9, 1.1)), bram=some.bram, spram=1)
        usable = Cost(lut=budget.lut, ff=budget.ff, bram=budget.bram, spram=1)
        searches = Searches(cut(model.graph), fixed=FIXED, link_lanes=1, budget=budget)
        cycles = [
            c
            for c, cost in choices
            if all(getattr(cost, n) <= getattr(usable, n) for n in RESOURCES)
        ]
        best, _ = searches.fastest(usable)
        assert (best is None) == (not cycles)
        if best is not None:
            assert best.cycles == best.cycles_bound == min(cycles)
            within = searches.cheapest(best.cycles, usable)
            assert within is not None and within.fullness(usable) <= 1
