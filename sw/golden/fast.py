"""The golden model, fast: codes channels first, products on packed words or by BLAS.

Frames go through in batches, whose size is chosen so that memory stays bounded. A
tensor is held until its last reader, as codes where they fit a byte and as values
elsewhere: accumulators, and streams of more than 8 bits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sw.golden.packed import PackedConv
from sw.golden.products import MatrixConv, better_packed
from sw.model.ir import (
    Add,
    Computed,
    Concat,
    Conv,
    Dense,
    Graph,
    Head,
    Input,
    IntegerRange,
    Joined,
    Op,
    Pool,
    Scale,
    TensorType,
    Threshold,
    output_size,
)

__all__ = ["Executor"]

#: Elements of the largest tensor of a batch, and frames of a batch, at most: few enough
#: that tensors stay in the cache, and their memory with the process between batches.
BATCH_ELEMENTS = 1 << 21
BATCH_FRAMES = 4096

#: Beyond this many levels a binary search is faster than comparing with each.
FEW_LEVELS = 8


@dataclass(frozen=True)
class Held:
    """A tensor (C, N, H, W) of a range: uint8 codes, or int32 values."""

    array: NDArray
    range: IntegerRange

    @property
    def codes(self) -> NDArray[np.uint8]:
        if self.array.dtype == np.uint8:
            return self.array
        return ((self.array - self.range.low) // self.range.step).astype(np.uint8)

    @property
    def values(self) -> NDArray[np.int32]:
        if self.array.dtype != np.uint8:
            return self.array
        return self.array.astype(np.int32) * self.range.step + self.range.low


def threshold(op: Threshold, source: NDArray[np.int32]) -> NDArray[np.uint8]:
    """Codes of the levels reached by values (C, N, H, W)."""
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


def scale(op: Scale, source: NDArray[np.int32]) -> NDArray[np.int32]:
    """Product, sum, rounding shift and saturation of values (C, N, H, W)."""
    half = 2 ** (op.shift - 1) if op.shift else 0
    total = source * op.gain.astype(np.int64)[:, None, None, None]
    total += (op.offset.astype(np.int64) + half)[:, None, None, None]
    total >>= op.shift
    return np.clip(total, op.low, op.high, out=total).astype(np.int32)


def add(op: Add, first: NDArray[np.int32], second: NDArray[np.int32]) -> NDArray[np.int32]:
    """Saturating sum of values (C, N, H, W), which have at most 16 bits each."""
    total = first + second
    return np.clip(total, op.low, op.high, out=total)


def combined(op: Pool, source: NDArray, combine: np.ufunc) -> NDArray:
    """Each window (C, N, y, x) of a padded map (C, N, H, W), its elements combined.

    Rows first: they lie in one piece, and leave fewer elements for the columns' strides.
    """
    (kh, kw), (sy, sx) = op.size, op.stride
    height = output_size(source.shape[2], kh, sy, 0, 0)
    width = output_size(source.shape[3], kw, sx, 0, 0)
    rows = source[:, :, : (height - 1) * sy + 1 : sy].copy()
    for ky in range(1, kh):
        combine(rows, source[:, :, ky : ky + (height - 1) * sy + 1 : sy], out=rows)
    result = rows[..., : (width - 1) * sx + 1 : sx].copy()
    for kx in range(1, kw):
        combine(result, rows[..., kx : kx + (width - 1) * sx + 1 : sx], out=result)
    return result


def greatest(op: Pool, source: NDArray) -> NDArray:
    """Greatest code or value of each window, or the least, of a map (C, N, H, W)."""
    # The least is the greatest of the complements, unsigned or signed.
    lowest, ones = np.iinfo(source.dtype).min, np.iinfo(source.dtype).max
    ones = ones if source.dtype.kind == "u" else -1
    flip = np.where(op.minimum, ones, 0).astype(source.dtype)[:, None, None, None]
    if op.minimum.any():
        source = source ^ flip
    if pad := op.padding:
        sides = ((0, 0), (0, 0), (pad.top, pad.bottom), (pad.left, pad.right))
        source = np.pad(source, sides, constant_values=lowest)
    result = combined(op, source, np.maximum)
    if op.minimum.any():
        result ^= flip
    return result


def pool(op: Pool, source: Held) -> NDArray:
    """Codes or values of the pooled source."""
    if op.kind == "max":
        return greatest(op, source.array)
    return combined(op, source.values, np.add)


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
        self._arrays: dict[str, PackedConv | MatrixConv] = {}
        self._last_use: dict[str, str] = {}
        for op in graph.ops:
            if isinstance(op, Conv | Dense):
                self._arrays[op.name] = _prepared(op, graph.types[op.source])
            if isinstance(op, Computed | Joined):
                self._last_use.update(dict.fromkeys(op.sources, op.name))
        self._signs = self._fused()

    def _fused(self) -> dict[str, Threshold]:
        """Thresholds that arrays apply block by block, by the arrays' names.

        Those of one level, where nothing else reads the accumulators.
        """
        readers = Counter(
            name
            for op in self.graph.ops
            if isinstance(op, Computed | Joined)
            for name in op.sources
        )
        return {
            op.source: op
            for op in self.graph.ops
            if isinstance(op, Threshold)
            and op.levels.shape[1] == 1
            and readers[op.source] == 1
            and op.source in self._arrays
        }

    @property
    def batch(self) -> int:
        """Number of frames that go through at once."""
        largest = max(type_.size for type_ in self.graph.types.values())
        return max(1, min(BATCH_FRAMES, BATCH_ELEMENTS // largest))

    def _step(self, op: Op, *sources: Held) -> NDArray:
        """Codes or values of an op's tensor."""
        source = sources[0]
        if isinstance(op, Conv | Dense):
            return self._arrays[op.name](_operand(op, source))
        if isinstance(op, Threshold):
            return threshold(op, source.values)
        if isinstance(op, Scale):
            return scale(op, source.values)
        if isinstance(op, Add):
            return add(op, source.values, sources[1].values)
        if isinstance(op, Concat):
            # One range, and so all codes; or all values, of more than 8 bits.
            return np.concatenate([each.array for each in sources])
        if isinstance(op, Pool):
            return pool(op, source)
        assert isinstance(op, Head), f"unknown op {op!r}"
        return head(op, source.values)

    def _results(self, inputs: NDArray, fused: bool = False) -> Iterator[tuple[Op, Held]]:
        """Each op and its tensor, for one batch.

        With ``fused``, an array's tensor is that of the threshold behind it, where it can be.
        """
        signs = self._signs if fused else {}
        held: dict[str, Held] = {}
        for op in self.graph.ops:
            range_ = self.graph.types[op.name].range
            if isinstance(op, Input):
                codes = range_.encode(np.moveaxis(inputs, 3, 0))
                result = Held(np.ascontiguousarray(codes, np.uint8), range_)
            else:
                assert isinstance(op, Computed | Joined)
                sources = [held[name] for name in op.sources]
                if op.name in signs:
                    assert isinstance(op, Conv | Dense)
                    threshold_ = signs[op.name]
                    codes = self._arrays[op.name].signs(_operand(op, sources[0]), threshold_)
                    result = Held(codes, threshold_.range)
                elif op.sources[0] in signs:
                    result = sources[0]
                else:
                    result = Held(self._step(op, *sources), range_)
                if range_.bits <= 8 and not isinstance(op, Conv | Dense | Head):
                    result = Held(result.codes, range_)
                for name in op.sources:
                    if self._last_use[name] == op.name:
                        del held[name]
            held[op.name] = result
            yield op, result

    def tensors(self, inputs: NDArray) -> Iterator[tuple[str, NDArray[np.int32]]]:
        """Name and values (N, H, W, C) of each tensor in turn, for one batch."""
        for op, result in self._results(inputs):
            yield op.name, np.moveaxis(result.values, 0, 3)

    def scores(self, inputs: NDArray) -> NDArray[np.int32]:
        """The head's tensor (N, scores), for one batch."""
        *_, (_, result) = self._results(inputs, fused=True)
        return np.ascontiguousarray(result.array[:, :, 0, 0].T)


def _operand(op: Conv | Dense, source: Held) -> NDArray[np.uint8]:
    """Codes (C, N, H, W) as an array takes them."""
    return flatten(source.codes)[:, :, None, None] if isinstance(op, Dense) else source.codes


def _prepared(op: Conv | Dense, source: TensorType) -> PackedConv | MatrixConv:
    if isinstance(op, Dense):
        # A dense layer is a 1x1 convolution of a 1x1 map.
        weights = op.weights[:, None, None, :]
        op = Conv(name=op.name, source=op.source, weights=weights, weight_bits=op.weight_bits)
        source = TensorType(height=1, width=1, channels=source.size, range=source.range)
    packed = op.weight_bits == 1 and better_packed(op, source)
    return PackedConv(op, source) if packed else MatrixConv(op, source)
