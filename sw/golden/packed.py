"""Binary products on packed words: the arithmetic of the fast golden model.

Values are held as codes, channels first: uint8 (C, N, H, W). A plane is one bit
of every code. Planes are packed along the channels into uint64 words, channel 0
in bit 0, so that one XOR and one population count do 64 products.

1. value = low + step * t, and t = sum over b of 2**b * t_b, with bits t_b.
2. For bits W (1 is +1) and t_b over the K taps of a window,
   sum(w * t_b) = (number of +1) - popcount(W ^ t_b): a +1 loses one where
   t_b is 0, a -1 loses one where t_b is 1.
3. acc = low * sum(w) + step * sum over b of 2**b * (plus - popcount(W ^ t_b)).
4. A skipped tap is fed as code 0 and would add low * w; so its weight is left
   out of the first sum. That makes it a sum per position, the same for every frame.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sw.model.ir import Conv, TensorType, Threshold, output_size

__all__ = ["PackedConv", "pack_bits"]

#: Positions (pixels of frames) or outputs along the inner axis of a tile, and differences
#: in a tile: large enough to hide NumPy's calls, small enough to stay in the cache.
INNER = 4096
TILE = 1 << 16
#: Elements of NumPy's buffer. With its own 8192 it copies a broadcast operand whose inner
#: axis is shorter than a third of that, which takes three times as long as the XOR.
BUFFER = 512
#: Words of one block of windows, at most; it bounds the memory.
BLOCK_WORDS = 1 << 18


def pack_bits(bits: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Words (ceil(C / 64), ...) of the 0s and 1s ``bits`` (C, ...).

    Channel c is bit ``c % 64`` of word ``c // 64``; the bits above are 0.
    """
    channels, rest = bits.shape[0], bits.shape[1:]
    count = -(-channels // 64)
    if channels % 8:
        extra = np.zeros((-channels % 8, *rest), np.uint8)
        bits = np.concatenate([bits, extra])
    # Eight rows make a row of bytes: much faster than packbits along the first axis.
    rows = bits.reshape(-1, 8, bits[0].size)
    packed = np.zeros((count * 8, rows.shape[2]), np.uint8)
    made = packed[: len(rows)]
    made[...] = rows[:, 7]
    for bit in range(6, -1, -1):
        made <<= 1
        made |= rows[:, bit]
    octets = np.ascontiguousarray(packed.reshape(count, 8, -1).transpose(0, 2, 1))
    return octets.view("<u8").astype(np.uint64, copy=False).reshape(count, *rest)


@dataclass(frozen=True)
class PackedConv:
    """A convolution prepared for sources of one type.

    A window is laid into words tap by tap, (ky, kx) ascending: several taps a
    word where a pixel has few channels, several words a tap where it has many.
    """

    op: Conv
    source: TensorType

    @property
    def taps(self) -> int:
        return self.op.kernel[0] * self.op.kernel[1]

    @property
    def pixel_bits(self) -> int:
        """Bits of a pixel in a word, at most 64."""
        return min(64, self.source.channels)

    @property
    def pixel_words(self) -> int:
        return -(-self.source.channels // 64)

    @property
    def taps_per_word(self) -> int:
        return 64 // self.pixel_bits

    @property
    def words(self) -> int:
        """Words of a window."""
        return -(-self.taps // self.taps_per_word) * self.pixel_words

    @property
    def output_shape(self) -> tuple[int, int]:
        pad, (kh, kw), (sy, sx) = self.op.padding, self.op.kernel, self.op.stride
        return (
            output_size(self.source.height, kh, sy, pad.top, pad.bottom),
            output_size(self.source.width, kw, sx, pad.left, pad.right),
        )

    @cached_property
    def weights(self) -> NDArray[np.uint64]:
        """Weight words (words, outputs)."""
        bits = (self.op.weights > 0).astype(np.uint8)
        # A kernel is a map of one window: pack it as a source is packed.
        pixels = pack_bits(np.moveaxis(bits, 3, 0))
        words = np.zeros((self.words, self.op.outputs), np.uint64)
        for tap in range(self.taps):
            self._place(words, tap, pixels[:, :, tap // self.op.kernel[1], tap % self.op.kernel[1]])
        return words

    @cached_property
    def base(self) -> NDArray[np.int64]:
        """Accumulators (outputs, y, x) of windows whose every product matches.

        The axes y and x have size 1 where nothing is skipped.
        """
        op, range_ = self.op, self.source.range
        taps = op.weights.sum(axis=3, dtype=np.int64)
        plus = (op.weights > 0).sum(axis=(1, 2, 3))
        full = range_.step * (2**range_.bits - 1) * plus
        if not op.padding or op.padding.value is not None or not range_.low:
            return (full + range_.low * taps.sum(axis=(1, 2)))[:, None, None]
        height, width = self.output_shape
        rows = self._inside(height, op.stride[0], op.kernel[0], op.padding.top, self.source.height)
        columns = self._inside(
            width, op.stride[1], op.kernel[1], op.padding.left, self.source.width
        )
        inside = np.einsum("ya,xb,oab->oyx", rows, columns, taps)
        return full[:, None, None] + range_.low * inside

    @staticmethod
    def _inside(windows: int, stride: int, kernel: int, before: int, size: int) -> NDArray:
        """Whether tap k of window y lies within the map, (windows, kernel), 0 or 1."""
        place = np.arange(windows)[:, None] * stride + np.arange(kernel) - before
        return ((place >= 0) & (place < size)).astype(np.int64)

    def _place(self, words: NDArray[np.uint64], tap: int, pixels: NDArray[np.uint64]) -> None:
        """Put the words of a pixel (pixel words, ...) at their place in a window's."""
        if self.pixel_words > 1 or self.taps_per_word == 1:
            words[tap * self.pixel_words : (tap + 1) * self.pixel_words] = pixels
            return
        shift = np.uint64(tap % self.taps_per_word * self.pixel_bits)
        words[tap // self.taps_per_word] |= pixels[0] << shift

    def _planes(self, codes: NDArray[np.uint8]) -> NDArray[np.uint64]:
        """Padded planes (bits, pixel words, N, H, W) of the codes (C, N, H, W)."""
        pad, range_ = self.op.padding, self.source.range
        if pad:
            # A skipped tap is fed as code 0.
            code = 0 if pad.value is None else (pad.value - range_.low) // range_.step
            sides = ((0, 0), (0, 0), (pad.top, pad.bottom), (pad.left, pad.right))
            codes = np.pad(codes, sides, constant_values=code)
        if range_.bits == 1:
            return pack_bits(codes)[None]
        one = np.uint8(1)
        return np.stack([pack_bits((codes >> np.uint8(bit)) & one) for bit in range(range_.bits)])

    def _windows(self, plane: NDArray[np.uint64]) -> NDArray[np.uint64]:
        """Window words (words, N * y * x) of one padded plane (pixel words, N, H, W)."""
        kw, (sy, sx), (height, width) = self.op.kernel[1], self.op.stride, self.output_shape
        words = np.zeros((self.words, plane.shape[1], height, width), np.uint64)
        for tap in range(self.taps):
            ky, kx = divmod(tap, kw)
            rows = slice(ky, ky + (height - 1) * sy + 1, sy)
            columns = slice(kx, kx + (width - 1) * sx + 1, sx)
            self._place(words, tap, plane[:, :, rows, columns])
        return words.reshape(self.words, -1)

    def __call__(self, codes: NDArray[np.uint8]) -> NDArray[np.int32]:
        """Accumulators (outputs, N, y, x) of the codes (C, N, H, W)."""
        result = np.empty((self.op.outputs, codes.shape[1], *self.output_shape), np.int32)
        base = self.base[:, None].astype(np.int32)
        scratch = _Scratch(self.greatest)
        for part, windows in self._blocks(codes):
            # Frames and pixels are neighbours, so this is a view.
            total = result[:, part].reshape(self.op.outputs, -1)
            scratch.differences(self.weights, windows, total)
            # Steps may overflow; the sum fits, and so is right modulo 2**32.
            result[:, part] *= -self.source.range.step
            result[:, part] += base
        return result

    def signs(self, codes: NDArray[np.uint8], threshold: Threshold) -> NDArray[np.uint8]:
        """Codes (outputs, N, y, x) behind a threshold of one level, accumulators left out.

        With d differences, ``base - step * d >= level`` is ``d < (base - level) // step + 1``.
        """
        result = np.empty((self.op.outputs, codes.shape[1], *self.output_shape), np.bool_)
        scratch = _Scratch(self.greatest)
        levels = threshold.levels[:, :, None].astype(np.int64)
        limits = (self.base - levels) // self.source.range.step + 1
        limits = np.clip(limits, 0, self.greatest + 1).astype(scratch.sum.dtype)
        for part, windows in self._blocks(codes):
            target = result[:, part]
            total = target.reshape(self.op.outputs, -1)
            each = limits[:, None]
            if limits.size > self.op.outputs:
                each = np.broadcast_to(each, target.shape)
            scratch.differences(self.weights, windows, total, each.reshape(len(total), -1))
        result[threshold.inverted] ^= True
        return result.view(np.uint8)

    @property
    def greatest(self) -> int:
        """Upper bound of the differences, weighted by the planes' powers of two."""
        return self.op.fan_in * (2**self.source.range.bits - 1)

    def _blocks(self, codes: NDArray[np.uint8]) -> Iterator[tuple[slice, list[NDArray[np.uint64]]]]:
        """Slices of the frames, and the window words of each plane of their codes."""
        height, width = self.output_shape
        at_once = max(1, BLOCK_WORDS // (self.source.range.bits * self.words * height * width))
        for first in range(0, codes.shape[1], at_once):
            part = slice(first, first + at_once)
            yield part, [self._windows(plane) for plane in self._planes(codes[:, part])]


def _even(size: int, most: int) -> int:
    """Length of the parts of an axis, about equal and at most ``most``."""
    parts = -(-size // most)
    return -(-size // parts)


class _Scratch:
    """Buffers for counting differences, reused so that they stay in the cache.

    Parameters
    ----------
    greatest : int
        Upper bound of the counts, weighted by the planes' powers of two.
    """

    def __init__(self, greatest: int) -> None:
        self.different = np.empty(TILE, np.uint64)
        self.count, self.few = np.empty(TILE, np.uint8), np.empty(TILE, np.uint8)
        # One more than the greatest fits, as a limit that every count is below.
        self.sum = np.empty(TILE, np.uint16 if greatest < 2**16 - 1 else np.uint32)

    def differences(
        self,
        weights: NDArray[np.uint64],
        planes: list[NDArray[np.uint64]],
        total: NDArray,
        limits: NDArray[np.unsignedinteger] | None = None,
    ) -> None:
        """Put ``sum over b of 2**b * popcount(weights ^ planes[b])`` into ``total``.

        ``weights`` is (words, outputs), a plane (words, positions) and ``total``
        (outputs, positions). With ``limits``, (outputs, positions) or (outputs, 1), put
        whether the sum is below its limit into ``total``, which is bool.
        """
        if limits is not None:
            limits = np.broadcast_to(limits, total.shape)
        # The longer axis last, along which NumPy's inner loops run.
        pairs = [(weights, plane) for plane in planes]
        if total.shape[1] < total.shape[0]:
            pairs, total = [(plane, weights) for plane in planes], total.T
            limits = None if limits is None else limits.T
        inner = _even(total.shape[1], INNER)
        outer = _even(total.shape[0], max(1, TILE // inner))
        with np.errstate():  # in its scope the buffer's size is set
            np.setbufsize(BUFFER)
            for i in range(0, total.shape[1], inner):
                for o in range(0, total.shape[0], outer):
                    target = total[o : o + outer, i : i + inner]
                    parts = [(a[:, o : o + outer], b[:, i : i + inner]) for a, b in pairs]
                    tile = self._small_tile if 4 * target.size <= TILE else self._tile
                    counts = tile(parts, target.shape)
                    if limits is None:
                        target[...] = counts
                    else:
                        np.less(counts, limits[o : o + outer, i : i + inner], out=target)

    def _tile(
        self, pairs: list[tuple[NDArray[np.uint64], NDArray[np.uint64]]], shape: tuple[int, ...]
    ) -> NDArray[np.unsignedinteger]:
        """Counts for each plane's (words, outer) and (words, inner), word by word."""
        size, words = shape[0] * shape[1], len(pairs[0][0])
        different, count, few, sum_ = (
            buffer[:size].reshape(shape)
            for buffer in (self.different, self.count, self.few, self.sum)
        )
        sum_[...] = 0
        # The highest plane first: doubling the sum gives each its power of two.
        for outer, inner in reversed(pairs):
            if len(pairs) > 1:
                sum_ <<= 1
            for word in range(words):
                np.bitwise_xor(outer[word, :, None], inner[word], out=different)
                # Three counts of at most 64 fit a byte; wider sums are slower.
                if word % 3 == 0:
                    np.bitwise_count(different, out=few)
                else:
                    np.bitwise_count(different, out=count)
                    few += count
                if word % 3 == 2 or word == words - 1:
                    sum_ += few
        return sum_

    def _small_tile(
        self, pairs: list[tuple[NDArray[np.uint64], NDArray[np.uint64]]], shape: tuple[int, ...]
    ) -> NDArray[np.unsignedinteger]:
        """The same where several words fit the buffers: fewer calls."""
        size, words = shape[0] * shape[1], len(pairs[0][0])
        at_once, sum_ = TILE // size, self.sum[:size].reshape(shape)
        sum_[...] = 0
        for outer, inner in reversed(pairs):
            if len(pairs) > 1:
                sum_ <<= 1
            for word in range(0, words, at_once):
                rows, columns = outer[word : word + at_once], inner[word : word + at_once]
                different, count = (
                    buffer[: len(rows) * size].reshape(-1, *shape)
                    for buffer in (self.different, self.count)
                )
                np.bitwise_xor(rows[:, :, None], columns[:, None], out=different)
                np.bitwise_count(different, out=count)
                sum_ += count.sum(axis=0, dtype=sum_.dtype)
        return sum_
