"""Batch norm, and its fixed-point form."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["BatchNorm", "FixedPoint", "channelwise"]

#: Greatest magnitude of a gain: 18 signed bits, as a DSP block multiplies.
GAIN_LIMIT = 2**17 - 1

#: Greatest magnitude of an offset, half of what an int32 holds.
OFFSET_LIMIT = 2**30

#: Greatest shift.
SHIFT_LIMIT = 31


def channelwise(value: Tensor, x: Tensor) -> Tensor:
    """``value`` (channels,) as it broadcasts over ``x`` (N, channels, ...)."""
    return value.view(-1, *[1] * (x.dim() - 2))


class BatchNorm(nn.Module):
    """Batch norm over channels, ``x * scale + shift`` in evaluation mode.

    Own code rather than PyTorch's, which may fuse product and sum into one
    rounding: the export would then differ in a few bits in a billion.
    """

    epsilon = 1e-5
    momentum = 0.1
    mean: Tensor
    variance: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(channels))
        self.beta = nn.Parameter(torch.zeros(channels))
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("variance", torch.ones(channels))

    def affine(self) -> tuple[Tensor, Tensor]:
        """Scale and shift, float32 (channels,)."""
        scale = self.gamma / torch.sqrt(self.variance + self.epsilon)
        return scale, self.beta - self.mean * scale

    def forward(self, x: Tensor) -> Tensor:
        x = x.float()
        if self.training:
            return functional.batch_norm(
                x, self.mean, self.variance, self.gamma, self.beta, True, self.momentum,
                self.epsilon,
            )  # fmt: skip
        scale, shift = self.affine()
        return x * channelwise(scale, x) + channelwise(shift, x)


class FixedPoint:
    """``clip((gain * x + offset + half) >> shift, low, high)``, as the op `Scale` has it.

    1. ``shift`` is the greatest, up to 31, with which every gain fits 18 signed bits and
       every offset an int32: the most precise.
    2. A gain beyond 18 bits even without a shift is cut off, and so is an offset.
    3. In float64 all of it is exact: ``|gain * x + offset| < 2**17 * 2**24 + 2**30``, and a
       division by a power of two is.

    Parameters
    ----------
    gain, offset : Tensor (channels,)
        Real ones, in units of the result.
    low, high : int
    """

    def __init__(self, gain: Tensor, offset: Tensor, low: int, high: int) -> None:
        gain, offset = gain.detach().double(), offset.detach().double()
        greatest = (gain.abs().max().item(), offset.abs().max().item())
        limits = (GAIN_LIMIT, OFFSET_LIMIT)
        self.shift = 0
        for shift in range(SHIFT_LIMIT, 0, -1):
            unit = 2.0**shift
            if all(round(g * unit) <= limit for g, limit in zip(greatest, limits, strict=True)):
                self.shift = shift
                break
        unit = 2.0**self.shift
        self.gain = (gain * unit).round().clamp(-GAIN_LIMIT, GAIN_LIMIT)
        self.offset = (offset * unit).round().clamp(-OFFSET_LIMIT, OFFSET_LIMIT)
        self.low, self.high = low, high

    def __call__(self, x: Tensor) -> Tensor:
        """The integers of a tensor of integers (N, channels, ...), float32."""
        half = 2.0 ** (self.shift - 1) if self.shift else 0.0
        total = x.double() * channelwise(self.gain, x) + (channelwise(self.offset, x) + half)
        return torch.floor(total / 2.0**self.shift).clamp(self.low, self.high).float()
