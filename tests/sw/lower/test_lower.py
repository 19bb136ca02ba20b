"""Lowering as a whole: random float graphs against their direct evaluation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sw import golden
from sw.errors import ModelError
from sw.importers.chain import Chain
from sw.lower import lower
from sw.lower.layers import split
from sw.lower.reference import evaluate
from sw.model.float_ir import FloatGraph, Quantiser, Step
from sw.model.ir import BIPOLAR, Conv, Dense, Head, IntegerRange, Pool, Threshold
from tests.sw.lower.random_floats import layer_ends, random_float_graph, random_weights


def _reals(graph: FloatGraph, name: str, integers: np.ndarray) -> np.ndarray:
    """Real values of a layer's integers, by the scale of its last quantiser."""
    at = [op.name for op in graph.ops].index(name)
    scales = [op.scale for op in graph.ops[: at + 1] if isinstance(op, Quantiser)]
    return integers * np.float32(scales[-1])


@pytest.mark.parametrize("case", range(40))
def test_random_graphs_equal_their_float_evaluation(rng: np.random.Generator, case: int) -> None:
    graph = random_float_graph(rng)
    frames = rng.integers(0, 256, (12, *graph.shapes["pixels"]), np.uint8)
    model = lower(graph, name="random", vector_frames=frames)
    wanted = evaluate(graph, frames)
    got = golden.run(model.graph, model.preprocessing.apply(frames))
    arrays = [op for op in model.graph.ops if isinstance(op, Conv | Dense)]
    for op, end in zip(arrays, layer_ends(graph), strict=True):
        np.testing.assert_array_equal(
            _reals(graph, end, got[op.source]), wanted[end], err_msg=f"source of {op.name}"
        )
    logits = model.logits(golden.scores(model, frames))
    float_logits = wanted[graph.ops[-1].name].reshape(len(frames), -1)
    np.testing.assert_allclose(logits, float_logits, rtol=1e-5, atol=1e-4)
    np.testing.assert_array_equal(model.vectors.scores, golden.scores(model, frames))


def _chain(rng: np.random.Generator) -> Chain:
    chain = Chain(6, 6, 2, (Step.div(255.0), Step.sub(0.5)))
    chain.sign("input")
    return chain


def test_zero_padding_of_bipolar_skips_and_of_others_is_a_value(rng: np.random.Generator) -> None:
    for quantise, value in (
        (lambda c: c.sign("q"), None),
        (lambda c: c.uniform("q", low=-1, high=1), 0),
        (lambda c: c.uniform("q", low=0, high=3, zero_point=1), 0),
    ):
        chain = Chain(6, 6, 2, ())
        quantise(chain)
        chain.conv("conv", random_weights(rng, 3, 3, 3, 2), padding=(1, 1, 1, 1))
        op = lower(chain.graph(), name="pad").graph["conv"]
        assert isinstance(op, Conv) and op.padding.value == value and op.padding.top == 1


def test_padding_by_a_value_of_the_source(rng: np.random.Generator) -> None:
    chain = _chain(rng)
    weights = random_weights(rng, 3, 3, 3, 2)
    chain.conv("conv", weights, padding=(1, 1, 1, 1), pad_value=-1.0)
    op = lower(chain.graph(), name="pad").graph["conv"]
    assert isinstance(op, Conv) and op.padding.value == -1
    chain = _chain(rng)
    chain.conv("conv", weights, padding=(1, 1, 1, 1), pad_value=0.5)
    with pytest.raises(ModelError, match=r"pads with 0\.5; allowed is 0 or a value of its source"):
        lower(chain.graph(), name="pad")


def test_pool_before_batch_norm_takes_the_minimum_where_it_falls(rng: np.random.Generator) -> None:
    chain = _chain(rng)
    chain.conv("conv", random_weights(rng, 4, 3, 3, 2))
    chain.elementwise("first", Step.mul([1.0, -1.0, 1.0, -1.0]))
    chain.pool("pool", (2, 2), (2, 2))
    chain.elementwise("second", Step.mul([1.0, 1.0, -1.0, -1.0]))
    chain.sign("sign")
    chain.pool("after", (2, 2), (2, 2))
    chain.dense("logits", random_weights(rng, 3, 4))
    graph = lower(chain.graph(), name="pool").graph
    threshold, pool, after = graph["sign"], graph["pool"], graph["after"]
    assert isinstance(threshold, Threshold) and isinstance(pool, Pool) and isinstance(after, Pool)
    assert threshold.inverted.tolist() == [False, True, True, False]
    assert pool.minimum.tolist() == [False, False, True, True]
    assert not after.minimum.any()
    assert [op.name for op in graph.ops][1:5] == ["conv", "sign", "pool", "after"]


def test_unquantised_input_on_a_grid_is_an_integer_input(rng: np.random.Generator) -> None:
    for steps, wanted in (
        ((), IntegerRange(low=0, high=255)),
        ((Step.div(255.0),), IntegerRange(low=0, high=255)),
        ((Step.div(127.5), Step.sub(1.0)), IntegerRange(low=-255, high=255, step=2)),
        ((Step.greater(127.0),), IntegerRange(low=0, high=1)),
    ):
        chain = Chain(2, 2, 1, steps)
        chain.dense("logits", random_weights(rng, 2, 4))
        model = lower(chain.graph(), name="grid")
        assert model.graph.input.type.range == wanted
        assert model.preprocessing.table.shape == (1, 256)


