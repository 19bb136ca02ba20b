"""The float graph: what importers and the trainer hand to `sw.lower.lower`.

A chain of few frozen ops from raw pixels to logits, holding the trained network's
own real numbers, in its own order of operations. Nothing is folded here: folding is
`sw.lower`'s work, which evaluates the steps below in float32 as the framework does.

Contract for whoever builds one
-------------------------------
1. The first op is a `FloatInput`: raw pixels, uint8, H x W x C. Whatever the network
   does to a pixel (division by 255, mean, binarisation) follows as `Elementwise` steps
   and a quantiser, so that preprocessing is part of the model.
2. Each op names its `source`, the op before it. Feature maps are H x W x C, raster
   order, channel fastest. Convolution weights are (outputs, kernel rows, kernel columns,
   inputs); dense weights (outputs, inputs), the inputs in the source's raster order.
   There is no flatten op: `FloatDense` reads the whole source.
3. Weights are +-s, where s > 0 is one number per tensor or one per output channel
   (`sign(w) * mean|w|`, or plain +-1). A bias is an `add` step after the op.
4. Each hidden layer ends in a quantiser, `Sign` or `Uniform`. Between a
   convolution and its quantiser stand `Elementwise` and `FloatPool` ops in any order.
5. The last op is a `FloatConv` or `FloatDense`, or the affine `Elementwise` ops after it
   (bias, batch norm, output scale): its values are the logits. Leave softmax out.

Example
-------
>>> graph = FloatGraph(ops=(
...     FloatInput(name="pixels", height=28, width=28, channels=1),
...     Elementwise(name="unit", source="pixels", steps=(Step.div(255.0), Step.sub(0.5))),
...     Uniform(name="q", source="unit", scale=1 / 256, low=-128, high=127),
...     FloatConv(name="conv", source="q", weights=w0, padding=(1, 1, 1, 1)),
...     Elementwise(name="bn", source="conv", steps=(Step.batch_norm(g, b, m, v, 1e-5),)),
...     FloatPool(name="pool", source="bn", size=(2, 2), stride=(2, 2)),
...     Sign(name="sign", source="pool", zero=1),
...     FloatDense(name="fc", source="sign", weights=w1),
... ))                                                              # doctest: +SKIP
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sw.model.ir import output_size

__all__ = [
    "Elementwise",
    "FloatConv",
    "FloatDense",
    "FloatGraph",
    "FloatInput",
    "FloatOp",
    "FloatPool",
    "Quantiser",
    "Rounding",
    "Sign",
    "Step",
    "Uniform",
]

Rounding = Literal[
    "half_even", "half_up", "half_away", "half_to_zero", "floor", "ceil", "to_zero", "away"
]

StepKind = Literal[
    "add", "sub", "reverse_sub", "mul", "div", "batch_norm", "relu", "prelu", "clip", "greater"
]


@dataclass(frozen=True, kw_only=True, eq=False)
class Step:
    """One float32 operation on a tensor; made by the class methods below.

    Operands are float32, each a scalar or one value per channel.
    """

    kind: StepKind
    operands: tuple[NDArray[np.float32], ...] = ()

    @classmethod
    def _of(cls, kind: StepKind, *operands: ArrayLike) -> Step:
        return cls(kind=kind, operands=tuple(np.asarray(o, np.float32) for o in operands))

    @classmethod
    def add(cls, value: ArrayLike) -> Step:
        """``x + value``."""
        return cls._of("add", value)

    @classmethod
    def sub(cls, value: ArrayLike) -> Step:
        """``x - value``."""
        return cls._of("sub", value)

    @classmethod
    def reverse_sub(cls, value: ArrayLike) -> Step:
        """``value - x``."""
        return cls._of("reverse_sub", value)

    @classmethod
    def mul(cls, value: ArrayLike) -> Step:
        """``x * value``."""
        return cls._of("mul", value)

    @classmethod
    def div(cls, value: ArrayLike) -> Step:
        """``x / value``."""
        return cls._of("div", value)

    @classmethod
    def batch_norm(
        cls,
        gamma: ArrayLike,
        beta: ArrayLike,
        mean: ArrayLike,
        variance: ArrayLike,
        epsilon: float,
    ) -> Step:
        """``x * s + (beta - mean * s)``, ``s = gamma * (1 / sqrt(variance + epsilon))``.

        That is how PyTorch and ONNX Runtime evaluate it on a CPU.
        """
        return cls._of("batch_norm", gamma, beta, mean, variance, epsilon)

    @classmethod
    def relu(cls) -> Step:
        """``max(x, 0)``."""
        return cls._of("relu")

    @classmethod
    def prelu(cls, slope: ArrayLike) -> Step:
        """``x`` where x > 0, else ``x * slope``; the slope must not be negative."""
        return cls._of("prelu", slope)

    @classmethod
    def clip(cls, low: ArrayLike, high: ArrayLike) -> Step:
        """``min(max(x, low), high)``."""
        return cls._of("clip", low, high)

    @classmethod
    def greater(cls, value: ArrayLike) -> Step:
        """1 where ``x > value``, else 0."""
        return cls._of("greater", value)


@dataclass(frozen=True, kw_only=True, eq=False)
class FloatOp:
    """A node and, by the same name, the tensor it produces."""

    name: str


@dataclass(frozen=True, kw_only=True, eq=False)
class FloatInput(FloatOp):
    """Raw uint8 pixels, H x W x C, as float32 0.0 to 255.0; always the first op."""

    height: int
    width: int
    channels: int


@dataclass(frozen=True, kw_only=True, eq=False)
class FloatConv(FloatOp):
    """Convolution (cross-correlation) by real weights.

    Parameters
    ----------
    weights : float32 array (outputs, kernel rows, kernel columns, inputs)
    stride : (rows, columns)
    padding : (top, left, bottom, right)
    pad_value : float
        Real value of the padded elements, usually 0; else one that the source can hold.
    """

    source: str
    weights: NDArray[np.float32]
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    pad_value: float = 0.0


@dataclass(frozen=True, kw_only=True, eq=False)
class FloatDense(FloatOp):
    """Matrix product over the whole source, read in raster order, channel fastest.

    Parameters
    ----------
    weights : float32 array (outputs, inputs)
    """

    source: str
    weights: NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class Elementwise(FloatOp):
    """Float32 steps applied one after the other, rounding to float32 after each."""

    source: str
    steps: tuple[Step, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class FloatPool(FloatOp):
    """Maximum over whole windows of ``size`` at ``stride``; trailing rows are dropped."""

    source: str
    size: tuple[int, int]
    stride: tuple[int, int]


@dataclass(frozen=True, kw_only=True, eq=False)
class Quantiser(FloatOp, ABC):
    """Base of `Sign` and `Uniform`: real tensor in, few evenly spaced real values out.

    An element's *index* counts those values upwards from 0; its *integer* is
    ``low_integer + step * index`` and its real value ``integer * scale``.
    """

    source: str
    scale: float = 1.0

    @property
    @abstractmethod
    def low_integer(self) -> int:
        """Integer of index 0."""

    @property
    @abstractmethod
    def step(self) -> int:
        """Distance between the integers of neighbouring indices."""

    @property
    @abstractmethod
    def levels(self) -> int:
        """Number of steps between lowest and highest value."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Sign(Quantiser):
    """``+scale`` where x > 0, ``-scale`` where x < 0.

    Parameters
    ----------
    zero : +1 or -1
        The sign of 0. Larq, Brevitas and QONNX say +1. `torch.sign` says 0, which is
        not binary: train with ``x >= 0`` (+1) or ``x > 0`` (-1) and say which.
    """

    zero: int = 1

    @property
    def low_integer(self) -> int:
        return -1

    @property
    def step(self) -> int:
        return 2

    @property
    def levels(self) -> int:
        return 1


