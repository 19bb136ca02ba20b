"""Stages that take beats as they come: scale, thresholds, joins, pools and the head.

Their sources' lanes mean ``value = step * lane + constant`` (`hw.plan.stages.lanes`):

1. A scale's product and sum take step and constant in (`hw.plan.scale`).
2. ``value >= T`` is ``lane >= ceil((T - constant) / step)``.
3. A sum of codes: see `AddStage`; ``constant = low_0 + low_1 - low``.
4. The sum of a window's values is ``step * (sum of codes) + terms * low``, and
   ``terms * low`` is the result's lowest value: so codes are summed. The greatest of
   values is that of codes.
5. For a head, ``score = value + bias = step * lane + (constant + bias)``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hw.plan.scale import DSP_BITS, scale_numbers
from hw.plan.stages.kinds import (
    AddStage,
    ConcatStage,
    HeadStage,
    PoolStage,
    ScaleStage,
    ThresholdStage,
)
from hw.plan.stages.lanes import Lanes, lanes_of, signed_bits
from sw.errors import PlanError
from sw.model.ir import Add, Concat, Conv, Dense, Graph, Head, Pool, Scale, Threshold

__all__ = [
    "add_stage",
    "codes_stage",
    "concat_stage",
    "head_stage",
    "moved",
    "pool_stage",
    "scale_stage",
    "threshold_stage",
]


def moved(levels: NDArray, lanes: Lanes) -> NDArray[np.int64]:
    """Levels on lanes, (classes, channels, levels): step 2, ceil by floor of the negative."""
    wanted = levels.astype(np.int64)[None] - lanes.constants[:, :, None]
    return -(-wanted // lanes.step)


def scale_stage(graph: Graph, op: Scale) -> ScaleStage:
    """A `Scale` of any source.

    Raises
    ------
    PlanError
        A gain, times a source's step that is no power of two, is too wide for a multiplier.
    """
    return _scale(graph, op.source, op, op.name)


def codes_stage(graph: Graph, op: Conv | Dense, name: str) -> ScaleStage:
    """Accumulators of ``op`` as codes of their range, for what reads only codes: gains of 1."""
    type_ = graph.types[op.name]
    same = Scale(
        name=name,
        source=op.name,
        gain=np.ones(type_.channels, np.int32),
        offset=np.zeros(type_.channels, np.int32),
        shift=0,
        low=type_.range.low,
        high=type_.range.high,
    )
    return _scale(graph, op.name, same, name)


def _scale(graph: Graph, source: str, op: Scale, name: str) -> ScaleStage:
    lanes, type_ = lanes_of(graph, source), graph.types[source]
    numbers = scale_numbers(
        gain=op.gain,
        offset=op.offset,
        shift=op.shift,
        low=op.low,
        step=lanes.step,
        constants=lanes.constants,
    )
    if numbers.gain_bits > DSP_BITS:
        raise PlanError(
            f"Scale '{name}' has a gain of {int(np.abs(op.gain).max())} on values in steps of "
            f"{lanes.step}: their product has {numbers.gain_bits} bits, and a DSP block "
            f"multiplies {DSP_BITS}",
            "Use a smaller shift, and gains as much smaller",
        )
    return ScaleStage(
        name=name,
        tensor=name,
        sources=(source,),
        height=type_.height,
        width=type_.width,
        channels=type_.channels,
        source_bits=lanes.bits,
        encoding=lanes.encoding,
        gain_bits=numbers.gain_bits,
        shift=numbers.shift,
        levels=op.high - op.low,
        y_classes=lanes.y_classes,
        x_classes=lanes.x_classes,
        gain=numbers.gain,
        offset=np.broadcast_to(numbers.offset, lanes.constants.shape),
    )


def threshold_stage(graph: Graph, op: Threshold) -> ThresholdStage:
    """A `Threshold` that no array takes in."""
    lanes, type_ = lanes_of(graph, op.source), graph.types[op.source]
    return ThresholdStage(
        name=op.name,
        tensor=op.name,
        sources=(op.source,),
        height=type_.height,
        width=type_.width,
        channels=type_.channels,
        source_bits=lanes.bits,
        encoding=lanes.encoding,
        y_classes=lanes.y_classes,
        x_classes=lanes.x_classes,
        thresholds=moved(op.levels, lanes),
        inverted=op.inverted,
    )


def add_stage(graph: Graph, op: Add) -> AddStage:
    """Step 3."""
    type_ = graph.types[op.name]
    first, second = (graph.types[name].range for name in op.sources)
    return AddStage(
        name=op.name,
        tensor=op.name,
        sources=op.sources,
        height=type_.height,
        width=type_.width,
        channels=type_.channels,
        source_bits=(first.bits, second.bits),
        steps=(first.step, second.step),
        constant=first.low + second.low - op.low,
        levels=op.high - op.low,
    )


def concat_stage(graph: Graph, op: Concat) -> ConcatStage:
    """The sources have one range, so their codes stay."""
    type_ = graph.types[op.name]
    return ConcatStage(
        name=op.name,
        tensor=op.name,
        sources=op.sources,
        height=type_.height,
        width=type_.width,
        channels=type_.channels,
        parts=tuple(graph.types[name].channels for name in op.sources),
        lane_bits=type_.range.bits,
    )


def pool_stage(graph: Graph, op: Pool, source: str) -> PoolStage:
    """Step 4; ``source`` carries the codes of ``op.source``.

    Raises
    ------
    PlanError
        The padding below or to the right is as wide as the stride.
    """
    type_, pad = graph.types[op.source], op.padding
    for side, value, stride in (
        ("below", pad.bottom, op.stride[0]),
        ("to the right", pad.right, op.stride[1]),
    ):
        if value >= stride:
            raise PlanError(
                f"Pool '{op.name}' has a padding of {value} {side} and a stride of {stride} "
                "there; the hardware pools with less padding than the stride",
                f"Train the network with a padding of at most {stride - 1} there",
            )
    return PoolStage(
        name=op.name,
        tensor=op.name,
        sources=(source,),
        height=type_.height,
        width=type_.width,
        channels=type_.channels,
        lane_bits=type_.range.bits,
        levels=type_.range.levels,
        kind=op.kind,
        size=op.size,
        stride=op.stride,
        top=pad.top,
        left=pad.left,
        bottom=pad.bottom,
        right=pad.right,
        minimum=op.minimum,
    )


def head_stage(graph: Graph, op: Head, objects: NDArray[np.int64] | None = None) -> HeadStage:
    """Step 5, with the border class of each pixel."""
    source, lanes, bias = graph.types[op.source], lanes_of(graph, op.source), op.bias
    low = source.range.low + min(0, int(bias.min()))
    high = source.range.high + max(0, int(bias.max()))
    if op.kind == "argmax":
        high = max(high, source.size - 1)
    return HeadStage(
        name=op.name,
        tensor=op.name,
        sources=(op.source,),
        channels=source.channels,
        elements=source.size,
        match_bits=lanes.bits,
        signed=lanes.encoding == "signed",
        step=lanes.step,
        kind=op.kind,
        score_bits=signed_bits(low, high),
        constants=lanes.pixels() + bias.astype(np.int64),
        objects=objects,
    )
