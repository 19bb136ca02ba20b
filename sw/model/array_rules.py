"""Rules of `Conv`, `Dense`, `Threshold` and `Head`; the table is in `sw.model.rules`."""

from __future__ import annotations

import numpy as np

from sw.model.faults import (
    INT32_MAX,
    MAX_BITS,
    MAX_DIMENSION,
    Fault,
    array_fault,
    integer_fault,
    is_int,
    pair_fault,
    range_fault,
    shown,
)
from sw.model.ir import Conv, Dense, Head, Pool, TensorType, Threshold

__all__ = ["CONV", "DENSE", "HEAD", "THRESHOLD", "stride"]


# Conv and Dense


def _source_quantised(op: Conv | Dense, source: TensorType) -> Fault | None:
    return range_fault(source.range, f"the range of source '{op.source}'")


def _weights_shape(op: Conv | Dense, source: TensorType) -> Fault | None:
    if isinstance(op, Dense):
        return array_fault(op.weights, "weights", np.int8, ("outputs", source.size))
    shape = ("outputs", "kernel height", "kernel width", source.channels)
    if fault := array_fault(op.weights, "weights", np.int8, shape):
        return fault
    for size in op.weights.shape:
        if fault := integer_fault(size, "a dimension of the weights", 1, MAX_DIMENSION):
            return fault
    return None


def _weight_bits(op: Conv | Dense, _: TensorType) -> Fault | None:
    return integer_fault(op.weight_bits, "weight_bits", 1, MAX_BITS)


def _weights_values(op: Conv | Dense, _: TensorType) -> Fault | None:
    limit = op.weight_limit
    if op.weight_bits > 1:
        # Not by the magnitude: that of -128 is no int8.
        wrong = op.weights[(op.weights < -limit) | (op.weights > limit)]
        allowed = f"integers from -{limit} to {limit}, of {op.weight_bits} bits"
        remedy = "Quantise them so, or state more weight_bits"
    else:
        wrong = op.weights[np.abs(op.weights) != 1]
        allowed, remedy = "-1 and +1", "Binarise them, and move scales to the threshold"
    return Fault(f"weights hold {wrong[0]}", allowed, remedy) if wrong.size else None


def stride(op: Conv | Pool, _: TensorType) -> Fault | None:
    return pair_fault(op.stride, "stride")


def _padding(op: Conv, source: TensorType) -> Fault | None:
    sides = {"top": 0, "bottom": 0, "left": 1, "right": 1}
    for side, axis in sides.items():
        if fault := integer_fault(
            getattr(op.padding, side), f"padding {side}", 0, op.kernel[axis] - 1
        ):
            return fault
    return None


def _padding_value(op: Conv, source: TensorType) -> Fault | None:
    value, range_ = op.padding.value, source.range
    if value is None or not op.padding:
        return None
    if is_int(value) and value in range(range_.low, range_.high + 1, range_.step):
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


def _accumulator(op: Conv | Dense, source: TensorType) -> Fault | None:
    greatest = max(abs(source.range.low), abs(source.range.high))
    bound = op.fan_in * op.weight_limit * greatest
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
    if not (is_int(op.low) and is_int(op.step)):
        text = f"low and step are {shown(op.low)} and {shown(op.step)}"
        return Fault(text, "integers", "Correct the values where the graph is made")
    return range_fault(op.range, "the result's range")


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


DENSE = (_source_quantised, _weights_shape, _weight_bits, _weights_values, _accumulator)
CONV = (*DENSE[:-1], stride, _padding, _padding_value, _kernel_fits, _accumulator)
THRESHOLD = (_threshold_arrays, _threshold_sorted, _threshold_range)
HEAD = (_head_kind, _head_arrays, _head_finite, _head_bounds, _head_order)
