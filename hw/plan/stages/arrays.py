"""Stages of arrays, with binary weights and with others.

A threshold behind a binary array is moved onto its matches A (`hw.plan.stages.lanes`):

1. ``acc = step * A + constant`` with step > 0, so ``acc >= T`` is
   ``A >= ceil((T - constant) / step)``.
2. A lies in 0 .. K*m, so the result is clamped to 0 (always) .. K*m + 1 (never).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hw.plan.stages.kinds import ArrayStage, IntegerStage
from hw.plan.stages.lanes import border_sums, lanes_of, signed_bits
from hw.plan.stages.streams import moved
from sw.model.ir import Conv, Dense, Graph, Threshold

__all__ = ["array_stage", "integer_stage"]


def array_stage(graph: Graph, op: Conv | Dense, threshold: Threshold | None) -> ArrayStage:
    """A layer of binary weights, and the threshold that alone reads it."""
    source, result, lanes = graph.types[op.source], graph.types[op.name], lanes_of(graph, op.name)
    levels, inverted = None, np.zeros(op.outputs, np.bool_)
    y_classes, x_classes = (0,) * result.height, (0,) * result.width
    if threshold is not None:
        greatest = op.fan_in * (2**source.range.bits - 1)
        levels = np.clip(moved(threshold.levels, lanes), 0, greatest + 1)
        inverted, y_classes, x_classes = threshold.inverted, lanes.y_classes, lanes.x_classes
    return ArrayStage(
        tensor=op.name if threshold is None else threshold.name,
        weights=op.weights.reshape(op.outputs, -1) > 0,
        thresholds=levels,
        inverted=inverted,
        y_classes=y_classes,
        x_classes=x_classes,
        **_windows(graph, op),
    )


def integer_stage(graph: Graph, op: Conv | Dense) -> IntegerStage:
    """A layer of weights of several bits."""
    source, result = graph.types[op.source], graph.types[op.name]
    sums, y_classes, x_classes = border_sums(op, source, result)
    return IntegerStage(
        tensor=op.name,
        weights=op.weights.astype(np.int64).reshape(op.outputs, -1),
        weight_bits=op.weight_bits,
        low=source.range.low,
        step=source.range.step,
        levels=source.range.levels,
        acc_bits=signed_bits(result.range.low, result.range.high),
        starts=source.range.low * sums,
        y_classes=y_classes,
        x_classes=x_classes,
        **_windows(graph, op),
    )


def _windows(graph: Graph, op: Conv | Dense) -> dict[str, Any]:
    """What both kinds are told of their windows."""
    source, result = graph.types[op.source], graph.types[op.name]
    if isinstance(op, Conv):
        pad, kernel, stride = op.padding, op.kernel, op.stride
        height, width, channels = source.shape
        sides = pad.top, pad.left, pad.bottom, pad.right
        value = pad.value
    else:
        kernel = stride = (1, 1)
        height, width, channels = 1, 1, source.size
        sides, value = (0, 0, 0, 0), None
    return {
        "name": op.name,
        "sources": (op.source,),
        "height": height,
        "width": width,
        "channels": channels,
        "lane_bits": source.range.bits,
        "kernel": kernel,
        "stride": stride,
        "top": sides[0],
        "left": sides[1],
        "bottom": sides[2],
        "right": sides[3],
        "pad_code": 0 if value is None else int(source.range.encode(np.array(value))),
        "output_height": result.height,
        "output_width": result.width,
        "outputs": op.outputs,
    }
