"""All the ways in which a segment of stages can be folded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

from hw.plan.array import FEW_STARTS, ArrayConfig, ThresholdConfig, WeightKind
from hw.plan.block_ram import DP16KD, SPRAM, BlockRam
from hw.plan.cost import (
    Cost,
    array_cost,
    column_order_cost,
    line_buffer_cost,
)
from hw.plan.followers import followers, takes_lanes
from hw.plan.integer import IntegerArrayConfig, Multiplier
from hw.plan.integer_cost import integer_cost
from hw.plan.layer import LayerPlan, Segment, layer_takes
from hw.plan.stages import ArrayStage, HeadStage, IntegerStage, PoolStage, Stage, WindowStage
from hw.plan.stream import ColumnOrderConfig, LineBufferConfig
from hw.plan.weights import least_block_rams, weight_memory

__all__ = ["divisors", "foldings"]

#: Widest beat between line buffer and array, in bits. CNV with one of 576 had 8,600 wires
#: overused after nine passes of the router, and no fewer than two passes before.
WIDEST_BEAT = 512

#: Most pixels worked on side by side.
MOST_COLUMNS = 8

#: Most weights of a layer that are made logic; more have not been routed.
MOST_LOGIC = 36_864

#: Most multipliers side by side of weights of several bits.
MOST_MULTIPLIERS = 1_024

#: Widest weight memory that neighbouring rows share, in bits.
WIDEST_HOP = 72

#: Words that are not worth a block RAM.
FEW_WORDS = 4

#: Rows that share a wider one where the others are not packed so well, as a part of what the
#: folding allows.
ROWS_OF_WIDE_HOP = 4
PACKED_ENOUGH = 0.85


def divisors(n: int) -> tuple[int, ...]:
    """Divisors of ``n``, ascending."""
    return tuple(d for d in range(1, n + 1) if n % d == 0)


def foldings(
    group: tuple[Stage, ...], block_ram: BlockRam = DP16KD, sprams: int = 0
) -> Iterator[Segment]:
    """Every folding of a segment, in a fixed order, with the device's block RAMs and SPRAMs."""
    first = group[0]
    if isinstance(first, ArrayStage | IntegerStage):
        head = isinstance(group[-1], HeadStage)
        layers = (
            _array_layers(first, block_ram, sprams)
            if isinstance(first, ArrayStage)
            else _integer_layers(first, block_ram)
        )
        for layer in layers:
            assert layer.line_buffer is not None
            # A head takes one element a cycle.
            if head and layer_takes(layer) > 1:
                continue
            if not takes_lanes(group, layer.lanes):
                continue
            yield Segment(
                i_lanes=layer.line_buffer.i_lanes,
                i_bits=first.lane_bits,
                i_elements=first.height * first.width * first.channels,
                layers=(layer, *followers(group[1:], layer.lanes)),
            )
        return
    # Nothing else reads the input and no tensor made of it.
    assert isinstance(first, PoolStage), "a network without any array"
    for lanes in divisors(first.channels):
        if lanes * first.lane_bits <= WIDEST_BEAT and takes_lanes(group, lanes):
            yield Segment(
                i_lanes=lanes,
                i_bits=first.lane_bits,
                i_elements=first.height * first.width * first.channels,
                layers=followers(group, lanes),
            )


