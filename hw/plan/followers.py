"""Layers that take an array's beats as they come, at the same lanes."""

from __future__ import annotations

from hw.plan.cost import Cost, head_cost, pool_cost
from hw.plan.join import AddConfig, ConcatConfig
from hw.plan.join_cost import (
    add_cost,
    concat_cost,
    objectness_cost,
    scale_cost,
    threshold_cost,
    window_pool_cost,
)
from hw.plan.layer import BlockConfig, LayerPlan
from hw.plan.objectness import ObjectnessConfig
from hw.plan.pool import WindowPoolConfig
from hw.plan.scale import ScaleConfig
from hw.plan.stages import (
    AddStage,
    ConcatStage,
    HeadStage,
    PoolStage,
    ScaleStage,
    Stage,
    ThresholdStage,
    WindowStage,
)
from hw.plan.stream import HeadConfig, PoolConfig
from hw.plan.stream_threshold import StreamThresholdConfig

__all__ = ["followers", "takes_lanes"]


def takes_lanes(stages: tuple[Stage, ...], lanes: int) -> bool:
    """Whether all of these can work on beats of so many lanes."""
    for stage in stages:
        if isinstance(stage, ConcatStage):
            if any(part % lanes for part in stage.parts):
                return False
        elif not isinstance(stage, WindowStage) and stage.channels % lanes:
            return False
    return True


def followers(stages: tuple[Stage, ...], lanes: int) -> tuple[LayerPlan, ...]:
    """The layers of stages behind an array, or behind the input."""
    return tuple(_follower(stage, lanes) for stage in stages)


def _follower(stage: Stage, lanes: int) -> LayerPlan:
    if isinstance(stage, PoolStage):
        return _pool(stage, lanes) if stage.simple else _window_pool(stage, lanes)
    if isinstance(stage, ScaleStage):
        return _scale(stage, lanes)
    if isinstance(stage, ThresholdStage):
        return _threshold(stage, lanes)
    if isinstance(stage, AddStage):
        return _add(stage, lanes)
    if isinstance(stage, ConcatStage):
        return _concat(stage, lanes)
    assert isinstance(stage, HeadStage), f"{stage.name} begins a segment"
    return _head(stage, lanes)


def _layer(
    stage: Stage, kind: str, block: BlockConfig, *, lanes: int, bits: int, elements: int, cost: Cost
) -> LayerPlan:
    """The layer of a stage that is a single block."""
    return LayerPlan(
        name=stage.name,
        tensor=stage.tensor,
        kind=kind,
        lanes=lanes,
        bits=bits,
        elements=elements,
        cycles=block.cycles_per_frame,
        cost=cost,
        block=block,
    )


def _pool(stage: PoolStage, lanes: int) -> LayerPlan:
    pool = PoolConfig(
        height=stage.height,
        width=stage.width,
        channels=stage.channels,
        lane_bits=stage.lane_bits,
        lanes=lanes,
        size=stage.size,
        stride=stage.stride,
    )
    return LayerPlan(
        name=stage.name,
        tensor=stage.tensor,
        kind="pool",
        lanes=lanes,
        bits=stage.lane_bits,
        elements=pool.output_height * pool.output_width * stage.channels,
        cycles=pool.cycles_per_frame,
        cost=pool_cost(pool),
        pool=pool,
    )


def _window_pool(stage: PoolStage, lanes: int) -> LayerPlan:
    pool = WindowPoolConfig(
        height=stage.height,
        width=stage.width,
        channels=stage.channels,
        levels=stage.levels,
        lanes=lanes,
        kind=stage.kind,
        size=stage.size,
        stride=stage.stride,
        top=stage.top,
        left=stage.left,
        bottom=stage.bottom,
        right=stage.right,
    )
    return _layer(
        stage,
        "pool",
        pool,
        lanes=lanes,
        bits=pool.out_bits,
        elements=pool.output_height * pool.output_width * stage.channels,
        cost=window_pool_cost(pool),
    )


def _scale(stage: ScaleStage, lanes: int) -> LayerPlan:
    scale = ScaleConfig(
        channels=stage.channels,
        lanes=lanes,
        source_bits=stage.source_bits,
        encoding=stage.encoding,
        gain_bits=stage.gain_bits,
        shift=stage.shift,
        levels=stage.levels,
        y_classes=stage.y_classes,
        x_classes=stage.x_classes,
    )
    return _layer(
        stage,
        "scale",
        scale,
        lanes=lanes,
        bits=scale.out_bits,
        elements=stage.height * stage.width * stage.channels,
        cost=scale_cost(scale),
    )


def _threshold(stage: ThresholdStage, lanes: int) -> LayerPlan:
    threshold = StreamThresholdConfig(
        channels=stage.channels,
        lanes=lanes,
        source_bits=stage.source_bits,
        encoding=stage.encoding,
        levels=stage.levels,
        y_classes=stage.y_classes,
        x_classes=stage.x_classes,
    )
    return _layer(
        stage,
        "threshold",
        threshold,
        lanes=lanes,
        bits=threshold.out_bits,
        elements=stage.height * stage.width * stage.channels,
        cost=threshold_cost(threshold),
    )


def _add(stage: AddStage, lanes: int) -> LayerPlan:
    add = AddConfig(
        elements=stage.height * stage.width * stage.channels,
        lanes=lanes,
        source_bits=stage.source_bits,
        steps=stage.steps,
        constant=stage.constant,
        levels=stage.levels,
    )
    return _layer(
        stage, "add", add, lanes=lanes, bits=add.out_bits, elements=add.elements, cost=add_cost(add)
    )


def _concat(stage: ConcatStage, lanes: int) -> LayerPlan:
    concat = ConcatConfig(
        pixels=stage.height * stage.width,
        channels=stage.parts,
        lanes=lanes,
        lane_bits=stage.lane_bits,
    )
    return _layer(
        stage,
        "concat",
        concat,
        lanes=lanes,
        bits=stage.lane_bits,
        elements=stage.height * stage.width * stage.channels,
        cost=concat_cost(concat),
    )


def _head(stage: HeadStage, lanes: int) -> LayerPlan:
    head = HeadConfig(
        elements=stage.elements,
        lanes=lanes,
        match_bits=stage.match_bits,
        signed=stage.signed,
        step=stage.step,
        kind=stage.kind,
        score_bits=stage.score_bits,
    )
    cost, objectness = head_cost(head), None
    if stage.objects is not None:
        objectness = ObjectnessConfig(
            elements=stage.elements, levels=stage.objects.size, score_bits=stage.score_bits
        )
        cost += objectness_cost(objectness)
    return LayerPlan(
        name=stage.name,
        tensor=stage.tensor,
        kind="head",
        lanes=1,
        bits=stage.score_bits,
        elements=1 if stage.kind == "argmax" else stage.elements,
        cycles=head.cycles_per_frame,
        cost=cost,
        head=head,
        objectness=objectness,
    )
