"""Whole cores against the golden model: every tensor, every score, every cycle."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from hw.core import Core
from hw.plan.layer import Segment
from hw.plan.plan import Plan
from sw import golden
from sw.model.ir import Padding
from sw.model.model import Model
from tests.graphs import random_frames, random_model
from tests.hw.core_bench import Run, simulate
from tests.hw.plan.graphs import Builder, model_of, random_plan

FRAMES = 6


def run(
    model: Model, plan: Plan, rng: np.random.Generator, i_rate: float = 1.0, o_rate: float = 1.0
) -> Run:
    """Random frames through the core; fails where any tensor differs from golden's."""
    inputs = model.preprocessing.apply(random_frames(rng, model.graph, FRAMES))
    expected = golden.run(model.graph, inputs)
    core = Core(plan, model, taps=True)
    result = simulate(core, model.graph, inputs, rng=rng, i_rate=i_rate, o_rate=o_rate)
    for name, values in result.tensors.items():
        np.testing.assert_array_equal(values, expected[name].reshape(FRAMES, -1), name)
    np.testing.assert_array_equal(result.scores, expected["head"].reshape(FRAMES, -1), "head")
    return result


@settings(
    max_examples=20, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
@given(seed=st.integers(0, 2**32 - 1), depth=st.integers(1, 3), size=st.integers(2, 6))
def test_random_networks(seed: int, depth: int, size: int) -> None:
    """Random graph and folding; with no stalls the cycles per frame are the plan's."""
    rng = np.random.default_rng(seed)
    note(f"seed={seed} depth={depth} size={size}")
    model = random_model(rng, depth=depth, max_size=size, max_channels=6, vectors=0)
    plan = random_plan(rng, model, most_cycles=150)
    result = run(model, plan, rng)
    assert result.cycles_per_frame == plan.cycles_per_frame


@settings(
    max_examples=12, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
@given(
    seed=st.integers(0, 2**32 - 1),
    i_rate=st.sampled_from([0.2, 0.6, 1.0]),
    o_rate=st.sampled_from([0.2, 0.6, 1.0]),
)
def test_random_networks_with_stalls(seed: int, i_rate: float, o_rate: float) -> None:
    rng = np.random.default_rng(seed)
    note(f"seed={seed}")
    model = random_model(rng, depth=2, max_size=5, max_channels=6, vectors=0)
    run(model, random_plan(rng, model, most_cycles=100), rng, i_rate, o_rate)


AROUND = Padding(top=1, left=1, bottom=1, right=1)


@pytest.mark.parametrize("case", range(4))
def test_balanced_network_reaches_its_cycles(case: int, rng: np.random.Generator) -> None:
    """Stages as slow as one another, and pools between them that deliver in bursts."""
    builder = Builder(rng, 8, 8, 2, ["bipolar", "uint8", "int8", "ternary"][case])
    builder.conv(4, padding=AROUND).threshold().pool()
    builder.conv(8, padding=AROUND).threshold().pool((2, 1))
    model = model_of(builder.dense(8).threshold().dense(4).head("argmax" if case % 2 else "raw"))
    plan = random_plan(rng, model, most_cycles=[64, 128, 144, 192][case])
    assert run(model, plan, rng).cycles_per_frame == plan.cycles_per_frame


@pytest.mark.parametrize("case", range(5))
def test_columns(case: int, rng: np.random.Generator) -> None:
    """Pixels side by side: strides, padding, pools and several levels behind them."""
    builder = Builder(rng, 6, 6, 2, ["bipolar", "uint8", "ternary", "bipolar", "unsigned2"][case])
    stride = (1, 2) if case == 3 else (1, 1)
    builder.conv(4, stride=stride, padding=AROUND if case else None)
    builder.threshold(levels=3 if case == 4 else 1)
    if case % 2:
        builder.pool((2, 1))
    builder.conv(4, padding=AROUND).threshold()
    model = model_of(builder.dense(4).head())

    def columns(segment: Segment) -> int:
        array = segment.layers[0].array
        return 1 if array is None else array.columns

    plan = random_plan(
        rng, model, most_cycles=[60, 110, 90, 70, 120][case], wanted=lambda s: columns(s) > 1
    )
    used = [layer.array.columns for layer in plan.layers if layer.array is not None]
    assert min(used[:2]) > 1, used
    assert run(model, plan, rng).cycles_per_frame == plan.cycles_per_frame
    if case in (1, 3):
        run(model, plan, rng, i_rate=0.6, o_rate=0.6)


@pytest.mark.parametrize("most_cycles", [40, 90, 160, 320])
def test_steady_state_is_within_two_percent_of_the_ideal(
    most_cycles: int, rng: np.random.Generator
) -> None:
    """Measured cycles against multiply-accumulates / lanes at work, of the slowest array."""
    builder = Builder(rng, 8, 8, 4)
    builder.conv(8, padding=AROUND).threshold().pool()
    builder.conv(8, padding=AROUND).threshold()
    model = model_of(builder.dense(8).threshold().dense(4).head())

    def arrays_are_slowest(segment: Segment) -> bool:
        return segment.layers[0].ideal_cycles >= max(0.5 * most_cycles, segment.cycles)

    plan = random_plan(rng, model, most_cycles=most_cycles, wanted=arrays_are_slowest)
    ideal = max(layer.ideal_cycles for layer in plan.layers)
    assert run(model, plan, rng).cycles_per_frame <= 1.02 * ideal
