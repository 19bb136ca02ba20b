"""The rules of each kind of op: when one is legal, as a table.

A rule looks at one op and the type of its source, and returns None or a `Fault`.
`sw.model.verify` applies the rules of an op's kind in order and raises the first
fault, so each rule may rely on those before it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from sw.model.ir import (
    Conv,
    Dense,
    Head,
    Input,
    IntegerRange,
    Op,
    Pool,
    TensorType,
    Threshold,
)

__all__ = ["MAX_BITS", "MAX_DIMENSION", "RULES", "SOURCES", "Fault", "array_fault", "shown"]

#: Greatest height, width, channels, kernel or stride.
MAX_DIMENSION = 65535
#: Widest code that an array takes as its source.
MAX_BITS = 8

INT32_MAX = 2**31 - 1


class Fault(NamedTuple):
    """What a rule found: the value, what is allowed, and the remedy."""

    value: str
    allowed: str
    remedy: str


Rule = Callable[[Any, TensorType], Fault | None]


def _is_int(value: object) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _integer_fault(value: object, what: str, low: int, high: int) -> Fault | None:
    if _is_int(value) and low <= int(value) <= high:  # type: ignore[call-overload]
        return None
    return Fault(
        f"{what} is {shown(value)}",
        f"an integer from {low} to {high}",
        "Correct the value where the graph is made",
    )


def _pair_fault(value: object, what: str) -> Fault | None:
    if not isinstance(value, tuple) or len(value) != 2:
        return Fault(f"{what} is {shown(value)}", "a pair (rows, columns)", "Give two integers")
    for number in value:
        if fault := _integer_fault(number, f"{what} {shown(value)}: a member", 1, MAX_DIMENSION):
            return fault
    return None


def array_fault(
    array: object, what: str, dtype: type[np.generic], shape: tuple[int | str, ...]
) -> Fault | None:
    """Compare an array with a dtype and a shape; a string in the shape stands for any size."""
    wanted = f"{np.dtype(dtype)} of shape ({', '.join(map(str, shape))})"
    remedy = "Make the array with that dtype and shape"
    if not isinstance(array, np.ndarray):
        return Fault(f"{what} is {shown(array)}", wanted, remedy)
    fits = array.ndim == len(shape) and all(
        size == want if isinstance(want, int) else size >= 1
        for size, want in zip(array.shape, shape, strict=True)
    )
    if array.dtype != dtype or not fits:
        return Fault(f"{what} is {array.dtype} of shape {array.shape}", wanted, remedy)
    return None


def _range_fault(range_: object, what: str) -> Fault | None:
    remedy = "Quantise to at most 8 bits that fit int16"
    allowed = f"integers low < high in steps that divide high - low, codes of 1 to {MAX_BITS} bits"
    if not isinstance(range_, IntegerRange):
        return Fault(f"{what} is {shown(range_)}", "an IntegerRange", remedy)
    low, high, step = range_.low, range_.high, range_.step
    text = f"{what} is {shown(low)}..{shown(high)} in steps of {shown(step)}"
    if not all(map(_is_int, (low, high, step))):
        return Fault(text, allowed, remedy)
    if not (-(2**15) <= low < high < 2**15) or step < 1 or (high - low) % step:
        return Fault(text, allowed, remedy)
    if range_.bits > MAX_BITS:
        return Fault(f"{text}, {range_.bits} bits", allowed, remedy)
    return None


# Input


def _input_shape(op: Input, _: TensorType) -> Fault | None:
    for what in ("height", "width", "channels"):
        if fault := _integer_fault(getattr(op.type, what), what, 1, MAX_DIMENSION):
            return fault
    return None


def _input_range(op: Input, _: TensorType) -> Fault | None:
    return _range_fault(op.type.range, "the input's range")


# Conv and Dense


def _weights_shape(op: Conv | Dense, source: TensorType) -> Fault | None:
    if isinstance(op, Dense):
        return array_fault(op.weights, "weights", np.int8, ("outputs", source.size))
    shape = ("outputs", "kernel height", "kernel width", source.channels)
    if fault := array_fault(op.weights, "weights", np.int8, shape):
        return fault
    for size in op.weights.shape:
        if fault := _integer_fault(size, "a dimension of the weights", 1, MAX_DIMENSION):
            return fault
    return None


def _weights_signs(op: Conv | Dense, _: TensorType) -> Fault | None:
    wrong = op.weights[np.abs(op.weights) != 1]
    if not wrong.size:
        return None
    return Fault(
        f"weights hold {wrong[0]}", "-1 and +1", "Binarise them, and move scales to the threshold"
    )


def _stride(op: Conv | Pool, _: TensorType) -> Fault | None:
    return _pair_fault(op.stride, "stride")


def _padding(op: Conv, source: TensorType) -> Fault | None:
    sides = {"top": 0, "bottom": 0, "left": 1, "right": 1}
    for side, axis in sides.items():
        if fault := _integer_fault(
            getattr(op.padding, side), f"padding {side}", 0, op.kernel[axis] - 1
        ):
            return fault
    return None


def _padding_value(op: Conv, source: TensorType) -> Fault | None:
    value, range_ = op.padding.value, source.range
    if value is None or not op.padding:
        return None
    if _is_int(value) and value in range(range_.low, range_.high + 1, range_.step):
        return None
    return Fault(
        f"padding value is {shown(value)}",
        f"None (skip the tap) or one of {range_.low}..{range_.high} in steps of {range_.step}",
        "Pad with a value that the source can hold, or skip the taps",
    )


def _kernel_fits(op: Conv, source: TensorType) -> Fault | None:
    pad = op.padding
    height, width = source.height + pad.top + pad.bottom, source.width + pad.left + pad.right
    if op.kernel[0] <= height and op.kernel[1] <= width:
        return None
    return Fault(
        f"kernel {op.kernel} on a padded map of {height}x{width}",
        "a kernel no larger than the map",
        "Use a smaller kernel or more padding",
    )


def _source_quantised(op: Conv | Dense | Pool, source: TensorType) -> Fault | None:
    return _range_fault(source.range, f"the range of source '{op.source}'")


def _accumulator(op: Conv | Dense, source: TensorType) -> Fault | None:
    bound = op.fan_in * max(abs(source.range.low), abs(source.range.high))
    # One less than the type's limit, so that a level can lie beyond every accumulator.
    if bound < INT32_MAX:
        return None
    return Fault(
        f"accumulators reach {bound}", f"less than {INT32_MAX}", "Split the layer, or narrow it"
    )


# Threshold


def _threshold_arrays(op: Threshold, source: TensorType) -> Fault | None:
    return array_fault(op.levels, "levels", np.int32, (source.channels, "levels")) or array_fault(
        op.inverted, "inverted", np.bool_, (source.channels,)
    )


def _threshold_sorted(op: Threshold, _: TensorType) -> Fault | None:
    falls = np.argwhere(np.diff(op.levels.astype(np.int64), axis=1) < 0)
    if not falls.size:
        return None
    channel, index = map(int, falls[0])
    before, after = op.levels[channel, index : index + 2]
    return Fault(
        f"levels of channel {channel} fall from {before} to {after}",
        "levels in ascending order",
        "Sort them, and state a falling channel by inverted",
    )


def _threshold_range(op: Threshold, _: TensorType) -> Fault | None:
    if not (_is_int(op.low) and _is_int(op.step)):
        text = f"low and step are {shown(op.low)} and {shown(op.step)}"
        return Fault(text, "integers", "Correct the values where the graph is made")
    return _range_fault(op.range, "the result's range")


# Pool


def _pool_arrays(op: Pool, source: TensorType) -> Fault | None:
    return array_fault(op.minimum, "minimum", np.bool_, (source.channels,))


def _pool_size(op: Pool, _: TensorType) -> Fault | None:
    return _pair_fault(op.size, "size")


def _pool_fits(op: Pool, source: TensorType) -> Fault | None:
    if op.size[0] <= source.height and op.size[1] <= source.width:
        return None
    return Fault(
        f"size {op.size} on a map of {source.height}x{source.width}",
        "windows no larger than the map",
        "Use a smaller window",
    )


# Head


def _head_kind(op: Head, _: TensorType) -> Fault | None:
    if op.kind in ("raw", "argmax"):
        return None
    return Fault(f"kind is {shown(op.kind)}", "'raw' or 'argmax'", "Choose one of them")


def _head_arrays(op: Head, source: TensorType) -> Fault | None:
    size = (source.size,)
    return (
        array_fault(op.bias, "bias", np.int32, size)
        or array_fault(op.scale, "scale", np.float32, size)
        or array_fault(op.offset, "offset", np.float32, size)
    )


def _head_finite(op: Head, _: TensorType) -> Fault | None:
    for what in ("scale", "offset"):
        array = getattr(op, what)
        if not np.isfinite(array).all():
            wrong = array[~np.isfinite(array)][0]
            return Fault(f"{what} holds {wrong}", "finite numbers", "Train or convert again")
    return None


def _head_bounds(op: Head, source: TensorType) -> Fault | None:
    low = source.range.low + min(0, int(op.bias.min()))
    high = source.range.high + max(0, int(op.bias.max()))
    if low >= -INT32_MAX and high <= INT32_MAX:
        return None
    return Fault(f"scores reach {low} to {high}", "32-bit integers", "Use a smaller bias")


def _head_order(op: Head, _: TensorType) -> Fault | None:
    if op.kind == "raw":
        return None
    remedy = "Use a raw head, which lets the host scale before it compares"
    if op.scale.min() != op.scale.max() or op.scale[0] <= 0:
        text = f"scale is {op.scale.min()} to {op.scale.max()} before an argmax"
        return Fault(text, "one positive number", remedy)
    if op.offset.min() != op.offset.max():
        text = f"offset is {op.offset.min()} to {op.offset.max()} before an argmax"
        return Fault(text, "one number", remedy)
    return None


#: What each kind of op may take as its source.
SOURCES: dict[type[Op], tuple[type[Op], ...]] = {
    Conv: (Input, Threshold, Pool),
    Dense: (Input, Threshold, Pool),
    Pool: (Input, Threshold, Pool),
    Threshold: (Conv, Dense),
    Head: (Conv, Dense),
}

#: The rules of each kind of op, in the order in which they are applied.
RULES: dict[type[Op], tuple[Rule, ...]] = {
    Input: (_input_shape, _input_range),
    Conv: (
        _source_quantised,
        _weights_shape,
        _weights_signs,
        _stride,
        _padding,
        _padding_value,
        _kernel_fits,
        _accumulator,
    ),
    Dense: (_source_quantised, _weights_shape, _weights_signs, _accumulator),
    Threshold: (_threshold_arrays, _threshold_sorted, _threshold_range),
    Pool: (_source_quantised, _pool_arrays, _pool_size, _stride, _pool_fits),
    Head: (_head_kind, _head_arrays, _head_finite, _head_bounds, _head_order),
}
