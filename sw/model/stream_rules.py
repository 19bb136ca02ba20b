"""Rules of `Scale`, `Add`, `Concat` and `Pool`; the table is in `sw.model.rules`."""

from __future__ import annotations

import numpy as np

from sw.model.array_rules import stride
from sw.model.faults import (
    MAX_DIMENSION,
    STREAM_BITS,
    Fault,
    array_fault,
    integer_fault,
    is_int,
    pair_fault,
    range_fault,
    shown,
    width_fault,
)
from sw.model.ir import Add, Concat, IntegerRange, Joined, Padding, Pool, Scale, TensorType
from sw.model.shapes import infer

__all__ = ["ADD", "CONCAT", "POOL", "SCALE"]

#: Signed bits of a gain, as a DSP block multiplies.
GAIN_BITS = 18

Types = tuple[TensorType, ...]


# Scale


def _scale_arrays(op: Scale, source: TensorType) -> Fault | None:
    shape = (source.channels,)
    return array_fault(op.gain, "gain", np.int32, shape) or array_fault(
        op.offset, "offset", np.int32, shape
    )


def _scale_gain(op: Scale, _: TensorType) -> Fault | None:
    # Then |gain * source + offset + half| < 2**17 * 2**31 + 2**32: far within int64.
    limit = 2 ** (GAIN_BITS - 1)
    wrong = op.gain[(op.gain < -limit) | (op.gain >= limit)]
    if not wrong.size:
        return None
    return Fault(
        f"gain holds {wrong[0]}",
        f"{-limit} to {limit - 1}, {GAIN_BITS} signed bits",
        "Use a smaller shift",
    )


def _scale_shift(op: Scale, _: TensorType) -> Fault | None:
    return integer_fault(op.shift, "shift", 0, 31)


def _saturation(op: Scale | Add, _: object) -> Fault | None:
    if not (is_int(op.low) and is_int(op.high)):
        text = f"low and high are {shown(op.low)} and {shown(op.high)}"
        return Fault(text, "integers", "Correct the values where the graph is made")
    return range_fault(op.range, "the result's range", STREAM_BITS)


# Add and Concat


def _sources_narrow(op: Joined, sources: Types) -> Fault | None:
    for name, source in zip(op.sources, sources, strict=True):
        if fault := range_fault(source.range, f"the range of source '{name}'", STREAM_BITS):
            return fault
    return None


def _two(op: Add, _: Types) -> Fault | None:
    if len(op.sources) == 2:
        return None
    return Fault(f"it has {len(op.sources)} sources", "two", "Use several Adds")


def _one_shape(op: Add, sources: Types) -> Fault | None:
    first, second = sources
    if first.shape == second.shape:
        return None
    one, other = ("x".join(map(str, type_.shape)) for type_ in sources)
    return Fault(
        f"source '{op.sources[0]}' is {one} and '{op.sources[1]}' {other}",
        "sources of one shape",
        "Make the shapes equal, with a stride, a Pool or a 1x1 Conv",
    )


def _one_map(op: Concat, sources: Types) -> Fault | None:
    first = sources[0]
    for name, source in zip(op.sources, sources, strict=True):
        if (source.height, source.width) != (first.height, first.width):
            return Fault(
                f"source '{op.sources[0]}' is {first.height}x{first.width} and '{name}' "
                f"{source.height}x{source.width}",
                "sources of one height and width",
                "Make the maps equal, with a stride or a Pool",
            )
        if source.range != first.range:
            return Fault(
                f"source '{op.sources[0]}' holds {_text(first.range)} and '{name}' "
                f"{_text(source.range)}",
                "sources of one range",
                "Quantise both alike",
            )
    return None


def _text(range_: IntegerRange) -> str:
    return f"{range_.low}..{range_.high} in steps of {range_.step}"


def _channels(_: Concat, sources: Types) -> Fault | None:
    channels = sum(source.channels for source in sources)
    return integer_fault(channels, "the sum of the channels", 1, MAX_DIMENSION)


# Pool


def _pool_kind(op: Pool, _: TensorType) -> Fault | None:
    if op.kind in ("max", "sum"):
        return None
    return Fault(f"kind is {shown(op.kind)}", "'max' or 'sum'", "Choose one of them")


def _pool_source(op: Pool, source: TensorType) -> Fault | None:
    return width_fault(source.range, f"the range of source '{op.source}'")


def _pool_arrays(op: Pool, source: TensorType) -> Fault | None:
    return array_fault(op.minimum, "minimum", np.bool_, (source.channels,))


def _pool_size(op: Pool, _: TensorType) -> Fault | None:
    return pair_fault(op.size, "size")


def _pool_padding(op: Pool, _: TensorType) -> Fault | None:
    # With less padding than the window, each window holds at least one element.
    sides = {"top": 0, "bottom": 0, "left": 1, "right": 1}
    for side, axis in sides.items():
        value = getattr(op.padding, side)
        if fault := integer_fault(value, f"padding {side}", 0, op.size[axis] - 1):
            return fault
    if op.padding.value is None:
        return None
    return Fault(
        f"padding value is {shown(op.padding.value)}",
        "None: a pool skips what lies outside",
        "Leave the value out",
    )


def _pool_sum(op: Pool, source: TensorType) -> Fault | None:
    if op.kind == "max":
        return None
    if op.padding:
        text = f"a sum with padding {_sides(op.padding)}"
        return Fault(text, "a sum without padding", "Pool without padding, or take the maximum")
    if op.minimum.any():
        return Fault(
            f"a sum with minimum in channel {int(op.minimum.argmax())}",
            "minimum False in every channel",
            "Clear it, or take the maximum",
        )
    return None


def _sides(pad: Padding) -> str:
    return f"{pad.top}, {pad.left}, {pad.bottom}, {pad.right} (top, left, bottom, right)"


def _pool_fits(op: Pool, source: TensorType) -> Fault | None:
    pad = op.padding
    height, width = source.height + pad.top + pad.bottom, source.width + pad.left + pad.right
    if op.size[0] <= height and op.size[1] <= width:
        return None
    padded = "padded " if pad else ""
    return Fault(
        f"size {op.size} on a {padded}map of {height}x{width}",
        "windows no larger than the map",
        "Use a smaller window",
    )


def _pool_width(op: Pool, source: TensorType) -> Fault | None:
    return width_fault(infer(op, {op.source: source}).range, "the range of the result")


SCALE = (_scale_arrays, _scale_gain, _scale_shift, _saturation)
ADD = (_two, _one_shape, _sources_narrow, _saturation)
CONCAT = (_one_map, _sources_narrow, _channels)
POOL = (
    _pool_source,
    _pool_kind,
    _pool_arrays,
    _pool_size,
    stride,
    _pool_padding,
    _pool_sum,
    _pool_fits,
    _pool_width,
)
