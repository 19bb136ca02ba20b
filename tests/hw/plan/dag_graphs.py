"""Networks that fork and join, for the tests of stages, planner and core."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hw.plan.stages import cut
from sw.errors import PlanError
from sw.model.ir import (
    BIPOLAR,
    Conv,
    Graph,
    Head,
    Input,
    IntegerRange,
    Padding,
    Pool,
    TensorType,
)
from tests.dags import Grower

__all__ = [
    "BinaryGrower",
    "bi_real",
    "buildable_dag",
    "downsampled",
    "random_inputs",
    "two_sources",
]

AROUND = Padding(top=1, left=1, bottom=1, right=1)

#: What a residual stream saturates to.
STREAM = (-32767, 32767)

#: What the stages refuse: padding as wide as the stride, and gains on odd steps.
REFUSED = ("pools with less padding than the stride", "a DSP block multiplies 18")


class BinaryGrower(Grower):
    """Weights of one bit only."""

    def weights(self, *shape: int) -> tuple[NDArray[np.int8], int]:
        return self.rng.choice(np.array([-1, 1], np.int8), shape), 1


def buildable_dag(
    rng: np.random.Generator,
    *,
    steps: int,
    max_size: int = 7,
    max_channels: int = 6,
    kind: type[Grower] = Grower,
) -> Graph:
    """A random graph that has stages: one of these that do not is drawn again."""
    while True:
        grower = kind(rng, max_size, max_channels)
        for _ in range(steps):
            grower.grow()
        graph = grower.finish(int(rng.integers(1, 6)))
        try:
            cut(graph)
        except PlanError as error:
            if not any(text in str(error) for text in REFUSED):
                raise
            continue
        return graph


def random_inputs(rng: np.random.Generator, graph: Graph, frames: int) -> NDArray[np.int64]:
    """Preprocessed frames (N, H, W, C) of any values of the input's range."""
    range_, shape = graph.input.type.range, graph.input.type.shape
    return range_.decode(rng.integers(0, range_.levels + 1, (frames, *shape)))


def started(rng: np.random.Generator, type_: TensorType) -> BinaryGrower:
    """A grower with an input of that type."""
    grower = BinaryGrower(rng, 4, 4)
    shape = type_.shape
    codes = rng.integers(0, type_.range.levels + 1, (6, *shape))
    grower.ops = [Input(name="input", type=type_)]
    grower.types = {"input": type_}
    grower.values = {"input": type_.range.decode(codes)}
    grower.unread = {"input"}
    return grower


def bi_real(
    rng: np.random.Generator, *, height: int, width: int, channels: int, blocks: int
) -> Graph:
    """A residual stream of int16: ``r + scale(conv(sign(r)))`` some times over, on 8-bit input."""
    bytes_ = IntegerRange(low=0, high=255)
    grower = started(rng, TensorType(height=height, width=width, channels=2, range=bytes_))

    def conv(source: str) -> str:
        weights, _ = grower.weights(channels, 3, 3, grower.types[source].channels)
        op = Conv(name=grower.name("conv"), source=source, weights=weights, padding=AROUND)
        return grower.scale(grower.add(op), STREAM)

    stream = conv("input")
    for _ in range(blocks):
        stream = grower.sum(stream, conv(grower.threshold(stream, 0)))
    scores = grower.dense(grower.threshold(stream, 0), 3)
    return finished(grower, scores)


def finished(grower: Grower, scores: str) -> Graph:
    """The graph with a head behind the accumulators ``scores``."""
    size = grower.types[scores].size
    head = Head(
        name="head",
        source=scores,
        bias=grower.rng.integers(-9, 9, size).astype(np.int32),
        scale=np.ones(size, np.float32),
        offset=np.zeros(size, np.float32),
    )
    return Graph(ops=(*grower.ops, head))


def downsampled(rng: np.random.Generator) -> Graph:
    """A residual block whose shortcut has layers of its own: sum pool, 1x1 weights of 8 bits."""
    grower = started(
        rng, TensorType(height=4, width=4, channels=2, range=IntegerRange(low=-127, high=127))
    )
    limit = 127

    def wide(source: str, outputs: int, kernel: int, padding: Padding) -> str:
        shape = outputs, kernel, kernel, grower.types[source].channels
        weights = rng.integers(-limit, limit + 1, shape).astype(np.int8)
        op = Conv(
            name=grower.name("wide"),
            source=source,
            weights=weights,
            weight_bits=8,
            padding=padding,
        )
        return grower.scale(grower.add(op), STREAM)

    stream = wide("input", 2, 3, AROUND)
    signs = grower.threshold(stream, 0)
    weights, _ = grower.weights(4, 3, 3, 2)
    binary = Conv(
        name=grower.name("conv"), source=signs, weights=weights, stride=(2, 2), padding=AROUND
    )
    main = grower.scale(grower.add(binary), STREAM)
    pool = Pool(
        name=grower.name("average"),
        source=stream,
        kind="sum",
        size=(2, 2),
        stride=(2, 2),
        minimum=np.zeros(2, np.bool_),
    )
    short = wide(grower.scale(grower.add(pool), (-127, 127)), 4, 1, Padding())
    total = grower.sum(short, main)
    return finished(grower, grower.dense(grower.threshold(total, 0), 3))


def two_sources(rng: np.random.Generator) -> Graph:
    """Ternary activations, and a convolution of two earlier tensors: a Concat before it."""
    grower = started(rng, TensorType(height=4, width=5, channels=2, range=BIPOLAR))

    def ternary(source: str, outputs: int) -> str:
        weights, _ = grower.weights(outputs, 3, 3, grower.types[source].channels)
        op = Conv(name=grower.name("conv"), source=source, weights=weights, padding=AROUND)
        return grower.threshold(grower.add(op), 2)

    first = ternary("input", 4)
    second = ternary(first, 2)
    third = ternary(grower.concat(second, first), 2)
    last = grower.concat(third, second)
    return finished(grower, grower.dense(last, 3))
