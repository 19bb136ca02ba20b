"""From the integer graph to stages."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hw.plan.stages.arrays import array_stage, integer_stage
from hw.plan.stages.kinds import HeadStage, Stage
from hw.plan.stages.streams import (
    add_stage,
    codes_stage,
    concat_stage,
    head_stage,
    pool_stage,
    scale_stage,
    threshold_stage,
)
from sw.model.ir import (
    Add,
    Computed,
    Concat,
    Conv,
    Dense,
    Graph,
    Head,
    Joined,
    Pool,
    Scale,
    Threshold,
)

__all__ = ["cut"]


def cut(graph: Graph, objects: NDArray[np.int64] | None = None) -> tuple[Stage, ...]:
    """Stages of ``graph``, a legal one (`sw.model.verify`), in order, the last a `HeadStage`.

    Each comes after those whose tensors it reads. A `Threshold` that is the only reader of a
    binary array is part of the array's stage. Accumulators that a `Pool` reads are turned
    into codes of their range by a stage of their own, behind the array's. ``objects`` are a
    detector's least scores, `hw.plan.objectness.least_scores`, which the head compares with.

    Raises
    ------
    PlanError
        A pool is padded below or to the right by its stride or more, or a gain is too wide.
    """
    readers: dict[str, list[Computed | Joined]] = {op.name: [] for op in graph.ops}
    for op in graph.ops:
        if isinstance(op, Computed | Joined):
            for name in op.sources:
                readers[name].append(op)
    stages: list[Stage] = []
    codes: dict[str, str] = {}
    for op in graph.ops:
        if isinstance(op, Conv | Dense):
            behind = readers[op.name]
            only = behind[0] if len(behind) == 1 else None
            threshold = only if isinstance(only, Threshold) and op.weight_bits == 1 else None
            if op.weight_bits == 1:
                stages.append(array_stage(graph, op, threshold))
            else:
                stages.append(integer_stage(graph, op))
            if any(isinstance(reader, Pool) for reader in behind):
                codes[op.name] = name = _unused(graph, f"{op.name}.codes")
                stages.append(codes_stage(graph, op, name))
        elif isinstance(op, Threshold):
            if all(stage.tensor != op.name for stage in stages):
                stages.append(threshold_stage(graph, op))
        elif isinstance(op, Scale):
            stages.append(scale_stage(graph, op))
        elif isinstance(op, Add):
            stages.append(add_stage(graph, op))
        elif isinstance(op, Concat):
            stages.append(concat_stage(graph, op))
        elif isinstance(op, Pool):
            stages.append(pool_stage(graph, op, codes.get(op.source, op.source)))
        elif isinstance(op, Head):
            stages.append(head_stage(graph, op, objects))
    assert isinstance(stages[-1], HeadStage), "a legal graph ends in its head"
    return tuple(stages)


def _unused(graph: Graph, name: str) -> str:
    """``name``, or one like it that no op has."""
    taken = {op.name for op in graph.ops}
    while name in taken:
        name += "'"
    return name
