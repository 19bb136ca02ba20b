"""Cut the integer graph into hardware stages and move its arithmetic onto matches.

Four kinds of stage follow one another, in the order of the graph:

- `ArrayStage`: a `Conv` or `Dense`, with the `Threshold` behind it if there is one;
- `QuantiseStage`: a `Threshold` that stands on a quantised tensor, not on accumulators;
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
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sw.errors import PlanError
from sw.model.ir import Conv, Dense, Graph, Head, Op, Pool, TensorType, Threshold

__all__ = ["ArrayStage", "HeadStage", "PoolStage", "QuantiseStage", "Stage", "cut", "signed_bits"]


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
class QuantiseStage:
    """A threshold applied to the codes of a quantised tensor.

    ``thresholds`` (channels, levels) are on codes, 0 .. 2**lane_bits, ascending.
    """

    name: str
    tensor: str
    height: int
    width: int
    channels: int
    lane_bits: int
    out_bits: int
    thresholds: NDArray[np.int64] = field(repr=False)
    inverted: NDArray[np.bool_] = field(repr=False)


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


Stage = ArrayStage | QuantiseStage | PoolStage | HeadStage


def signed_bits(low: int, high: int) -> int:
    """Width of the narrowest two's-complement number that holds low .. high."""
    return max(low.bit_length() if low >= 0 else (-low - 1).bit_length(), high.bit_length()) + 1


def cut(graph: Graph) -> tuple[Stage, ...]:
    """Stages of ``graph``, in order, the last a `HeadStage`.

    Raises
    ------
    PlanError
        The graph is not a chain, or has an op where the hardware has no block for it.
    """
    ops = _chain(graph)
    types = graph.types
    stages: list[Stage] = []
    position = 1
    while position < len(ops):
        op, following = ops[position], ops[position + 1 : position + 2]
        position += 1
        if isinstance(op, Conv | Dense):
            _require_codes(op, types[op.source], ops)
            threshold = following[0] if following else None
            if isinstance(threshold, Threshold):
                stages.append(_array_stage(op, threshold, types[op.source], types[op.name]))
                position += 1
            else:
                stages.append(_array_stage(op, None, types[op.source], types[op.name]))
        elif isinstance(op, Threshold):
            stages.append(_quantise_stage(op, types[op.source]))
        elif isinstance(op, Pool):
            _require_codes(op, types[op.source], ops)
            stages.append(_pool_stage(op, types[op.source]))
        else:
            assert isinstance(op, Head), f"unknown op {op!r}"
            stages.append(_head_stage(op, graph))
    return tuple(stages)


def _chain(graph: Graph) -> tuple[Op, ...]:
    for before, op in zip(graph.ops, graph.ops[1:], strict=False):
        source = getattr(op, "source", None)
        if source != before.name:
            raise PlanError(
                f"op '{op.name}' reads '{source}', but the op before it is '{before.name}'; "
                "the hardware runs chains, in which each op reads the one before it",
                "Reorder or remove ops so that the graph is a chain",
            )
    return graph.ops


def _require_codes(op: Op, source: TensorType, ops: tuple[Op, ...]) -> None:
    """Convolutions and pools read codes; accumulators have none in hardware."""
    producer = next(o for o in ops if o.name == getattr(op, "source", None))
    if isinstance(producer, Conv | Dense):
        raise PlanError(
            f"op '{op.name}' reads the accumulators of '{producer.name}', of range "
            f"{source.range.low}..{source.range.high}; the hardware wants a threshold between",
            f"Quantise '{producer.name}' with a threshold before '{op.name}'",
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


def _quantise_stage(op: Threshold, source: TensorType) -> QuantiseStage:
    scaled = -(-(op.levels.astype(np.int64) - source.range.low) // source.range.step)
    return QuantiseStage(
        name=op.name,
        tensor=op.name,
        height=source.height,
        width=source.width,
        channels=source.channels,
        lane_bits=source.range.bits,
        out_bits=op.range.bits,
        thresholds=np.clip(scaled, 0, 2**source.range.bits),
        inverted=op.inverted,
    )


def _pool_stage(op: Pool, source: TensorType) -> PoolStage:
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
    """Step 6: from matches where the source is a sum, from codes otherwise."""
    source, producer = graph.types[op.source], graph[op.source]
    bias = op.bias.astype(np.int64)
    if isinstance(producer, Conv | Dense):
        before = graph.types[producer.source]
        per_class, y_classes, x_classes = _class_constants(producer, before, source)
        columns = max(x_classes) + 1
        pixel = np.add.outer(np.array(y_classes) * columns, np.array(x_classes)).ravel()
        constants = per_class[pixel].ravel() + bias
        step = before.range.step
        match_bits = (producer.fan_in * (2**before.range.bits - 1)).bit_length()
    else:
        constants, step, match_bits = source.range.low + bias, source.range.step, source.range.bits
    low = source.range.low + min(0, int(bias.min()))
    high = source.range.high + max(0, int(bias.max()))
    if op.kind == "argmax":
        high = max(high, source.size - 1)
    return HeadStage(
        name=op.name,
        tensor=op.name,
        channels=source.channels,
        elements=source.size,
        match_bits=match_bits,
        step=step,
        kind=op.kind,
        score_bits=signed_bits(low, high),
        constants=constants,
    )
