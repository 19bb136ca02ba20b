"""Networks that fork: queues, what they cost, and how far the plan is from the best."""

from __future__ import annotations

import json
from itertools import pairwise, product
from math import gcd
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from boards import find
from hw.plan.__main__ import folding
from hw.plan.cost import RESOURCES, Cost, width_cost
from hw.plan.edges import join
from hw.plan.foldings import foldings
from hw.plan.layer import converter, feeders, segments
from hw.plan.plan import Plan, make_plan
from hw.plan.schedule import most_held
from hw.plan.search import Search
from hw.plan.stages import cut
from sw.errors import PlanError
from sw.model import load
from sw.model.ir import BIPOLAR, Concat, Conv, Graph, TensorType
from sw.model.model import Model
from tests.hw.plan.dag_graphs import bi_real, downsampled, finished, started
from tests.hw.plan.graphs import model_of

ROOT = Path(__file__).resolve().parents[3]
FIXED = Cost(lut=300, ff=200, bram=1)


def planned(model: Model, size: str) -> Plan:
    board = find("ulx3s", size)
    return make_plan(model, board="ulx3s", size=size, budget=board.budget, clock=50)


BASELINE: dict[str, Any] = json.loads(
    (ROOT / "tests" / "baselines" / "example_plans.json").read_text()
)


@pytest.mark.parametrize("case", BASELINE)
def test_chains_are_planned_as_ever(case: str) -> None:
    """Foldings, cycles and costs of the examples, as they were before networks could fork."""
    name, size = case.split()
    model, expected = load(ROOT / "examples" / f"{name}.npz"), BASELINE[case]
    if expected is None:
        needs = r"block RAMs.*weights alone are .* Mbit, and a frame would take \d+ cycles"
        with pytest.raises(PlanError, match=needs):
            planned(model, size)
        return
    plan = planned(model, size)
    assert all(edge.fifo is None for layer in plan.layers for edge in layer.edges)
    layers = []
    for layer in plan.layers:
        summary = layer.summary()
        shape = [summary.get(key, 0) for key in ("rows", "simd", "columns")]
        area = [summary[key] for key in ("cycles", "lut", "ff", "bram")]
        layers.append([layer.name, *shape, summary.get("weight_memory", ""), *area])
    assert layers == expected["layers"]
    assert (plan.cycles_per_frame, round(plan.gap, 4)) == (expected["cycles"], expected["gap"])


def forked(rng: np.random.Generator) -> Graph:
    """One tensor to a convolution and to the Concat behind it."""
    grower = started(rng, TensorType(height=3, width=3, channels=2, range=BIPOLAR))

    def binary(source: str) -> str:
        weights, _ = grower.weights(2, 2, 2, grower.types[source].channels)
        return grower.add(Conv(name=grower.name("conv"), source=source, weights=weights))

    first = grower.threshold(binary("input"), 0)
    weights, _ = grower.weights(2, 1, 1, 2)
    second = grower.add(Conv(name=grower.name("conv"), source=first, weights=weights))
    both = grower.add(Concat(name="both", sources=(first, grower.threshold(second, 0))))
    return finished(grower, grower.dense(both, 2))


@pytest.mark.parametrize("seed", range(4))
def test_what_is_said_to_be_the_best_bounds_every_folding(seed: int) -> None:
    rng = np.random.default_rng(seed)
    stages = cut(forked(rng))
    groups = segments(stages)
    assert feeders(groups) == [None, 0, 1]
    choices = []
    for chosen in product(*(tuple(foldings(group)) for group in groups)):
        if any(b.i_lanes < a.takes for a, b in pairwise(chosen)) or rng.random() < 0.9:
            continue
        lanes = gcd(4, chosen[0].i_lanes)
        first = width_cost(converter(lanes, chosen[0].i_lanes, chosen[0].i_bits))
        cost = sum((layer.cost for layer in join(stages, chosen)), FIXED + first)
        choices.append((max(segment.cycles for segment in chosen), cost))
    search = Search(stages, fixed=FIXED, link_lanes=4)
    _, cost = choices[int(rng.integers(len(choices)))]
    usable = Cost(lut=cost.lut, ff=cost.ff, bram=cost.bram)
    best, _ = search.fastest(usable)
    assert best is not None and best.fullness(usable) <= 1
    assert best.between.lut > 0
    fitting = [
        cycles
        for cycles, other in choices
        if all(getattr(other, n) <= getattr(usable, n) for n in RESOURCES)
    ]
    assert best.cycles_bound <= min(fitting)
    assert best.cycles_bound <= best.cycles


def test_queues_are_in_the_plan(rng: np.random.Generator) -> None:
    plan = planned(model_of(bi_real(rng, height=8, width=8, channels=8, blocks=2)), "25F")
    adds = [layer for layer in plan.layers if layer.kind == "add"]
    for layer in adds:
        stream = layer.edges[0]
        assert stream.fifo is not None and stream.fifo.depth >= stream.least > 0
        assert stream.fifo.width == stream.lanes * stream.bits
        queue = layer.summary()["queues"][0]
        assert queue["queue_depth"] == stream.fifo.depth
        assert queue["least_depth"] == stream.least
        text = f"{stream.source} waits in {stream.fifo.depth} x {stream.fifo.width} bits"
        assert text in folding(layer)
    assert len(adds) == 2
    assert 0 <= plan.gap < 1
    assert json.loads(json.dumps(plan.summary()))["layers"]


def test_a_shortcut_with_layers_of_its_own(rng: np.random.Generator) -> None:
    plan = planned(model_of(downsampled(rng)), "12F")
    kinds = {layer.name: layer for layer in plan.layers}
    wide = [layer for layer in kinds.values() if layer.integer is not None]
    assert len(wide) == 2
    for layer in wide:
        assert layer.integer is not None
        assert layer.summary()["multiplier"] == layer.integer.multiplier
        assert "lanes of 8 bits" in folding(layer)
    (total,) = (layer for layer in kinds.values() if layer.kind == "add")
    assert any(edge.fifo is not None for edge in total.edges)


def test_a_rate_with_the_least_area(rng: np.random.Generator) -> None:
    model, board = model_of(downsampled(rng)), find("ulx3s", "12F")
    plan = make_plan(model, board="ulx3s", size="12F", budget=board.budget, clock=50, fps=20_000)
    assert plan.frames_per_second >= 20_000
    assert 0 <= plan.gap < 1
    assert plan.predicted.lut <= planned(model, "12F").predicted.lut


def test_most_held() -> None:
    """By hand: beats at 1, 2, 3, 4 of every 4 cycles; each leaves two and a half later."""
    came = np.arange(1.0, 5.0)
    assert most_held(came, came, 4) == 1
    assert most_held(came, came + 2.5, 4) == 3
    assert most_held(came, came + 6.5, 4) == 7
    assert most_held(np.array([1.0]), np.array([9.0]), 4) == 3
