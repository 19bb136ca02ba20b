"""Area and clock of the integer array.

``python -m benchmarks.size_cases_integer`` measures it as `benchmarks.size` does and prints a
table; ``--update`` writes ``tests/baselines/size_integer.json``, after each case, to which
`hw.plan.integer_cost` is fitted.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.size_cases import Case
from benchmarks.size_cases_join import measure_cases
from hw.blocks.integer import IntegerArray
from hw.plan.integer import IntegerArrayConfig
from sw import cli

__all__ = ["BASELINE", "CASES", "IntegerCase"]

BASELINE = Path(__file__).parents[1] / "tests" / "baselines" / "size_integer.json"


class IntegerCase(Case):
    """An integer array with its config."""

    def build(self, rng: np.random.Generator) -> IntegerArray:
        """The block, with random weights."""
        config = self.config
        limit = config.weight_limit
        weights = rng.integers(-limit, limit + 1, (config.outputs, config.fan_in))
        start = None
        if config.classes > 1:
            inside = rng.random((config.classes, config.fan_in)) < 0.8
            start = config.low * (inside @ weights.T)
        return IntegerArray(config=config, weights=weights, start=start)


def _case(
    name: str,
    multiplier: str,
    rows: int,
    simd: int,
    *,
    border: bool = False,
    neuron_folds: int = 4,
    synapse_folds: int = 3,
    **options: Any,
) -> IntegerCase:
    """An array of 8-bit weights and lanes, unless stated, of a map of 8x8."""
    side = (0, *(1,) * 6, 2) if border else ()
    config = IntegerArrayConfig(
        outputs=rows * neuron_folds,
        fan_in=simd * synapse_folds,
        rows=rows,
        simd=simd,
        height=8,
        width=8,
        y_classes=side,
        x_classes=side,
        multiplier=multiplier,  # type: ignore[arg-type]
        **{"lane_bits": 8, "weight_bits": 8, **options},
    )
    return IntegerCase(name=f"integer array {name}", block="IntegerArray", config=config)


CASES: tuple[IntegerCase, ...] = (
    _case("4 rows x 9 lanes, DSP", "dsp", 4, 9),
    _case("2 rows x 4 lanes, DSP, border", "dsp", 2, 4, border=True, low=-128),
    _case("2 rows x 8 lanes, DSP, 32 folds", "dsp", 2, 8, neuron_folds=16, low=-128),
    _case("2 rows x 4 lanes, LUT", "lut", 2, 4),
    _case("4 rows x 9 lanes of 2 bits, LUT", "lut", 4, 9, lane_bits=2, levels=2, low=-1),
    _case("2 rows x 9 lanes, planes", "planes", 2, 9),
    _case("4 rows x 16 lanes, planes", "planes", 4, 16, synapse_folds=4, low=-128),
    _case("4 rows x 32 lanes of 1 bit, planes", "planes", 4, 32, lane_bits=1, low=-1, step=2),
    _case("8 rows x 9 lanes, DSP", "dsp", 8, 9, low=-128),
)


def main() -> int:
    return measure_cases("benchmarks.size_cases_integer", CASES, BASELINE)


if __name__ == "__main__":
    cli.run(main)
