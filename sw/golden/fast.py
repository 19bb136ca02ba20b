"""The golden model, fast: codes channels first, products on packed words.

Frames go through in batches, whose size is chosen so that memory stays bounded.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from sw.golden.packed import PackedConv
from sw.model.ir import (
    Computed,
    Conv,
    Dense,
    Graph,
    Head,
    Input,
    Op,
    Pool,
    TensorType,
    Threshold,
    output_size,
)

__all__ = ["Executor"]

#: Elements of the largest tensor of a batch, and frames of a batch, at most.
BATCH_ELEMENTS = 1 << 22
BATCH_FRAMES = 4096

#: Beyond this many levels a binary search is faster than comparing with each.
FEW_LEVELS = 8


def threshold(op: Threshold, source: NDArray[np.int32]) -> NDArray[np.uint8]:
    """Codes of the levels reached by accumulators (C, N, H, W)."""
    channels, count = op.levels.shape
    if count == 1:
        # One comparison; an inverted channel flips it.
        flip = op.inverted[:, None, None, None]
        return ((source >= op.levels[:, :, None, None]) ^ flip).view(np.uint8)
    if count <= FEW_LEVELS:
        reached = np.zeros(source.shape, np.uint8)
        for level in range(count):
            reached += source >= op.levels[:, level, None, None, None]
    else:
        reached = np.empty(source.shape, np.uint8)
        for channel in range(channels):
            # Levels at or below a value, which is the number it reaches.
            places = np.searchsorted(op.levels[channel], source[channel], side="right")
            reached[channel] = places
    reached[op.inverted] = count - reached[op.inverted]
    return reached


def pool(op: Pool, source: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Greatest code of each window, or the least, of codes (C, N, H, W)."""
    (kh, kw), (sy, sx) = op.size, op.stride
    height = output_size(source.shape[2], kh, sy, 0, 0)
    width = output_size(source.shape[3], kw, sx, 0, 0)
    # The least is the greatest of the complements.
    flip = np.where(op.minimum, 255, 0).astype(np.uint8)[:, None, None, None]
    if op.minimum.any():
        source = source ^ flip
    result = np.zeros((*source.shape[:2], height, width), np.uint8)
    for tap in range(kh * kw):
        ky, kx = divmod(tap, kw)
        rows = slice(ky, ky + (height - 1) * sy + 1, sy)
        columns = slice(kx, kx + (width - 1) * sx + 1, sx)
        np.maximum(result, source[:, :, rows, columns], out=result)
    if op.minimum.any():
        result ^= flip
    return result


def flatten(source: NDArray) -> NDArray:
    """(C, N, H, W) as (H * W * C, N): raster order, channel fastest."""
    return source.transpose(2, 3, 0, 1).reshape(-1, source.shape[1])


def head(op: Head, source: NDArray[np.int32]) -> NDArray[np.int32]:
    """Scores (scores, N, 1, 1) of accumulators (C, N, H, W)."""
    scores = flatten(source) + op.bias[:, None]
    if op.kind == "argmax":
        scores = scores.argmax(axis=0)[None].astype(np.int32)
    return scores[:, :, None, None]


class Executor:
    """A legal graph, prepared for any number of frames.

    Parameters
    ----------
    graph : Graph
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._arrays: dict[str, PackedConv] = {}
        self._last_use: dict[str, str] = {}
        for op in graph.ops:
            if isinstance(op, Conv | Dense):
                self._arrays[op.name] = _packed(op, graph.types[op.source])
            if isinstance(op, Computed):
                self._last_use[op.source] = op.name

    @property
    def batch(self) -> int:
        """Number of frames that go through at once."""
        largest = max(type_.size for type_ in self.graph.types.values())
        return max(1, min(BATCH_FRAMES, BATCH_ELEMENTS // largest))

    def _step(self, op: Op, source: NDArray) -> NDArray:
        if isinstance(op, Conv):
            return self._arrays[op.name](source)
        if isinstance(op, Dense):
            return self._arrays[op.name](flatten(source)[:, :, None, None])
        if isinstance(op, Threshold):
            return threshold(op, source)
        if isinstance(op, Pool):
            return pool(op, source)
        assert isinstance(op, Head), f"unknown op {op!r}"
        return head(op, source)

    def _results(self, inputs: NDArray) -> Iterator[tuple[Op, NDArray]]:
        """Each op and its result (C, N, H, W): codes, accumulators or scores."""
        held: dict[str, NDArray] = {}
        for op in self.graph.ops:
            if isinstance(op, Input):
                codes = op.type.range.encode(np.moveaxis(inputs, 3, 0))
                result = np.ascontiguousarray(codes, np.uint8)
            else:
                assert isinstance(op, Computed)
                source = op.source
                result = self._step(op, held[source])
                if self._last_use[source] == op.name:
                    del held[source]
            held[op.name] = result
            yield op, result

    def tensors(self, inputs: NDArray) -> Iterator[tuple[str, NDArray[np.int32]]]:
        """Name and values (N, H, W, C) of each tensor in turn, for one batch."""
        for op, result in self._results(inputs):
            if isinstance(op, Input | Threshold | Pool):
                range_ = self.graph.types[op.name].range
                result = result.astype(np.int32) * range_.step + range_.low
            yield op.name, np.moveaxis(result, 0, 3)

    def scores(self, inputs: NDArray) -> NDArray[np.int32]:
        """The head's tensor (N, scores), for one batch."""
        *_, (_, result) = self._results(inputs)
        return np.ascontiguousarray(result[:, :, 0, 0].T)


def _packed(op: Conv | Dense, source: TensorType) -> PackedConv:
    if isinstance(op, Conv):
        return PackedConv(op, source)
    # A dense layer is a 1x1 convolution of a 1x1 map.
    conv = Conv(name=op.name, source=op.source, weights=op.weights[:, None, None, :])
    flat = TensorType(height=1, width=1, channels=source.size, range=source.range)
    return PackedConv(conv, flat)
