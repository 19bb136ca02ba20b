"""Binary layers: latent real weights in training, +-1 in every forward pass.

A forward pass is exact in evaluation mode: products of +-1 and integers add up in
float32 without rounding below 2**24, and batch norm is one product and one sum,
each rounded once, so that the exported network computes the same bits.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["ApproxSign", "BatchNorm", "BinaryConv", "BinaryDense", "Head", "sign"]


def sign(x: Tensor) -> Tensor:
    """+1 where ``x >= 0``, else -1; as `sw.model.float_ir.Sign` with ``zero=1``."""
    return torch.where(x >= 0, 1.0, -1.0)


class _ApproxSign(torch.autograd.Function):
    """Sign whose gradient is that of a piecewise parabola (Bi-Real Net).

    The derivative is 2 + 2x on [-1, 0), 2 - 2x on [0, 1) and 0 elsewhere.
    """

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return sign(x)

    @staticmethod
    def backward(ctx, *gradients: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return gradients[0] * (2 - 2 * x.abs()).clamp_(min=0)


class ApproxSign(nn.Module):
    """Binary activation."""

    def forward(self, x: Tensor) -> Tensor:
        result = _ApproxSign.apply(x)
        assert isinstance(result, Tensor)
        return result


class _Binary(nn.Module):
    """A layer with latent weights in [-1, 1], of which only the signs are used.

    Parameters
    ----------
    exact : bool
        Accumulate in float32 in training too. Otherwise, training runs in bfloat16
        where asked for: +-1 are exact in it, only the sums are rounded.
    """

    def __init__(self, shape: tuple[int, ...], fan_in: int, exact: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(shape).uniform_(-1, 1) / fan_in**0.5)
        self.dtype = torch.float32
        self.exact = exact

    def binary(self) -> Tensor:
        """The weights, +-1; their gradient passes straight to the latent weights."""
        return self.weight + (sign(self.weight) - self.weight).detach()

    def operands(self, x: Tensor) -> tuple[Tensor, Tensor]:
        dtype = torch.float32 if self.exact or not self.training else self.dtype
        return x.to(dtype), self.binary().to(dtype)

    @torch.no_grad()
    def clip(self) -> None:
        """Keep the latent weights where a step can still change their sign."""
        self.weight.clamp_(-1, 1)


class BinaryConv(_Binary):
    """Convolution by +-1 weights, stride 1, zero padding that keeps the map's size."""

    def __init__(self, inputs: int, outputs: int, kernel: int, *, exact: bool = False) -> None:
        super().__init__((outputs, inputs, kernel, kernel), inputs * kernel**2, exact)
        self.padding = kernel // 2

    def forward(self, x: Tensor) -> Tensor:
        x, weight = self.operands(x)
        weight = weight.contiguous(memory_format=torch.channels_last)
        return functional.conv2d(x, weight, padding=self.padding)


class BinaryDense(_Binary):
    """Matrix product with +-1 weights."""

    def __init__(self, inputs: int, outputs: int, *, exact: bool = False) -> None:
        super().__init__((outputs, inputs), inputs, exact)

    def forward(self, x: Tensor) -> Tensor:
        x, weight = self.operands(x)
        return functional.linear(x, weight)


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
        shape = (-1,) + (1,) * (x.dim() - 2)
        scale, shift = (value.view(shape) for value in self.affine())
        return x * scale + shift


class Head(nn.Module):
    """Logits ``(dense(x) + bias) * scale``: an integer bias per class, one positive scale.

    So the order of the logits is that of integers, and argmax needs no float.
    """

    def __init__(self, inputs: int, classes: int) -> None:
        super().__init__()
        self.dense = BinaryDense(inputs, classes, exact=True)
        self.bias = nn.Parameter(torch.zeros(classes))
        self.log_scale = nn.Parameter(torch.tensor(1.5 / inputs**0.5).log())

    def offsets(self) -> Tensor:
        """The biases, rounded; their gradient passes straight through."""
        return self.bias + (self.bias.round() - self.bias).detach()

    def forward(self, x: Tensor) -> Tensor:
        return (self.dense(x) + self.offsets()) * self.log_scale.exp()
