"""The folding search on whole networks."""

from __future__ import annotations

import time
from itertools import pairwise, product
from math import gcd

import numpy as np
import pytest

from hw.plan.cost import RESOURCES, Cost, width_cost
from hw.plan.edges import join
from hw.plan.fabric import ECP5
from hw.plan.foldings import foldings
from hw.plan.layer import converter, segments
from hw.plan.search import Search, worth
from hw.plan.stages import cut
from sw.model.ir import Padding
from sw.model.model import Model
from tests.hw.plan.graphs import Builder, model_of, resnet18_chain

FIXED = Cost(lut=300, ff=200, bram=1)


def small_network(seed: int) -> Model:
    """Two segments, one of them convolutional; a few hundred chains of foldings."""
    rng = np.random.default_rng(seed)
    builder = Builder(rng, 4, 4, int(rng.integers(1, 4)), str(rng.choice(["bipolar", "int8"])))
    around = Padding(top=1, left=1, bottom=1, right=1)
    builder.conv(int(rng.integers(2, 7)), padding=around if rng.random() < 0.5 else None)
    builder.threshold()
    if rng.random() < 0.5:
        builder.pool()
    return model_of(builder.dense(int(rng.integers(2, 5))).head())


def every_choice(model: Model, link_lanes: int) -> list[tuple[int, Cost]]:
    """Cycles and cost of each chain of foldings in which all keep up."""
    found, stages = [], cut(model.graph)
    for chosen in product(*(tuple(foldings(group)) for group in segments(stages))):
        if any(b.i_lanes < a.takes for a, b in pairwise(chosen)):
            continue
        lanes = gcd(link_lanes, chosen[0].i_lanes)
        first = width_cost(converter(lanes, chosen[0].i_lanes, chosen[0].i_bits))
        cost = sum((layer.cost for layer in join(stages, chosen)), FIXED + first)
        found.append((max(segment.cycles for segment in chosen), cost))
    return found


def fits(cost: Cost, usable: Cost) -> bool:
    return all(getattr(cost, name) <= getattr(usable, name) for name in RESOURCES)


def area(cost: Cost) -> float:
    return sum(getattr(cost, n) * getattr(worth(ECP5), n) for n in RESOURCES)


@pytest.mark.parametrize("seed", range(8))
def test_as_good_as_trying_every_folding(seed: int) -> None:
    model = small_network(seed)
    choices = every_choice(model, link_lanes=4)
    search = Search(cut(model.graph), fixed=FIXED, link_lanes=4)
    rng = np.random.default_rng(seed)
    for _ in range(4):
        some = choices[int(rng.integers(len(choices)))][1]
        usable = Cost(
            lut=int(some.lut * rng.uniform(0.8, 1.2)),
            ff=int(some.ff * rng.uniform(0.8, 1.2)),
            bram=some.bram + int(rng.integers(2)),
        )
        fitting = [(cycles, cost) for cycles, cost in choices if fits(cost, usable)]
        best, _ = search.fastest(usable)
        if not fitting:
            assert best is None
            continue
        cycles = min(cycles for cycles, _ in fitting)
        least = min(area(cost) for other, cost in fitting if other == cycles)
        assert best is not None
        assert best.cycles == best.cycles_bound == cycles
        assert best.area_gap == 0
        assert area(best.cost) == pytest.approx(least, rel=2e-6)


def test_a_resnet18_is_planned_exactly_in_seconds(rng: np.random.Generator) -> None:
    """11 million weights: on a device of some thousand block RAMs."""
    stages = cut(resnet18_chain(rng).graph)
    begin = time.process_time()
    search = Search(stages, fixed=FIXED, link_lanes=1)
    usable = Cost(lut=400_000, ff=400_000, bram=1000)
    best, limited_by = search.fastest(usable)
    seconds = time.process_time() - begin
    assert best is not None and fits(best.cost, usable)
    assert best.cycles_bound == best.cycles and best.area_gap == 0
    assert limited_by == "conv1" or limited_by in RESOURCES
    print(f"{seconds:.1f} s: {best.cycles} cycles, {best.cost}")
