"""Signs and roundings whose gradient is not 0 almost everywhere.

Each is a function of a real tensor; what it approximates is named by the paper's key in
docs/training.md. The forward values are exact, only the derivative is made up.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["DERIVATIVES", "approx_sign", "clip_sign", "round_through", "sign", "tight_sign"]


def sign(x: Tensor) -> Tensor:
    """+1 where ``x >= 0``, else -1; as `sw.model.float_ir.Sign` with ``zero=1``."""
    return torch.where(x >= 0, 1.0, -1.0)


def _clip(x: Tensor) -> Tensor:
    """1 on [-1, 1], else 0: the straight-through estimator of BinaryNet."""
    return (x.abs() <= 1).to(x.dtype)


def _approx(x: Tensor) -> Tensor:
    """``2 - 2|x|`` on [-1, 1], else 0: the derivative of Bi-Real Net's piecewise parabola."""
    return (2 - 2 * x.abs()).clamp_(min=0)


def _tight(x: Tensor) -> Tensor:
    """``2 - 4|x|`` for ``|x| <= 0.4``, 0.4 for ``0.4 < |x| <= 1``, else 0 (Xu & Cheung)."""
    size = x.abs()
    return torch.where(size <= 0.4, 2 - 4 * size, 0.4) * (size <= 1)


def _through(x: Tensor) -> Tensor:
    """1 everywhere."""
    return torch.ones_like(x)


#: Derivatives by name, as recipes say them.
DERIVATIVES: dict[str, Callable[[Tensor], Tensor]] = {
    "clip": _clip,
    "approx": _approx,
    "tight": _tight,
    "through": _through,
}


class _Surrogate(torch.autograd.Function):
    """``forward(x)`` with the derivative ``derivative(x)``."""

    @staticmethod
    def forward(ctx, x: Tensor, forward, derivative) -> Tensor:
        ctx.save_for_backward(x)
        ctx.derivative = derivative
        return forward(x)

    @staticmethod
    def backward(ctx, *gradients: Tensor):
        (x,) = ctx.saved_tensors
        return gradients[0] * ctx.derivative(x), None, None


def _apply(x: Tensor, forward: Callable[[Tensor], Tensor], derivative: str) -> Tensor:
    result = _Surrogate.apply(x, forward, DERIVATIVES[derivative])
    assert isinstance(result, Tensor)
    return result


def surrogate_sign(x: Tensor, derivative: str) -> Tensor:
    """`sign` with one of the `DERIVATIVES`."""
    return _apply(x, sign, derivative)


def clip_sign(x: Tensor) -> Tensor:
    """`sign`, derivative 1 on [-1, 1]."""
    return surrogate_sign(x, "clip")


def approx_sign(x: Tensor) -> Tensor:
    """`sign`, derivative ``2 - 2|x|`` on [-1, 1]."""
    return surrogate_sign(x, "approx")


def tight_sign(x: Tensor) -> Tensor:
    """`sign`, derivative of trained binarization."""
    return surrogate_sign(x, "tight")


def surrogate_step(x: Tensor, derivative: str) -> Tensor:
    """1 where ``x >= 0``, else 0, with one of the `DERIVATIVES`."""
    return _apply(x, lambda value: (value >= 0).to(value.dtype), derivative)


def surrogate_ternary(x: Tensor) -> Tensor:
    """``round(clip(x, -1, 1))``: -1, 0 or 1 (halves to even), derivative 1 on [-1, 1]."""
    return _apply(x, lambda value: value.clamp(-1, 1).round(), "clip")


def round_through(x: Tensor) -> Tensor:
    """Rounded, halves to even; derivative 1."""
    return x + (x.round() - x).detach()
