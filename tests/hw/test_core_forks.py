"""Cores of networks that fork and join: every tensor, every cycle, and no standstill."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from hw.core import Core
from hw.plan.plan import Plan
from sim.core import CoreSimulator, Stall
from sw import golden
from sw.model.ir import Graph
from tests.hw.core_bench import Run, simulate
from tests.hw.plan.dag_graphs import (
    bi_real,
    buildable_dag,
    downsampled,
    random_inputs,
    two_sources,
)
from tests.hw.plan.graphs import model_of, random_plan
from tests.sw.model.small import residual_graph

FRAMES = 3


def run(
    graph: Graph,
    plan: Plan,
    rng: np.random.Generator,
    i_rate: float = 1.0,
    o_rate: float = 1.0,
    frames: int = FRAMES,
) -> Run:
    """Random frames through the core; fails where any tensor differs from golden's."""
    inputs = random_inputs(rng, graph, frames)
    expected = golden.run(graph, inputs)
    core = Core(plan, model_of(graph), taps=True)
    result = simulate(core, graph, inputs, rng=rng, i_rate=i_rate, o_rate=o_rate)
    for name, values in result.tensors.items():
        np.testing.assert_array_equal(values, expected[name].reshape(frames, -1), name)
    np.testing.assert_array_equal(result.scores, expected["head"].reshape(frames, -1), "head")
    return result


@settings(
    max_examples=6, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
@given(seed=st.integers(0, 2**32 - 1), rate=st.sampled_from([0.5, 1.0]))
def test_random_networks(seed: int, rate: float) -> None:
    rng = np.random.default_rng(seed)
    note(f"seed={seed}")
    graph = buildable_dag(rng, steps=5, max_size=4, max_channels=4)
    run(graph, random_plan(rng, model_of(graph), most_cycles=200), rng, rate, rate)


def a_residual_stream(rng: np.random.Generator) -> Graph:
    return bi_real(rng, height=5, width=4, channels=4, blocks=2)


def every_kind_of_op(_: np.random.Generator) -> Graph:
    return residual_graph()


@pytest.mark.parametrize(
    "make",
    [a_residual_stream, two_sources, downsampled, every_kind_of_op],
    ids=lambda f: f.__name__,
)
def test_networks_reach_their_cycles(
    make: Callable[[np.random.Generator], Graph], rng: np.random.Generator
) -> None:
    """Queues are as deep as full speed needs; with pauses everything is as exact."""
    graph = make(rng)
    plan = random_plan(rng, model_of(graph), most_cycles=160)
    assert run(graph, plan, rng, frames=5).cycles_per_frame <= plan.cycles_per_frame
    run(graph, plan, rng, i_rate=0.5, o_rate=0.4)


def with_depths(plan: Plan, depth: Callable[[int, int], int]) -> Plan:
    """``plan`` with queues of ``depth(planned, least)``."""
    layers = []
    for layer in plan.layers:
        edges = tuple(
            edge
            if edge.fifo is None or not edge.least
            else replace(edge, fifo=replace(edge.fifo, depth=depth(edge.fifo.depth, edge.least)))
            for edge in layer.edges
        )
        layers.append(replace(layer, edges=edges))
    return replace(plan, layers=tuple(layers))


def test_the_least_depth_is_the_least(rng: np.random.Generator) -> None:
    """With it the network goes on, however slowly; with one place less it stands still."""
    graph = bi_real(rng, height=4, width=4, channels=2, blocks=1)
    plan = random_plan(rng, model_of(graph), most_cycles=100)
    (edge,) = (edge for layer in plan.layers for edge in layer.edges if edge.least)
    assert edge.least > 1
    # One would hold a beat, and more.
    assert edge.converter is None
    run(graph, with_depths(plan, lambda _, least: least), rng, i_rate=0.7, o_rate=0.7)
    with pytest.raises(AssertionError, match=r"in \d+ cycles \d+ of \d+ beats"):
        run(graph, with_depths(plan, lambda _, least: least - 1), rng)


def test_the_compiled_core(rng: np.random.Generator) -> None:
    """Every tensor of the RTL, with and without pauses, of either side alone too."""
    graph = residual_graph()
    model = model_of(graph)
    plan = random_plan(rng, model, most_cycles=200)
    simulator = CoreSimulator(plan, model, taps=True)
    inputs = random_inputs(rng, graph, 20)
    expected = golden.run(graph, inputs)
    rates = [(0.5, 0.3), (0.3, 0.5), (0.0, 0.97), (0.97, 0.0), (0.9, 0.9)]
    stalls = [Stall(i=i, o=o, seed=seed) for seed, (i, o) in enumerate(rates)]
    for stall in (None, *stalls):
        result = simulator.run(inputs, stall=stall)
        for name, values in result.tensors.items():
            np.testing.assert_array_equal(values, expected[name], name)
        np.testing.assert_array_equal(result.scores, expected["head"].reshape(20, -1))
        if stall is None:
            assert result.cycles_per_frame is not None
            assert result.cycles_per_frame <= plan.cycles_per_frame
