"""The blocks and configurations that `benchmarks.size` measures."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from amaranth.lib import wiring

from hw.blocks.array import SystolicArray
from hw.blocks.columns import ColumnOrder
from hw.blocks.head import Head
from hw.blocks.line_buffer import LineBuffer
from hw.blocks.pool import Pool
from hw.blocks.width import WidthConverter
from hw.plan.array import ArrayConfig, ThresholdConfig
from hw.plan.columns import ColumnOrderConfig
from hw.plan.line_buffer import LineBufferConfig
from hw.plan.stream import HeadConfig, PoolConfig, WidthConfig

__all__ = ["CASES", "Case"]


@dataclass(frozen=True, kw_only=True)
class Case:
    """A block with its config."""

    name: str
    block: str
    config: Any

    def plain_config(self) -> dict[str, Any]:
        """The config as JSON has it, but for the kind of block RAM: all are of ECP5."""
        config = json.loads(json.dumps(dataclasses.asdict(self.config)))
        return {key: value for key, value in config.items() if key != "block_ram"}

    def build(self, rng: np.random.Generator) -> wiring.Component:
        """The block, with random data where it takes any."""
        config = self.config
        if isinstance(config, ArrayConfig):
            return _array(config, rng)
        if isinstance(config, PoolConfig):
            return Pool(config=config, minimum=rng.random(config.channels) < 0.5)
        if isinstance(config, HeadConfig):
            return Head(config=config, constants=rng.integers(-1000, 1000, config.elements))
        if isinstance(config, LineBufferConfig):
            return LineBuffer(config=config)
        if isinstance(config, ColumnOrderConfig):
            return ColumnOrder(config=config)
        assert isinstance(config, WidthConfig)
        return WidthConverter(config=config)


def _array(config: ArrayConfig, rng: np.random.Generator) -> SystolicArray:
    weights = rng.random((config.outputs, config.fan_in)) < 0.5
    given = config.thresholds
    if given is None:
        return SystolicArray(config=config, weights=weights)
    # About the middle, where those of a trained network lie.
    size = (given.classes, given.channels, given.levels)
    middle, spread = config.match_max // 2, max(2, config.match_max // 6)
    levels = np.sort(rng.integers(middle - spread, middle + spread, size), axis=-1)
    inverted = rng.random(given.channels) < 0.5
    return SystolicArray(config=config, weights=weights, thresholds=levels, inverted=inverted)


def _array_case(
    name: str,
    rows: int,
    simd: int,
    neuron_folds: int = 4,
    synapse_folds: int = 9,
    *,
    levels: int = 1,
    border: bool = False,
    **options: Any,
) -> Case:
    """``border``: a map of 8x8 with nine border classes, else a pixel for each column."""
    height, width = (8, 8) if border else (1, options.get("columns", 1))
    shape = {
        "outputs": rows * neuron_folds,
        "fan_in": simd * synapse_folds,
        "rows": rows,
        "simd": simd,
        "height": height,
        "width": width,
        **options,
    }
    thresholds = None
    if levels:
        thresholds = ThresholdConfig(
            channels=rows * neuron_folds,
            levels=levels,
            match_bits=ArrayConfig(**shape).match_bits,
            y_classes=(0, *(1,) * 6, 2) if border else (0,),
            x_classes=(0, *(1,) * 6, 2) if border else (0,) * width,
        )
    config = ArrayConfig(**shape, thresholds=thresholds)
    return Case(name=f"array {name}", block="SystolicArray", config=config)


def _lines(
    name: str, side: int, channels: int, simd: int, *, lane_bits: int = 1, **options: Any
) -> Case:
    """Windows of 3x3 with a border, unless ``options`` say otherwise."""
    border = dict.fromkeys(("top", "left", "bottom", "right"), 1)
    shape = {"height": side, "width": side, "channels": channels, "simd": simd}
    config = LineBufferConfig(
        **{**shape, "lane_bits": lane_bits, "kernel": (3, 3), **border, **options}
    )
    return Case(name=f"line buffer {name}", block="LineBuffer", config=config)


def _pool(name: str, side: int, channels: int, lanes: int, lane_bits: int) -> Case:
    config = PoolConfig(
        height=side,
        width=side,
        channels=channels,
        lane_bits=lane_bits,
        lanes=lanes,
        size=(2, 2),
        stride=(2, 2),
    )
    return Case(name=f"pool {name}", block="Pool", config=config)


def _width(i_lanes: int, o_lanes: int, lane_bits: int) -> Case:
    config = WidthConfig(i_lanes=i_lanes, o_lanes=o_lanes, lane_bits=lane_bits)
    name = f"width {i_lanes} to {o_lanes}, {lane_bits} bits"
    return Case(name=name, block="WidthConverter", config=config)


def _order(columns: int, lanes: int, neuron_folds: int, lane_bits: int = 1) -> Case:
    config = ColumnOrderConfig(
        columns=columns, lanes=lanes, lane_bits=lane_bits, neuron_folds=neuron_folds
    )
    name = f"columns {columns}, {lanes} lanes of {lane_bits} bits, {neuron_folds} folds"
    return Case(name=name, block="ColumnOrder", config=config)


def _head(name: str, **options: Any) -> Case:
    config = HeadConfig(**{"elements": 10, "match_bits": 9, "step": 2, "score_bits": 16, **options})
    return Case(name=f"head {name}", block="Head", config=config)


_NO_BORDER = dict.fromkeys(("top", "left", "bottom", "right"), 0)

CASES: tuple[Case, ...] = (
    _array_case("1x8", 1, 8),
    _array_case("2x16", 2, 16),
    _array_case("4x32", 4, 32),
    _array_case("8x32", 8, 32),
    _array_case("4x64", 4, 64),
    _array_case("8x64", 8, 64),
    _array_case("4x128", 4, 128),
    _array_case("16x32", 16, 32),
    _array_case("16x64", 16, 64),
    _array_case("8x64, 2 rows per hop", 8, 64, rows_per_hop=2),
    _array_case("16x64, 2 rows per hop", 16, 64, rows_per_hop=2),
    _array_case("32x64, 2 rows per hop", 32, 64, rows_per_hop=2),
    _array_case("64x64, 2 rows per hop", 64, 64, rows_per_hop=2),
    _array_case("64x64, 2 rows per hop, 2 columns", 64, 64, rows_per_hop=2, columns=2),
    _array_case("4x32, 2 columns", 4, 32, columns=2),
    _array_case("8x64, 2 columns", 8, 64, columns=2),
    _array_case("16x16, 4 columns, 4 rows per hop", 16, 16, columns=4, rows_per_hop=4),
    _array_case("4x32 pipeline 3", 4, 32, pipeline=3),
    _array_case("4x32 depth 1024", 4, 32, 32, 32),
    _array_case("4x32 one fold, constant weights", 4, 32, 1, 1, weight_memory="lut"),
    _array_case("4x32 depth 8, lut", 4, 32, 4, 2, weight_memory="lut"),
    _array_case("4x32 depth 64, lut", 4, 32, 4, 16, weight_memory="lut"),
    _array_case("16x64, weights as logic", 16, 64, 1, 1, weight_memory="logic"),
    _array_case("64x64, weights as logic", 64, 64, 1, 1, weight_memory="logic"),
    _array_case(
        "16x144, weights as logic, border", 16, 144, 1, 1, weight_memory="logic", border=True
    ),
    _array_case("16x27 8 bits, weights as logic", 16, 27, 1, 1, weight_memory="logic", lane_bits=8),
    _array_case("8x8", 8, 8),
    _array_case("8x8, 4 rows per hop", 8, 8, rows_per_hop=4),
    _array_case("4x32 border", 4, 32, border=True),
    _array_case("4x32 border, 2 columns", 4, 32, border=True, columns=2),
    _array_case("4x32 matches", 4, 32, levels=0),
    _array_case("2x32 3 levels", 2, 32, levels=3),
    _array_case("4x16 2 bits, 3 levels", 4, 16, lane_bits=2, levels=3),
    _array_case("4x32 2 bits", 4, 32, lane_bits=2),
    _array_case(
        "8x64 2 bits, 3 levels, 2 rows per hop", 8, 64, lane_bits=2, levels=3, rows_per_hop=2
    ),
    _array_case("16x27 8 bits, 2 columns", 16, 27, 4, 1, lane_bits=8, columns=2),
    _array_case("4x3 8 bits", 4, 3, lane_bits=8),
    _array_case("8x1 8 bits", 8, 1, lane_bits=8),
    _array_case("4x9 8 bits", 4, 9, 4, 3, lane_bits=8),
    _array_case("4x27 8 bits", 4, 27, 4, 1, lane_bits=8),
    _lines("14x14x64, 64 lanes", 14, 64, 64),
    _lines("14x14x64, 32 lanes, 4 times", 14, 64, 32, repeats=4),
    _lines("28x28x16, 16 lanes, 2 times", 28, 16, 16, repeats=2),
    _lines("28x28x16, 8 lanes, stride 2", 28, 16, 8, stride=(2, 2)),
    _lines("14x14x32, 16 lanes of 2 bits", 14, 32, 16, lane_bits=2),
    _lines("28x28x1, 3 lanes of 8 bits, parallel", 28, 1, 3, lane_bits=8, repeats=4),
    _lines("32x32x3, 9 lanes of 8 bits, parallel", 32, 3, 9, lane_bits=8, repeats=4, **_NO_BORDER),
    _lines("14x14x8, 72 lanes, parallel", 14, 8, 72),
    _lines("28x28x16, 144 lanes, parallel", 28, 16, 144),
    _lines("28x28x16, 144 lanes, parallel, block RAM", 28, 16, 144, prefer="block"),
    _lines("28x28x16, 16 lanes, 2 times, 2 columns", 28, 16, 16, repeats=2, columns=2),
    _lines("28x28x16, 16 lanes, 2 times, 4 columns", 28, 16, 16, repeats=2, columns=4),
    _lines("14x14x64, 32 lanes, 2 columns", 14, 64, 32, columns=2),
    _lines("30x30x64, 64 lanes, 4 columns, no border", 30, 64, 64, columns=4, **_NO_BORDER),
    _lines("1x1x256, 32 lanes, 4 times", 1, 256, 32, kernel=(1, 1), repeats=4, **_NO_BORDER),
    _lines("1x1x512, 64 lanes, 8 times", 1, 512, 64, kernel=(1, 1), repeats=8, **_NO_BORDER),
    _pool("28x28x32, 8 lanes", 28, 32, 8, 1),
    _pool("28x28x32, 32 lanes", 28, 32, 32, 1),
    _pool("14x14x32, 16 lanes of 2 bits", 14, 32, 16, 2),
    _width(8, 32, 1),
    _width(32, 8, 1),
    _width(24, 16, 1),
    _width(4, 16, 2),
    _order(2, 16, 1),
    _order(2, 16, 4),
    _order(4, 16, 4),
    _order(2, 32, 16),
    _order(3, 16, 8, 2),
    _head("1 lane", lanes=1),
    _head("2 lanes, argmax", lanes=2, kind="argmax"),
    _head("10 lanes", lanes=10),
)
