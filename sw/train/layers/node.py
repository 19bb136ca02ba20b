"""Nodes of a network: each computes in PyTorch and writes itself as integer ops."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from sw.model.float_ir import Sign
from sw.train.builder import Builder
from sw.train.layers.gradients import round_through
from sw.train.layers.norm import FixedPoint, channelwise
from sw.train.layers.outputs import RESIDUAL_LIMIT, RESIDUAL_UNIT, BitKind, Bits, Output, bits_of
from sw.train.layers.products import Product

__all__ = [
    "Average",
    "Head",
    "Joint",
    "Layer",
    "MaxPool",
    "Node",
    "Pixels",
    "ReadBits",
    "Total",
    "set_pretraining",
]


class Node(nn.Module):
    """Base. Tensors hold integers: maps (N, C, H, W) or vectors (N, C), float32."""

    def emit(self, builder: Builder, name: str, *sources: str) -> str:
        """Write the same as integer ops; the name of the result's tensor."""
        raise NotImplementedError


class Pixels(Node):
    """The input: raw pixels, 0 to 255, less ``offset``.

    Parameters
    ----------
    shape : (height, width, channels)
    offset : int
        The pixel that a padded element equals.
    """

    def __init__(self, shape: tuple[int, int, int], offset: int) -> None:
        super().__init__()
        self.shape, self.offset = shape, offset

    def forward(self, pixels: Tensor) -> Tensor:
        return pixels - self.offset

    def emit(self, builder: Builder, name: str, *sources: str) -> str:
        return builder.input(name, self.shape, low=-self.offset, high=255 - self.offset)


class Layer(Node):
    """Product, max pool of its sums, batch norm and quantiser.

    The maximum of sums keeps more than the OR of bits. In the integer graph the
    quantiser comes first and the pool takes codes, the minimum where they fall with the sum;
    the result is the same.

    Parameters
    ----------
    product : Product
    output : Output
    pool : (size, stride) or (size, stride, padding) or None
        What lies outside takes no part.
    """

    def __init__(
        self, product: Product, output: Output, pool: tuple[int, ...] | None = None
    ) -> None:
        super().__init__()
        self.product, self.output, self.pool = product, output, pool

    def forward(self, x: Tensor) -> Tensor:
        total = self.product(x)
        if self.pool:
            size, stride, padding = (*self.pool, 0)[:3]
            total = functional.max_pool2d(total, size, stride, padding)
        return self.output(total, self.product.factor())

    def emit(self, builder: Builder, name: str, *sources: str) -> str:
        total = self.product.emit(builder, name, sources[0])
        result, minimum = self.output.emit(builder, name, total, self.product.factor())
        if not self.pool:
            return result
        size, stride, padding = (*self.pool, 0)[:3]
        return builder.pool(
            f"{name}.pool", result, size=size, stride=stride, padding=padding, minimum=minimum
        )


class ReadBits(Node):
    """The bits of a stream of residuals, which go on beside it.

    Parameters
    ----------
    kind : BitKind
        "sign" or "step".
    derivative : str
    """

    def __init__(self, *, kind: BitKind, derivative: str) -> None:
        super().__init__()
        assert kind in ("sign", "step"), "a stream is compared with 0"
        self.kind: BitKind = kind
        self.derivative = derivative
        self.pretraining = False

    def forward(self, x: Tensor) -> Tensor:
        return bits_of(x / RESIDUAL_UNIT, self.kind, self.derivative, real=self.pretraining)

    def emit(self, builder: Builder, name: str, *sources: str) -> str:
        low, step = (-1, 2) if self.kind == "sign" else (0, 1)
        quantiser = Sign(name=name, source=sources[0], zero=1)
        result, _ = builder.threshold(
            name, sources[0], steps=(), quantiser=quantiser, low=low, step=step
        )
        return result


class MaxPool(Node):
    """Maximum of windows; what lies outside takes no part."""

    def __init__(self, size: int, stride: int, padding: int = 0) -> None:
        super().__init__()
        self.size, self.stride, self.padding = size, stride, padding

    def forward(self, x: Tensor) -> Tensor:
        return functional.max_pool2d(x, self.size, self.stride, self.padding)

    def emit(self, builder: Builder, name: str, *sources: str) -> str:
        return builder.pool(
            name, sources[0], size=self.size, stride=self.stride, padding=self.padding
        )


