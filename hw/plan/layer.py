"""One layer's plan, and the segments in which layers are folded (`hw.plan.foldings`).

A *segment* is what is folded together: an array and the stages behind it that are no
arrays, which take the array's beats as they come (rows lanes wide). Stages before any
array form a segment of their own.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from functools import cache, cached_property
from typing import Any

import numpy as np

from hw.plan.array import ArrayConfig
from hw.plan.cost import Cost
from hw.plan.integer import IntegerArrayConfig
from hw.plan.join import AddConfig, ConcatConfig, FifoConfig
from hw.plan.objectness import ObjectnessConfig
from hw.plan.pool import WindowPoolConfig
from hw.plan.scale import ScaleConfig
from hw.plan.stages import Stage, WindowStage
from hw.plan.stream import (
    ColumnOrderConfig,
    HeadConfig,
    LineBufferConfig,
    PoolConfig,
    WidthConfig,
)
from hw.plan.stream_threshold import StreamThresholdConfig
from hw.plan.weights import Packing, least_block_rams

__all__ = [
    "BlockConfig",
    "EdgePlan",
    "LayerPlan",
    "Segment",
    "converter",
    "feeders",
    "layer_takes",
    "named",
    "rounded",
    "segments",
    "shape",
]

#: What a layer that takes beats as they come is made of.
BlockConfig = ScaleConfig | StreamThresholdConfig | AddConfig | ConcatConfig | WindowPoolConfig


@dataclass(frozen=True, kw_only=True)
class EdgePlan:
    """What a stage reads a tensor through: a queue, and a width converter behind it.

    Attributes
    ----------
    source : str
        The tensor.
    lanes, bits : int
        Of its beats.
    fifo : FifoConfig or None
        None: there is none.
    converter : WidthConfig or None
    least : int
        Beats that the queue must hold for the network not to come to a standstill, what a
        converter holds not counted; the others keep it at full speed. 0 where it would go on
        without, or what it waits for is not made of the same tensor.
    """

    source: str
    lanes: int
    bits: int
    fifo: FifoConfig | None = None
    converter: WidthConfig | None = None
    least: int = 0

    def summary(self) -> dict[str, Any]:
        """What `hw.plan --json` prints of a tensor that waits for another."""
        assert self.fifo is not None
        return {
            "source": self.source,
            "queue_depth": self.fifo.depth,
            "queue_width": self.fifo.width,
            "queue_memory": self.fifo.kind,
            "least_depth": self.least,
        }


@dataclass(frozen=True, kw_only=True)
class LayerPlan:
    """The blocks of one stage, in stream order; None where the stage has no such block.

    Attributes
    ----------
    name, tensor : str
        The stage's op, and the tensor that leaves it.
    kind : {"array", "integer", "scale", "threshold", "add", "concat", "pool", "head"}
    lanes, bits : int
        Of a beat that leaves the stage; a head's beats are scores, `bits` wide.
    elements : int
        Elements of a frame that leave the stage.
    cycles : int
        Cycles per frame of the stage's slowest block, in steady state.
    cost : Cost
        What stands before the stage (`edges`) and the fork behind it included, once the
        layers of a network are joined up (`hw.plan.edges`).
    edges : tuple of EdgePlan
        One for each tensor that the stage reads; empty before that.
    block : config or None
        Of a scale, a threshold, a sum, a concatenation, or a pool that `pool` is too simple for.
    objectness : ObjectnessConfig or None
        Behind a detector's head.
    """

    name: str
    tensor: str
    kind: str
    lanes: int
    bits: int
    elements: int
    cycles: int
    cost: Cost
    edges: tuple[EdgePlan, ...] = ()
    line_buffer: LineBufferConfig | None = None
    array: ArrayConfig | None = None
    integer: IntegerArrayConfig | None = None
    column_order: ColumnOrderConfig | None = None
    pool: PoolConfig | None = None
    block: BlockConfig | None = None
    head: HeadConfig | None = None
    objectness: ObjectnessConfig | None = None

    @property
    def ideal_cycles(self) -> int:
        """Cycles per frame if every lane of an array worked in each; 0 without an array."""
        if self.integer is not None:
            return self.integer.cycles_per_frame
        array = self.array
        if array is None:
            return 0
        macs = array.pixels * array.outputs * array.fan_in
        return macs // (array.simd * array.rows * array.columns)

    @property
    def weights(self) -> Packing:
        """How full the block RAMs of an array's weights are; nothing where there are none."""
        array, bits, groups, wide = self.array or self.integer, 1, 1, 1
        if self.integer is not None:
            bits, wide = self.integer.weight_bits, self.integer.word_bits
        elif self.array is not None:
            groups = self.array.hops
        if array is None or array.weight_memory != "block" or array.weights.depth == 1:
            return Packing()
        return Packing(
            bits=array.outputs * array.fan_in * bits,
            block_rams=groups * array.weights.block_rams,
            least=least_block_rams(
                array.rows * array.simd * wide, array.weights.depth, array.block_ram
            ),
            block_bits=array.block_ram.bits,
        )

    @property
    def memory_bram(self) -> int:
        """Block RAMs of one weight memory: of an array's rows that share one."""
        array = self.array or self.integer
        return array.weights.block_rams if array is not None else 0

    def summary(self) -> dict[str, Any]:
        """What `hw.plan --json` prints of a layer."""
        summary: dict[str, Any] = {"name": self.name, "tensor": self.tensor, "kind": self.kind}
        if self.array is not None:
            summary |= {
                "outputs": self.array.outputs,
                "fan_in": self.array.fan_in,
                "rows": self.array.rows,
                "simd": self.array.simd,
                "columns": self.array.columns,
                "weight_memory": self.array.weight_memory,
                "utilisation": round(self.ideal_cycles / self.cycles, 4),
                **self.weights.summary(),
            }
        if self.integer is not None:
            summary |= {
                "outputs": self.integer.outputs,
                "fan_in": self.integer.fan_in,
                "rows": self.integer.rows,
                "simd": self.integer.simd,
                "weight_bits": self.integer.weight_bits,
                "multiplier": self.integer.multiplier,
                "weight_memory": self.integer.weight_memory,
                "utilisation": round(self.ideal_cycles / self.cycles, 4),
                **self.weights.summary(),
            }
        queues = [edge.summary() for edge in self.edges if edge.fifo is not None]
        if queues:
            summary["queues"] = queues
        return summary | {
            "cycles": self.cycles,
            **self.cost.summary(),
            "packed": rounded(self.cost.packed),
        }


