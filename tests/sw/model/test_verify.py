"""Each rule of the verifier, by the text of its error."""

from __future__ import annotations

import numpy as np
import pytest

from sw.errors import ModelError
from sw.model import Preprocessing, Vectors, verify
from sw.model.ir import Conv, Dense, Graph, Input, IntegerRange, Op, Padding, TensorType
from sw.model.rules import RULES
from sw.model.verify import verify_model
from tests.graphs import random_graph
from tests.sw.model.small import (
    Make,
    appended,
    replaced,
    signs,
    small_graph,
    small_model,
    with_field,
)


def with_input(**fields: object) -> Make:
    values = {"height": 4, "width": 4, "channels": 3, "range": IntegerRange(low=-1, high=1, step=2)}
    return with_field("input", type=TensorType(**{**values, **fields}))  # type: ignore[arg-type]


def level(values: list[list[int]]) -> np.ndarray:
    return np.array(values, np.int32)


class Sigmoid(Op):
    """An op that no table knows."""


CASES: dict[str, tuple[Make, str]] = {
    "too few ops": (
        lambda graph: Graph(ops=graph.ops[:2]),
        "the graph has 2 ops; allowed: at least an Input, a Conv or Dense, and a Head, as a "
        "tuple. Give a whole network.",
    ),
    "unknown op": (
        lambda graph: appended(graph, Sigmoid(name="s")),
        "op 5 is a Sigmoid; allowed: Input, Conv, Dense, Threshold, Scale, Add, Concat, Pool, "
        "Head. Express the network in these ops.",
    ),
    "empty name": (
        with_field("conv", name=""),
        "Conv 1 has the name ''; allowed: 1 to 100 letters, digits and _ . -, not beginning "
        "with . or -. Rename it.",
    ),
    "name as a path": (
        with_field("conv", name="../conv"),
        "Conv 1 has the name '../conv'; allowed: 1 to 100 letters, digits and _ . -, not "
        "beginning with . or -. Rename it.",
    ),
    "names twice": (
        with_field("pool", name="sign", source="sign"),
        "Pool 'sign': its name is taken by an earlier op; allowed: unique names. Rename one.",
    ),
    "no input first": (
        lambda graph: Graph(ops=graph.ops[1:]),
        "Conv 'conv': it is the first op; allowed: exactly one Input, as the first op. Put a "
        "single Input first and a single Head last.",
    ),
    "two inputs": (
        lambda graph: appended(graph, Input(name="more", type=graph.input.type)),
        "Input 'more': it is the op 5 of 7; allowed: exactly one Input, as the first op. Put a "
        "single Input first and a single Head last.",
    ),
    "no head last": (
        lambda graph: Graph(ops=graph.ops[:-1]),
        "Dense 'dense': it is the last op; allowed: exactly one Head, as the last op. Put a "
        "single Input first and a single Head last.",
    ),
    "source after": (
        with_field("conv", source="dense"),
        "Conv 'conv': source is 'dense'; allowed: an op before it ('input'). Order the ops so "
        "that each follows its sources.",
    ),
    "array on accumulators": (
        with_field("dense", source="conv"),
        "Dense 'dense': source 'conv' is a Conv; allowed: Input, Threshold, Scale, Add, Concat, "
        "Pool. Put a Threshold or a Scale between two arrays, and an array before the Head.",
    ),
    "head on bits": (
        with_field("head", source="pool"),
        "Head 'head': source 'pool' is a Pool; allowed: Conv, Dense. Put a Threshold or a Scale "
        "between two arrays, and an array before the Head.",
    ),
    "unused tensor": (
        lambda graph: appended(graph, Dense(name="more", source="pool", weights=signs(2, 20))),
        "Dense 'more': no op uses its tensor; allowed: used tensors only. Remove the op.",
    ),
    "no height": (
        with_input(height=0),
        "Input 'input': height is 0; allowed: an integer from 1 to 65535. Correct the value "
        "where the graph is made.",
    ),
    "float width": (
        with_input(width=4.0),
        "Input 'input': width is 4.0; allowed: an integer from 1 to 65535. Correct the value "
        "where the graph is made.",
    ),
    "huge input": (
        with_input(height=65535, width=65535),
        "Input 'input': the result has 12884508675 elements; allowed: at most 268435456. Make "
        "the layer smaller.",
    ),
    "wide input": (
        with_input(range=IntegerRange(low=0, high=256)),
        "Input 'input': the input's range is 0..256 in steps of 1, 9 bits; allowed: integers "
        "low < high in steps that divide high - low, codes of 1 to 8 bits. Quantise to at most "
        "8 bits that fit int16.",
    ),
    "uneven step": (
        with_input(range=IntegerRange(low=0, high=3, step=2)),
        "Input 'input': the input's range is 0..3 in steps of 2; allowed: integers low < high "
        "in steps that divide high - low, codes of 1 to 8 bits. Quantise to at most 8 bits that "
        "fit int16.",
    ),
    "zero weight": (
        with_field("conv", weights=signs(5, 3, 3, 3) * np.int8(0)),
        "Conv 'conv': weights hold 0; allowed: -1 and +1. Binarise them, and move scales to "
        "the threshold.",
    ),
    "float weights": (
        with_field("dense", weights=signs(3, 20).astype(float)),
        "Dense 'dense': weights is float64 of shape (3, 20); allowed: int8 of shape (outputs, "
        "20). Make the array with that dtype and shape.",
    ),
    "weights of other channels": (
        with_field("conv", weights=signs(5, 3, 3, 4)),
        "Conv 'conv': weights is int8 of shape (5, 3, 3, 4); allowed: int8 of shape (outputs, "
        "kernel height, kernel width, 3). Make the array with that dtype and shape.",
    ),
    "weights of no array": (
        with_field("conv", weights=[[1]]),
        "Conv 'conv': weights is [[1]]; allowed: int8 of shape (outputs, kernel height, kernel "
        "width, 3). Make the array with that dtype and shape.",
    ),
    "no stride": (
        with_field("conv", stride=(0, 1)),
        "Conv 'conv': stride (0, 1): a member is 0; allowed: an integer from 1 to 65535. "
        "Correct the value where the graph is made.",
    ),
    "one stride": (
        with_field("conv", stride=2),
        "Conv 'conv': stride is 2; allowed: a pair (rows, columns). Give two integers.",
    ),
    "wide padding": (
        with_field("conv", padding=Padding(left=3)),
        "Conv 'conv': padding left is 3; allowed: an integer from 0 to 2. Correct the value "
        "where the graph is made.",
    ),
    "padding between values": (
        with_field("conv", padding=Padding(top=1, value=0)),
        "Conv 'conv': padding value is 0; allowed: None (skip the tap) or one of -1..1 in steps "
        "of 2. Pad with a value that the source can hold, or skip the taps.",
    ),
    "large kernel": (
        with_field("conv", weights=signs(5, 7, 3, 3), padding=Padding(top=1, bottom=1)),
        "Conv 'conv': kernel (7, 3) on a padded map of 6x4; allowed: a kernel no larger than "
        "the map. Use a smaller kernel or more padding.",
    ),
    "levels of other channels": (
        with_field("sign", levels=level([[0], [0]])),
        "Threshold 'sign': levels is int32 of shape (2, 1); allowed: int32 of shape (5, "
        "levels). Make the array with that dtype and shape.",
    ),
    "no levels": (
        with_field("sign", levels=np.zeros((5, 0), np.int32)),
        "Threshold 'sign': levels is int32 of shape (5, 0); allowed: int32 of shape (5, "
        "levels). Make the array with that dtype and shape.",
    ),
    "falling levels": (
        with_field("sign", levels=level([[0, 1], [2, 2], [4, 3], [0, 0], [0, 0]]), step=1),
        "Threshold 'sign': levels of channel 2 fall from 4 to 3; allowed: levels in ascending "
        "order. Sort them, and state a falling channel by inverted.",
    ),
    "inverted of other dtype": (
        with_field("sign", inverted=np.zeros(5, np.int8)),
        "Threshold 'sign': inverted is int8 of shape (5,); allowed: bool of shape (5). Make "
        "the array with that dtype and shape.",
    ),
    "no step": (
        with_field("sign", step=0),
        "Threshold 'sign': the result's range is -1..-1 in steps of 0; allowed: integers low < "
        "high in steps that divide high - low, codes of 1 to 8 bits. Quantise to at most 8 bits "
        "that fit int16.",
    ),
    "float low": (
        with_field("sign", low=-1.0),
        "Threshold 'sign': low and step are -1.0 and 2; allowed: integers. Correct the values "
        "where the graph is made.",
    ),
    "large pool": (
        with_field("pool", size=(5, 2)),
        "Pool 'pool': size (5, 2) on a map of 4x4; allowed: windows no larger than the map. "
        "Use a smaller window.",
    ),
    "minimum of other channels": (
        with_field("pool", minimum=np.zeros(4, bool)),
        "Pool 'pool': minimum is bool of shape (4,); allowed: bool of shape (5). Make the "
        "array with that dtype and shape.",
    ),
    "unknown head": (
        with_field("head", kind="top-k"),
        "Head 'head': kind is 'top-k'; allowed: 'raw' or 'argmax'. Choose one of them.",
    ),
    "bias of other size": (
        with_field("head", bias=np.zeros(2, np.int32)),
        "Head 'head': bias is int32 of shape (2,); allowed: int32 of shape (3). Make the array "
        "with that dtype and shape.",
    ),
    "offset not finite": (
        with_field("head", offset=np.array([0, np.inf, 0], np.float32)),
        "Head 'head': offset holds inf; allowed: finite numbers. Train or convert again.",
    ),
    "huge bias": (
        with_field("head", bias=np.array([0, 0, 2**31 - 1], np.int32)),
        "Head 'head': scores reach -20 to 2147483667; allowed: 32-bit integers. Use a smaller "
        "bias.",
    ),
    "argmax of scaled scores": (
        with_field("head", kind="argmax"),
        "Head 'head': scale is 0.5 to 2.0 before an argmax; allowed: one positive number. Use "
        "a raw head, which lets the host scale before it compares.",
    ),
    "argmax of shifted scores": (
        with_field("head", kind="argmax", scale=np.ones(3, np.float32)),
        "Head 'head': offset is -1.0 to 0.25 before an argmax; allowed: one number. Use a raw "
        "head, which lets the host scale before it compares.",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_illegal(case: str) -> None:
    make, message = CASES[case]
    with pytest.raises(ModelError) as caught:
        verify(make(small_graph()))
    assert str(caught.value) == message


def test_accumulator_bound() -> None:
    """An accumulator that leaves 32 bits needs a layer too large to make: bend one."""
    type_ = TensorType(height=1, width=1, channels=65535, range=IntegerRange(low=0, high=255))
    weights = np.broadcast_to(np.int8(1), (1, 200, 200, 65535))
    conv = Conv(name="conv", source="input", weights=weights)
    fault = RULES[Conv][-1](conv, type_)
    assert fault is not None
    assert fault.value == "accumulators reach 668457000000"


def test_legal(rng: np.random.Generator) -> None:
    verify(small_graph())
    verify_model(small_model())
    for _ in range(20):
        verify(random_graph(rng))


def test_legal_argmax() -> None:
    ones = np.ones(3, np.float32)
    verify(replaced(small_graph(), "head", kind="argmax", scale=ones, offset=ones))


TABLE = np.where(np.arange(256) < 128, -1, 1).astype(np.int16)[None]
BAD_TABLE = TABLE.copy()
BAD_TABLE[0, 9] = 0

MODELS: dict[str, tuple[dict[str, object], str]] = {
    "name": (
        {"name": "a/b"},
        "the model's name is 'a/b'; allowed: 1 to 100 letters, digits and _ . -, not beginning "
        "with . or -. Rename it.",
    ),
    "table's dtype": (
        {"preprocessing": Preprocessing(table=TABLE.astype(np.int64))},  # type: ignore[arg-type]
        "the preprocessing table is int64 of shape (1, 256); allowed: int16 of shape (1, 256). "
        "Make the array with that dtype and shape.",
    ),
    "table's rows": (
        {"preprocessing": Preprocessing(table=np.repeat(TABLE, 2, 0))},
        "the preprocessing table is int16 of shape (2, 256); allowed: int16 of shape (3, 256). "
        "Make the array with that dtype and shape.",
    ),
    "table's values": (
        {"preprocessing": Preprocessing(table=BAD_TABLE)},
        "the preprocessing table turns byte 9 of channel 0 into 0; the input takes -1..1 in "
        "steps of 2. Make the table and the input's range agree.",
    ),
    "classes": (
        {"classes": ("cat", "dog")},
        "there are 2 class names for 3 scores; allowed: one for each, or none at all. Give as "
        "many names as the head has scores.",
    ),
    "classes as a list": (
        {"classes": ["a", "b", "c"]},
        "classes are ['a', 'b', 'c']; allowed: a tuple of names. Give their names.",
    ),
    "provenance": (
        {"provenance": None},
        "provenance is None; allowed: text. Say where it comes from.",
    ),
    "vectors' frames": (
        {
            "vectors": Vectors(
                frames=np.zeros((2, 4, 4), np.uint8), scores=np.zeros((2, 3), np.int32)
            )
        },
        "the test vectors' frames is uint8 of shape (2, 4, 4); allowed: uint8 of shape (n, 4, "
        "4, 3). Make the array with that dtype and shape.",
    ),
    "vectors' scores": (
        {
            "vectors": Vectors(
                frames=np.zeros((2, 4, 4, 3), np.uint8), scores=np.zeros((1, 3), np.int32)
            )
        },
        "the test vectors' scores is int32 of shape (1, 3); allowed: int32 of shape (2, 3). "
        "Make the array with that dtype and shape.",
    ),
}


@pytest.mark.parametrize("case", MODELS)
def test_illegal_model(case: str) -> None:
    fields, message = MODELS[case]
    with pytest.raises(ModelError) as caught:
        verify_model(small_model(**fields))
    assert str(caught.value) == message
