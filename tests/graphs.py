"""Small random legal chains and models, for tests of every part; `tests.dags` has the rest.

`random_model` takes a NumPy generator and so is repeatable from a seed; `models`
is the same as a hypothesis strategy. Sizes are small, and every kind of op,
padding, range and direction of a threshold turns up.
"""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from sw.golden import make_vectors
from sw.model import Model, Preprocessing, verify
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

__all__ = [
    "INPUT_RANGES",
    "models",
    "random_frames",
    "random_graph",
    "random_model",
    "random_preprocessing",
]

#: Ranges of inputs: binary, {0, 1}, ternary, 2 bits, uint8, int8, and an odd one.
INPUT_RANGES = (
    BIPOLAR,
    IntegerRange(low=0, high=1),
    IntegerRange(low=-1, high=1),
    IntegerRange(low=-3, high=3, step=2),
    IntegerRange(low=0, high=255),
    IntegerRange(low=-128, high=127),
    IntegerRange(low=-7, high=8, step=3),
)

#: (levels, low, step) of thresholds: sign, {0, 1}, ternary, 2 bits twice, 3 bits.
THRESHOLDS = ((1, -1, 2), (1, 0, 1), (2, -1, 1), (3, 0, 1), (3, -3, 2), (7, -4, 1))


def _choice(rng: np.random.Generator, values: tuple) -> object:
    return values[int(rng.integers(len(values)))]


