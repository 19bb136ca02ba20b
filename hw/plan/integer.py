"""Configuration of the integer array: outputs of weights of 2 to 8 bits, on codes of up to 8.

What it computes, for codes c of a source whose value is ``step * c + low``:

1. ``acc = sum w * (step * c + low) = step * sum w * c + low * sum w``.
2. The second term is the *start value* of an output. Where taps are skipped, the sum in it is
   over the taps inside the map, so that it depends on the border class of the pixel too. A
   skipped tap is fed as code 0, and gives the first term nothing.
3. ``|w| <= 2**(weight_bits - 1) - 1`` and the range of the codes bound acc: `acc_limit`.

By *bit planes* (``multiplier="planes"``), on the adders of the binary array, with b =
``weight_bits`` and m = ``2**lane_bits - 1``:

1. ``2 w + 1`` is odd and at most ``2**b - 1`` in magnitude, so that it is the sum over
   p < b of ``2**p * s_p`` with every ``s_p`` +1 or -1: bit p of ``w + 2**(b - 1)`` says
   which. One more plane of -1 makes it 2 w.
2. A window passes ``b + 1`` times, plane b - 1 first: at the first beat of each of the b
   planes the accumulator is doubled, at that of the plane of -1 it is not.
3. A match is c where s is +1 and m - c where it is -1: ``s c + (m if s < 0)``. So a plane's
   matches are too great by m for each of its -1. Over all planes that is, with K taps,
   ``m * (sum over p of 2**p * (number of s_p < 0) + K) = m * (2**(b - 1) * K - sum w)``,
   as ``sum 2**p (1 - s_p) / 2 = (2**b - 1 - (2 w + 1)) / 2 = 2**(b - 1) - 1 - w`` a tap.
4. That, times the step, is taken from twice the start value, which is added at the end; the
   result is even, and half of it is acc. A skipped tap, which is code 0, has its share in
   this as any other.

Where the cycles come from, the last beat of a neuron fold being accepted in cycle 0:

1. its weights come with its codes `WeightConfig.latency_cycles` later;
2. the products have a register, and every level of additions (`ProductSumConfig`); of bit
   planes `MatchSumConfig.latency_cycles`;
3. the accumulator is one more, and of bit planes the start value another;
4. the output FIFO shows the word `FIFO_LATENCY` cycles later.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal

from hw.plan.array import FIFO_LATENCY
from hw.plan.block_ram import DP16KD, BlockRam
from hw.plan.channels import rom_kind
from hw.plan.match_sum import MatchSumConfig, require_positive
from hw.plan.product_sum import ProductSumConfig
from hw.plan.weights import WeightConfig, weight_memory
from sw.errors import PlanError

__all__ = ["IntegerArrayConfig", "Multiplier"]

#: What multiplies: DSP blocks, one a lane; LUTs; or the binary array's adders, plane by plane.
Multiplier = Literal["dsp", "lut", "planes"]

#: Most bits of a weight, and of a code.
_MOST_BITS = 8


@dataclass(frozen=True, kw_only=True)
class IntegerArrayConfig:
    """``rows`` outputs by ``simd`` taps side by side, time-shared by the outputs of a layer.

    Parameters
    ----------
    outputs : int
        Output channels O; a multiple of ``rows``.
    fan_in : int
        Taps K of an output; a multiple of ``simd``.
    rows, simd : int
        Output channels and taps worked on side by side.
    lane_bits : int
        Width of an input code, 1 to 8.
    weight_bits : int
        2 to 8; ``|w| <= 2**(weight_bits - 1) - 1``.
    low, step : int
        The source's value is ``step * code + low``.
    levels : int or None
        Greatest code of the source; None: all that ``lane_bits`` have.
    height, width : int
        Output pixels of a frame.
    y_classes, x_classes : tuple of int
        Border class of each output row and column, or empty, where there is one class. The
        class of a pixel is ``y_class * (max(x_classes) + 1) + x_class``.
    multiplier : "dsp", "lut" or "planes"
        "planes" takes ``weight_bits + 1`` times the cycles of the others.
    weight_memory : "lut" or "block"
        Constants in logic, or block RAM.
    """

    outputs: int
    fan_in: int
    rows: int
    simd: int
    lane_bits: int
    weight_bits: int
    low: int = 0
    step: int = 1
    levels: int | None = None
    height: int = 1
    width: int = 1
    y_classes: tuple[int, ...] = ()
    x_classes: tuple[int, ...] = ()
    multiplier: Multiplier = "dsp"
    weight_memory: Literal["lut", "block"] = "block"
    block_ram: BlockRam = DP16KD

    def __post_init__(self) -> None:
        require_positive(self, "outputs", "fan_in", "rows", "simd", "lane_bits", "weight_bits")
        require_positive(self, "step", "height", "width")
        for part, whole in (("rows", "outputs"), ("simd", "fan_in")):
            _require_divides(self, part, whole)
        for name, least in (("lane_bits", 1), ("weight_bits", 2)):
            if not least <= getattr(self, name) <= _MOST_BITS:
                raise PlanError(
                    f"the integer array's {name} is {getattr(self, name)}, but must be"
                    f" {least} to {_MOST_BITS}",
                    "Scale the tensor to 8 bits, or use the binary array for weights of 1 bit",
                )
        if self.levels is not None and not 0 < self.levels < 2**self.lane_bits:
            raise PlanError(
                f"the greatest code is {self.levels}, but codes of {self.lane_bits} bits are 0 to"
                f" {2**self.lane_bits - 1}",
                "Give levels of the source's range, or None for all codes",
            )
        if self.multiplier not in ("dsp", "lut", "planes"):
            raise PlanError(
                f"the multiplier is {self.multiplier!r}, but must be 'dsp', 'lut' or 'planes'",
                "Choose 'dsp' for DSP blocks, 'lut' for logic or 'planes' for a plane at a time",
            )
        if self.weight_memory not in ("lut", "block"):
            raise PlanError(
                f"the weight memory is {self.weight_memory!r}, but must be 'lut' or 'block'",
                "Choose 'lut' for constants in logic or 'block' for block RAM",
            )
        self._check_classes()

    def _check_classes(self) -> None:
        for name, side in (("y_classes", "height"), ("x_classes", "width")):
            classes, size = getattr(self, name), getattr(self, side)
            if classes and (len(classes) != size or min(classes) < 0):
                raise PlanError(
                    f"IntegerArrayConfig.{name} is {classes!r}, but must be {size} classes >= 0,"
                    f" as {side} is {size}, or empty",
                    "Make it from the same layer as the other parameters",
                )

    @property
    def neuron_folds(self) -> int:
        """Turns in which the rows work off the outputs of a pixel."""
        return self.outputs // self.rows

    @property
    def synapse_folds(self) -> int:
        """Beats in which the lanes work off the taps of an output."""
        return self.fan_in // self.simd

    @property
    def passes(self) -> int:
        """Times that the window passes for each neuron fold."""
        return self.weight_bits + 1 if self.multiplier == "planes" else 1

    @property
    def repeats(self) -> int:
        """Times that the window passes for a pixel, as `LineBufferConfig.repeats`."""
        return self.neuron_folds * self.passes

    @property
    def fold_beats(self) -> int:
        """Input beats of a neuron fold."""
        return self.passes * self.synapse_folds

    @property
    def pixels(self) -> int:
        return self.height * self.width

    @property
    def top(self) -> int:
        """Greatest code."""
        return 2**self.lane_bits - 1 if self.levels is None else self.levels

    @property
    def weight_limit(self) -> int:
        """Greatest magnitude of a weight."""
        return 2 ** (self.weight_bits - 1) - 1

    @property
    def acc_limit(self) -> int:
        """Greatest magnitude of acc."""
        greatest = max(abs(self.low), abs(self.low + self.step * self.top))
        return self.fan_in * self.weight_limit * greatest

    @property
    def acc_bits(self) -> int:
        """Signed bits of acc, the width of a row's lane in an output beat."""
        return self.acc_limit.bit_length() + 1

    @property
    def sum_bits(self) -> int:
        """Bits of the accumulator: of bit planes it has twice the result."""
        return self.acc_bits + (self.multiplier == "planes")

    @property
    def has_start(self) -> bool:
        """Whether there are start values."""
        return self.low != 0 or self.multiplier == "planes"

    @property
    def classes(self) -> int:
        """Number of border classes."""
        return (max(self.y_classes, default=0) + 1) * (max(self.x_classes, default=0) + 1)

    @property
    def start_depth(self) -> int:
        """Words of start values: entry ``class * neuron_folds + n``."""
        return self.classes * self.neuron_folds

    @property
    def starts_alike(self) -> bool:
        """Whether all start values are the same: by planes, of codes symmetric about 0.

        Twice the start value less the rest of step 4 is ``(2 low + step m) * sum w``, and what
        depends on no output.
        """
        symmetric = 2 * self.low + self.step * (2**self.lane_bits - 1) == 0
        return self.multiplier == "planes" and symmetric and self.classes == 1

    @property
    def start_shift(self) -> int:
        """Lowest bits of the start values that are 0, and not kept: with ``low`` -128, 7."""
        if self.multiplier == "planes" or not self.low:
            return 0
        return (self.low & -self.low).bit_length() - 1

    @property
    def start_bits(self) -> int:
        """Bits of a start value that are kept."""
        return self.sum_bits - self.start_shift

    @property
    def start_kind(self) -> Literal["lut", "block"]:
        """What start values are kept in."""
        return rom_kind(self.start_depth)

    @property
    def start_cycles(self) -> int:
        """Cycles from the address of a start value to the value."""
        return 2 if self.start_kind == "block" else 1

    @property
    def product_sum(self) -> ProductSumConfig:
        """Config of each row's sum of products, where it is not by planes."""
        assert self.multiplier != "planes", "planes have a match sum"
        return _product_sum(self.simd, self.lane_bits, self.top, self.weight_bits, self.multiplier)

    @property
    def match_sum(self) -> MatchSumConfig:
        """Config of each row's match sum, where it is by planes."""
        assert self.multiplier == "planes", "products have a sum of their own"
        return _match_sum(self.simd, self.lane_bits)

    @property
    def word_bits(self) -> int:
        """Bits of a weight that are read in a cycle."""
        return 1 if self.multiplier == "planes" else self.weight_bits

    @property
    def weights(self) -> WeightConfig:
        """Config of the weight memory: lane s of row j from bit ``(j*simd + s) * word_bits``.

        Word ``(n * passes + pass) * synapse_folds + s``.
        """
        depth, width = self.neuron_folds * self.fold_beats, self.rows * self.simd * self.word_bits
        if self.weight_memory == "block":
            return weight_memory(width, depth, self.block_ram)
        return WeightConfig(depth=depth, width=width, memory="lut")

    @property
    def dsp(self) -> int:
        """DSP blocks; fewer where a weight does not change and is 0 or a power of two."""
        return self.rows * self.simd if self.multiplier == "dsp" else 0

    @property
    def sum_cycles(self) -> int:
        """Cycles from a beat to its sum, see steps 1 and 2 above."""
        sums = self.match_sum if self.multiplier == "planes" else self.product_sum
        return self.weights.latency_cycles + sums.latency_cycles

    @property
    def result_cycles(self) -> int:
        """Cycles from a fold's last beat to the word that is written, see step 3 above."""
        return self.sum_cycles + 1 + (self.multiplier == "planes")

    @property
    def pipeline_cycles(self) -> int:
        """Cycles from the transfer of a fold's last beat to that of its result.

        Counted with the output ready and the output FIFO empty.
        """
        return self.result_cycles + FIFO_LATENCY

    @property
    def latency_cycles(self) -> int:
        """Cycles from the transfer of a frame's first input beat to that of its first output beat.

        Counted in an idle array, with the input always valid and the output ready.
        """
        return self.fold_beats - 1 + self.pipeline_cycles

    @property
    def credits(self) -> int:
        """Neuron folds that may be under way or wait in the output FIFO, as `ArrayConfig`."""
        return -(-self.pipeline_cycles // self.fold_beats) + 2

    @property
    def fifo_depth(self) -> int:
        """Words of the output FIFO; its output register is not counted as a place."""
        return self.credits + 1

    @property
    def cycles_per_frame(self) -> int:
        """Cycles of a frame when the input is always valid and the output always ready."""
        return self.pixels * self.neuron_folds * self.fold_beats


def _require_divides(config: IntegerArrayConfig, part: str, whole: str) -> None:
    small, large = getattr(config, part), getattr(config, whole)
    if large % small:
        divisors = [d for d in range(1, large + 1) if large % d == 0]
        nearest = min(divisors, key=lambda d: (abs(d - small), d))
        raise PlanError(
            f"IntegerArrayConfig.{part} is {small}, which does not divide {whole} = {large}",
            f"Choose a divisor of {large}, for instance {nearest}",
        )


@cache
def _product_sum(
    simd: int, lane_bits: int, levels: int, weight_bits: int, multiplier: Literal["dsp", "lut"]
) -> ProductSumConfig:
    """One object for many arrays: a planner looks at thousands."""
    return ProductSumConfig(
        simd=simd,
        lane_bits=lane_bits,
        levels=levels,
        weight_bits=weight_bits,
        multiplier=multiplier,
    )


@cache
def _match_sum(simd: int, lane_bits: int) -> MatchSumConfig:
    return MatchSumConfig(simd=simd, lane_bits=lane_bits)