class Total(Node):
    """Saturating sum of two residual streams."""

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return (x + y).clamp(-RESIDUAL_LIMIT, RESIDUAL_LIMIT)

    def emit(self, builder: Builder, name: str, *sources: str) -> str:
        first, second = sources
        return builder.add(name, (first, second), limit=RESIDUAL_LIMIT)


class Joint(Node):
    """The channels of several maps side by side: two sources of one convolution."""

    def forward(self, *sources: Tensor) -> Tensor:
        return torch.cat(sources, 1)

    def emit(self, builder: Builder, name: str, *sources: str) -> str:
        return builder.concat(name, sources)


class Average(Node):
    """Average of windows of a stream, as signed codes for an 8-bit layer.

    The divisor, the stream's unit and the step of the codes are one product, whose result
    reaches its limit at the greatest magnitude met in training (a running mean per batch).

    Parameters
    ----------
    size : (rows, columns)
        Of a window, and its stride.
    bits : int
        Of a code.
    """

    greatest: Tensor

    def __init__(self, size: tuple[int, int], bits: int = 8) -> None:
        super().__init__()
        self.size, self.limit = size, 2 ** (bits - 1) - 1
        self.terms = size[0] * size[1]
        self.register_buffer("greatest", torch.tensor(4.0 * RESIDUAL_UNIT))

    def factor(self) -> Tensor:
        """What a sum of a window is multiplied by."""
        return self.limit / (self.greatest.double() * self.terms)

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            total = functional.avg_pool2d(x.double(), self.size, divisor_override=1)
            return self._fixed_point(x.shape[1])(total)
        average = functional.avg_pool2d(x, self.size)
        with torch.no_grad():
            greatest = average.abs().amax().clamp(min=1.0).to(self.greatest.dtype)
            self.greatest.lerp_(greatest, 0.1)
        codes = average * (self.limit / self.greatest)
        return round_through(codes).clamp(-self.limit, self.limit)

    def _fixed_point(self, channels: int) -> FixedPoint:
        gain = self.factor().expand(channels)
        return FixedPoint(gain, torch.zeros_like(gain), -self.limit, self.limit)

    def emit(self, builder: Builder, name: str, *sources: str) -> str:
        total = builder.pool(
            f"{name}.sum", sources[0], size=self.size, stride=self.size, total=True
        )
        fixed = self._fixed_point(builder.types[total].channels)
        return builder.scale(
            name,
            total,
            gain=fixed.gain.cpu().numpy(),
            offset=fixed.offset.cpu().numpy(),
            shift=fixed.shift,
            low=fixed.low,
            high=fixed.high,
        )


class Head(Node):
    """Scores ``product + bias`` in integers; the logits are the scores times `scale`.

    One positive scale for all, so the order of the logits is that of the scores.

    Parameters
    ----------
    product : Product
        With one factor for all outputs, or none.
    outputs : int
    scale : float
        Of the sums, at first.
    """

    def __init__(self, product: Product, outputs: int, scale: float) -> None:
        super().__init__()
        self.product = product
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.log_scale = nn.Parameter(torch.tensor(scale).log())

    def scale(self) -> Tensor:
        """Logit of one unit of a score."""
        factor = self.product.factor()
        scale = self.log_scale.exp()
        return scale if factor is None else scale * factor[0]

    def offsets(self) -> Tensor:
        """The biases as integers; the gradient passes straight to the real ones."""
        return round_through(self.bias / self.scale().detach())

    def forward(self, x: Tensor) -> Tensor:
        total = self.product(x)
        # A sum and a bias may pass what float32 holds exactly.
        total = total.float() if self.training else total.double()
        return total + channelwise(self.offsets(), total)

    def emit(self, builder: Builder, name: str, *sources: str) -> str:
        total = self.product.emit(builder, f"{name}.sum", sources[0])
        bias = self.offsets().detach().cpu().numpy().astype(np.int64)
        return builder.head(name, total, bias=bias, scale=float(self.scale().detach()))


def set_pretraining(network: nn.Module, real: bool) -> None:
    """Real weights and clipped activations in place of binary ones, or binary again."""
    for module in network.modules():
        if isinstance(module, Bits | ReadBits):
            module.pretraining = real
        elif isinstance(module, Product):
            module.real = real