def rounded(part: float | None) -> float | None:
    """A part of 1 as it is printed."""
    return None if part is None else round(part, 4)


@dataclass(frozen=True, kw_only=True)
class Segment:
    """One folding of a segment: its layers, without converters."""

    i_lanes: int
    i_bits: int
    i_elements: int
    layers: tuple[LayerPlan, ...] = field(repr=False)

    @property
    def o_lanes(self) -> int:
        return self.layers[-1].lanes

    @property
    def takes(self) -> int:
        """Fewest lanes of the next segment's input that keep up with every beat.

        A beat of R lanes takes R / lanes cycles to pass on. Where that is longer than
        the producer needs for its next beat, the producer is held up, at its own
        expense, and after a pool even if the rate is low on the average: pools
        deliver a row in one burst. So the search joins only segments that keep up.
        One beat a frame always has the time. Columns deliver as many beats at once, which
        their `ColumnOrder` hands on while the next ones are worked on.
        """
        return layer_takes(self.layers[0])

    @cached_property
    def cycles(self) -> int:
        """Of the slowest block, the arrival of the segment's input included."""
        arrival = self.i_elements // self.i_lanes
        return max(arrival, *(layer.cycles for layer in self.layers))

    @cached_property
    def cost(self) -> Cost:
        return sum((layer.cost for layer in self.layers), Cost())


def layer_takes(layer: LayerPlan) -> int:
    """See `Segment.takes`; ``layer`` sets the pace, what follows has the same lanes."""
    if layer.integer is not None:
        if layer.integer.pixels * layer.integer.neuron_folds == 1:
            return 1
        return -(-layer.lanes // layer.integer.fold_beats)
    if layer.array is None:
        return layer.lanes
    if layer.array.pixels * layer.array.neuron_folds == 1:
        return 1
    return -(-layer.lanes * layer.array.columns // layer.array.synapse_folds)


def segments(stages: tuple[Stage, ...]) -> list[tuple[Stage, ...]]:
    """Group ``stages``: each array with what takes its beats as they come.

    A stage that joins several tensors belongs to the group of the last array among them; the
    others come to it through queues. What is made of the input alone is a group of its own,
    the first.
    """
    groups: list[list[Stage]] = [[]]
    found: dict[str, int] = {}
    for stage in stages:
        index = max(found.get(name, 0) for name in stage.sources)
        if isinstance(stage, WindowStage):
            index = len(groups)
            groups.append([])
        groups[index].append(stage)
        found[stage.tensor] = index
    return [tuple(group) for group in groups if group]


def feeders(groups: list[tuple[Stage, ...]]) -> list[int | None]:
    """For each group, the one whose tensor its array reads; None: it is the input itself."""
    made = {stage.tensor: index for index, group in enumerate(groups) for stage in group}
    return [made.get(group[0].sources[0]) for group in groups]


def shape(group: tuple[Stage, ...]) -> tuple[object, ...]:
    """All of a segment that its foldings depend on; names and weights are not."""
    parts: list[object] = []
    for stage in group:
        parts.append(type(stage))
        for item in fields(stage):
            value = getattr(stage, item.name)
            if isinstance(value, np.ndarray):
                parts.append(value.shape)
            elif item.name not in ("name", "tensor", "sources"):
                parts.append(value)
    return tuple(parts)


def named(segment: Segment, group: tuple[Stage, ...]) -> Segment:
    """``segment``, a folding of a segment of the same shape, as one of ``group``."""
    pairs = zip(segment.layers, group, strict=True)
    layers = tuple(replace(layer, name=s.name, tensor=s.tensor) for layer, s in pairs)
    return replace(segment, layers=layers)


@cache
def converter(i_lanes: int, o_lanes: int, bits: int) -> WidthConfig:
    """Config of the converter between two segments."""
    return WidthConfig(i_lanes=i_lanes, o_lanes=o_lanes, lane_bits=bits)
