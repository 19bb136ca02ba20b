"""The blocks and configurations that `benchmarks.size` measures."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from amaranth.lib import wiring

from hw.blocks.array import SystolicArray
from hw.plan.array import ArrayConfig, ThresholdConfig
from hw.plan.stream import HeadConfig, PoolConfig

__all__ = ["CASES", "Case"]

#: Module of `hw.blocks` of each block that takes its config, and what else it takes.
_MODULES = {
    "LineBuffer": "line_buffer",
    "Pool": "pool",
    "WidthConverter": "width",
    "Head": "head",
}


@dataclass(frozen=True, kw_only=True)
class Case:
    """A block with its config."""

    name: str
    block: str
    config: Any

    def build(self, rng: np.random.Generator) -> wiring.Component:
        """The block, with random data where it takes any."""
        config = self.config
        if isinstance(config, ArrayConfig):
            return _array(config, rng)
        data: dict[str, Any] = {}
        if isinstance(config, PoolConfig):
            data["minimum"] = rng.random(config.channels) < 0.5
        if isinstance(config, HeadConfig):
            data["constants"] = rng.integers(-1000, 1000, config.elements)
        module = importlib.import_module(f"hw.blocks.{_MODULES[self.block]}")
        return getattr(module, self.block)(config=config, **data)


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
    """``border``: a map of 8x8 with nine border classes, else one pixel."""
    side = 8 if border else 1
    classes = (0, *(1,) * (side - 2), 2) if border else (0,)
    shape = {
        "outputs": rows * neuron_folds,
        "fan_in": simd * synapse_folds,
        "rows": rows,
        "simd": simd,
        "height": side,
        "width": side,
        **options,
    }
    thresholds = None
    if levels:
        thresholds = ThresholdConfig(
            channels=rows * neuron_folds,
            levels=levels,
            match_bits=ArrayConfig(**shape).match_bits,
            y_classes=classes,
            x_classes=classes,
        )
    config = ArrayConfig(**shape, thresholds=thresholds)
    return Case(name=f"array {name}", block="SystolicArray", config=config)


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
    _array_case("4x32 pipeline 3", 4, 32, pipeline=3),
    _array_case("4x32 depth 1024", 4, 32, 32, 32),
    _array_case("4x32 one fold, constant weights", 4, 32, 1, 1, weight_memory="lut"),
    _array_case("4x32 depth 8, lut", 4, 32, 4, 2, weight_memory="lut"),
    _array_case("4x32 depth 64, lut", 4, 32, 4, 16, weight_memory="lut"),
    _array_case("8x8", 8, 8),
    _array_case("8x8, 4 rows per hop", 8, 8, rows_per_hop=4),
    _array_case("4x32 border", 4, 32, border=True),
    _array_case("4x32 matches", 4, 32, levels=0),
    _array_case("2x32 3 levels", 2, 32, levels=3),
    _array_case("4x16 2 bits, 3 levels", 4, 16, lane_bits=2, levels=3),
    _array_case("4x32 2 bits", 4, 32, lane_bits=2),
    _array_case("4x3 8 bits", 4, 3, lane_bits=8),
    _array_case("8x1 8 bits", 8, 1, lane_bits=8),
    _array_case("4x9 8 bits", 4, 9, 4, 3, lane_bits=8),
    _array_case("4x27 8 bits", 4, 27, 4, 1, lane_bits=8),
)
