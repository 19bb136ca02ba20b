"""Config of the fixed-point batch norm of a stream, and its numbers moved onto codes.

A source value is ``step * s + constant``: s is what the stream carries (its *encoding*), and
the constant depends on the channel and, where taps are skipped, on the border class.

1. `Scale` gives ``y = (gain * value + offset + half) >> shift``, ``half`` being
   ``2**(shift - 1)``, or 0 without a shift, and clips y to ``low .. high``.
2. With the value put in, ``y = (gain * step * s + B) >> shift`` where
   ``B = gain * constant + offset + half``.
3. What leaves is the code ``y - low``. As ``low`` is an integer, B may hold it:
   ``y - low = (gain * step * s + B - (low << shift)) >> shift``, clipped to
   ``0 .. high - low``.
4. With ``step = 2**e * odd`` and e no greater than the shift, the lowest e bits of B change no
   result: ``(gain * odd * s + (B >> e)) >> (shift - e)``. So a bipolar source's step of 2
   costs the gain no bit.
5. ``P``, `product_limit`, bounds the product. A B below ``-P`` gives code 0 at any s, one above
   ``((levels + 1) << shift) + P`` the greatest: B is clipped to these, which bounds its width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hw.plan.channels import ChannelConfig, rom_kind
from hw.plan.line_buffer import at_least
from sw.errors import PlanError

__all__ = ["DSP_BITS", "ScaleConfig", "ScaleNumbers", "scale_numbers"]

#: Signed bits of either operand of a DSP block.
DSP_BITS = 18


@dataclass(frozen=True, kw_only=True)
class ScaleConfig(ChannelConfig):
    """Per channel a product, a sum, a shift and saturation: ``lanes`` channels a beat.

    Parameters
    ----------
    gain_bits : signed bits of a gain, 18 at most
    shift : bits that the sum is shifted by

    The others are those of `ChannelConfig`, as are the errors.
    """

    what = "scale"

    gain_bits: int
    shift: int

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(self.what, 1, gain_bits=self.gain_bits)
        at_least(self.what, 0, shift=self.shift)
        if self.gain_bits > DSP_BITS:
            raise PlanError(
                f"scale: gains have {self.gain_bits} bits, a DSP block multiplies {DSP_BITS}",
                "Use a smaller shift, and gains as much smaller",
            )

    @property
    def gain_kind(self) -> Literal["lut", "block"]:
        """What gains are kept in, which are fewer where there are border classes."""
        return self.memory or rom_kind(self.folds)

    @property
    def gain_cycles(self) -> int:
        """From an address to a gain; no more than `read_cycles`."""
        return 2 if self.folds > 1 and self.gain_kind == "block" else 1

    @property
    def parts(self) -> tuple[int, ...]:
        """Bits of the parts that a source lane is multiplied in, lowest first.

        All but the last are unsigned: they and a sign are an operand of a DSP block.
        """
        parts, left = [], self.source_bits
        while left > DSP_BITS - (not self.signed):
            parts.append(DSP_BITS - 1)
            left -= DSP_BITS - 1
        return *parts, left

    @property
    def dsp(self) -> int:
        """DSP blocks."""
        return self.lanes * len(self.parts)

    @property
    def product_limit(self) -> int:
        """Greatest magnitude of a product."""
        return 1 << (self.gain_bits - 1 + self.source_bits - self.signed)

    @property
    def offset_limits(self) -> tuple[int, int]:
        """Least and greatest offset that make a difference, see step 5 above."""
        return -self.product_limit - 1, ((self.levels + 1) << self.shift) + self.product_limit

    @property
    def offset_bits(self) -> int:
        """Signed bits of an offset."""
        return max(abs(limit) for limit in self.offset_limits).bit_length() + 1

    @property
    def sum_bits(self) -> int:
        """Signed bits of product and offset together."""
        limit = max(abs(limit) for limit in self.offset_limits) + self.product_limit
        return limit.bit_length() + 1

    @property
    def latency_cycles(self) -> int:
        """Gains are read; product, sum, and code have a register each; parts add up in another."""
        return self.read_cycles + 3 + (len(self.parts) > 1)


@dataclass(frozen=True, kw_only=True, eq=False)
class ScaleNumbers:
    """What the block is filled with.

    Attributes
    ----------
    gain : int64 array (channels,)
    offset : int64 array (classes, channels)
    shift : int
    gain_bits : int
        Signed bits that hold every gain.
    """

    gain: NDArray[np.int64]
    offset: NDArray[np.int64]
    shift: int

    @property
    def gain_bits(self) -> int:
        greatest = np.where(self.gain < 0, -self.gain - 1, self.gain).max()
        return int(greatest).bit_length() + 1


def scale_numbers(
    *,
    gain: ArrayLike,
    offset: ArrayLike,
    shift: int,
    low: int,
    step: int = 1,
    constants: ArrayLike = 0,
) -> ScaleNumbers:
    """A `Scale` op's numbers, moved onto the codes of its source and of its result.

    Parameters
    ----------
    gain, offset : int array (channels,)
    shift : int
    low : int
        What the result saturates to below.
    step : int
        Of the source: its value is ``step * s + constant``.
    constants : int array (classes, channels), or what broadcasts to it
    """
    gains, half = np.asarray(gain, np.int64), (1 << shift) >> 1
    added = gains * np.asarray(constants, np.int64) + np.asarray(offset, np.int64)
    moved = np.atleast_2d(added + half - (low << shift))
    # Step 4 above.
    spared = min((step & -step).bit_length() - 1, shift)
    return ScaleNumbers(gain=gains * (step >> spared), offset=moved >> spared, shift=shift - spared)
