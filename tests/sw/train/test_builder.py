"""The builder: every op, and what it fills in."""

from __future__ import annotations

import numpy as np

from sw import golden
from sw.model import verify
from sw.model.float_ir import Sign, Step, Uniform
from sw.model.ir import Conv, Padding, Pool
from sw.train.builder import Builder

PAD = Padding(top=1, left=1, bottom=1, right=1)


def signs(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return (rng.integers(0, 2, shape) * 2 - 1).astype(np.int8)


def test_every_op(rng: np.random.Generator) -> None:
    builder = Builder()
    source = builder.input("pixels", (8, 6, 2), low=-128, high=127)
    weights = rng.integers(-127, 128, (4, 3, 3, 2)).astype(np.int8)
    conv = builder.conv("stem", source, weights=weights, weight_bits=8, stride=(1, 1), padding=PAD)
    stream = builder.scale(
        "stream", conv, gain=[3, -2, 1, 0], offset=[5] * 4, shift=4, low=-32767, high=32767
    )
    pooled = builder.pool("pooled", stream, size=3, stride=2, padding=1)
    quantiser = Sign(name="bits", source=pooled, zero=1)
    bits, falling = builder.threshold("bits", pooled, steps=(), quantiser=quantiser, low=-1, step=2)
    assert not falling.any()
    binary = builder.conv(
        "binary", bits, weights=signs(rng, 4, 3, 3, 4), weight_bits=1, stride=(1, 1), padding=PAD
    )
    back = builder.scale(
        "back", binary, gain=[9] * 4, offset=[0] * 4, shift=0, low=-32767, high=32767
    )
    total = builder.add("total", (back, pooled), limit=32767)
    three = Uniform(name="three", source=total, low=-1, high=1)
    steps = (Step.mul([0.01, -0.02, 0.01, 0.01]),)
    ternary, falling = builder.threshold(
        "three", total, steps=steps, quantiser=three, low=-1, step=1
    )
    assert falling.tolist() == [False, True, False, False]
    best = builder.pool("best", ternary, size=(1, 1), stride=1, minimum=falling)
    both = builder.concat("both", (ternary, best))
    average = builder.pool("average", both, size=(4, 3), stride=(4, 3), total=True)
    dense = builder.dense("dense", average, weights=signs(rng, 5, 8), weight_bits=1)
    builder.head("scores", dense, bias=np.arange(5), scale=0.5)
    graph = builder.graph()
    verify(graph)
    stem, binary_op = graph["stem"], graph["binary"]
    assert isinstance(stem, Conv) and stem.padding.value == 0
    # A sign has no zero: its padding is skipped.
    assert isinstance(binary_op, Conv) and binary_op.padding.value is None
    assert isinstance(graph["average"], Pool) and graph.types["average"].shape == (1, 1, 8)
    assert graph.head.bias.tolist() == [0, 1, 2, 3, 4]
    assert golden.run(graph, rng.integers(-128, 128, (3, 8, 6, 2)))["scores"].shape == (3, 1, 1, 5)


def test_head_over_cells(rng: np.random.Generator) -> None:
    """A bias per channel, repeated for every cell in raster order."""
    builder = Builder()
    source = builder.input("pixels", (2, 3, 1), low=0, high=255)
    conv = builder.conv(
        "conv",
        source,
        weights=signs(rng, 2, 1, 1, 1),
        weight_bits=1,
        stride=(1, 1),
        padding=Padding(),
    )
    builder.head("scores", conv, bias=[7, -7], scale=1.0)
    assert builder.graph().head.bias.tolist() == [7, -7] * 6
