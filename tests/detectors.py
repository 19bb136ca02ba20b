"""Detectors: one that can be told what to find, its scores are pixels; and random ones."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from sw import golden
from sw.golden import make_vectors
from sw.model import Detection, Model, Preprocessing
from sw.model.ir import Conv, Graph, Head, Input, IntegerRange, Padding, TensorType
from tests.hw.plan.graphs import Builder

#: Widths and heights of the anchors.
ANCHORS = np.array([(0.25, 0.125), (0.5, 0.25)], np.float32)


def detector(height: int = 6, width: int = 8, channels: int = 3, **fields: Any) -> Model:
    """Cells are pixels; every channel of a cell sees the sum of the pixel's, less a bias.

    Scales are 1/64, so that objectness passes 1/2 where that sum exceeds the bias of 64.
    """
    kind = TensorType(
        height=height, width=width, channels=channels, range=IntegerRange(low=0, high=255)
    )
    outputs = 5 * len(ANCHORS)
    elements = height * width * outputs
    bias = np.zeros((height * width, outputs), np.int32)
    # The sizes and places do not depend on the pixel much; objectness does.
    bias[:, 4::5] = -64 * channels
    scale = np.tile(
        np.array([1 / 512, 1 / 512, 1 / 4096, 1 / 4096, 1 / 64] * len(ANCHORS)),
        (height * width, 1),
    )
    graph = Graph(
        ops=(
            Input(name="pixels", type=kind),
            Conv(
                name="cells", source="pixels", weights=np.ones((outputs, 1, 1, channels), np.int8)
            ),
            Head(
                name="head",
                source="cells",
                bias=bias.reshape(elements),
                scale=scale.reshape(elements).astype(np.float32),
                offset=np.zeros(elements, np.float32),
            ),
        )
    )
    preprocessing = Preprocessing.identity()
    frames = np.random.default_rng(9).integers(0, 256, (2, height, width, channels), np.uint8)
    model = Model(
        name="detector",
        graph=graph,
        preprocessing=preprocessing,
        vectors=make_vectors(graph, preprocessing, frames),
        provenance="made by hand; no rights reserved",
        detection=Detection(anchors=ANCHORS, classes=("plate",)),
    )
    return dataclasses.replace(model, **fields)


def random_detector(
    rng: np.random.Generator, height: int = 6, width: int = 8, *, bits: int = 8
) -> Model:
    """Three anchors of their own scales behind a binary layer and one of 4 bits, both padded.

    The first sees the upper ``bits``, 8 or 2, of a byte. Logits of objectness have a mean of
    about 0 and a deviation of about 2.
    """
    around = Padding(top=1, left=1, bottom=1, right=1)
    kind = {8: "uint8", 2: "unsigned2"}[bits]
    builder = Builder(rng, height, width, 3, kind).conv(8, padding=around).threshold().pool()
    graph = builder.conv(15, padding=around).head()
    *ops, last, head = graph.ops
    assert isinstance(last, Conv) and isinstance(head, Head)
    weights = rng.integers(-7, 8, last.weights.shape).astype(np.int8)
    graph = Graph(ops=(*ops, dataclasses.replace(last, weights=weights, weight_bits=4), head))
    preprocessing = Preprocessing(table=np.arange(256, dtype=np.int16)[None] >> 8 - bits)
    frames = rng.integers(0, 256, (8, height, width, 3), np.uint8)
    scores = golden.run(graph, preprocessing.apply(frames))["head"].reshape(-1, 15)
    scale = np.tile((2 / scores.std(0)).astype(np.float32), height * width // 4)
    offset = -np.tile(scores.mean(0), height * width // 4) * scale
    head = dataclasses.replace(head, scale=scale, offset=offset.astype(np.float32))
    graph = Graph(ops=(*graph.ops[:-1], head))
    anchors = rng.uniform(0.05, 0.5, (3, 2)).astype(np.float32)
    return Model(
        name="random-detector",
        graph=graph,
        preprocessing=preprocessing,
        vectors=make_vectors(graph, preprocessing, frames[:2]),
        detection=Detection(anchors=anchors, classes=("plate",)),
    )
