"""What becomes of a layer's sums: bits, ternary or 8-bit codes, or fixed-point residuals.

An output takes ``norm(sum * factor)``. In training it quantises that real number and lets
the gradient through; in evaluation and export it is the very integer op.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sw.model.float_ir import Quantiser, Sign, Step, Uniform
from sw.train.builder import Builder
from sw.train.layers.gradients import (
    round_through,
    surrogate_sign,
    surrogate_step,
    surrogate_ternary,
)
from sw.train.layers.norm import BatchNorm, FixedPoint, channelwise

__all__ = ["RESIDUAL_LIMIT", "RESIDUAL_UNIT", "BitKind", "Bits", "Fixed", "bits_of"]

#: What a binary layer reads: -1 and +1, 0 and 1, or -1, 0 and +1.
BitKind = Literal["sign", "step", "ternary"]

#: Residuals are 16-bit numbers with 10 fraction bits.
RESIDUAL_UNIT = 1024
RESIDUAL_LIMIT = 2**15 - 1


def bits_of(x: Tensor, kind: BitKind, derivative: str, *, real: bool = False) -> Tensor:
    """Real numbers as the integers of a binary layer's source; ``real``: clipped only."""
    if real:
        return x.clamp(-1, 1)
    if kind == "sign":
        return surrogate_sign(x, derivative)
    if kind == "step":
        return surrogate_step(x, derivative)
    return surrogate_ternary(x)


class Output(nn.Module):
    """Base: batch norm and quantiser of one layer's sums."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = BatchNorm(channels)

    def forward(self, total: Tensor, factor: Tensor | None) -> Tensor:
        raise NotImplementedError

    def emit(
        self, builder: Builder, name: str, source: str, factor: Tensor | None
    ) -> tuple[str, NDArray[np.bool_]]:
        """Write the integer op; its name, and in which channels it falls with the sum."""
        raise NotImplementedError

    def real(self, total: Tensor, factor: Tensor | None) -> Tensor:
        """``norm(total * factor)`` in float32, each operation rounded once."""
        total = total.float()
        return self.norm(total if factor is None else total * channelwise(factor, total))


class Bits(Output):
    """Thresholds: what the next layer, a binary one, reads.

    Parameters
    ----------
    channels : int
    kind : BitKind
    derivative : str
        Of the step, see `sw.train.layers.gradients`; "ternary" has its own.
    """

    def __init__(self, channels: int, *, kind: BitKind, derivative: str) -> None:
        super().__init__(channels)
        self.kind: BitKind = kind
        self.derivative = derivative
        self.pretraining = False
        if kind == "ternary":
            #: The trainable range: what is rounded is the batch norm's result times this.
            self.range = nn.Parameter(torch.tensor(1.0))

    def forward(self, total: Tensor, factor: Tensor | None) -> Tensor:
        x = self.real(total, factor)
        if self.kind == "ternary":
            x = x * self.range
        return bits_of(x, self.kind, self.derivative, real=self.pretraining)

    def emit(
        self, builder: Builder, name: str, source: str, factor: Tensor | None
    ) -> tuple[str, NDArray[np.bool_]]:
        steps = [] if factor is None else [Step.mul(_array(factor))]
        scale, shift = self.norm.affine()
        steps += [Step.mul(_array(scale)), Step.add(_array(shift))]
        quantiser: Quantiser = Sign(name=name, source=source, zero=1)
        if self.kind == "ternary":
            steps.append(Step.mul(_array(self.range)))
            quantiser = Uniform(name=name, source=source, low=-1, high=1)
        low, step = {"sign": (-1, 2), "step": (0, 1), "ternary": (-1, 1)}[self.kind]
        return builder.threshold(
            f"{name}.bits", source, steps=steps, quantiser=quantiser, low=low, step=step
        )


class Fixed(Output):
    """Fixed-point batch norm: 8-bit codes, or residuals.

    Parameters
    ----------
    channels : int
    unit : float
        The result holds ``round(norm * unit)``.
    low, high : int
        What it saturates to; ``low`` 0 is a ReLU.
    """

    def __init__(self, channels: int, *, unit: float, low: int, high: int) -> None:
        super().__init__(channels)
        self.unit, self.low, self.high = unit, low, high

    @classmethod
    def residual(cls, channels: int) -> Fixed:
        """A stream of residuals."""
        return cls(channels, unit=RESIDUAL_UNIT, low=-RESIDUAL_LIMIT, high=RESIDUAL_LIMIT)

    @classmethod
    def code(cls, channels: int, bits: int, *, relu: bool) -> Fixed:
        """Codes of ``bits`` bits that reach four standard deviations of a plain batch norm."""
        if relu:
            return cls(channels, unit=2**bits / 4, low=0, high=2**bits - 1)
        high = 2 ** (bits - 1) - 1
        return cls(channels, unit=2**bits / 8, low=-high, high=high)

    def fixed_point(self, factor: Tensor | None) -> FixedPoint:
        """The integer form."""
        scale, shift = (value.detach().double() * self.unit for value in self.norm.affine())
        if factor is not None:
            scale = scale * factor.detach().double()
        return FixedPoint(scale, shift, self.low, self.high)

    def forward(self, total: Tensor, factor: Tensor | None) -> Tensor:
        if not self.training:
            return self.fixed_point(factor)(total)
        x = self.real(total, factor) * self.unit
        return round_through(x).clamp(self.low, self.high)

    def emit(
        self, builder: Builder, name: str, source: str, factor: Tensor | None
    ) -> tuple[str, NDArray[np.bool_]]:
        fixed = self.fixed_point(factor)
        gain = fixed.gain.cpu().numpy()
        result = builder.scale(
            f"{name}.scale",
            source,
            gain=gain,
            offset=fixed.offset.cpu().numpy(),
            shift=fixed.shift,
            low=fixed.low,
            high=fixed.high,
        )
        return result, gain < 0


def _array(value: Tensor) -> NDArray[np.float32]:
    return value.detach().cpu().numpy().astype(np.float32)
