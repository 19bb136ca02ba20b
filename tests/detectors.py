"""A detector that can be told what to find: its scores are pixels."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from sw.golden import make_vectors
from sw.model import Detection, Model, Preprocessing
from sw.model.ir import Conv, Graph, Head, Input, IntegerRange, TensorType

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
