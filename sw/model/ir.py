"""The integer graph: frozen ops, tensor shapes and integer ranges.

A graph is a tuple of ops in an order in which each op comes after its source.
An op has exactly one output tensor, and the two share a name. Feature maps are
H x W x C in raster order, channel fastest; a vector is a 1 x 1 x C map.

The ops say *what* is computed, in integers and exactly; `sw.golden` executes
them and is the specification that the hardware equals bit for bit. Nothing here
checks legality: `sw.model.verify` does, and is run after every pass.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "BIPOLAR",
    "Computed",
    "Conv",
    "Dense",
    "Graph",
    "Head",
    "Input",
    "IntegerRange",
    "Op",
    "Padding",
    "Pool",
    "TensorType",
    "Threshold",
]


@dataclass(frozen=True, kw_only=True)
class IntegerRange:
    """The values ``low, low + step, ..., high`` that a tensor may hold.

    The hardware carries a value as its *code* ``(value - low) / step``, an
    unsigned number of `bits` bits: a bipolar tensor {-1, +1} has one bit, of
    which 1 means +1; a ternary one {-1, 0, +1} two; int8 is offset binary.
    """

    low: int
    high: int
    step: int = 1

    @property
    def levels(self) -> int:
        """The highest code; a range of ``levels + 1`` values."""
        return (self.high - self.low) // self.step

    @property
    def bits(self) -> int:
        """Width of a code, at least 1."""
        return max(1, self.levels.bit_length())

    def encode(self, values: NDArray) -> NDArray[np.int64]:
        """Codes of ``values``, which must all lie in the range."""
        return (np.asarray(values, np.int64) - self.low) // self.step

    def decode(self, codes: NDArray) -> NDArray[np.int64]:
        """Values of ``codes``; the inverse of `encode`."""
        return np.asarray(codes, np.int64) * self.step + self.low


#: The range {-1, +1} of a binary activation.
BIPOLAR = IntegerRange(low=-1, high=1, step=2)


@dataclass(frozen=True, kw_only=True)
class TensorType:
    """Shape and range of a tensor: an H x W x C feature map of integers."""

    height: int
    width: int
    channels: int
    range: IntegerRange

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.height, self.width, self.channels

    @property
    def size(self) -> int:
        """Number of elements."""
        return self.height * self.width * self.channels


@dataclass(frozen=True, kw_only=True)
class Padding:
    """Rows and columns around a feature map, and what stands in them.

    ``value`` is the integer that the padded elements hold, a member of the
    source's range, or None where an out-of-range tap is skipped, that is,
    contributes nothing to the accumulator (zero padding after a sign).
    """

    top: int = 0
    left: int = 0
    bottom: int = 0
    right: int = 0
    value: int | None = None

    def __bool__(self) -> bool:
        return bool(self.top or self.left or self.bottom or self.right)


@dataclass(frozen=True, kw_only=True, eq=False)
class Op:
    """A node and, by the same name, the tensor it produces."""

    name: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Input(Op):
    """The frame after preprocessing; always the first op, and the only source."""

    type: TensorType


@dataclass(frozen=True, kw_only=True, eq=False)
class Computed(Op):
    """An op that reads the tensor named ``source``; every op but the input."""

    source: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Conv(Computed):
    """Binary convolution; result: integer accumulators.

    ``acc[y, x, o] = sum over ky, kx, i of
    weights[o, ky, kx, i] * source[y*stride + ky - top, x*stride + kx - left, i]``

    Parameters
    ----------
    weights : int8 array (outputs, kernel height, kernel width, inputs)
        Each -1 or +1.
    stride : (rows, columns)
    padding : Padding
    """

    weights: NDArray[np.int8]
    stride: tuple[int, int] = (1, 1)
    padding: Padding = Padding()

    @property
    def outputs(self) -> int:
        return self.weights.shape[0]

    @property
    def kernel(self) -> tuple[int, int]:
        return self.weights.shape[1], self.weights.shape[2]

    @property
    def fan_in(self) -> int:
        return int(np.prod(self.weights.shape[1:]))


@dataclass(frozen=True, kw_only=True, eq=False)
class Dense(Computed):
    """Binary matrix product over the whole source; result: a vector of accumulators.

    Parameters
    ----------
    weights : int8 array (outputs, inputs)
        Each -1 or +1; the source is read in raster order, channel fastest.
    """

    weights: NDArray[np.int8]

    @property
    def outputs(self) -> int:
        return self.weights.shape[0]

    @property
    def fan_in(self) -> int:
        return self.weights.shape[1]


@dataclass(frozen=True, kw_only=True, eq=False)
class Threshold(Computed):
    """Per-channel comparison with sorted integer levels.

    ``n = number of i with source >= levels[c, i]``, then ``L - n`` where the
    channel is inverted (a negative batch-norm gamma); result ``low + step * n``.
    One level with ``low=-1, step=2`` is the sign; two with ``low=-1, step=1``
    give {-1, 0, +1}; ``2**k - 1`` give k bits.

    Parameters
    ----------
    levels : int32 array (channels, L), ascending along L
    inverted : bool array (channels,)
    low, step : int
        Lowest output value and distance between neighbours.
    """

    levels: NDArray[np.int32]
    inverted: NDArray[np.bool_]
    low: int = -1
    step: int = 2

    @property
    def range(self) -> IntegerRange:
        high = self.low + self.step * self.levels.shape[1]
        return IntegerRange(low=self.low, high=high, step=self.step)


@dataclass(frozen=True, kw_only=True, eq=False)
class Pool(Computed):
    """Maximum over ``size`` windows; minimum in the channels so marked.

    Only whole windows count: trailing rows and columns are dropped. A network
    that pools *before* batch norm lowers to a threshold before the pool, with
    the minimum in channels of negative gamma.

    Parameters
    ----------
    size, stride : (rows, columns)
    minimum : bool array (channels,)
    """

    size: tuple[int, int]
    stride: tuple[int, int]
    minimum: NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class Head(Computed):
    """The network's answer; always the last op.

    ``raw`` gives ``scores = source + bias``, flattened in raster order, and
    ``argmax`` the index of the greatest of them (the lowest index wins ties).
    The host turns integer scores into the float logits of the trained network,
    ``logits = float32(scores) * scale + offset``; with ``argmax`` the scale
    must be one positive number and the offset one number, so that order is kept.

    Parameters
    ----------
    bias : int32 array (elements of the source,)
    scale, offset : float32 arrays of the same shape
    """

    kind: Literal["raw", "argmax"] = "raw"
    bias: NDArray[np.int32]
    scale: NDArray[np.float32]
    offset: NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class Graph:
    """A legal-by-`verify` sequence of ops from one `Input` to one `Head`."""

    ops: tuple[Op, ...] = field(repr=False)

    def __getitem__(self, name: str) -> Op:
        return self._by_name[name]

    @cached_property
    def _by_name(self) -> dict[str, Op]:
        return {op.name: op for op in self.ops}

    @property
    def input(self) -> Input:
        op = self.ops[0]
        assert isinstance(op, Input)
        return op

    @property
    def head(self) -> Head:
        op = self.ops[-1]
        assert isinstance(op, Head)
        return op

    @cached_property
    def types(self) -> dict[str, TensorType]:
        """Type of every tensor, by name, as inferred from the input's."""
        types: dict[str, TensorType] = {}
        for op in self.ops:
            types[op.name] = infer(op, types)
        return types


