"""Moving thresholds and scores onto matches, against the golden model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hw.plan.stages import ArrayStage, HeadStage, PoolStage, cut, signed_bits
from sw import golden
from sw.errors import PlanError
from sw.model.ir import (
    BIPOLAR,
    Concat,
    Conv,
    Graph,
    Head,
    Input,
    Op,
    Padding,
    Pool,
    TensorType,
    Threshold,
)
from tests.graphs import random_frames, random_graph, random_preprocessing
from tests.hw.plan.graphs import Builder
from tests.sw.model.small import residual_graph


def matches(stage: ArrayStage, codes: np.ndarray) -> np.ndarray:
    """Matches (N, H, W, O) as the hardware sums them: pad codes in, XNOR, add."""
    codes = codes.reshape(len(codes), stage.height, stage.width, stage.channels)
    sides = ((0, 0), (stage.top, stage.bottom), (stage.left, stage.right), (0, 0))
    padded = np.pad(codes, sides, constant_values=stage.pad_code)
    (kh, kw), (sy, sx) = stage.kernel, stage.stride
    top_code = 2**stage.lane_bits - 1
    result = np.zeros((len(codes), stage.output_height, stage.output_width, stage.outputs), int)
    for y in range(stage.output_height):
        for x in range(stage.output_width):
            window = padded[:, y * sy : y * sy + kh, x * sx : x * sx + kw].reshape(len(codes), -1)
            lanes = np.where(stage.weights[None], window[:, None], top_code - window[:, None])
            result[:, y, x] = lanes.sum(2)
    return result


def classes(stage: ArrayStage) -> np.ndarray:
    """Border class (H, W) of each output pixel."""
    columns = max(stage.x_classes) + 1
    return np.add.outer(np.array(stage.y_classes) * columns, np.array(stage.x_classes))


def applied(stage: ArrayStage, sums: np.ndarray) -> np.ndarray:
    """Codes of the stage's moved thresholds."""
    assert stage.thresholds is not None
    levels = stage.thresholds[classes(stage)]
    reached = (sums[..., None] >= levels).sum(-1)
    return np.where(stage.inverted, stage.levels - reached, reached)


def check(graph: Graph, inputs: np.ndarray) -> None:
    """Every stage of ``graph``, fed with golden codes, gives golden codes and scores."""
    tensors, types, stages = golden.run(graph, inputs), graph.types, cut(graph)
    source, sums = "input", np.empty(0)
    for stage in stages:
        codes = types[source].range.encode(tensors[source])
        if isinstance(stage, ArrayStage):
            sums = matches(stage, codes)
            assert sums.min() >= 0
            assert int(sums.max()).bit_length() <= stage.match_bits
            if stage.thresholds is not None:
                assert (np.diff(stage.thresholds, axis=2) >= 0).all()
                assert stage.thresholds.min() >= 0
                assert stage.thresholds.max() <= stage.fan_in * (2**stage.lane_bits - 1) + 1
                expected = types[stage.tensor].range.encode(tensors[stage.tensor])
                np.testing.assert_array_equal(applied(stage, sums), expected, stage.name)
        elif isinstance(stage, HeadStage):
            scores = stage.step * sums.reshape(len(sums), -1) + stage.constants
            assert signed_bits(int(scores.min()), int(scores.max())) <= stage.score_bits
            if stage.kind == "argmax":
                scores = scores.argmax(1)[:, None]
            np.testing.assert_array_equal(scores, tensors["head"].reshape(len(sums), -1))
        else:
            assert stage.minimum.shape == (types[source].channels,)
        source = stage.tensor


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


def test_overlapping_pools_are_refused(rng: np.random.Generator) -> None:
    builder = Builder(rng, 6, 6, 2).conv(4).threshold()
    pool = Pool(
        name="pool", source="threshold2", size=(3, 3), stride=(2, 2), minimum=np.zeros(4, np.bool_)
    )
    ones = np.ones(4, np.float32)
    head = Head(name="head", source="pool", bias=np.zeros(4, np.int32), scale=ones, offset=ones)
    with pytest.raises(PlanError, match=r"'pool' has windows of 3x3 and a stride of 2x2; .* 3x3\."):
        cut(Graph(ops=(*builder.ops, pool, head)))


NO_BLOCK = (
    "; the hardware has chains of Conv and Dense with 1-bit weights, each with a Threshold "
    "behind it, Pool (the maximum, without padding) and Head. Run this network with sw.golden, "
    "or train one of these ops."
)

#: Ops of `residual_graph` in the order of its own, with a head behind the last, and what is said.
REFUSED = {
    ("input", "stem"): "Conv 'stem' has weights of 8 bits",
    ("input", "stem1", "stem_bn"): "Scale 'stem_bn' computes what the hardware has no block for",
    ("input", "stem1", "stream"): "Pool 'stream' has padding",
    ("input", "stem1", "average"): "Pool 'average' is a sum",
    ("input", "stem1", "pool"): "Pool 'pool' pools the accumulators of 'stem1'",
    ("input", "stem1", "sign", "pool", "sign2"): "Threshold 'sign2' reads 'pool', a Pool",
}


@pytest.mark.parametrize("names", REFUSED, ids=lambda names: names[-1])
def test_ops_without_a_block(names: tuple[str, ...]) -> None:
    graph = residual_graph()
    stem, stream = graph["stem"], graph["stream"]
    assert isinstance(stem, Conv)
    signs = np.where(stem.weights < 0, -1, 1).astype(np.int8)
    more: dict[str, Op] = {
        "stem1": replace(stem, name="stem1", weights=signs, weight_bits=1),
        "pool": replace(stream, name="pool", padding=Padding()),  # type: ignore[call-arg]
    }
    ops: list[Op] = [graph.input]
    for name in names[1:]:
        op = more.get(name) or graph[name]
        ops.append(replace(op, source=ops[-1].name))  # type: ignore[call-arg]
    with pytest.raises(PlanError) as caught:
        cut(Graph(ops=tuple(ops)))
    assert str(caught.value) == REFUSED[names] + NO_BLOCK


def test_graph_that_is_no_chain() -> None:
    """Two convolutions of one tensor, side by side."""
    type_ = TensorType(height=2, width=2, channels=3, range=BIPOLAR)
    weights = np.ones((2, 1, 1, 3), np.int8)
    ops: list[Op] = [Input(name="input", type=type_)]
    for one in ("a", "b"):
        ops.append(Conv(name=f"conv_{one}", source="input", weights=weights))
        ops.append(
            Threshold(
                name=one,
                source=f"conv_{one}",
                levels=np.zeros((2, 1), np.int32),
                inverted=np.zeros(2, np.bool_),
            )
        )
    ops.append(Concat(name="both", sources=("a", "b")))
    with pytest.raises(PlanError) as caught:
        cut(Graph(ops=tuple(ops)))
    assert str(caught.value) == (
        "Conv 'conv_b' reads 'input', which is not the op just before it" + NO_BLOCK
    )


@pytest.mark.parametrize(
    ("low", "high", "bits"),
    [(0, 0, 1), (-1, 0, 1), (-1, 1, 2), (-128, 127, 8), (-129, 0, 9), (0, 128, 9)],
)
def test_signed_bits(low: int, high: int, bits: int) -> None:
    assert signed_bits(low, high) == bits
