"""What the tests of ``python -m hw.build`` share."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np

from sw.golden import make_vectors
from sw.model import Model, Preprocessing
from sw.model.ir import BIPOLAR, Dense, Graph, Head, Input, Op, TensorType, Threshold

__all__ = ["Command", "StandIns", "dense_model", "names"]

StandIns = Callable[..., None]
Command = Callable[..., tuple[int, str, str]]


def dense_model(widths: tuple[int, ...], rng: np.random.Generator, name: str = "tiny") -> Model:
    """Dense layers of the given widths, the first that of the input: a row of +-1."""
    type_ = TensorType(height=1, width=1, channels=widths[0], range=BIPOLAR)
    ops: list[Op] = [Input(name="input", type=type_)]
    for i, (fan_in, outputs) in enumerate(pairwise(widths)):
        weights = rng.choice(np.array([-1, 1], np.int8), (outputs, fan_in))
        ops.append(Dense(name=f"dense{i}", source=ops[-1].name, weights=weights))
        if i < len(widths) - 2:
            ops.append(
                Threshold(
                    name=f"sign{i}",
                    source=f"dense{i}",
                    levels=np.zeros((outputs, 1), np.int32),
                    inverted=np.zeros(outputs, bool),
                )
            )
    zeros = np.zeros(widths[-1], np.float32)
    head = Head(
        name="head",
        source=ops[-1].name,
        bias=np.zeros(widths[-1], np.int32),
        scale=zeros + 1,
        offset=zeros,
    )
    graph = Graph(ops=(*ops, head))
    preprocessing = Preprocessing(
        table=np.where(np.arange(256) < 128, -1, 1).astype(np.int16)[None]
    )
    frames = rng.integers(0, 256, (2, 1, 1, widths[0]), dtype=np.uint8)
    return Model(
        name=name,
        graph=graph,
        preprocessing=preprocessing,
        vectors=make_vectors(graph, preprocessing, frames),
    )


def names(folder: Path) -> set[str]:
    """Files in a folder and below, by their paths in it."""
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
