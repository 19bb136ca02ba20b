"""Shape and range of each op's tensor, from those of its sources."""

from __future__ import annotations

from sw.model.ops import (
    Add,
    Computed,
    Concat,
    Conv,
    Dense,
    Head,
    Input,
    IntegerRange,
    Op,
    Pool,
    Scale,
    TensorType,
    Threshold,
)

__all__ = ["infer", "output_size"]


def output_size(size: int, kernel: int, stride: int, before: int, after: int) -> int:
    """Number of windows of ``kernel`` along an axis of ``size`` padded elements."""
    return (size + before + after - kernel) // stride + 1


def infer(op: Op, types: dict[str, TensorType]) -> TensorType:
    """Type of ``op``'s tensor, given the types of the tensors before it.

    An accumulator's range: each of the K taps contributes between -m * w and +m * w, where
    m is the greatest magnitude in the source's range and w that of the weights. The range
    is that bound and not the channel's exact one, so that it depends on shapes alone.
    Its step is 1: with skipped taps the parity differs from pixel to pixel.
    """
    if isinstance(op, Input):
        return op.type
    if isinstance(op, Add):
        return _like(types[op.sources[0]], op.range)
    if isinstance(op, Concat):
        first = types[op.sources[0]]
        channels = sum(types[name].channels for name in op.sources)
        return TensorType(
            height=first.height, width=first.width, channels=channels, range=first.range
        )
    assert isinstance(op, Computed), f"unknown op {op!r}"
    source = types[op.source]
    if isinstance(op, Conv | Dense):
        return _accumulators(op, source)
    if isinstance(op, Threshold | Scale):
        return _like(source, op.range)
    if isinstance(op, Pool):
        return _pooled(op, source)
    assert isinstance(op, Head), f"unknown op {op!r}"
    return _scores(op, source)


def _like(source: TensorType, range_: IntegerRange) -> TensorType:
    return TensorType(
        height=source.height, width=source.width, channels=source.channels, range=range_
    )


def _accumulators(op: Conv | Dense, source: TensorType) -> TensorType:
    greatest = max(abs(source.range.low), abs(source.range.high))
    bound = op.fan_in * op.weight_limit * greatest
    height = width = 1
    if isinstance(op, Conv):
        pad, (kh, kw) = op.padding, op.kernel
        height = output_size(source.height, kh, op.stride[0], pad.top, pad.bottom)
        width = output_size(source.width, kw, op.stride[1], pad.left, pad.right)
    accumulators = IntegerRange(low=-bound, high=bound)
    return TensorType(height=height, width=width, channels=op.outputs, range=accumulators)


def _pooled(op: Pool, source: TensorType) -> TensorType:
    pad, range_ = op.padding, source.range
    if op.kind == "sum":
        terms = op.size[0] * op.size[1]
        range_ = IntegerRange(low=terms * range_.low, high=terms * range_.high, step=range_.step)
    return TensorType(
        height=output_size(source.height, op.size[0], op.stride[0], pad.top, pad.bottom),
        width=output_size(source.width, op.size[1], op.stride[1], pad.left, pad.right),
        channels=source.channels,
        range=range_,
    )


def _scores(op: Head, source: TensorType) -> TensorType:
    if op.kind == "argmax":
        return TensorType(
            height=1, width=1, channels=1, range=IntegerRange(low=0, high=source.size - 1)
        )
    low = source.range.low + min(0, int(op.bias.min()))
    high = source.range.high + max(0, int(op.bias.max()))
    return TensorType(
        height=1, width=1, channels=source.size, range=IntegerRange(low=low, high=high)
    )
