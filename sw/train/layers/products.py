"""Convolutions and matrix products by quantised weights; results are integer sums.

The factor that turns a sum into a real number is not applied to the weights, whose
products would no longer be exact, but to the sum, by the layer that reads it.
"""

from __future__ import annotations

import math
from contextlib import nullcontext
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from sw.model.ir import Padding
from sw.model.ops import weight_limit
from sw.train.builder import Builder
from sw.train.layers.gradients import round_through, surrogate_sign

__all__ = ["ConvProduct", "DenseProduct", "Product", "WeightKind", "raster"]

#: How +-1 weights are trained.
#: "ste": signs, no factor (BinaryNet). "mean": factor mean|W| per output, with its gradient
#: (XNOR-Net). "magnitude": the same factor without a gradient of its own, so that the
#: gradient of a weight is the straight-through one times the magnitude (Bi-Real Net).
#: "trained": a trainable factor per output and one for the source (trained binarization).
WeightKind = Literal["ste", "mean", "magnitude", "trained"]

#: float32 holds each integer of lesser magnitude exactly.
EXACT_LIMIT = 2**24

#: Greatest magnitude of an 8-bit code.
CODE_LIMIT = 255


def raster(x: Tensor) -> Tensor:
    """Maps (N, C, H, W) as vectors in raster order, channel fastest."""
    return x.permute(0, 2, 3, 1).flatten(1)


class Product(nn.Module):
    """Latent real weights, of which a forward pass uses integers.

    Parameters
    ----------
    shape : (outputs, inputs per tap, ...)
    kind : WeightKind
        Of +-1 weights; without a meaning for more bits.
    derivative : str
        Of the weights' sign, see `sw.train.layers.gradients`.
    bits : int
        1: the sign. 2 to 8: ``round(weight / s)`` of magnitude up to ``2**(bits-1) - 1``, with
        ``s`` per output such that the greatest weight reaches that limit.
    per_tensor : bool
        One ``s`` for all outputs, as scores that are compared as integers need.
    exact : bool
        Sums in float32 in training too, where others may be added up in bfloat16; always so
        with several bits.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        *,
        kind: WeightKind = "ste",
        derivative: str = "clip",
        bits: int = 1,
        per_tensor: bool = False,
        exact: bool = False,
    ) -> None:
        super().__init__()
        self.fan_in = math.prod(shape[1:])
        self.weight = nn.Parameter(torch.empty(shape).uniform_(-1, 1) / self.fan_in**0.5)
        self.kind, self.derivative, self.bits = kind, derivative, bits
        self.per_tensor, self.exact = per_tensor, exact or bits > 1
        #: Real weights and no factor: the pretraining of Bi-Real Net.
        self.real = False
        if bits == 1 and kind == "trained":
            self.scale = nn.Parameter(self._magnitude().detach())
            self.source_scale = nn.Parameter(torch.tensor(1.0))

    @property
    def limit(self) -> int:
        """Greatest magnitude of a weight."""
        return weight_limit(self.bits)

    def _magnitude(self) -> Tensor:
        return self.weight.abs().flatten(1).mean(1)

    def _step(self) -> Tensor:
        """Real value of one unit of each output's weights of several bits, (outputs,)."""
        greatest = self.weight.detach().abs().flatten(1).amax(1)
        if self.per_tensor:
            greatest = greatest.max().expand_as(greatest)
        return greatest.clamp(min=1e-12) / self.limit

    def quantised(self) -> Tensor:
        """The integer weights, with a gradient to the latent ones."""
        if self.real and self.bits == 1:
            return self.weight
        if self.bits == 1:
            return surrogate_sign(self.weight, self.derivative)
        step = self._step().view(-1, *[1] * (self.weight.dim() - 1))
        return round_through(self.weight / step)

    def factor(self) -> Tensor | None:
        """What turns a sum into a real number, (outputs,); None for 1."""
        if self.bits > 1:
            return self._step()
        if self.real or self.kind == "ste":
            return None
        if self.kind == "trained":
            return self.scale * self.source_scale
        magnitude = self._magnitude()
        return magnitude.detach() if self.kind == "magnitude" else magnitude

    def scales(self) -> list[nn.Parameter]:
        """Trainable weight scales, which trained binarization regularises."""
        return [self.scale] if self.bits == 1 and self.kind == "trained" else []

    @torch.no_grad()
    def clip(self) -> None:
        """Keep latent weights of a sign where a step can still change it."""
        if self.bits == 1:
            self.weight.clamp_(-1, 1)

    def _multiply(self, x: Tensor, weight: Tensor) -> Tensor:
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        weight = self.quantised()
        if not self.training:
            return self._exact(x, weight)
        with torch.autocast(x.device.type, enabled=False) if self.exact else nullcontext():
            return self._multiply(x, weight)

    def _exact(self, x: Tensor, weight: Tensor) -> Tensor:
        """The sum of integers, whatever the device's order and algorithm."""
        reach = self.fan_in * self.limit * CODE_LIMIT
        with torch.autocast(x.device.type, enabled=False):
            if x.device.type == "cpu" and (reach < EXACT_LIMIT or self.real):
                return self._multiply(x.float(), weight)
            # A GPU may multiply in TF32, or transform a convolution: float64 has room for
            # either, and rounding takes off what they leave.
            result = self._multiply(x.double(), weight.double())
            return (result if self.real else result.round()).float()

    def integers(self) -> NDArray[np.int8]:
        """The weights as an array, outputs first."""
        return self.quantised().detach().cpu().numpy().astype(np.int8)

    def emit(self, builder: Builder, name: str, source: str) -> str:
        """Write the product as an integer op; the name of its tensor."""
        raise NotImplementedError


class ConvProduct(Product):
    """Convolution with zero padding; a skipped tap where the source has no zero.

    Parameters
    ----------
    inputs, outputs, kernel : int
    stride, padding : int
        In both axes; ``padding`` None keeps the size of the map at stride 1.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        *,
        stride: int = 1,
        padding: int | None = None,
        **options,
    ) -> None:
        super().__init__((outputs, inputs, kernel, kernel), **options)
        self.stride = stride
        self.padding = kernel // 2 if padding is None else padding

    def _multiply(self, x: Tensor, weight: Tensor) -> Tensor:
        weight = weight.contiguous(memory_format=torch.channels_last)
        return functional.conv2d(x, weight, stride=self.stride, padding=self.padding)

    def emit(self, builder: Builder, name: str, source: str) -> str:
        pad = self.padding
        return builder.conv(
            name,
            source,
            weights=self.integers().transpose(0, 2, 3, 1),
            weight_bits=self.bits,
            stride=(self.stride, self.stride),
            padding=Padding(top=pad, left=pad, bottom=pad, right=pad),
        )


class DenseProduct(Product):
    """Matrix product over the whole source, in raster order, channel fastest."""

    def __init__(self, inputs: int, outputs: int, **options) -> None:
        super().__init__((outputs, inputs), **options)

    def _multiply(self, x: Tensor, weight: Tensor) -> Tensor:
        return functional.linear(raster(x) if x.dim() == 4 else x, weight)

    def emit(self, builder: Builder, name: str, source: str) -> str:
        return builder.dense(name, source, weights=self.integers(), weight_bits=self.bits)