def _array_layers(stage: ArrayStage, block_ram: BlockRam, sprams: int) -> Iterator[LayerPlan]:
    for simd in divisors(stage.fan_in):
        if simd * stage.lane_bits > WIDEST_BEAT or not _sensible(simd, stage):
            continue
        for columns in _columns(stage, simd):
            for rows in divisors(stage.outputs):
                arrays = tuple(_arrays(stage, simd, rows, columns, block_ram, sprams))
                for line_buffer in _line_buffers(stage, simd, stage.outputs // rows, columns):
                    cost = line_buffer_cost(line_buffer)
                    for array in arrays:
                        yield _array_layer(stage, line_buffer, array, cost)


def _array_layer(
    stage: ArrayStage, line_buffer: LineBufferConfig, array: ArrayConfig, cost: Cost
) -> LayerPlan:
    """The layer of an array; ``cost`` is its line buffer's."""
    cycles, order = max(line_buffer.cycles_per_frame, array.cycles_per_frame), None
    if array.columns > 1:
        order = ColumnOrderConfig(
            columns=array.columns,
            lanes=array.rows,
            lane_bits=array.out_bits,
            neuron_folds=array.neuron_folds,
        )
        cycles, cost = max(cycles, order.cycles(array.pixels)), cost + column_order_cost(order)
    return LayerPlan(
        name=stage.name,
        tensor=stage.tensor,
        kind="array",
        lanes=array.rows,
        bits=array.out_bits,
        elements=stage.pixels * stage.outputs,
        cycles=cycles,
        cost=cost + array_cost(array),
        line_buffer=line_buffer,
        array=array,
        column_order=order,
    )


def _integer_layers(stage: IntegerStage, block_ram: BlockRam) -> Iterator[LayerPlan]:
    for simd in divisors(stage.fan_in):
        if simd * stage.lane_bits > WIDEST_BEAT or not _sensible(simd, stage):
            continue
        for rows in divisors(stage.outputs):
            if rows * simd > MOST_MULTIPLIERS:
                continue
            for array in _integer_arrays(stage, simd, rows, block_ram):
                for line_buffer in _line_buffers(stage, simd, array.repeats, 1):
                    yield LayerPlan(
                        name=stage.name,
                        tensor=stage.tensor,
                        kind="integer",
                        lanes=rows,
                        bits=array.acc_bits,
                        elements=stage.pixels * stage.outputs,
                        cycles=max(line_buffer.cycles_per_frame, array.cycles_per_frame),
                        cost=line_buffer_cost(line_buffer) + integer_cost(array),
                        line_buffer=line_buffer,
                        integer=array,
                    )


def _integer_arrays(
    stage: IntegerStage, simd: int, rows: int, block_ram: BlockRam
) -> Iterator[IntegerArrayConfig]:
    """On DSP blocks, and by bit planes, which take none."""
    multipliers: tuple[Multiplier, ...] = ("dsp", "planes")
    for multiplier in multipliers:
        config = IntegerArrayConfig(
            outputs=stage.outputs,
            fan_in=stage.fan_in,
            rows=rows,
            simd=simd,
            lane_bits=stage.lane_bits,
            weight_bits=stage.weight_bits,
            low=stage.low,
            step=stage.step,
            levels=stage.levels,
            height=stage.output_height,
            width=stage.output_width,
            y_classes=stage.y_classes,
            x_classes=stage.x_classes,
            multiplier=multiplier,
            block_ram=block_ram,
        )
        for memory in _memories(config.weights.depth):
            yield replace(config, weight_memory=memory)


def _columns(stage: ArrayStage, simd: int) -> Iterator[int]:
    """Numbers of columns worth a look.

    Of more columns than synapse folds the results come faster than one beat a cycle.
    """
    for columns in divisors(stage.output_width):
        serial = stage.channels % simd == 0
        wide = columns * simd * stage.lane_bits > WIDEST_BEAT
        if columns == 1 or (
            serial and not wide and columns <= min(MOST_COLUMNS, stage.fan_in // simd)
        ):
            yield columns


def _arrays(
    stage: ArrayStage, simd: int, rows: int, columns: int, block_ram: BlockRam, sprams: int
) -> Iterator[ArrayConfig]:
    """Arrays that differ in what their memories are made of."""
    depth = stage.fan_in // simd * (stage.outputs // rows)
    classes = (max(stage.y_classes) + 1) * (max(stage.x_classes) + 1)
    levels_depth = classes * (stage.outputs // rows)
    memories: list[WeightKind] = [*_memories(depth)]
    if depth == 1 and stage.lane_bits == 1 and stage.outputs * stage.fan_in <= MOST_LOGIC:
        memories.append("logic")
    if FEW_WORDS < depth <= SPRAM.deepest and rows * simd <= sprams * SPRAM.width:
        memories.append("spram")
    # Of one level block RAM saves LUTs, which are scarcer where weights have SPRAM.
    in_lut = levels_depth if stage.levels > 1 or (sprams and levels_depth > FEW_STARTS) else 1
    for memory in memories:
        for threshold_memory in _memories(in_lut):
            thresholds = None
            if stage.levels:
                thresholds = ThresholdConfig(
                    channels=stage.outputs,
                    levels=stage.levels,
                    match_bits=stage.match_bits,
                    y_classes=stage.y_classes,
                    x_classes=stage.x_classes,
                    memory=threshold_memory,
                )
            yield ArrayConfig(
                outputs=stage.outputs,
                fan_in=stage.fan_in,
                rows=rows,
                simd=simd,
                lane_bits=stage.lane_bits,
                height=stage.output_height,
                width=stage.output_width,
                weight_memory=memory,
                thresholds=thresholds,
                rows_per_hop=_rows_per_hop(rows, simd, depth, memory, block_ram),
                columns=columns,
                block_ram=block_ram,
            )


def _memories(depth: int) -> tuple[Literal["lut", "block"], ...]:
    """Kinds of memory worth a look: a few words never fill a block RAM."""
    return ("lut",) if depth <= FEW_WORDS else ("lut", "block")


def _rows_per_hop(rows: int, simd: int, depth: int, memory: str, block_ram: BlockRam) -> int:
    """The fewest rows that share a memory of weights with the least area of these in all."""
    if memory == "spram":
        # Few lanes, side by side in few memories.
        return rows
    if memory != "block":
        return 1

    def area(shared: int) -> tuple[float, int]:
        return rows // shared * weight_memory(shared * simd, depth, block_ram).area, shared

    narrow = [d for d in divisors(rows) if d == 1 or d * simd <= WIDEST_HOP]
    best = min(narrow, key=area)
    blocks = rows // best * weight_memory(best * simd, depth, block_ram).block_rams
    if least_block_rams(rows * simd, depth, block_ram) >= PACKED_ENOUGH * blocks:
        return best
    return min((d for d in divisors(rows) if d in narrow or d <= ROWS_OF_WIDE_HOP), key=area)


def _sensible(simd: int, stage: WindowStage) -> bool:
    """A divisor of the channels (serial), or whole pixels of them, or a shallow map.

    Other divisors of the fan-in give windows whose words begin in mid-pixel: they
    cost as much as the next whole number of pixels and are not faster.
    """
    return stage.channels % simd == 0 or simd % stage.channels == 0 or stage.channels <= 4


def _line_buffers(
    stage: WindowStage, simd: int, repeats: int, columns: int
) -> Iterator[LineBufferConfig]:
    """One, or in parallel mode, whose banks are many and short, one of each kind of memory."""
    config = LineBufferConfig(
        height=stage.height,
        width=stage.width,
        channels=stage.channels,
        lane_bits=stage.lane_bits,
        kernel=stage.kernel,
        stride=stage.stride,
        top=stage.top,
        left=stage.left,
        bottom=stage.bottom,
        right=stage.right,
        pad_code=stage.pad_code,
        simd=simd,
        repeats=repeats,
        columns=columns,
    )
    yield config
    if config.mode == "parallel" and config.depth >= 16:
        yield replace(config, prefer="block" if config.memory == "lut" else "lut")
