"""Graphs for the planner's and the core's tests: a builder, and random small networks."""

from __future__ import annotations

import numpy as np

from sw.model.ir import (
    BIPOLAR,
    Conv,
    Dense,
    Graph,
    Head,
    Input,
    IntegerRange,
    Op,
    Padding,
    Pool,
    TensorType,
    Threshold,
    infer,
)
from sw.model.model import Model, Preprocessing, Vectors

RANGES = {
    "bipolar": BIPOLAR,
    "ternary": IntegerRange(low=-1, high=1),
    "unsigned2": IntegerRange(low=0, high=3),
    "odd": IntegerRange(low=-5, high=4, step=3),
    "uint8": IntegerRange(low=0, high=255),
    "int8": IntegerRange(low=-128, high=127),
}


class Builder:
    """A chain of ops with random weights and thresholds that split the data."""

    def __init__(
        self,
        rng: np.random.Generator,
        height: int,
        width: int,
        channels: int,
        kind: str = "bipolar",
    ) -> None:
        self.rng = rng
        source = TensorType(height=height, width=width, channels=channels, range=RANGES[kind])
        self.ops: list[Op] = []
        self.types: dict[str, TensorType] = {}
        self._add(Input(name="input", type=source))

    def _add(self, op: Op) -> Builder:
        self.ops.append(op)
        self.types[op.name] = infer(op, self.types)
        return self

    @property
    def type(self) -> TensorType:
        return self.types[self.ops[-1].name]

    def _name(self, kind: str) -> dict[str, str]:
        return {"name": f"{kind}{len(self.ops)}", "source": self.ops[-1].name}

    def _signs(self, *shape: int) -> np.ndarray:
        return self.rng.choice(np.array([-1, 1], np.int8), shape)

    def conv(
        self,
        outputs: int,
        kernel: tuple[int, int] = (3, 3),
        stride: tuple[int, int] = (1, 1),
        padding: Padding | None = None,
    ) -> Builder:
        weights = self._signs(outputs, *kernel, self.type.channels)
        return self._add(
            Conv(
                **self._name("conv"),
                weights=weights,
                stride=stride,
                padding=padding or Padding(),
            )
        )

    def dense(self, outputs: int) -> Builder:
        return self._add(Dense(**self._name("dense"), weights=self._signs(outputs, self.type.size)))

    def threshold(self, levels: int = 1, low: int = -1, step: int = 2) -> Builder:
        """Levels about the middle of the source, some channels constant, some inverted."""
        source, channels = self.type, self.type.channels
        middle = (source.range.low + source.range.high) / 2
        spread = max(1.0, (source.range.high - source.range.low) / 12)
        values = np.rint(self.rng.normal(middle, spread, (channels, levels)))
        never = self.rng.random(channels) < 0.1
        values[never] = source.range.high + 1
        always = self.rng.random(channels) < 0.1
        values[always] = source.range.low
        return self._add(
            Threshold(
                **self._name("threshold"),
                levels=np.sort(values, axis=1).astype(np.int32),
                inverted=self.rng.random(channels) < 0.3,
                low=low,
                step=step,
            )
        )

    def pool(self, size: tuple[int, int] = (2, 2)) -> Builder:
        minimum = self.rng.random(self.type.channels) < 0.3
        return self._add(Pool(**self._name("pool"), size=size, stride=size, minimum=minimum))

    def head(self, kind: str = "raw") -> Graph:
        size = self.type.size
        argmax = kind == "argmax"
        self._add(
            Head(
                name="head",
                source=self.ops[-1].name,
                kind="argmax" if argmax else "raw",
                bias=self.rng.integers(-9, 9, size).astype(np.int32),
                scale=np.ones(size, np.float32),
                offset=np.zeros(size, np.float32),
            )
        )
        return Graph(ops=tuple(self.ops))


def random_padding(
    rng: np.random.Generator, kernel: tuple[int, int], source: IntegerRange
) -> Padding:
    """None, skipped, or a value of the source's range, on any side."""
    choice = rng.integers(3)
    if choice == 0:
        return Padding()
    sides = [int(rng.integers(0, kernel[axis])) for axis in (0, 1, 0, 1)]
    code = int(rng.integers(0, source.levels + 1))
    value = None if choice == 1 else int(source.decode(np.array(code)))
    top, left, bottom, right = sides
    return Padding(top=top, left=left, bottom=bottom, right=right, value=value)


def random_graph(rng: np.random.Generator, *, largest: int = 8, quantise: bool = True) -> Graph:
    """A legal chain of one to four arrays with whatever may stand between them."""
    height, width = (int(v) for v in rng.integers(3, largest + 1, 2))
    kind = str(rng.choice(list(RANGES)))
    builder = Builder(rng, height, width, int(rng.choice([1, 2, 3, 4, 6])), kind)
    if quantise and rng.random() < 0.2:
        builder.threshold(*((1,) if rng.random() < 0.5 else (2, -1, 1)))
    if rng.random() < 0.2 and min(builder.type.shape[:2]) >= 4:
        builder.pool()
    for _ in range(int(rng.integers(0, 3))):
        _random_conv(rng, builder)
        builder.threshold(*_random_levels(rng))
        if rng.random() < 0.4 and min(builder.type.shape[:2]) >= 2:
            builder.pool((2, int(rng.integers(1, 3))))
    for _ in range(int(rng.integers(0, 2))):
        builder.dense(int(rng.choice([2, 4, 6, 8]))).threshold(*_random_levels(rng))
    if rng.random() < 0.25:
        _random_conv(rng, builder)
    else:
        builder.dense(int(rng.integers(2, 11)))
    return builder.head("argmax" if rng.random() < 0.4 else "raw")


def _random_conv(rng: np.random.Generator, builder: Builder) -> None:
    source = builder.type
    kernel = tuple(int(rng.integers(1, min(3, side) + 1)) for side in (source.height, source.width))
    stride = (int(rng.integers(1, 3)), int(rng.integers(1, 3)))
    padding = random_padding(rng, (kernel[0], kernel[1]), source.range)
    builder.conv(int(rng.choice([1, 2, 3, 4, 6, 8])), (kernel[0], kernel[1]), stride, padding)


def _random_levels(rng: np.random.Generator) -> tuple[int, int, int]:
    """(levels, low, step) of bipolar, ternary and 2-bit outputs."""
    choices = [(1, -1, 2), (1, -1, 2), (2, -1, 1), (3, 0, 1)]
    return choices[int(rng.integers(len(choices)))]


def model_of(graph: Graph, name: str = "test") -> Model:
    """A model around a graph; its vectors are empty."""
    source = graph.input.type
    scores = graph.types[graph.head.name].channels
    return Model(
        name=name,
        graph=graph,
        preprocessing=Preprocessing.identity(),
        vectors=Vectors(
            frames=np.zeros((0, *source.shape), np.uint8),
            scores=np.zeros((0, scores), np.int32),
        ),
    )


def random_frames(rng: np.random.Generator, graph: Graph, count: int) -> np.ndarray:
    """Input tensors (count, H, W, C) within the input's range."""
    source = graph.input.type
    codes = rng.integers(0, source.range.levels + 1, (count, *source.shape))
    return source.range.decode(codes)
