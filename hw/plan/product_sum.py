"""Configuration of the sum of products of a beat, on DSP blocks or in LUTs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

__all__ = ["DIGIT_BITS", "ProductSumConfig"]

#: Bits of the digits that a product is made of in LUTs: a digit is an addition.
DIGIT_BITS = 2


@dataclass(frozen=True, kw_only=True)
class ProductSumConfig:
    """Sum of the products of ``simd`` codes and weights, a register behind each level.

    In LUTs, codes or weights, whichever have fewer bits, are taken apart in digits of two
    bits. Products of a digit are summed over all lanes before the digits are put together.

    Parameters
    ----------
    simd : int
        Lanes.
    lane_bits, levels : int
        Bits of a code, and the greatest.
    weight_bits : int
    multiplier : "dsp" or "lut"
    """

    simd: int
    lane_bits: int
    levels: int
    weight_bits: int
    multiplier: Literal["dsp", "lut"]

    @property
    def splits_weights(self) -> bool:
        """Whether weights are what is taken apart, and not codes."""
        return self.weight_bits < self.lane_bits

    @property
    def digit_bits(self) -> tuple[int, ...]:
        """Bits of each digit, lowest first; none where DSP blocks multiply."""
        if self.multiplier == "dsp":
            return ()
        bits = min(self.weight_bits, self.lane_bits)
        return tuple(min(DIGIT_BITS, bits - low) for low in range(0, bits, DIGIT_BITS))

    @cached_property
    def products(self) -> tuple[range, ...]:
        """Values that a lane's product has, with each digit of which there are several."""
        limit = 2 ** (self.weight_bits - 1) - 1
        if self.multiplier == "dsp":
            return (range(-limit * self.levels, limit * self.levels + 1),)
        top = [2**bits - 1 for bits in self.digit_bits]
        if not self.splits_weights:
            return tuple(range(-limit * digit, limit * digit + 1) for digit in top)
        # The highest bit of a weight counts as negative.
        last = self.digit_bits[-1]
        highest = range(-self.levels * last, self.levels * (last - 1) + 1)
        return (*(range(self.levels * digit + 1) for digit in top[:-1]), highest)

    @cached_property
    def tree(self) -> tuple[tuple[int, ...], ...]:
        """Of each level, the first being the products, the lanes summed in each number.

        A level adds number i to number half + i; one left over is only registered.
        """
        levels = [(1,) * self.simd]
        while (count := len(numbers := levels[-1])) > 1:
            half = count // 2
            pairs = zip(numbers[:half], numbers[half : 2 * half], strict=True)
            levels.append((*(sum(pair) for pair in pairs), *numbers[2 * half :]))
        return tuple(levels)

    @cached_property
    def joins(self) -> tuple[tuple[range, ...], ...]:
        """Values of the digits' sums, and of what they are joined to, level by level.

        Number 2 i and 2 i + 1 of a level are joined, digits of twice as many bits.
        """
        levels = [tuple(_times(values, self.simd) for values in self.products)]
        shift = DIGIT_BITS
        while len(numbers := levels[-1]) > 1:
            pairs = zip(numbers[::2], numbers[1::2], strict=False)
            joined = [
                range(low.start + (high.start << shift), low[-1] + (high[-1] << shift) + 1)
                for low, high in pairs
            ]
            levels.append((*joined, *numbers[len(joined) * 2 :]))
            shift *= 2
        return tuple(levels)

    @property
    def latency_cycles(self) -> int:
        """Cycles from codes and weights to the sum: a register a level, the products' too."""
        return len(self.tree) + len(self.joins) - 1

    @property
    def sum_values(self) -> range:
        """Values that the sum has, and no others."""
        return self.joins[-1][0]


def _times(values: range, count: int) -> range:
    return range(values.start * count, values[-1] * count + 1)
