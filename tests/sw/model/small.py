"""One small network with every kind of op, and means to change a part of it."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from sw.golden import make_vectors
from sw.model import Model, Preprocessing
from sw.model.ir import (
    BIPOLAR,
    Conv,
    Dense,
    Graph,
    Head,
    Input,
    Op,
    Padding,
    Pool,
    TensorType,
    Threshold,
)


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


def replaced(graph: Graph, of: str, /, **fields: Any) -> Graph:
    """``graph`` with fields of the op ``of`` replaced."""
    return Graph(
        ops=tuple(dataclasses.replace(op, **fields) if op.name == of else op for op in graph.ops)
    )


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