@dataclass(frozen=True, kw_only=True, eq=False)
class Uniform(Quantiser):
    """``(clip(round(x / scale + zero_point), low, high) - zero_point) * scale``.

    Parameters
    ----------
    scale : float, > 0
    zero_point : int
    low, high : int
        Inclusive, before the zero point is taken off; see `bounds`.
    rounding : Rounding
        ``half_even`` is ``torch.round``, ``numpy.round`` and QONNX's ROUND.
    """

    zero_point: int = 0
    low: int
    high: int
    rounding: Rounding = "half_even"

    @staticmethod
    def bounds(bits: int, *, signed: bool, narrow: bool) -> tuple[int, int]:
        """``low, high`` of a ``bits``-wide number; *narrow* drops one end value.

        Signed: -2**(bits-1) (narrow: one more) to 2**(bits-1)-1. Unsigned: 0 to
        2**bits-1 (narrow: one less).
        """
        if signed:
            return -(2 ** (bits - 1)) + int(narrow), 2 ** (bits - 1) - 1
        return 0, 2**bits - 1 - int(narrow)

    @property
    def low_integer(self) -> int:
        return self.low - self.zero_point

    @property
    def step(self) -> int:
        return 1

    @property
    def levels(self) -> int:
        return self.high - self.low


@dataclass(frozen=True, kw_only=True, eq=False)
class FloatGraph:
    """A chain of float ops from `FloatInput` to the logits; see the module's contract."""

    ops: tuple[FloatOp, ...] = field(repr=False)

    @property
    def input(self) -> FloatInput:
        op = self.ops[0]
        assert isinstance(op, FloatInput)
        return op

    @cached_property
    def shapes(self) -> dict[str, tuple[int, int, int]]:
        """(height, width, channels) of every tensor, by name."""
        shapes: dict[str, tuple[int, int, int]] = {}
        shape = (0, 0, 0)
        for op in self.ops:
            shape = _shape(op, shape)
            shapes[op.name] = shape
        return shapes


def _shape(op: FloatOp, source: tuple[int, int, int]) -> tuple[int, int, int]:
    height, width, channels = source
    if isinstance(op, FloatInput):
        return op.height, op.width, op.channels
    if isinstance(op, FloatDense):
        return 1, 1, op.weights.shape[0]
    if isinstance(op, FloatConv):
        outputs, rows, columns, _ = op.weights.shape
        top, left, bottom, right = op.padding
        return (
            output_size(height, rows, op.stride[0], top, bottom),
            output_size(width, columns, op.stride[1], left, right),
            outputs,
        )
    if isinstance(op, FloatPool):
        return (
            output_size(height, op.size[0], op.stride[0], 0, 0),
            output_size(width, op.size[1], op.stride[1], 0, 0),
            channels,
        )
    return source
