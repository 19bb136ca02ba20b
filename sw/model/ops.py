"""The ops of the integer graph, tensor shapes and integer ranges; import from `sw.model.ir`.

A graph is a tuple of ops in an order in which each op comes after its sources.
An op has exactly one output tensor, which any number of later ops may read, and
the two share a name. Feature maps are H x W x C in raster order, channel fastest;
a vector is a 1 x 1 x C map.

The ops say *what* is computed, in integers and exactly; `sw.golden` executes
them and is the specification that the hardware equals bit for bit. Nothing here
checks legality: `sw.model.verify` does, and is run after every pass.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "BIPOLAR",
    "Add",
    "Computed",
    "Concat",
    "Conv",
    "Dense",
    "Head",
    "Input",
    "IntegerRange",
    "Joined",
    "Op",
    "Padding",
    "Pool",
    "Scale",
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
    """The frame after preprocessing; always the first op, and the only one of its kind."""

    type: TensorType

    @property
    def sources(self) -> tuple[str, ...]:
        return ()


@dataclass(frozen=True, kw_only=True, eq=False)
class Computed(Op):
    """An op that reads the tensor named ``source``."""

    source: str

    @property
    def sources(self) -> tuple[str, ...]:
        return (self.source,)


@dataclass(frozen=True, kw_only=True, eq=False)
class Joined(Op):
    """An op that reads several tensors, which are different ones.

    Parameters
    ----------
    sources : tuple of str
    """

    sources: tuple[str, ...]


def weight_limit(bits: int) -> int:
    """Greatest magnitude of a weight of so many bits: 1, and from two bits on symmetric."""
    return max(1, 2 ** (bits - 1) - 1)


@dataclass(frozen=True, kw_only=True, eq=False)
class Conv(Computed):
    """Convolution by integer weights; result: integer accumulators.

    ``acc[y, x, o] = sum over ky, kx, i of
    weights[o, ky, kx, i] * source[y*stride + ky - top, x*stride + kx - left, i]``

    Parameters
    ----------
    weights : int8 array (outputs, kernel height, kernel width, inputs)
        With one `weight_bits` each -1 or +1; with more, of magnitude up to `weight_limit`.
    weight_bits : int
        1 to 8.
    stride : (rows, columns)
    padding : Padding
    """

    weights: NDArray[np.int8]
    weight_bits: int = 1
    stride: tuple[int, int] = (1, 1)
    padding: Padding = Padding()

    @property
    def weight_limit(self) -> int:
        """Greatest magnitude of a weight."""
        return weight_limit(self.weight_bits)

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
    """Matrix product over the whole source; result: a vector of accumulators.

    Parameters
    ----------
    weights : int8 array (outputs, inputs)
        As a `Conv`'s; the source is read in raster order, channel fastest.
    weight_bits : int
        1 to 8.
    """

    weights: NDArray[np.int8]
    weight_bits: int = 1

    @property
    def weight_limit(self) -> int:
        """Greatest magnitude of a weight."""
        return weight_limit(self.weight_bits)

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
class Scale(Computed):
    """Fixed-point batch norm: per channel a product, a sum, a shift that rounds half up.

    ``clip((gain[c] * source + offset[c] + 2**(shift - 1)) >> shift, low, high)``, without
    the half where ``shift`` is 0; ``>>`` rounds towards minus infinity. With ``F`` fraction
    bits in the result, a real batch norm ``g * x + h`` has
    ``gain = round(g * 2**(F + shift))`` and ``offset = round(h * 2**(F + shift))``.

    Parameters
    ----------
    gain : int32 array (channels,)
        Of 18 signed bits at most, as a DSP block multiplies.
    offset : int32 array (channels,)
    shift : int
        0 to 31.
    low, high : int
        What the result saturates to.
    """

    gain: NDArray[np.int32]
    offset: NDArray[np.int32]
    shift: int
    low: int
    high: int

    @property
    def range(self) -> IntegerRange:
        return IntegerRange(low=self.low, high=self.high)


@dataclass(frozen=True, kw_only=True, eq=False)
class Add(Joined):
    """Sum of two maps of one shape, ``clip(a + b, low, high)``: a residual stream.

    Parameters
    ----------
    low, high : int
        What the result saturates to.
    """

    low: int
    high: int

    @property
    def range(self) -> IntegerRange:
        return IntegerRange(low=self.low, high=self.high)


@dataclass(frozen=True, kw_only=True, eq=False)
class Concat(Joined):
    """The channels of several maps of one height, width and range, in the sources' order.

    A convolution of two sources, ``acc = W1 . x1 + W2 . x2``, is a `Conv` behind a `Concat`.
    """


@dataclass(frozen=True, kw_only=True, eq=False)
class Pool(Computed):
    """Maximum or sum over ``size`` windows; minimum in the channels so marked.

    Only whole windows count: trailing rows and columns are dropped. A network
    that pools *before* batch norm lowers to a threshold before the pool, with
    the minimum in channels of negative gamma. An average is a sum: its divisor goes
    into what follows.

    Parameters
    ----------
    kind : {"max", "sum"}
    size, stride : (rows, columns)
    padding : Padding
        Without a value: what lies outside takes no part. None with a sum.
    minimum : bool array (channels,)
        All False with a sum.
    """

    kind: Literal["max", "sum"] = "max"
    size: tuple[int, int]
    stride: tuple[int, int]
    padding: Padding = Padding()
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