def test_real_valued_input_is_refused(rng: np.random.Generator) -> None:
    chain = Chain(2, 2, 1, (Step.div(255.0), Step.sub(0.1307), Step.div(0.3081)))
    chain.dense("logits", random_weights(rng, 2, 4))
    with pytest.raises(
        ModelError, match=r"the first layer's input is real-valued: pixels 0 to 255"
    ):
        lower(chain.graph(), name="real")


def test_preprocessing_per_channel(rng: np.random.Generator) -> None:
    chain = Chain(2, 2, 2, (Step.sub([10.0, 200.0]),))
    chain.sign("sign")
    chain.dense("logits", random_weights(rng, 2, 8))
    table = lower(chain.graph(), name="channels").preprocessing.table
    assert table.shape == (2, 256) and table.dtype == np.int16
    assert table[0].tolist() == [-1] * 10 + [1] * 246
    assert table[1].tolist() == [-1] * 200 + [1] * 56


def test_sign_of_zero_is_carried_per_layer(rng: np.random.Generator) -> None:
    graphs = []
    for zero in (1, -1):
        chain = _chain(rng)
        chain.dense("dense", np.ones((2, 72), np.float32))
        chain.sign("sign")
        chain.dense("logits", np.ones((2, 2), np.float32))
        ops = [replace(o, zero=zero) if o.name == "sign" else o for o in chain.graph().ops]  # type: ignore[call-overload]
        graphs.append(lower(FloatGraph(ops=tuple(ops)), name="zero").graph)
    levels = [graph["sign"].levels.tolist() for graph in graphs]
    assert levels == [[[0], [0]], [[1], [1]]]


def test_affine_steps_after_a_quantiser_join_its_grid(rng: np.random.Generator) -> None:
    chain = _chain(rng)
    chain.dense("dense", random_weights(rng, 3, 72))
    chain.sign("sign")
    chain.elementwise("unit", Step.add(1.0), Step.mul(0.5))
    chain.dense("logits", random_weights(rng, 2, 3))
    model = lower(chain.graph(), name="tail")
    assert model.graph.types["sign"].range == IntegerRange(low=0, high=1)
    chain = _chain(rng)
    chain.dense("dense", random_weights(rng, 3, 72))
    chain.sign("sign")
    chain.elementwise("scales", Step.mul([1.0, 2.0, 3.0]))
    chain.dense("logits", random_weights(rng, 2, 3))
    with pytest.raises(ModelError, match="'sign': what follows it differs between channels"):
        lower(chain.graph(), name="tail")


def test_two_quantisers_in_a_row_are_one_threshold(rng: np.random.Generator) -> None:
    chain = _chain(rng)
    chain.dense("dense", random_weights(rng, 3, 72))
    chain.sign("first")
    chain.sign("second")
    chain.dense("logits", random_weights(rng, 2, 3))
    graph = lower(chain.graph(), name="twice").graph
    assert [op.name for op in graph.ops] == ["pixels", "dense", "second", "logits", "scores"]
    assert graph.types["second"].range == BIPOLAR


def test_vectors_are_made_up_when_none_are_given(rng: np.random.Generator) -> None:
    chain = _chain(rng)
    chain.dense("logits", random_weights(rng, 2, 72))
    model = lower(chain.graph(), name="vectors", classes=["a", "b"], provenance="test")
    assert model.vectors.frames.shape == (8, 6, 6, 2) and model.classes == ("a", "b")
    golden.check_vectors(model)
    again = lower(chain.graph(), name="vectors")
    np.testing.assert_array_equal(again.vectors.frames, model.vectors.frames)


def test_wrong_number_of_class_names(rng: np.random.Generator) -> None:
    chain = _chain(rng)
    chain.dense("logits", random_weights(rng, 2, 72))
    with pytest.raises(ModelError) as caught:
        lower(chain.graph(), name="classes", classes=["only"])
    assert caught.value.message == (
        "there are 1 class names for 2 scores; allowed: one for each, or none at all"
    )


def test_convolutional_head_gives_a_score_per_element(rng: np.random.Generator) -> None:
    chain = _chain(rng)
    chain.conv("logits", random_weights(rng, 3, 5, 5, 2))
    chain.elementwise("bias", Step.add([1.0, 2.0, 3.0]))
    graph = chain.graph()
    frames = rng.integers(0, 256, (5, 6, 6, 2), np.uint8)
    model = lower(graph, name="map", vector_frames=frames)
    assert isinstance(model.graph.head, Head) and model.graph.head.scale.shape == (12,)
    got = model.logits(golden.scores(model, frames))
    np.testing.assert_allclose(got, evaluate(graph, frames)["bias"].reshape(5, -1), rtol=1e-6)


def test_split_moves_pools_behind_quantisers(rng: np.random.Generator) -> None:
    layers = split(random_float_graph(rng))
    assert layers[0].linear is None and layers[-1].quantiser is None
    assert all(layer.quantiser is not None for layer in layers[1:-1])
