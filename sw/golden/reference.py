"""One plain function per op: the integer graph, said once more as NumPy.

Slow and obvious on purpose. Every function takes values (N, H, W, C) of an
integer dtype and returns values (N, H, W, C), int64; `sw.golden.fast` is tested
against these on random graphs.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sw.model.ir import Computed, Conv, Dense, Graph, Head, Input, Op, Pool, Threshold, output_size

__all__ = ["conv", "dense", "head", "pool", "run", "step", "threshold"]


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


def pool(op: Pool, source: NDArray) -> NDArray[np.int64]:
    """Greatest value of each window, or the least in channels so marked."""
    (kh, kw), (sy, sx) = op.size, op.stride
    height = output_size(source.shape[1], kh, sy, 0, 0)
    width = output_size(source.shape[2], kw, sx, 0, 0)
    result = np.zeros((len(source), height, width, source.shape[3]), np.int64)
    for y in range(height):
        for x in range(width):
            window = source[:, y * sy : y * sy + kh, x * sx : x * sx + kw]
            greatest, least = window.max(axis=(1, 2)), window.min(axis=(1, 2))
            result[:, y, x] = np.where(op.minimum, least, greatest)
    return result


def head(op: Head, source: NDArray) -> NDArray[np.int64]:
    """Raw scores, or the lowest index of the greatest."""
    scores = source.reshape(len(source), -1).astype(np.int64) + op.bias
    if op.kind == "argmax":
        scores = scores.argmax(axis=1)[:, None]
    return scores[:, None, None]


def step(op: Op, source: NDArray) -> NDArray[np.int64]:
    """Tensor of any op but the `Input`, from its source's."""
    if isinstance(op, Conv):
        return conv(op, source)
    if isinstance(op, Dense):
        return dense(op, source)
    if isinstance(op, Threshold):
        return threshold(op, source)
    if isinstance(op, Pool):
        return pool(op, source)
    assert isinstance(op, Head), f"unknown op {op!r}"
    return head(op, source)


def run(graph: Graph, inputs: NDArray) -> dict[str, NDArray[np.int64]]:
    """Every tensor of ``graph``, by name, for preprocessed frames (N, H, W, C)."""
    tensors: dict[str, NDArray[np.int64]] = {}
    for op in graph.ops:
        if isinstance(op, Input):
            tensors[op.name] = np.asarray(inputs, np.int64)
        elif isinstance(op, Computed):
            tensors[op.name] = step(op, tensors[op.source])
    return tensors
