"""What the lanes of a stream mean: how a tensor's values are carried.

The value of an element is ``step * lane + constant``, where the constant depends on the
channel and, where taps are skipped, on the pixel's border class. Whatever reads a stream
takes this into constants of its own.

1. *Codes*: ``value = step * code + low``, for every channel and pixel.
2. *Signed* accumulators of an integer array are the values.
3. *Matches* of a binary array. A source value is ``x = low + step * t`` with the code
   ``0 <= t <= m``, ``m = 2**bits - 1``. A lane's match is ``t`` where w = +1 and
   ``m - t`` where w = -1, so ``match = w * t + m * [w = -1]``.
4. Summed over all K taps, with N the number of -1 weights of the output:
   ``A = sum(w * t) + m * N``, and ``0 <= A <= K * m``.
5. A tap outside the map is fed as a pad code p. *Padding with a value* is an
   ordinary tap: p is the value's code and nothing below changes.
   A *skipped* tap has p = 0: ``w * t`` is 0 there, so step 4 holds with the sum
   taken over the inside taps, whatever the weight outside.
6. ``acc = sum over inside taps of w * x = low * S + step * (A - m * N)`` where S is
   the sum of the weights *inside*. S alone depends on the pixel, through the set
   of taps that fall outside: the pixel's border class. With value padding, no
   padding or low = 0 there is one class.
7. So for matches the constant is ``low * S[class] - step * m * N``.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hw.plan.channels import Encoding
from sw.model.ir import Conv, Dense, Graph, TensorType

__all__ = ["Lanes", "border_sums", "lanes_of"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Lanes:
    """``value = step * lane + constants[class, channel]``.

    Attributes
    ----------
    encoding : "matches", "signed" or "code"
    bits : int
        Of a lane.
    constants : int64 array (classes, channels)
    y_classes, x_classes : tuple of int
        Border class of each row and column.
    """

    encoding: Encoding
    bits: int
    step: int
    constants: NDArray[np.int64] = field(repr=False)
    y_classes: tuple[int, ...] = field(repr=False)
    x_classes: tuple[int, ...] = field(repr=False)

    def pixels(self) -> NDArray[np.int64]:
        """The constants of all elements, (height * width * channels), in raster order."""
        columns = max(self.x_classes) + 1
        pixel = np.add.outer(np.array(self.y_classes) * columns, np.array(self.x_classes)).ravel()
        return self.constants[pixel].ravel()


def lanes_of(graph: Graph, name: str) -> Lanes:
    """How the tensor of op ``name`` is carried."""
    op, type_ = graph[name], graph.types[name]
    plain = (0,) * type_.height, (0,) * type_.width
    if not isinstance(op, Conv | Dense):
        constants = np.full((1, type_.channels), type_.range.low, np.int64)
        return Lanes(
            encoding="code",
            bits=type_.range.bits,
            step=type_.range.step,
            constants=constants,
            y_classes=plain[0],
            x_classes=plain[1],
        )
    if op.weight_bits > 1:
        return Lanes(
            encoding="signed",
            bits=signed_bits(type_.range.low, type_.range.high),
            step=1,
            constants=np.zeros((1, type_.channels), np.int64),
            y_classes=plain[0],
            x_classes=plain[1],
        )
    source = graph.types[op.source]
    step, top_code = source.range.step, 2**source.range.bits - 1
    sums, y_classes, x_classes = border_sums(op, source, type_)
    matched = step * top_code * (op.weights.reshape(op.outputs, -1) < 0).sum(1)
    return Lanes(
        encoding="matches",
        bits=(op.fan_in * top_code).bit_length(),
        step=step,
        constants=source.range.low * sums - matched,
        y_classes=y_classes,
        x_classes=x_classes,
    )


def signed_bits(low: int, high: int) -> int:
    """Width of the narrowest two's-complement number that holds low .. high."""
    return max(low.bit_length() if low >= 0 else (-low - 1).bit_length(), high.bit_length()) + 1


def border_sums(
    op: Conv | Dense, source: TensorType, result: TensorType
) -> tuple[NDArray[np.int64], tuple[int, ...], tuple[int, ...]]:
    """Sum of the weights inside the map per (border class, output), and the classes."""
    weights = op.weights.astype(np.int64)
    low, one_class = source.range.low, ((0,) * result.height, (0,) * result.width)
    if isinstance(op, Dense) or not op.padding or op.padding.value is not None or low == 0:
        return weights.reshape(op.outputs, -1).sum(1)[None, :], *one_class
    pad, (kh, kw) = op.padding, op.kernel
    rows = _outside(result.height, source.height, kh, op.stride[0], pad.top)
    columns = _outside(result.width, source.width, kw, op.stride[1], pad.left)
    y_classes, y_inside = _classes(rows)
    x_classes, x_inside = _classes(columns)
    taps = weights.sum(3)  # the weights of a tap go in or out together
    inside = np.einsum("okl,yk,xl->yxo", taps, y_inside.astype(int), x_inside.astype(int))
    return inside.reshape(-1, op.outputs), y_classes, x_classes


def _outside(outputs: int, size: int, kernel: int, stride: int, before: int) -> NDArray[np.bool_]:
    """(outputs, kernel): True where the tap of that output lies outside the map."""
    position = np.arange(outputs)[:, None] * stride + np.arange(kernel)[None, :] - before
    return (position < 0) | (position >= size)


def _classes(outside: NDArray[np.bool_]) -> tuple[tuple[int, ...], NDArray[np.bool_]]:
    """Class of each output, and the taps that are inside, (classes, kernel)."""
    seen: dict[bytes, int] = {}
    numbers = tuple(seen.setdefault(row.tobytes(), len(seen)) for row in outside)
    patterns = np.array([np.frombuffer(key, np.bool_) for key in seen])
    return numbers, ~patterns
