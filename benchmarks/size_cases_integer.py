"""Area of the integer array, synthesised.

``python -m benchmarks.size_cases_integer`` prints what each case takes next to what
`hw.plan.integer_cost` predicts; ``--update`` writes ``tests/baselines/size_integer.json``,
after each case. With ``--route`` each is placed and routed too, which tells its clock.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.size import FAMILY, design_of, measure
from benchmarks.size_cases import Case
from hw.blocks.integer import IntegerArray
from hw.flow.synthesis import synthesise
from hw.plan.integer import IntegerArrayConfig, Multiplier
from hw.plan.integer_cost import integer_cost
from sw import cli

__all__ = ["BASELINE", "CASES", "IntegerCase"]

RESOURCES = ("lut", "ff", "bram", "dsp")

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
    multiplier: Multiplier,
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
        multiplier=multiplier,
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


def synthesised(case: IntegerCase) -> dict[str, int]:
    """Cells of a case: LUT sites, flip-flops, block RAMs and DSP blocks."""
    Path("build").mkdir(exist_ok=True)
    # Not the system's temporary folder, which YoWASP's programs do not see.
    with tempfile.TemporaryDirectory(prefix="size-", dir="build") as folder:
        made = synthesise(design_of(case), family=FAMILY, folder=Path(folder))
    return {name: getattr(made.counts, name) for name in RESOURCES}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.size_cases_integer")
    parser.add_argument("--only", metavar="TEXT", default="", help="cases whose name contains TEXT")
    parser.add_argument("--route", action="store_true", help="place and route, 150 MHz asked")
    parser.add_argument("--update", action="store_true", help="write the baseline")
    args = parser.parse_args()
    for case in CASES:
        if args.only not in case.name:
            continue
        entry = {"name": case.name, "config": case.plain_config(), "result": synthesised(case)}
        predicted = integer_cost(case.config).summary()
        print(f"{case.name:44}", *(f"{n} {entry['result'][n]} ({predicted[n]})" for n in RESOURCES))
        if args.route:
            routed = measure(case.build(np.random.default_rng(1)), clock_mhz=150)
            print(f"{'':44} {routed['comb']} LUT routed, {routed['fmax_mhz']:.0f} MHz")
        if args.update:
            _update(entry)
    return 0


def _update(entry: dict[str, Any]) -> None:
    """Put a case in the baseline, in the order of the cases; those not measured stay."""
    known = json.loads(BASELINE.read_text(encoding="utf-8")) if BASELINE.exists() else []
    entries = {old["name"]: old for old in [*known, entry]}
    with cli.atomic_write(BASELINE) as path:
        rows = (json.dumps(entries[case.name]) for case in CASES if case.name in entries)
        path.write_text("[\n" + ",\n".join(rows) + "\n]\n", encoding="utf-8")


if __name__ == "__main__":
    cli.run(main)
