"""Integer products by floating-point matrix products, which are exact here.

Windows are laid side by side as the columns of a matrix (im2col), tap by tap, and
multiplied by the weights. Exactness: every partial sum of ``w * x``, in whatever order
the library adds, is an integer of magnitude at most ``sum |w| * max |x|``. Below 2**24
each is a float32, below 2**53 a float64, so that nothing is ever rounded. Accumulators
fit 32 bits, so a float64 always does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sw.golden.packed import PackedConv
from sw.model.ir import Conv, TensorType, Threshold, output_size

__all__ = ["MatrixConv", "better_packed"]

#: Elements of one block of columns and of its products, at most: few enough for the cache.
BLOCK_ELEMENTS = 1 << 19


#: Nanoseconds on one core, as measured, relative to one another: a multiplication of a
#: float32 product (twice that of a float64), laying an element into a column, and a word
#: of 64 products of one plane.
MULTIPLY_NS, LAY_NS, WORD_NS = 0.021, 0.4, 0.55


def better_packed(op: Conv, source: TensorType) -> bool:
    """Whether packed words are the faster way for 1-bit weights on a source of that type.

    Per output, a window costs so many words a plane, or so many multiplications and its
    share of laying out the columns. Both ways are exact.
    """
    packed, matrix = PackedConv(op, source), MatrixConv(op, source)
    multiply = MULTIPLY_NS * (1 if matrix.weights.dtype == np.float32 else 2)
    by_matrix = op.fan_in * (multiply + LAY_NS / op.outputs)
    return source.range.bits * packed.words * WORD_NS < by_matrix


@dataclass(frozen=True)
class MatrixConv:
    """A convolution of any weights, prepared for sources of one type."""

    op: Conv
    source: TensorType

    @property
    def output_shape(self) -> tuple[int, int]:
        pad, (kh, kw), (sy, sx) = self.op.padding, self.op.kernel, self.op.stride
        return (
            output_size(self.source.height, kh, sy, pad.top, pad.bottom),
            output_size(self.source.width, kw, sx, pad.left, pad.right),
        )

    @cached_property
    def bound(self) -> int:
        """What no partial sum exceeds in magnitude."""
        rows = np.abs(self.op.weights.reshape(self.op.outputs, -1).astype(np.int64))
        return int(rows.sum(axis=1).max()) * max(
            abs(self.source.range.low), abs(self.source.range.high)
        )

    @cached_property
    def weights(self) -> NDArray[np.floating]:
        """Matrix (outputs, taps * inputs) of the narrowest type that is exact."""
        dtype = np.float32 if self.bound < 2**24 else np.float64
        return self.op.weights.reshape(self.op.outputs, -1).astype(dtype)

    def _padded(self, codes: NDArray[np.uint8]) -> NDArray[np.floating]:
        """Padded values (C, N, H, W) of the codes."""
        pad, range_ = self.op.padding, self.source.range
        (channels, frames, height, width), dtype = codes.shape, self.weights.dtype
        shape = channels, frames, height + pad.top + pad.bottom, width + pad.left + pad.right
        # A skipped tap adds nothing, as a zero does.
        values = np.full(shape, pad.value or 0, dtype) if pad else np.empty(shape, dtype)
        inside = values[:, :, pad.top : pad.top + height, pad.left : pad.left + width]
        np.multiply(codes, dtype.type(range_.step), out=inside, dtype=dtype)
        inside += dtype.type(range_.low)
        return values

    def _columns(self, values: NDArray[np.floating], first: int, rows: int) -> NDArray[np.floating]:
        """Windows (taps * C, N * rows * x) of output rows ``first`` onwards."""
        (kh, kw), (sy, sx), width = self.op.kernel, self.op.stride, self.output_shape[1]
        channels, frames = values.shape[:2]
        columns = np.empty((kh, kw, channels, frames, rows, width), values.dtype)
        for ky in range(kh):
            top = first * sy + ky
            part = values[:, :, top : top + (rows - 1) * sy + 1 : sy]
            for kx in range(kw):
                columns[ky, kx] = part[..., kx : kx + (width - 1) * sx + 1 : sx]
        return columns.reshape(kh * kw * channels, -1)

    def __call__(self, codes: NDArray[np.uint8]) -> NDArray[np.int32]:
        """Accumulators (outputs, N, y, x) of the codes (C, N, H, W)."""
        result = np.empty((self.op.outputs, codes.shape[1], *self.output_shape), np.int32)
        for part, rows, products in self._products(codes):
            result[:, part, rows] = products
        return result

    def signs(self, codes: NDArray[np.uint8], threshold: Threshold) -> NDArray[np.uint8]:
        """Codes (outputs, N, y, x) behind a threshold of one level, accumulators left out."""
        result = np.empty((self.op.outputs, codes.shape[1], *self.output_shape), np.bool_)
        # A level beyond every sum is as good one beyond, which the type holds.
        levels = np.clip(threshold.levels, -self.bound, self.bound + 1).astype(self.weights.dtype)
        for part, rows, products in self._products(codes):
            np.greater_equal(products, levels[:, :, None, None], out=result[:, part, rows])
        result[threshold.inverted] ^= True
        return result.view(np.uint8)

    def _products(
        self, codes: NDArray[np.uint8]
    ) -> Iterator[tuple[slice, slice, NDArray[np.floating]]]:
        """Slices of the frames and of the output rows, and their sums (outputs, n, rows, x)."""
        frames, (height, width) = codes.shape[1], self.output_shape
        row = max(self.op.fan_in, self.op.outputs) * width
        frames_at_once = max(1, BLOCK_ELEMENTS // (row * height))
        rows_at_once = max(1, min(height, BLOCK_ELEMENTS // row))
        for first in range(0, frames, frames_at_once):
            part = slice(first, min(frames, first + frames_at_once))
            values = self._padded(codes[:, part])
            for y in range(0, height, rows_at_once):
                rows = slice(y, min(height, y + rows_at_once))
                products = self.weights @ self._columns(values, y, rows.stop - y)
                shape = self.op.outputs, part.stop - first, rows.stop - y, width
                yield part, rows, products.reshape(shape)
