"""One plain function per op: the integer graph, said once more as NumPy.

Slow and obvious on purpose. Every function takes values (N, H, W, C) of an
integer dtype and returns values (N, H, W, C), int64; `sw.golden.fast` is tested
against these on random graphs.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

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
    Pool,
    Scale,
    Threshold,
    output_size,
)

__all__ = [
    "add",
    "concat",
    "conv",
    "dense",
    "head",
    "pool",
    "run",
    "scale",
    "step",
    "threshold",
]


def conv(op: Conv, source: NDArray) -> NDArray[np.int64]:
    """Sum of weight times value over the taps of each window."""
    pad, (kh, kw), (sy, sx) = op.padding, op.kernel, op.stride
    # A skipped tap contributes nothing, as a zero does.
    padded = np.pad(
        source.astype(np.int64),
        ((0, 0), (pad.top, pad.bottom), (pad.left, pad.right), (0, 0)),
        constant_values=0 if pad.value is None else pad.value,
    )
    height = output_size(source.shape[1], kh, sy, pad.top, pad.bottom)
    width = output_size(source.shape[2], kw, sx, pad.left, pad.right)
    result = np.zeros((len(source), height, width, op.outputs), np.int64)
    for y in range(height):
        for x in range(width):
            window = padded[:, y * sy : y * sy + kh, x * sx : x * sx + kw]
            result[:, y, x] = np.einsum("nabi,oabi->no", window, op.weights.astype(np.int64))
    return result


def dense(op: Dense, source: NDArray) -> NDArray[np.int64]:
    """Sum of weight times value over the whole source, in raster order."""
    flat = source.reshape(len(source), -1).astype(np.int64)
    return np.einsum("ni,oi->no", flat, op.weights.astype(np.int64))[:, None, None]


def threshold(op: Threshold, source: NDArray) -> NDArray[np.int64]:
    """Number of levels reached, or not reached in inverted channels."""
    reached = (source[..., None] >= op.levels).sum(-1)
    count = np.where(op.inverted, op.levels.shape[1] - reached, reached)
    return op.low + op.step * count


def scale(op: Scale, source: NDArray) -> NDArray[np.int64]:
    """Product, sum, and a shift that rounds half up; then saturation."""
    half = 2 ** (op.shift - 1) if op.shift else 0
    total = op.gain.astype(np.int64) * source + op.offset + half
    return np.clip(total >> op.shift, op.low, op.high)


def add(op: Add, first: NDArray, second: NDArray) -> NDArray[np.int64]:
    """Saturating sum of two maps."""
    return np.clip(first.astype(np.int64) + second, op.low, op.high)


def concat(*sources: NDArray) -> NDArray[np.int64]:
    """The channels of all sources, in their order."""
    return np.concatenate(sources, axis=3).astype(np.int64)


def pool(op: Pool, source: NDArray) -> NDArray[np.int64]:
    """Greatest value of each window, or the least in channels so marked; or the sum."""
    (kh, kw), (sy, sx), pad = op.size, op.stride, op.padding
    height = output_size(source.shape[1], kh, sy, pad.top, pad.bottom)
    width = output_size(source.shape[2], kw, sx, pad.left, pad.right)
    result = np.zeros((len(source), height, width, source.shape[3]), np.int64)
    for y in range(height):
        for x in range(width):
            top, left = y * sy - pad.top, x * sx - pad.left
            # What lies outside the map takes no part.
            window = source[:, max(0, top) : top + kh, max(0, left) : left + kw]
            if op.kind == "sum":
                result[:, y, x] = window.sum(axis=(1, 2), dtype=np.int64)
                continue
            greatest, least = window.max(axis=(1, 2)), window.min(axis=(1, 2))
            result[:, y, x] = np.where(op.minimum, least, greatest)
    return result


def head(op: Head, source: NDArray) -> NDArray[np.int64]:
    """Raw scores, or the lowest index of the greatest."""
    scores = source.reshape(len(source), -1).astype(np.int64) + op.bias
    if op.kind == "argmax":
        scores = scores.argmax(axis=1)[:, None]
    return scores[:, None, None]


def step(op: Op, *sources: NDArray) -> NDArray[np.int64]:
    """Tensor of any op but the `Input`, from its sources'."""
    if isinstance(op, Conv):
        return conv(op, *sources)
    if isinstance(op, Dense):
        return dense(op, *sources)
    if isinstance(op, Threshold):
        return threshold(op, *sources)
    if isinstance(op, Scale):
        return scale(op, *sources)
    if isinstance(op, Add):
        return add(op, *sources)
    if isinstance(op, Concat):
        return concat(*sources)
    if isinstance(op, Pool):
        return pool(op, *sources)
    assert isinstance(op, Head), f"unknown op {op!r}"
    return head(op, *sources)


def run(graph: Graph, inputs: NDArray) -> dict[str, NDArray[np.int64]]:
    """Every tensor of ``graph``, by name, for preprocessed frames (N, H, W, C)."""
    tensors: dict[str, NDArray[np.int64]] = {}
    for op in graph.ops:
        if isinstance(op, Input):
            tensors[op.name] = np.asarray(inputs, np.int64)
        elif isinstance(op, Computed | Joined):
            tensors[op.name] = step(op, *(tensors[name] for name in op.sources))
    return tensors
