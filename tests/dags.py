"""Small random legal graphs of every op: residual streams, two sources, 8-bit layers.

A graph grows op by op from random tensors made so far, beside frames that are run
through `sw.golden.reference` as it grows, so that levels and gains suit the values.
`tests.graphs` has the chains that the hardware builds.
"""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from sw.golden import reference
from sw.model import Model, verify
from sw.model.ir import (
    Add,
    Computed,
    Concat,
    Conv,
    Dense,
    Graph,
    Head,
    Input,
    Joined,
    Op,
    Padding,
    Pool,
    Scale,
    TensorType,
    Threshold,
    infer,
)
from sw.model.rules import SOURCES
from tests.graphs import INPUT_RANGES, random_model

__all__ = ["dags", "random_dag"]

#: What a `Scale` or an `Add` saturates to: int8, uint8, 4 bits, residual streams, an odd one.
SATURATIONS = ((-128, 127), (0, 255), (0, 15), (-32767, 32767), (-32768, 32767), (-5, 900))
#: (levels, low, step) of a `Threshold`: sign, {0, 1}, 1.5 bits, 2 bits.
THRESHOLDS = ((1, -1, 2), (1, 0, 1), (2, -1, 1), (3, -3, 2))


class Grower:
    """A graph that grows, with the values of a few frames.

    Parameters
    ----------
    rng : numpy.random.Generator
    max_size, max_channels : int
        Greatest height and width of the input, and channels of any tensor but a `Concat`'s.
    """

    def __init__(self, rng: np.random.Generator, max_size: int, max_channels: int) -> None:
        self.rng, self.max_channels = rng, max_channels
        height, width = (int(n) for n in rng.integers(2, max_size + 1, 2))
        range_ = INPUT_RANGES[int(rng.integers(len(INPUT_RANGES)))]
        shape = height, width, int(rng.integers(1, max_channels + 1))
        type_ = TensorType(height=height, width=width, channels=shape[2], range=range_)
        self.ops: list[Op] = [Input(name="input", type=type_)]
        self.types = {"input": type_}
        self.values = {"input": range_.decode(rng.integers(0, range_.levels + 1, (6, *shape)))}
        self.unread = {"input"}

    def flip(self, probability: float = 0.5) -> bool:
        return bool(self.rng.random() < probability)

    def name(self, kind: str) -> str:
        return f"{kind}{len(self.ops)}"

    def add(self, op: Computed | Joined) -> str:
        """Append ``op``; its name."""
        self.ops.append(op)
        self.types[op.name] = infer(op, self.types)
        self.values[op.name] = reference.step(op, *(self.values[name] for name in op.sources))
        self.unread -= set(op.sources)
        self.unread.add(op.name)
        return op.name

    def legal(self, kind: type[Op], bits: int) -> list[str]:
        """Tensors that an op of ``kind`` may read, of up to so many bits."""
        kinds = SOURCES[kind]
        names = [op.name for op in self.ops if isinstance(op, kinds)]
        return [name for name in names if self.types[name].range.bits <= bits]

    def pick(self, names: list[str]) -> str:
        """One of ``names``, mostly one that is unread or young."""
        fresh = [name for name in names if name in self.unread]
        if fresh and self.flip(0.6):
            names = fresh
        return names[int(self.rng.integers(max(0, len(names) - 4), len(names)))]

    def weights(self, *shape: int) -> tuple[NDArray[np.int8], int]:
        bits = 1 if self.flip() else int(self.rng.integers(2, 9))
        if bits == 1:
            return self.rng.choice(np.array([-1, 1], np.int8), shape), bits
        limit = 2 ** (bits - 1) - 1
        return self.rng.integers(-limit, limit + 1, shape).astype(np.int8), bits

    def conv(self, source: str, outputs: int, same: bool = False) -> str:
        type_, rng = self.types[source], self.rng
        kernel = tuple(int(n) for n in rng.integers(1, 4, 2))
        stride, pad = tuple(int(n) for n in rng.integers(1, 3, 2)), Padding()
        if same:
            kernel, stride = ((3, 3), (1, 1)) if self.flip() else ((1, 1), (1, 1))
        if same or self.flip() or kernel[0] > type_.height or kernel[1] > type_.width:
            value = None
            if self.flip():
                value = type_.range.low + type_.range.step * int(
                    rng.integers(type_.range.levels + 1)
                )
            top, left = (kernel[0] - 1) // 2, (kernel[1] - 1) // 2
            bottom, right = kernel[0] - 1 - top, kernel[1] - 1 - left
            pad = Padding(top=top, left=left, bottom=bottom, right=right, value=value)
        weights, bits = self.weights(outputs, *kernel, type_.channels)
        return self.add(
            Conv(
                name=self.name("conv"),
                source=source,
                weights=weights,
                weight_bits=bits,
                stride=stride,  # type: ignore[arg-type]
                padding=pad,
            )
        )

    def dense(self, source: str, outputs: int) -> str:
        weights, bits = self.weights(outputs, self.types[source].size)
        name = self.name("dense")
        return self.add(Dense(name=name, source=source, weights=weights, weight_bits=bits))

    def threshold(self, source: str, kind: int | None = None) -> str:
        kind = int(self.rng.integers(len(THRESHOLDS))) if kind is None else kind
        (count, low, step), channels = THRESHOLDS[kind], self.types[source].channels
        values = self.values[source].reshape(-1, channels)
        levels = values[self.rng.integers(len(values), size=(count, channels)), range(channels)]
        levels = levels + self.rng.integers(-1, 2, levels.shape)
        # Some channels are constant: no value reaches, or all do.
        levels[self.rng.random(levels.shape) < 0.03] = 2**31 - 1
        return self.add(
            Threshold(
                name=self.name("threshold"),
                source=source,
                levels=np.sort(levels, axis=0).T.astype(np.int32),
                inverted=self.rng.random(channels) < 0.4,
                low=low,
                step=step,
            )
        )

    def scale(self, source: str, saturation: tuple[int, int] | None = None) -> str:
        rng, channels = self.rng, self.types[source].channels
        low, high = saturation or SATURATIONS[int(rng.integers(len(SATURATIONS)))]
        values = self.values[source].reshape(-1, channels).astype(np.float64)
        # Gains about which the frames' values fill the range, of both signs.
        ratio = (high - low) / (np.ptp(values, axis=0) + 1) * rng.uniform(0.2, 2, channels)
        most = int(np.floor(np.log2((2**17 - 1) / ratio.max()))) if ratio.max() else 31
        shift = int(rng.integers(0, min(31, max(0, most)) + 1))
        gain = np.clip(np.round(ratio * 2.0**shift), -(2**17), 2**17 - 1)
        gain *= rng.choice([-1, 1], channels)
        middle = (low + high) / 2 * 2.0**shift * rng.uniform(0, 1.2, channels)
        offset = np.clip(middle - gain * values.mean(axis=0), -(2**31), 2**31 - 1)
        return self.add(
            Scale(
                name=self.name("scale"),
                source=source,
                gain=gain.astype(np.int32),
                offset=offset.astype(np.int32),
                shift=shift,
                low=low,
                high=high,
            )
        )

    def pool(self, source: str, tiny: bool = False) -> str:
        type_, rng = self.types[source], self.rng
        size = tuple(int(rng.integers(1, min(3, n) + 1)) for n in (type_.height, type_.width))
        stride, pad = tuple(int(n) for n in rng.integers(1, 4, 2)), Padding()
        kind = "sum" if self.flip(0.4) else "max"
        if tiny:
            size, stride, kind = (1, 1), (1, 1), "max"
        if kind == "max" and self.flip():
            # Each less than the window.
            sides = [int(rng.integers(0, n)) for n in (*size, *size)]
            pad = Padding(top=sides[0], left=sides[1], bottom=sides[2], right=sides[3])
        minimum = np.zeros(type_.channels, np.bool_)
        if kind == "max":
            minimum = rng.random(type_.channels) < 0.4
        return self.add(
            Pool(
                name=self.name("pool"),
                source=source,
                kind=kind,  # type: ignore[arg-type]
                size=size,  # type: ignore[arg-type]
                stride=stride,  # type: ignore[arg-type]
                padding=pad,
                minimum=minimum,
            )
        )

    def sum(self, first: str, second: str) -> str:
        low, high = SATURATIONS[int(self.rng.integers(len(SATURATIONS)))]
        return self.add(Add(name=self.name("add"), sources=(first, second), low=low, high=high))

    def concat(self, *sources: str) -> str:
        return self.add(Concat(name=self.name("concat"), sources=sources))

    def narrow(self, source: str) -> str:
        """``source``, or ops on it that end in codes of at most 8 bits."""
        if source in self.legal(Conv, 8):
            return source
        if source not in self.legal(Scale, 32) and source not in self.legal(Threshold, 32):
            source = self.pool(source, tiny=True)
        if source in self.legal(Scale, 32) and self.flip():
            return self.scale(source, SATURATIONS[int(self.rng.integers(3))])
        return self.threshold(source)

    def grow(self) -> None:
        """One more op, or a few that belong together."""
        choice = int(self.rng.integers(8))
        outputs = int(self.rng.integers(1, self.max_channels + 1))
        if choice <= 1:
            self.conv(self.pick(self.legal(Conv, 8)), outputs)
        elif choice == 2 and (names := self.legal(Threshold, 32)):
            self.threshold(self.pick(names))
        elif choice == 3 and (names := self.legal(Scale, 32)):
            self.scale(self.pick(names))
        elif choice == 4:
            self.pool(self.pick(self.legal(Pool, 18)))
        elif choice == 5 and (names := self.legal(Threshold, 32)):
            self.two_sources(self.pick(names))
        elif choice == 6:
            self.residual(self.pick(self.legal(Add, 16)))
        elif choice == 7 and self.flip(0.3):
            self.dense(self.pick(self.legal(Dense, 8)), outputs)

    def two_sources(self, source: str) -> None:
        """A tensor quantised twice, and earlier ones that match, side by side."""
        kind = int(self.rng.integers(len(THRESHOLDS)))
        names = [self.threshold(source, kind)]
        type_ = self.types[names[0]]
        for name in self.legal(Concat, 16):
            other = self.types[name]
            alike = (other.height, other.width, other.range) == (
                type_.height,
                type_.width,
                type_.range,
            )
            if alike and name not in names and len(names) < 3:
                names.append(name)
        if len(names) == 1:
            names.append(self.threshold(source, kind))
        if sum(self.types[name].channels for name in names) <= 4 * self.max_channels:
            self.concat(*(names[int(i)] for i in self.rng.permutation(len(names))))

    def residual(self, source: str) -> None:
        """``source`` plus what a convolution makes of it, or plus an older equal shape."""
        shape = self.types[source].shape
        twins = [
            name
            for name in self.legal(Add, 16)
            if name != source and self.types[name].shape == shape
        ]
        if twins and self.flip(0.3):
            self.sum(source, self.pick(twins))
            return
        sums = self.conv(self.narrow(source), shape[2], same=True)
        self.sum(source, self.scale(sums, SATURATIONS[3]))

    def finish(self, outputs: int) -> Graph:
        """The unread tensors joined, and a head behind them."""
        while len(self.unread) > 1:
            ends = sorted(self.unread)[:2]
            if all(name in self.legal(Head, 32) for name in ends) and self.flip(0.3):
                ends = [self.threshold(name, 0) for name in ends]
            vectors = [self.dense(self.narrow(name), outputs) for name in ends]
            vectors = [self.scale(name, SATURATIONS[0]) for name in vectors]
            self.concat(*vectors) if self.flip() else self.sum(vectors[0], vectors[1])
        (last,) = self.unread
        if last not in self.legal(Head, 32):
            last = self.dense(self.narrow(last), outputs)
        size = self.types[last].size
        head = Head(
            name="head",
            source=last,
            bias=self.rng.integers(-50, 51, size).astype(np.int32),
            scale=np.ones(size, np.float32),
            offset=np.zeros(size, np.float32),
            kind="argmax" if self.flip(0.3) else "raw",
        )
        return Graph(ops=(*self.ops, head))


def random_dag(
    rng: np.random.Generator, *, steps: int = 8, max_size: int = 7, max_channels: int = 6
) -> Graph:
    """A random legal graph of all ops, grown in ``steps``; see `Grower`."""
    grower = Grower(rng, max_size, max_channels)
    for _ in range(steps):
        grower.grow()
    graph = grower.finish(int(rng.integers(1, 6)))
    verify(graph)
    return graph


@st.composite
def dags(draw: st.DrawFn) -> Model:
    """`random_dag` as a model: hypothesis shrinks the sizes, not the numbers."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    graph = random_dag(
        rng,
        steps=draw(st.integers(0, 16)),
        max_size=draw(st.integers(2, 8)),
        max_channels=draw(st.integers(1, 9)),
    )
    return random_model(rng, graph=graph)
