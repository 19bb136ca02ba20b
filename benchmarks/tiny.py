"""A network so small that a million frames of it take minutes: what is measured is the link."""

from __future__ import annotations

import numpy as np

from sw.golden import make_vectors
from sw.model import Model, Preprocessing
from sw.model.ir import Dense, Graph, Head, Input, IntegerRange, TensorType, Threshold

__all__ = ["frames_of", "tiny"]

#: Of weights.
SEED = 5


def tiny(
    height: int = 8, width: int = 8, channels: int = 1, *, bits: int = 1, hidden: int = 16
) -> Model:
    """A dense layer of ``hidden`` neurons, and one of 10 scores, with random weights.

    Parameters
    ----------
    height, width, channels : int
        Of a frame.
    bits : int
        1 or 8: of a code of the input. With 1 a frame travels packed.
    hidden : int
    """
    rng = np.random.default_rng(SEED)
    elements = height * width * channels

    def signs(*shape: int) -> np.ndarray:
        return rng.choice(np.array([-1, 1], np.int8), shape)

    range_ = IntegerRange(low=-1, high=1, step=2) if bits == 1 else IntegerRange(low=0, high=255)
    graph = Graph(
        ops=(
            Input(
                name="input",
                type=TensorType(height=height, width=width, channels=channels, range=range_),
            ),
            Dense(name="hidden", source="input", weights=signs(hidden, elements)),
            Threshold(
                name="sign",
                source="hidden",
                levels=np.zeros((hidden, 1), np.int32),
                inverted=np.zeros(hidden, bool),
            ),
            Dense(name="dense", source="sign", weights=signs(10, hidden)),
            Head(
                name="head",
                source="dense",
                bias=np.zeros(10, np.int32),
                scale=np.ones(10, np.float32),
                offset=np.zeros(10, np.float32),
            ),
        )
    )
    if bits == 1:
        table = np.where(np.arange(256) < 128, -1, 1).astype(np.int16)[None]
        preprocessing = Preprocessing(table=table)
    else:
        preprocessing = Preprocessing.identity()
    frames = rng.integers(0, 256, (4, height, width, channels), dtype=np.uint8)
    return Model(
        name=f"tiny_{height}x{width}x{channels}_{bits}",
        graph=graph,
        preprocessing=preprocessing,
        vectors=make_vectors(graph, preprocessing, frames),
        provenance="random weights",
    )


def frames_of(model: Model, count: int, seed: int) -> np.ndarray:
    """Random frames (count, H, W, C)."""
    shape = model.graph.input.type.shape
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), dtype=np.uint8)
