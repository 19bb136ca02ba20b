"""Plain evaluation of the float graph, as the trained network would do it.

Slow and simple: what lowering is measured against. Sums of products are taken in
float64 and rounded to float32 once, for frameworks agree on no order of summation.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from sw.lower.evaluate import apply_steps
from sw.model.float_ir import (
    Elementwise,
    FloatConv,
    FloatDense,
    FloatGraph,
    FloatInput,
    FloatPool,
    Quantiser,
)

__all__ = ["evaluate"]


def evaluate(graph: FloatGraph, frames: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
    """Every tensor of ``graph`` by name, float32 (N, H, W, C), for frames (N, H, W, C)."""
    tensors: dict[str, NDArray[np.float32]] = {}
    x = np.asarray(frames, np.float32)
    for op in graph.ops:
        if isinstance(op, FloatConv):
            x = _conv(op, x)
        elif isinstance(op, FloatDense):
            flat = x.reshape(len(x), -1).astype(np.float64)
            x = (flat @ op.weights.T.astype(np.float64)).astype(np.float32)[:, None, None]
        elif isinstance(op, FloatPool):
            x = _windows(x, op.size, op.stride, lambda patch: patch.max((1, 2)))
        elif isinstance(op, Elementwise):
            x = apply_steps(op.steps, x)
        elif isinstance(op, Quantiser):
            x = apply_steps((op,), x)
        else:
            assert isinstance(op, FloatInput), f"unknown op {op!r}"
        tensors[op.name] = x
    return tensors


def _conv(op: FloatConv, x: NDArray[np.float32]) -> NDArray[np.float32]:
    top, left, bottom, right = op.padding
    sides = ((0, 0), (top, bottom), (left, right), (0, 0))
    x = np.pad(x, sides, constant_values=np.float32(op.pad_value))
    matrix = op.weights.reshape(len(op.weights), -1).T.astype(np.float64)
    size = (op.weights.shape[1], op.weights.shape[2])

    def product(patch: NDArray[np.float32]) -> NDArray[np.float32]:
        return (patch.reshape(len(patch), -1).astype(np.float64) @ matrix).astype(np.float32)

    return _windows(x, size, op.stride, product)


def _windows(
    x: NDArray[np.float32],
    size: tuple[int, int],
    stride: tuple[int, int],
    function: Callable[[NDArray[np.float32]], NDArray[np.float32]],
) -> NDArray[np.float32]:
    """``function`` (N, rows, columns, C) -> (N, C') of each whole window."""
    rows = range(0, x.shape[1] - size[0] + 1, stride[0])
    columns = range(0, x.shape[2] - size[1] + 1, stride[1])
    lines = [
        np.stack([function(x[:, r : r + size[0], c : c + size[1]]) for c in columns], 1)
        for r in rows
    ]
    return np.stack(lines, 1)
