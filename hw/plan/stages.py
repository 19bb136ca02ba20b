"""Cut the integer graph into hardware stages and move its arithmetic onto matches.

Three kinds of stage follow one another, in the order of the graph:

- `ArrayStage`: a `Conv` or `Dense`, with the `Threshold` behind it if there is one;
- `PoolStage`: a `Pool` on a quantised tensor;
- `HeadStage`: the `Head`.

How thresholds are moved (docs/architecture.md section 1, here with border classes):

1. A source value is ``x = low + step * t`` with the code ``0 <= t <= m``,
   ``m = 2**bits - 1``. A lane's match is ``t`` where w = +1 and ``m - t`` where
   w = -1, so ``match = w * t + m * [w = -1]``.
2. Summed over all K taps, with N the number of -1 weights of the output:
   ``A = sum(w * t) + m * N``, and ``0 <= A <= K * m``.
3. A tap outside the map is fed as a pad code p. *Padding with a value* is an
   ordinary tap: p is the value's code and nothing below changes.
   A *skipped* tap has p = 0: ``w * t`` is 0 there, so step 2 holds with the sum
   taken over the inside taps, whatever the weight outside.
4. ``acc = sum over inside taps of w * x = low * S + step * (A - m * N)`` where S is
   the sum of the weights *inside*. S alone depends on the pixel, through the set
   of taps that fall outside: the pixel's border class. With value padding, no
   padding or low = 0 there is one class.
5. With step > 0: ``acc >= T`` is ``A >= m * N + ceil((T - low * S) / step)``.
   A lies in 0 .. K*m, so the result is clamped to 0 (always) .. K*m + 1 (never).
6. For a head, ``score = acc + bias = step * A + (low * S - step * m * N + bias)``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sw.errors import PlanError
from sw.model.ir import Conv, Dense, Graph, Head, Pool, TensorType, Threshold

__all__ = ["ArrayStage", "HeadStage", "PoolStage", "Stage", "cut", "signed_bits"]


@dataclass(frozen=True, kw_only=True, eq=False)
class ArrayStage:
    """A convolution or dense layer: line buffer, systolic array, thresholds.

    A dense layer is a 1x1 kernel on a 1 x 1 x K map. ``tensor`` names the tensor
    that leaves the stage: the threshold's, or the accumulators' own.

    Attributes
    ----------
    weights : bool array (outputs, fan_in)
        True is +1; fan-in in (ky, kx, i) order, i fastest.
    thresholds : int64 array (classes, outputs, levels) or None
        On matches A, each 0 .. fan_in * (2**lane_bits - 1) + 1, ascending along levels.
        None: the stage emits the matches themselves.
    inverted : bool array (outputs,)
    y_classes, x_classes : tuple of int
        Border class of each output row and column; the class of a pixel is
        ``y_class * (max(x_classes) + 1) + x_class``.
    """

    name: str
    tensor: str
    height: int
    width: int
    channels: int
    lane_bits: int
    kernel: tuple[int, int]
    stride: tuple[int, int]
    top: int
    left: int
    bottom: int
    right: int
    pad_code: int
    output_height: int
    output_width: int
    weights: NDArray[np.bool_] = field(repr=False)
    thresholds: NDArray[np.int64] | None = field(repr=False)
    inverted: NDArray[np.bool_] = field(repr=False)
    y_classes: tuple[int, ...] = field(repr=False)
    x_classes: tuple[int, ...] = field(repr=False)

    @property
    def outputs(self) -> int:
        return self.weights.shape[0]

    @property
    def fan_in(self) -> int:
        return self.weights.shape[1]

    @property
    def pixels(self) -> int:
        """Output pixels of a frame."""
        return self.output_height * self.output_width

    @property
    def levels(self) -> int:
        return 0 if self.thresholds is None else self.thresholds.shape[2]

    @property
    def match_bits(self) -> int:
        """Width of the matches A."""
        return (self.fan_in * (2**self.lane_bits - 1)).bit_length()

    @property
    def macs(self) -> int:
        """Multiply-accumulates of a frame."""
        return self.pixels * self.outputs * self.fan_in


@dataclass(frozen=True, kw_only=True, eq=False)
class PoolStage:
    """A maximum (minimum where so marked) over windows of codes."""

    name: str
    tensor: str
    height: int
    width: int
    channels: int
    lane_bits: int
    size: tuple[int, int]
    stride: tuple[int, int]
    minimum: NDArray[np.bool_] = field(repr=False)


@dataclass(frozen=True, kw_only=True, eq=False)
class HeadStage:
    """Raw scores or their argmax: ``score[i] = step * A[i] + constants[i]``.

    Attributes
    ----------
    constants : int64 array (elements,)
        In raster order of the source, channel fastest.
    score_bits : int
        Signed width that holds every score, and the index where kind is "argmax".
    """

    name: str
    tensor: str
    channels: int
    elements: int
    match_bits: int
    step: int
    kind: Literal["raw", "argmax"]
    score_bits: int
    constants: NDArray[np.int64] = field(repr=False)


Stage = ArrayStage | PoolStage | HeadStage


def signed_bits(low: int, high: int) -> int:
    """Width of the narrowest two's-complement number that holds low .. high."""
    return max(low.bit_length() if low >= 0 else (-low - 1).bit_length(), high.bit_length()) + 1


