"""Binarisation, grids, heads and the contract of the float graph, one by one."""

from __future__ import annotations

import numpy as np
import pytest

from sw.errors import ModelError
from sw.importers.chain import Chain
from sw.lower import lower
from sw.lower.binarise import binarise
from sw.lower.grid import find_grid
from sw.lower.head import make_head
from sw.model.float_ir import (
    Elementwise,
    FloatConv,
    FloatDense,
    FloatGraph,
    FloatInput,
    FloatOp,
    FloatPool,
    Sign,
    Step,
    Uniform,
)
from sw.model.ir import IntegerRange


def test_binarise_finds_one_scale_or_one_per_output(rng: np.random.Generator) -> None:
    signs = rng.choice([-1, 1], (4, 3, 3, 2)).astype(np.float32)
    for scale in (np.float32(0.3), rng.uniform(0.1, 2, (4, 1, 1, 1)).astype(np.float32)):
        got, scales = binarise("w", signs * scale)
        assert got.dtype == np.int8 and scales.dtype == np.float32
        np.testing.assert_array_equal(got, signs)
        np.testing.assert_array_equal(scales, np.squeeze(scale))


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([[1, -1], [0.5, -0.25]], "weights of output 1 have magnitudes from 0.25 to 0.5; allowed"),
        ([[1, 0], [1, -1]], "op 'w': 1 of 4 weights are 0; allowed is +-scale"),
        ([[1, np.nan], [1, -1]], "op 'w': a weight is nan; allowed is +-scale"),
    ],
)
def test_binarise_refuses_float_weights(weights: list[list[float]], message: str) -> None:
    with pytest.raises(ModelError) as caught:
        binarise("w", np.array(weights, np.float32))
    assert message in caught.value.message
    assert "sign(w) times one positive scale" in caught.value.remedy


@pytest.mark.parametrize(
    ("reals", "low", "high", "step", "scale"),
    [
        ([-1, 1], -1, 1, 2, 1.0),
        ([0, 1], 0, 1, 1, 1.0),
        ([-0.5, 0, 0.5], -1, 1, 1, 0.5),
        ([0, 0.1, 0.2, 0.3], 0, 3, 1, 0.1),
        ([-3, -1, 1, 3], -3, 3, 2, 1.0),
        ([1, 2, 5], 1, 5, 1, 1.0),
    ],
)
def test_grids(reals: list[float], low: int, high: int, step: int, scale: float) -> None:
    grid = find_grid(np.array(reals, np.float32))
    assert grid is not None
    assert grid.range == IntegerRange(low=low, high=high, step=step)
    assert grid.scale == pytest.approx(scale, rel=1e-6)
    np.testing.assert_allclose(
        grid.integers(np.array(reals, np.float32)) * grid.scale, reals, rtol=1e-6
    )


@pytest.mark.parametrize("reals", [[1, 1], [0, 1, 2.5, 3.1], [0.3, 1.3], [0, np.nan], [0, np.inf]])
def test_no_grid(reals: list[float]) -> None:
    assert find_grid(np.array(reals)) is None


def test_head_with_integer_bias() -> None:
    head = make_head("s", "x", (Step.sub([304.0, 266.0]),), 2, 1, "argmax")
    assert head.bias.tolist() == [-304, -266] and head.scale.tolist() == [1, 1]
    assert head.offset.tolist() == [0, 0]


def test_head_with_one_scale_and_offset_may_be_an_argmax() -> None:
    step = Step.batch_norm(0.5, 1.3, 4.0, 3.0, 1.0)
    head = make_head("s", "x", (step,), 3, 1, "argmax")
    assert head.bias.tolist() == [0, 0, 0]
    np.testing.assert_allclose(head.scale, 0.25)
    np.testing.assert_allclose(head.offset, 0.3, rtol=1e-6)


def test_head_bias_beside_a_common_rest() -> None:
    head = make_head("s", "x", (Step.mul(0.5), Step.add([0.3, 1.3, -0.7])), 3, 1, "argmax")
    assert head.bias.tolist() == [0, 2, -2]
    np.testing.assert_allclose(head.offset, 0.3, rtol=1e-6)


