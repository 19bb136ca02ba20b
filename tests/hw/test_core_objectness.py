"""Marks of whole cores on boxes against the host's own threshold of the golden scores."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from hw.core import Core
from hw.plan.objectness import least_scores
from hw.plan.plan import Plan
from sw import golden
from sw.detect import levels, objects
from sw.model.ir import Conv, Graph, Head
from sw.model.model import BOX_CHANNELS, Model
from tests.detectors import detector
from tests.graphs import random_frames
from tests.hw.core_bench import Run, simulate
from tests.hw.plan.graphs import random_plan

FRAMES = 3


def varied(rng: np.random.Generator, by: str, weight_bits: int = 1) -> Model:
    """A detector whose levels of objectness are equal, or differ by anchor or by place."""
    model = detector(3, 4)
    source, conv, head = model.graph.ops
    assert isinstance(conv, Conv) and isinstance(head, Head)
    scale = head.scale.reshape(*model.grid, -1, BOX_CHANNELS).copy()
    offset = head.offset.reshape(scale.shape).copy()
    if by != "none":
        scale[..., 1, 4] /= 3
        offset[..., 1, 4] = rng.normal()
    if by == "place":
        offset[..., 4] += rng.normal(0, 0.7, offset.shape[:-1])
    if weight_bits > 1:
        weights = rng.integers(-3, 4, conv.weights.shape).astype(np.int8)
        weights[:, 0, 0, 0] = 3
        conv = dataclasses.replace(conv, weights=weights, weight_bits=weight_bits)
    # So that objectness is about 1/2.
    middle = np.rint(-127.5 * conv.weights.sum((1, 2, 3))).astype(np.int32)
    head = dataclasses.replace(
        head,
        bias=np.tile(middle, model.grid[0] * model.grid[1]),
        scale=scale.ravel(),
        offset=offset.ravel().astype(np.float32),
    )
    return dataclasses.replace(model, graph=Graph(ops=(source, conv, head)))


def run(
    model: Model, plan: Plan, rng: np.random.Generator, i_rate: float = 1.0, o_rate: float = 1.0
) -> Run:
    """Random frames; fails where a score or a mark differs."""
    inputs = model.preprocessing.apply(random_frames(rng, model.graph, FRAMES))
    scores = golden.run(model.graph, inputs)["head"].reshape(FRAMES, -1)
    result = simulate(
        Core(plan, model, taps=True), model.graph, inputs, rng=rng, i_rate=i_rate, o_rate=o_rate
    )
    np.testing.assert_array_equal(result.scores, scores)
    assert plan.objectness is not None and result.objects is not None
    expected = np.zeros((FRAMES, *model.grid, 2, BOX_CHANNELS), np.int64)
    expected[..., -1] = objects(model, scores.astype(np.int32), plan.objectness)
    assert 0 < expected[..., -1].mean() < 1, "some boxes count and some do not"
    np.testing.assert_array_equal(result.objects, expected.reshape(FRAMES, -1))
    return result


@pytest.mark.parametrize(("by", "count"), [("none", 1), ("anchor", 2), ("place", 24)])
@pytest.mark.parametrize("weight_bits", [1, 4])
def test_marks(by: str, count: int, weight_bits: int, rng: np.random.Generator) -> None:
    """Any levels, at full speed and with stalls; marks cost no cycle."""
    model = varied(rng, by, weight_bits)
    plan = random_plan(rng, model, most_cycles=150, objectness=0.5)
    config = plan.layers[-1].objectness
    assert config is not None and config.levels == count
    assert run(model, plan, rng).cycles_per_frame == plan.cycles_per_frame
    plan = random_plan(rng, model, most_cycles=150, objectness=float(rng.uniform(0.3, 0.7)))
    run(model, plan, rng, *rng.uniform(0.4, 1, 2).tolist())


def test_levels_are_repeated_in_the_order_of_the_boxes(rng: np.random.Generator) -> None:
    for by in ("none", "anchor", "place"):
        model = varied(rng, by)
        table = least_scores(model, 0.4)
        assert table is not None
        np.testing.assert_array_equal(np.resize(table, (3, 4, 2)), levels(model, 0.4))


def test_without_an_objectness_the_core_is_as_ever(rng: np.random.Generator) -> None:
    model = detector(2, 2)
    core = Core(random_plan(rng, model, most_cycles=100), model)
    assert list(core.o_stream.payload.shape().members) == ["data", "last"]
