"""Two small networks that hold every kind of op, and means to change a part of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from sw.golden import make_vectors
from sw.model import Model, Preprocessing
from sw.model.ir import (
    BIPOLAR,
    Add,
    Concat,
    Conv,
    Dense,
    Graph,
    Head,
    Input,
    IntegerRange,
    Op,
    Padding,
    Pool,
    Scale,
    TensorType,
    Threshold,
)

Make = Callable[[Graph], Graph]


def signs(*shape: int) -> np.ndarray:
    """Weights of both signs, the same at each call."""
    return np.random.default_rng(7).choice(np.array([-1, 1], np.int8), shape)


def small_graph() -> Graph:
    """4x4x3, a padded convolution to 5 channels, a pool, a dense layer, 3 raw scores."""
    ops = (
        Input(name="input", type=TensorType(height=4, width=4, channels=3, range=BIPOLAR)),
        Conv(
            name="conv",
            source="input",
            weights=signs(5, 3, 3, 3),
            padding=Padding(top=1, left=1, bottom=1, right=1),
        ),
        Threshold(
            name="sign",
            source="conv",
            levels=np.array([[0], [1], [-1], [2], [0]], np.int32),
            inverted=np.array([False, True, False, True, False]),
        ),
        Pool(
            name="pool",
            source="sign",
            size=(2, 2),
            stride=(2, 2),
            minimum=np.array([False, False, True, False, True]),
        ),
        Dense(name="dense", source="pool", weights=signs(3, 20)),
        Head(
            name="head",
            source="dense",
            bias=np.array([1, 0, -1], np.int32),
            scale=np.array([0.5, 1, 2], np.float32),
            offset=np.array([0, 0.25, -1], np.float32),
        ),
    )
    return Graph(ops=ops)


def scaled(name: str, source: str, channels: int, low: int, high: int) -> Scale:
    """A `Scale` of gains and offsets of both signs."""
    gain = np.arange(channels, dtype=np.int32) * 700 - 900
    offset = 3000 - 1100 * np.arange(channels, dtype=np.int32)
    return Scale(name=name, source=source, gain=gain, offset=offset, shift=6, low=low, high=high)


def residual_graph() -> Graph:
    """5x5x2: an 8-bit convolution, a residual block, two sources, a sum, 3 raw scores."""
    same, binary = Padding(top=1, left=1, bottom=1, right=1), signs(4, 3, 3, 4)
    eight = np.random.default_rng(9).integers(-127, 128, (4, 3, 3, 2), dtype=np.int8)
    levels, plain = np.array([[-40], [0], [25], [90]], np.int32), np.zeros(4, bool)
    bytes_ = IntegerRange(low=0, high=255)
    ops = (
        Input(name="input", type=TensorType(height=5, width=5, channels=2, range=bytes_)),
        Conv(name="stem", source="input", weights=eight, weight_bits=8, padding=same),
        scaled("stem_bn", "stem", 4, -32767, 32767),
        Pool(
            name="stream", source="stem_bn", size=(3, 3), stride=(2, 2), padding=same, minimum=plain
        ),
        Threshold(name="sign", source="stream", levels=levels, inverted=~plain),
        Conv(name="conv", source="sign", weights=binary, padding=same),
        scaled("bn", "conv", 4, -32767, 32767),
        Add(name="sum", sources=("stream", "bn"), low=-32767, high=32767),
        Threshold(name="sign2", source="sum", levels=levels * 2, inverted=plain),
        Concat(name="both", sources=("sign2", "sign")),
        Conv(name="conv2", source="both", weights=signs(4, 1, 1, 8)),
        Pool(name="average", source="conv2", kind="sum", size=(3, 3), stride=(1, 1), minimum=plain),
        scaled("bn2", "average", 4, -128, 127),
        Dense(
            name="dense", source="bn2", weights=eight[:3, 0, :2].reshape(3, 4) // 9, weight_bits=5
        ),
        Head(
            name="head",
            source="dense",
            bias=np.array([7, 0, -7], np.int32),
            scale=np.ones(3, np.float32),
            offset=np.zeros(3, np.float32),
        ),
    )
    return Graph(ops=ops)


def replaced(graph: Graph, of: str, /, **fields: Any) -> Graph:
    """``graph`` with fields of the op ``of`` replaced."""
    return Graph(
        ops=tuple(dataclasses.replace(op, **fields) if op.name == of else op for op in graph.ops)
    )


def with_field(of: str, /, **fields: Any) -> Make:
    """`replaced` as a function of the graph."""
    return lambda graph: replaced(graph, of, **fields)


def appended(graph: Graph, *ops: Op) -> Graph:
    """``graph`` with ops put in before its head."""
    return Graph(ops=(*graph.ops[:-1], *ops, graph.ops[-1]))


def small_model(**fields: Any) -> Model:
    """`small_graph` as a model, with fields replaced."""
    graph = small_graph()
    table = np.where(np.arange(256) < 128, -1, 1).astype(np.int16)[None]
    preprocessing = Preprocessing(table=table)
    frames = np.random.default_rng(8).integers(0, 256, (3, 4, 4, 3), dtype=np.uint8)
    model = Model(
        name="small",
        graph=graph,
        preprocessing=preprocessing,
        classes=("cat", "dog", "hen"),
        vectors=make_vectors(graph, preprocessing, frames),
        provenance="made by hand; no rights reserved",
    )
    return dataclasses.replace(model, **fields)


def residual_model(**fields: Any) -> Model:
    """`residual_graph` as a model, with fields replaced."""
    graph, preprocessing = residual_graph(), Preprocessing.identity()
    frames = np.random.default_rng(10).integers(0, 256, (3, 5, 5, 2), dtype=np.uint8)
    model = Model(
        name="residual",
        graph=graph,
        preprocessing=preprocessing,
        vectors=make_vectors(graph, preprocessing, frames),
        provenance="made by hand; no rights reserved",
    )
    return dataclasses.replace(model, **fields)