def _signs(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.choice(np.array([-1, 1], np.int8), shape)


def _padding(rng: np.random.Generator, kernel: tuple[int, int], range_: IntegerRange) -> Padding:
    if rng.random() < 0.4:
        return Padding()
    top, bottom = (int(n) for n in rng.integers(0, kernel[0], 2))
    left, right = (int(n) for n in rng.integers(0, kernel[1], 2))
    value = None
    if rng.random() < 0.5:
        value = range_.low + range_.step * int(rng.integers(range_.levels + 1))
    return Padding(top=top, left=left, bottom=bottom, right=right, value=value)


def _conv(
    rng: np.random.Generator, name: str, source: str, type_: TensorType, outputs: int
) -> Conv:
    while True:
        kernel = int(rng.integers(1, 4)), int(rng.integers(1, 4))
        op = Conv(
            name=name,
            source=source,
            weights=_signs(rng, outputs, *kernel, type_.channels),
            stride=(int(rng.integers(1, 3)), int(rng.integers(1, 3))),
            padding=_padding(rng, kernel, type_.range),
        )
        result = infer(op, {source: type_})
        if result.height >= 1 and result.width >= 1:
            return op


def _threshold(
    rng: np.random.Generator, name: str, source: str, type_: TensorType, binary: bool
) -> Threshold:
    count, low, step = THRESHOLDS[0] if binary else _choice(rng, THRESHOLDS)  # type: ignore[misc]
    # Near the middle of what random signs give, where the bits are not constant.
    spread = max(2, int(2 * np.sqrt(type_.range.high) * np.sqrt(type_.range.high) ** 0.5))
    levels = rng.integers(-spread, spread + 1, (type_.channels, count))
    # Some channels are constant: no accumulator reaches, or all do.
    ends = rng.random((type_.channels, count))
    levels[ends < 0.05] = type_.range.low - 1
    levels[ends > 0.95] = type_.range.high + 1
    return Threshold(
        name=name,
        source=source,
        levels=np.sort(levels, axis=1).astype(np.int32),
        inverted=rng.random(type_.channels) < 0.4,
        low=low,
        step=step,
    )


def _pool(rng: np.random.Generator, name: str, source: str, type_: TensorType, tiled: bool) -> Pool:
    size = tuple(int(rng.integers(1, min(3, n) + 1)) for n in (type_.height, type_.width))
    stride = size if tiled else tuple(int(n) for n in rng.integers(1, 4, 2))
    return Pool(
        name=name,
        source=source,
        size=size,  # type: ignore[arg-type]
        stride=stride,  # type: ignore[arg-type]
        minimum=rng.random(type_.channels) < 0.4,
    )


def _head(rng: np.random.Generator, source: str, type_: TensorType) -> Head:
    size = type_.size
    bias = rng.integers(-20, 21, size).astype(np.int32)
    if rng.random() < 0.4:
        ones = np.ones(size, np.float32)
        scale, offset = ones * np.float32(rng.uniform(0.1, 2)), ones * np.float32(rng.normal())
        return Head(
            name="head", source=source, kind="argmax", bias=bias, scale=scale, offset=offset
        )
    scale = rng.uniform(0.1, 2, size).astype(np.float32)
    offset = rng.normal(size=size).astype(np.float32)
    return Head(name="head", source=source, bias=bias, scale=scale, offset=offset)


def random_graph(
    rng: np.random.Generator,
    *,
    depth: int | None = None,
    max_size: int = 7,
    max_channels: int = 6,
    conv: bool = True,
    binary: bool = False,
    tiled_pools: bool = True,
) -> Graph:
    """A random legal chain from an `Input` to a `Head`.

    Parameters
    ----------
    depth : int or None
        Number of arrays (`Conv` and `Dense`); None for 1 to 4.
    max_size, max_channels : int
        Greatest height and width of the input, and channels of any tensor.
    conv : bool
        Whether convolutions and pools may occur; otherwise only dense layers.
    binary : bool
        Whether hidden activations are -1 and +1 only.
    tiled_pools : bool
        Whether a pool's stride is its size, as the hardware needs.
    """
    depth = int(rng.integers(1, 5)) if depth is None else depth
    range_ = _choice(rng, INPUT_RANGES)
    height, width = (int(n) for n in rng.integers(2, max_size + 1, 2))
    type_ = TensorType(
        height=height,
        width=width,
        channels=int(rng.integers(1, max_channels + 1)),
        range=range_,  # type: ignore[arg-type]
    )
    ops: list[Op] = [Input(name="input", type=type_)]
    types = {"input": type_}

    def add(op: Op) -> TensorType:
        ops.append(op)
        types[op.name] = infer(op, types)
        return types[op.name]

    convs = int(rng.integers(0, depth + 1)) if conv else 0
    for layer in range(depth):
        source, outputs = ops[-1].name, int(rng.integers(1, max_channels + 1))
        if layer < convs:
            type_ = add(_conv(rng, f"conv{layer}", source, type_, outputs))
        else:
            weights = _signs(rng, outputs, type_.size)
            type_ = add(Dense(name=f"dense{layer}", source=source, weights=weights))
        if layer == depth - 1:
            add(_head(rng, ops[-1].name, type_))
            break
        type_ = add(_threshold(rng, f"threshold{layer}", ops[-1].name, type_, binary))
        if layer < convs and rng.random() < 0.5:
            type_ = add(_pool(rng, f"pool{layer}", ops[-1].name, type_, tiled_pools))
    graph = Graph(ops=tuple(ops))
    verify(graph)
    return graph


def random_preprocessing(rng: np.random.Generator, graph: Graph) -> Preprocessing:
    """A random table, for all channels or for each, that reaches the whole input range."""
    type_ = graph.input.type
    rows = type_.channels if rng.random() < 0.5 else 1
    codes = rng.integers(0, type_.range.levels + 1, (rows, 256))
    codes[:, : type_.range.levels + 1] = np.arange(type_.range.levels + 1)
    return Preprocessing(table=type_.range.decode(codes).astype(np.int16))


def random_frames(rng: np.random.Generator, graph: Graph, count: int) -> np.ndarray:
    """Random uint8 frames (count, H, W, C)."""
    return rng.integers(0, 256, (count, *graph.input.type.shape), dtype=np.uint8)


def random_model(
    rng: np.random.Generator, *, vectors: int = 4, graph: Graph | None = None, **options: object
) -> Model:
    """A random legal model with ``vectors`` test vectors; options of `random_graph`.

    Or of the ``graph`` that is given.
    """
    graph = graph or random_graph(rng, **options)  # type: ignore[arg-type]
    preprocessing = random_preprocessing(rng, graph)
    return Model(
        name="random",
        graph=graph,
        preprocessing=preprocessing,
        classes=tuple(f"class{n}" for n in range(graph.head.bias.size)),
        vectors=make_vectors(graph, preprocessing, random_frames(rng, graph, vectors)),
        provenance="random numbers; no rights reserved",
    )


@st.composite
def models(draw: st.DrawFn, **options: object) -> Model:
    """`random_model` as a strategy: hypothesis shrinks the options, not the numbers."""
    seed = draw(st.integers(0, 2**32 - 1))
    options.setdefault("depth", draw(st.integers(1, 4)))
    options.setdefault("max_size", draw(st.integers(2, 8)))
    options.setdefault("max_channels", draw(st.integers(1, 9)))
    return random_model(np.random.default_rng(seed), **options)  # type: ignore[arg-type]
