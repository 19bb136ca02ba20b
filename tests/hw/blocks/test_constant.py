"""Arrays with weights as logic against plain NumPy, and both forms of their adders."""

from __future__ import annotations

import dataclasses
from collections import Counter

import numpy as np
import pytest
from amaranth.back import rtlil

from hw.blocks.constant import ConstantSums
from hw.fabric import Fabric
from hw.plan import constant
from hw.plan.adders import chains
from hw.plan.constant import plan_sums, sum_cycles
from hw.plan.constant_cost import INVERTED_SITES, constant_cost, plan_cost
from tests.hw.blocks import bench
from tests.hw.blocks.array_case import ArrayCase, random_case
from tests.hw.blocks.test_carry import prove_equal


def run(
    case: ArrayCase, rng: np.random.Generator, i_rate: float = 1.0, o_rate: float = 1.0
) -> bench.Transfers:
    """Run all frames of a case; outputs must equal NumPy's."""
    found = bench.run(
        case.block(), case.beats(), case.output_beats, rng=rng, i_rate=i_rate, o_rate=o_rate
    )
    np.testing.assert_array_equal(case.outputs(found.outputs), case.expected())
    return found


BORDER = dict(height=3, width=4, y_classes=(0, 1, 2), x_classes=(0, 1, 1, 2))

SHAPES = [
    dict(rows=1, simd=1),
    dict(rows=1, simd=1, **BORDER),
    dict(rows=2, simd=1, levels=0),
    dict(rows=1, simd=40),
    dict(rows=3, simd=2, levels=2),
    dict(rows=8, simd=6, levels=0),
    dict(rows=5, simd=30, **BORDER),
    dict(rows=9, simd=12, levels=3, **BORDER),
    dict(rows=7, simd=9, lane_bits=2, levels=3),
    dict(rows=4, simd=3, lane_bits=8),
    dict(rows=3, simd=5, lane_bits=3, levels=0),
    dict(rows=13, simd=64, rows_per_hop=1),
    dict(rows=16, simd=100),
    dict(rows=6, simd=300),
    dict(rows=3, simd=160, lane_bits=2, levels=2),
    dict(rows=6, simd=7, columns=2, **BORDER),
    dict(rows=2, simd=4, columns=4, levels=2, **BORDER),
    dict(rows=5, simd=8, columns=3, width=3, levels=0),
]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_exact_at_full_rate(shape, rng):
    case = logic_case(rng, frames=7, **shape)
    found = run(case, rng)
    config = case.config
    beats = len(case.codes) * config.cycles_per_frame
    assert found.i_cycles == list(range(beats))
    assert found.o_cycles == (np.arange(beats) + config.latency_cycles).tolist()


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(("i_rate", "o_rate"), [(0.5, 1.0), (1.0, 0.3), (0.3, 0.2)])
def test_exact_when_stalled(shape, i_rate, o_rate, rng):
    run(logic_case(rng, frames=9, **shape), rng, i_rate=i_rate, o_rate=o_rate)


def logic_case(rng: np.random.Generator, **shape) -> ArrayCase:
    return random_case(rng, neuron_folds=1, synapse_folds=1, weight_memory="logic", **shape)


@pytest.mark.parametrize(
    ("outputs", "lanes", "lane_bits"),
    [(1, 1, 1), (1, 9, 1), (2, 5, 1), (3, 11, 1), (6, 12, 1), (7, 20, 1), (4, 6, 2), (3, 3, 8)],
)
def test_cells_are_equal(outputs, lanes, lane_bits, rng, tmp_path):
    """Both forms of the adders, by proof for every input."""
    block = ConstantSums(weights=rng.random((outputs, lanes)) < 0.5, lane_bits=lane_bits)
    prove_equal(block, tmp_path, cycles=block.latency_cycles + 1)


@pytest.mark.parametrize("trial", range(12))
def test_random_shapes(trial, rng):
    border = BORDER if rng.random() < 0.4 else {}
    lane_bits = int(rng.choice([1, 1, 1, 2, 8]))
    case = logic_case(
        rng,
        rows=int(rng.integers(1, 20)),
        simd=int(rng.integers(1, 60 if lane_bits == 1 else 12)),
        lane_bits=lane_bits,
        levels=int(rng.choice([0, 1, 1, 3])),
        columns=int(rng.choice([1, 2, 4])) if border else 1,
        frames=5,
        **border,
    )
    run(case, rng, i_rate=0.7, o_rate=0.7)


def test_chains_read_neighbouring_lanes(rng, monkeypatch):
    """Of the adders that most lanes enter, each chain has those of a part of the lanes."""
    monkeypatch.setattr(constant, "_BLOCK_LANES", 400)
    (group,) = plan_sums(rng.random((4, 400)) < 0.5, sizes=(4,)).groups
    reading = [adder for adder in group if adder.level == 1 and adder.right is not None]
    cycle, _ = Counter(adder.cycle for adder in reading).most_common(1)[0]
    made = chains([adder for adder in group if adder.cycle == cycle])
    assert len(made) > 2
    for chain in made:
        assert chain[-1].position - chain[0].position < 2 * 400 / len(made)


@pytest.mark.parametrize("same", [True, False])
def test_weights_that_are_all_alike(same, rng):
    """All lanes in one class, the longest way through the adders."""
    weights = np.full((7, 200), same)
    plan = plan_sums(weights)
    assert plan.cycles <= sum_cycles(7, 200, 1)
    case = logic_case(rng, rows=7, simd=200, frames=3)
    run(dataclasses.replace(case, weights=weights), rng)


def test_cost_of_random_weights_is_that_of_the_plan(rng):
    """What the planner reckons with before it knows the weights.

    Flip-flops vary more: the largest class decides how many cycles all lanes wait.
    """
    for outputs, lanes in ((64, 64), (32, 288), (64, 400)):
        estimate = constant_cost(outputs, lanes)
        real = plan_cost(rng.random((outputs, lanes)) < 0.5)
        assert abs(estimate.lut / real.lut - 1) < 0.03
        assert abs(estimate.ff / real.ff - 1) < 0.12


def test_cost_counts_the_cells(rng):
    """Sites and flip-flops of the plan are those of the netlist, before Yosys adds inverters."""
    weights = rng.random((6, 40)) < 0.5
    text = rtlil.convert(
        ConstantSums(weights=weights), platform=Fabric(family="ecp5"), emit_src=False
    )
    expected = 2 * text.count(r"cell \CCU2C") * (1 + 1 / INVERTED_SITES)
    assert plan_cost(weights).lut == round(expected)


@pytest.mark.parametrize("shape", [{}, BORDER, dict(BORDER, levels=3), dict(levels=0)], ids=str)
def test_groups_that_work_one_behind_the_other(shape, rng, monkeypatch):
    """What a large layer does to keep its wires short, here in a small one."""
    monkeypatch.setattr(constant, "_SITES_PER_HOP", 60)
    sum_cycles.cache_clear()
    case = logic_case(rng, rows=14, simd=20, frames=5, **shape)
    plan = plan_sums(case.weights)
    assert len({output.adder.cycle for output in plan.outputs}) > 2
    assert run(case, rng).latency() == case.config.latency_cycles
    sum_cycles.cache_clear()