def cut(graph: Graph) -> tuple[Stage, ...]:
    """Stages of ``graph``, a legal one (`sw.model.verify`), in order, the last a `HeadStage`.

    Raises
    ------
    PlanError
        The hardware has no block for an op.
    """
    types, ops = graph.types, graph.ops
    _check_blocks(graph)
    stages: list[Stage] = []
    for before, op, after in zip(ops, ops[1:], (*ops[2:], None), strict=False):
        if isinstance(op, Conv | Dense):
            threshold = after if isinstance(after, Threshold) else None
            stages.append(_array_stage(op, threshold, types[op.source], types[op.name]))
        elif isinstance(op, Pool):
            stages.append(_pool_stage(op, types[op.source]))
        elif isinstance(op, Head):
            stages.append(_head_stage(op, graph))
        else:
            assert isinstance(op, Threshold) and isinstance(before, Conv | Dense)
    return tuple(stages)


def _check_blocks(graph: Graph) -> None:
    """Refuse what no block computes, and whatever is not a chain."""
    for before, op in pairwise(graph.ops):
        what = None
        if not isinstance(op, Conv | Dense | Threshold | Pool | Head):
            what = "computes what the hardware has no block for"
        elif op.source != before.name:
            what = f"reads '{op.source}', which is not the op just before it"
        elif isinstance(op, Conv | Dense) and op.weight_bits != 1:
            what = f"has weights of {op.weight_bits} bits"
        elif isinstance(op, Pool) and (op.kind != "max" or op.padding):
            what = "is a sum" if op.kind != "max" else "has padding"
        elif isinstance(op, Pool) and isinstance(before, Conv | Dense):
            what = f"pools the accumulators of '{before.name}'"
        elif isinstance(op, Threshold) and not isinstance(before, Conv | Dense):
            what = f"reads '{before.name}', a {type(before).__name__}"
        if what:
            raise PlanError(
                f"{type(op).__name__} '{op.name}' {what}; the hardware has chains of Conv and "
                "Dense with 1-bit weights, each with a Threshold behind it, Pool (the maximum, "
                "without padding) and Head",
                "Run this network with sw.golden, or train one of these ops",
            )


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


def _array_stage(
    op: Conv | Dense, threshold: Threshold | None, source: TensorType, result: TensorType
) -> ArrayStage:
    if isinstance(op, Conv):
        pad, kernel, stride = op.padding, op.kernel, op.stride
        height, width, channels = source.shape
        sides = pad.top, pad.left, pad.bottom, pad.right
        value = pad.value
    else:
        kernel = stride = (1, 1)
        height, width, channels = 1, 1, source.size
        sides, value = (0, 0, 0, 0), None
    weights = op.weights.reshape(op.outputs, -1) > 0
    y_classes, x_classes = (0,) * result.height, (0,) * result.width
    levels, inverted = None, np.zeros(op.outputs, np.bool_)
    if threshold is not None:
        constants, y_classes, x_classes = _class_constants(op, source, result)
        levels = _moved(threshold.levels, constants, source, op.fan_in)
        inverted = threshold.inverted
    return ArrayStage(
        name=op.name,
        tensor=op.name if threshold is None else threshold.name,
        height=height,
        width=width,
        channels=channels,
        lane_bits=source.range.bits,
        kernel=kernel,
        stride=stride,
        top=sides[0],
        left=sides[1],
        bottom=sides[2],
        right=sides[3],
        pad_code=0 if value is None else int(source.range.encode(np.array(value))),
        output_height=result.height,
        output_width=result.width,
        weights=weights,
        thresholds=levels,
        inverted=inverted,
        y_classes=y_classes,
        x_classes=x_classes,
    )


