"""Stages, their lanes and constants, against the golden model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hw.plan.stages import (
    ArrayStage,
    HeadStage,
    PoolStage,
    ScaleStage,
    ThresholdStage,
    cut,
    lanes_of,
    signed_bits,
)
from sw import golden
from sw.errors import PlanError
from sw.model.ir import Concat, Dense, Graph, Padding, Pool, Scale, Threshold
from tests.graphs import random_frames, random_graph, random_preprocessing
from tests.hw.plan.dag_graphs import buildable_dag, random_inputs
from tests.hw.plan.graphs import Builder
from tests.hw.plan.stage_model import classes, matches, run_stages
from tests.sw.model.small import residual_graph

AROUND = Padding(top=1, left=1, bottom=1, right=1)


def check(graph: Graph, inputs: np.ndarray) -> None:
    """Every stage of ``graph``, fed with codes of golden's inputs, gives golden's tensors."""
    tensors, types, stages = golden.run(graph, inputs), graph.types, cut(graph)
    lanes = run_stages(stages, types["input"].range.encode(inputs))
    for stage in stages:
        name, values = stage.tensor, lanes[stage.tensor]
        if isinstance(stage, HeadStage):
            assert signed_bits(int(values.min()), int(values.max())) <= stage.score_bits
        if isinstance(stage, ArrayStage):
            check_array(stage, lanes[stage.sources[0]])
        if name not in tensors:
            (source,) = stage.sources
            assert name == f"{source}.codes"
            values, name = types[source].range.decode(values), source
        elif not isinstance(stage, HeadStage):
            meaning = lanes_of(graph, name)
            border = classes(meaning.y_classes, meaning.x_classes)
            values = meaning.step * values + meaning.constants[border]
        expected = tensors[name]
        np.testing.assert_array_equal(values.reshape(expected.shape), expected, name)


def check_array(stage: ArrayStage, codes: np.ndarray) -> None:
    """Matches and thresholds on them are within their widths."""
    sums = matches(stage, codes)
    assert sums.min() >= 0
    assert int(sums.max()).bit_length() <= stage.match_bits
    if stage.thresholds is not None:
        assert (np.diff(stage.thresholds, axis=2) >= 0).all()
        assert stage.thresholds.min() >= 0
        assert stage.thresholds.max() <= stage.fan_in * (2**stage.lane_bits - 1) + 1


@pytest.mark.parametrize("case", range(60))
def test_stages_of_random_graphs_equal_golden(case: int, rng: np.random.Generator) -> None:
    """Residual streams, two sources, integer layers."""
    graph = buildable_dag(rng, steps=8)
    check(graph, random_inputs(rng, graph, 3))


def test_the_residual_graph_equals_golden(rng: np.random.Generator) -> None:
    """Every kind of op; accumulators that are pooled become codes first."""
    graph = residual_graph()
    kinds = [type(stage).__name__.removesuffix("Stage") for stage in cut(graph)]
    assert kinds == [
        "Integer", "Scale", "Pool", "Threshold", "Array", "Scale", "Add", "Threshold", "Concat",
        "Array", "Scale", "Pool", "Scale", "Integer", "Head",
    ]  # fmt: skip
    check(graph, random_inputs(rng, graph, 4))


def test_a_threshold_is_fused_where_it_alone_reads(rng: np.random.Generator) -> None:
    """Read by a Scale too, the matches leave, and the thresholds are on their own."""
    graph = Builder(rng, 5, 4, 2).conv(3, padding=AROUND).threshold().dense(2).head()
    scale = Scale(
        name="scale",
        source="conv1",
        gain=np.array([3, -4, 5], np.int32),
        offset=np.array([1, 2, 3], np.int32),
        shift=2,
        low=-1,
        high=1,
    )
    both = Concat(name="both", sources=("threshold2", "scale"))
    input_, conv, threshold, dense, head = graph.ops
    assert isinstance(threshold, Threshold) and isinstance(dense, Dense)
    threshold = replace(threshold, step=1, low=-1, levels=np.array([[-3, 1]] * 3, np.int32))
    wide = np.tile(dense.weights.reshape(2, -1, 3), (1, 1, 2)).reshape(2, -1)
    dense = replace(dense, source="both", weights=wide)
    forked = Graph(ops=(input_, conv, threshold, scale, both, dense, head))
    assert [type(stage) for stage in cut(graph)] == [ArrayStage, ArrayStage, HeadStage]
    stages = cut(forked)
    assert [type(stage) for stage in stages[:3]] == [ArrayStage, ThresholdStage, ScaleStage]
    first, second, third = stages[:3]
    assert isinstance(first, ArrayStage) and first.thresholds is None
    assert isinstance(second, ThresholdStage) and second.thresholds.shape == (9, 3, 2)
    assert isinstance(third, ScaleStage) and third.offset.shape == (9, 3)
    check(forked, random_inputs(rng, forked, 3))


@pytest.mark.parametrize("case", range(60))
def test_moved_thresholds_equal_golden(case: int, rng: np.random.Generator) -> None:
    graph = random_graph(rng)
    preprocessing = random_preprocessing(rng, graph)
    check(graph, preprocessing.apply(random_frames(rng, graph, 3)))


def test_skipped_taps_give_nine_classes(rng: np.random.Generator) -> None:
    around = Padding(top=1, left=1, bottom=1, right=1)
    builder = Builder(rng, 5, 4, 2).conv(3, padding=around).threshold()
    graph = builder.dense(2).head()
    stage = cut(graph)[0]
    assert isinstance(stage, ArrayStage)
    assert stage.thresholds is not None and stage.thresholds.shape == (9, 3, 1)
    assert stage.y_classes == (0, 1, 1, 1, 2)
    assert stage.x_classes == (0, 1, 1, 2)
    check(graph, graph.input.type.range.decode(rng.integers(0, 2, (4, 5, 4, 2))))


@pytest.mark.parametrize("kind", ["uint8", "unsigned2"])
def test_a_range_from_zero_has_one_class(kind: str, rng: np.random.Generator) -> None:
    around = Padding(top=1, left=1, bottom=1, right=1)
    stage = cut(Builder(rng, 5, 4, 2, kind).conv(3, padding=around).threshold().dense(2).head())[0]
    assert isinstance(stage, ArrayStage)
    assert stage.thresholds is not None and stage.thresholds.shape[0] == 1


def test_padding_with_a_value_has_one_class_and_its_code(rng: np.random.Generator) -> None:
    padding = Padding(top=1, left=1, value=127)
    stage = cut(Builder(rng, 5, 5, 1, "int8").conv(3, padding=padding).threshold().dense(2).head())[
        0
    ]
    assert isinstance(stage, ArrayStage)
    assert stage.pad_code == 255
    assert set(stage.y_classes) == set(stage.x_classes) == {0}


def test_stages_follow_the_graph(rng: np.random.Generator) -> None:
    graph = Builder(rng, 6, 6, 2).pool().conv(4).threshold().dense(3).head("argmax")
    kinds = [type(stage) for stage in cut(graph)]
    assert kinds == [PoolStage, ArrayStage, ArrayStage, HeadStage]


def test_a_pool_padded_by_its_stride_is_refused(rng: np.random.Generator) -> None:
    graph = residual_graph()
    pool = graph["stream"]
    assert isinstance(pool, Pool)
    wide = replace(pool, padding=Padding(top=1, left=1, bottom=2, right=1))
    ops = tuple(wide if op is pool else op for op in graph.ops)
    with pytest.raises(PlanError) as caught:
        cut(Graph(ops=ops))
    assert str(caught.value) == (
        "Pool 'stream' has a padding of 2 below and a stride of 2 there; the hardware pools with "
        "less padding than the stride. Train the network with a padding of at most 1 there."
    )


def test_a_gain_that_a_step_makes_too_wide_is_refused(rng: np.random.Generator) -> None:
    graph = Builder(rng, 3, 3, 2, "odd").conv(2).threshold().dense(2).head()
    scale = Scale(
        name="threshold2",
        source="conv1",
        gain=np.full(2, 131071, np.int32),
        offset=np.zeros(2, np.int32),
        shift=8,
        low=-1,
        high=0,
    )
    with pytest.raises(PlanError) as caught:
        cut(Graph(ops=tuple(scale if op.name == scale.name else op for op in graph.ops)))
    assert str(caught.value) == (
        "Scale 'threshold2' has a gain of 131071 on values in steps of 3: their product has 20 "
        "bits, and a DSP block multiplies 18. Use a smaller shift, and gains as much smaller."
    )


@pytest.mark.parametrize(
    ("low", "high", "bits"),
    [(0, 0, 1), (-1, 0, 1), (-1, 1, 2), (-128, 127, 8), (-129, 0, 9), (0, 128, 9)],
)
def test_signed_bits(low: int, high: int, bits: int) -> None:
    assert signed_bits(low, high) == bits