@pytest.mark.parametrize(
    "steps",
    [(Step.mul([1.0, 2.0]),), (Step.add([0.0, 0.3]),), (Step.mul(-1.0),), (Step.reverse_sub(0.0),)],
)
def test_argmax_is_refused_where_integers_do_not_order_the_logits(steps: tuple[Step]) -> None:
    make_head("s", "x", steps, 2, 1, "raw")
    with pytest.raises(ModelError) as caught:
        make_head("s", "x", steps, 2, 1, "argmax")
    assert "the argmax of its integers is not the network's answer" in caught.value.message
    assert "--head raw" in caught.value.remedy


def test_head_refuses_what_is_not_affine() -> None:
    with pytest.raises(ModelError) as caught:
        make_head("s", "fc", (Step.relu(),), 2, 1, "raw")
    assert caught.value.message == (
        "op 'fc' is the last layer and is followed by 'relu'; allowed are add, sub, mul, div and "
        "batch_norm"
    )


PIXELS = FloatInput(name="pixels", height=4, width=4, channels=2)
BITS = Sign(name="bits", source="pixels")
LOGITS = FloatDense(name="logits", source="bits", weights=np.ones((2, 32), np.float32))
ONES = np.ones((3, 3, 3, 2), np.float32)


def _conv(**changes: object) -> FloatConv:
    return FloatConv(**{"name": "conv", "source": "bits", "weights": ONES, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("ops", "message"),
    [
        ((), "the float graph does not start with a FloatInput"),
        ((BITS,), "the float graph does not start with a FloatInput"),
        ((PIXELS, BITS), "the network has no convolution and no dense layer"),
        ((PIXELS, BITS, BITS), "op name 'bits' is used twice or empty"),
        (
            (PIXELS, BITS, FloatDense(name="d", source="pixels", weights=LOGITS.weights)),
            "op 'd' reads 'pixels'; allowed is the op before it, 'bits'",
        ),
        (
            (
                PIXELS,
                BITS,
                FloatDense(name="d", source="bits", weights=np.ones((2, 5), np.float32)),
            ),
            "op 'd': weights of shape (2, 5); allowed is (outputs, 32)",
        ),
        (
            (PIXELS, BITS, _conv(weights=np.ones((3, 3, 3, 1), np.float32))),
            "op 'conv': weights of shape (3, 3, 3, 1); allowed is (outputs, kernel rows, kernel "
            "columns, 2)",
        ),
        (
            (PIXELS, BITS, _conv(weights=np.ones((3, 5, 5, 2), np.float32))),
            "op 'conv' gives a feature map of 0 x 0 x 3; each must be at least 1",
        ),
        (
            (PIXELS, Sign(name="s", source="pixels", zero=0)),
            "op 's': sign of zero is 0, scale 1.0; allowed is -1 or +1, and a positive finite "
            "scale",
        ),
        (
            (PIXELS, Uniform(name="u", source="pixels", low=1, high=1)),
            "op 'u': scale 1.0, low 1, high 1; allowed is a positive finite scale and low < high",
        ),
        (
            (PIXELS, Uniform(name="u", source="pixels", low=0, high=1, scale=-1.0)),
            "op 'u': scale -1.0, low 0, high 1; allowed is a positive finite scale and low < high",
        ),
        (
            (
                PIXELS,
                BITS,
                _conv(),
                Elementwise(name="relu", source="conv", steps=(Step.relu(),)),
                FloatDense(name="d", source="relu", weights=np.ones((2, 12), np.float32)),
            ),
            "the activation between 'conv' and 'd' is real-valued; allowed are Sign and Uniform "
            "quantisers",
        ),
        (
            (PIXELS, BITS, LOGITS, Sign(name="end", source="logits")),
            "the output of the last layer 'logits' is quantised; allowed are an affine batch "
            "norm, bias and scale",
        ),
        (
            (PIXELS, BITS, _conv(), FloatPool(name="p", source="conv", size=(2, 2), stride=(2, 2))),
            "the output of the last layer 'conv' is pooled; allowed are an affine batch norm, "
            "bias and scale",
        ),
    ],
)
def test_the_contract_is_checked(ops: tuple[FloatOp, ...], message: str) -> None:
    with pytest.raises(ModelError) as caught:
        lower(FloatGraph(ops=ops), name="broken")
    assert caught.value.message == message and caught.value.remedy


def test_names_of_a_chain_are_legal_and_unique() -> None:
    chain = Chain(2, 2, 1, ())
    for wish in ("a/b:0", "a/b:0", "", "..x"):
        chain.sign(wish)
    assert [op.name for op in chain.graph().ops] == ["pixels", "a_b_0", "a_b_0_2", "op", "x"]