def _class_constants(
    op: Conv | Dense, source: TensorType, result: TensorType
) -> tuple[NDArray[np.int64], tuple[int, ...], tuple[int, ...]]:
    """``low * S - step * m * N`` per (border class, output), and the classes (steps 2 to 4)."""
    low, step, top_code = source.range.low, source.range.step, 2**source.range.bits - 1
    weights = op.weights.astype(np.int64).reshape(op.outputs, -1)
    constants = low * weights.sum(1) - step * top_code * (weights < 0).sum(1)
    one_class = (0,) * result.height, (0,) * result.width
    if isinstance(op, Dense) or not op.padding or op.padding.value is not None or low == 0:
        return constants[None, :], *one_class
    pad, (kh, kw) = op.padding, op.kernel
    rows = _outside(result.height, source.height, kh, op.stride[0], pad.top)
    columns = _outside(result.width, source.width, kw, op.stride[1], pad.left)
    y_classes, y_inside = _classes(rows)
    x_classes, x_inside = _classes(columns)
    taps = op.weights.astype(np.int64).sum(3)  # the weights of a tap go in or out together
    inside = np.einsum("okl,yk,xl->yxo", taps, y_inside.astype(int), x_inside.astype(int))
    matched = step * top_code * (weights < 0).sum(1)
    return (low * inside - matched).reshape(-1, op.outputs), y_classes, x_classes


def _moved(
    levels: NDArray, constants: NDArray[np.int64], source: TensorType, fan_in: int
) -> NDArray[np.int64]:
    """Thresholds on matches, (classes, outputs, levels): step 5, ceil by floor of the negative."""
    greatest = fan_in * (2**source.range.bits - 1)
    wanted = levels.astype(np.int64)[None] - constants[:, :, None]
    return np.clip(-(-wanted // source.range.step), 0, greatest + 1)


def _pool_stage(op: Pool, source: TensorType) -> PoolStage:
    if op.size != op.stride:
        raise PlanError(
            f"pool '{op.name}' has windows of {op.size[0]}x{op.size[1]} and a stride of "
            f"{op.stride[0]}x{op.stride[1]}; the hardware pools windows that do not overlap",
            f"Train the network with a stride of {op.size[0]}x{op.size[1]}",
        )
    return PoolStage(
        name=op.name,
        tensor=op.name,
        height=source.height,
        width=source.width,
        channels=source.channels,
        lane_bits=source.range.bits,
        size=op.size,
        stride=op.stride,
        minimum=op.minimum,
    )


def _head_stage(op: Head, graph: Graph) -> HeadStage:
    """Step 6, with the border class of each pixel."""
    source, producer = graph.types[op.source], graph[op.source]
    assert isinstance(producer, Conv | Dense), "a legal head stands on accumulators"
    before, bias = graph.types[producer.source], op.bias.astype(np.int64)
    per_class, y_classes, x_classes = _class_constants(producer, before, source)
    pixel = np.add.outer(np.array(y_classes) * (max(x_classes) + 1), np.array(x_classes)).ravel()
    constants = per_class[pixel].ravel() + bias
    low = source.range.low + min(0, int(bias.min()))
    high = source.range.high + max(0, int(bias.max()))
    if op.kind == "argmax":
        high = max(high, source.size - 1)
    return HeadStage(
        name=op.name,
        tensor=op.name,
        channels=source.channels,
        elements=source.size,
        match_bits=(producer.fan_in * (2**before.range.bits - 1)).bit_length(),
        step=before.range.step,
        kind=op.kind,
        score_bits=signed_bits(low, high),
        constants=constants,
    )