def output_size(size: int, kernel: int, stride: int, before: int, after: int) -> int:
    """Number of windows of ``kernel`` along an axis of ``size`` padded elements."""
    return (size + before + after - kernel) // stride + 1


def infer(op: Op, types: dict[str, TensorType]) -> TensorType:
    """Type of ``op``'s tensor, given the types of the tensors before it.

    An accumulator's range: each of the K taps contributes between -m and +m,
    where m is the greatest magnitude in the source's range. The range is that
    bound and not the channel's exact one, so that it depends on shapes alone.
    Its step is 1: with skipped taps the parity differs from pixel to pixel.
    """
    if isinstance(op, Input):
        return op.type
    if isinstance(op, Conv | Dense):
        source = types[op.source]
        bound = op.fan_in * max(abs(source.range.low), abs(source.range.high))
        height = width = 1
        if isinstance(op, Conv):
            pad, (kh, kw) = op.padding, op.kernel
            height = output_size(source.height, kh, op.stride[0], pad.top, pad.bottom)
            width = output_size(source.width, kw, op.stride[1], pad.left, pad.right)
        accumulators = IntegerRange(low=-bound, high=bound)
        return TensorType(height=height, width=width, channels=op.outputs, range=accumulators)
    if isinstance(op, Threshold):
        source = types[op.source]
        return TensorType(
            height=source.height, width=source.width, channels=source.channels, range=op.range
        )
    if isinstance(op, Pool):
        source = types[op.source]
        return TensorType(
            height=output_size(source.height, op.size[0], op.stride[0], 0, 0),
            width=output_size(source.width, op.size[1], op.stride[1], 0, 0),
            channels=source.channels,
            range=source.range,
        )
    assert isinstance(op, Head), f"unknown op {op!r}"
    source = types[op.source]
    if op.kind == "argmax":
        return TensorType(
            height=1, width=1, channels=1, range=IntegerRange(low=0, high=source.size - 1)
        )
    low = source.range.low + min(0, int(op.bias.min()))
    high = source.range.high + max(0, int(op.bias.max()))
    return TensorType(
        height=1, width=1, channels=source.size, range=IntegerRange(low=low, high=high)
    )
