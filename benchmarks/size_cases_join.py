"""Area and clock of the blocks on streams: scale, thresholds, pools, FIFO, joins, objectness.

``python -m benchmarks.size_cases_join`` measures each as `benchmarks.size` does and prints a
table; ``--update`` writes ``tests/baselines/size_join.json``, after each case, to which
`hw.plan.join_cost` is fitted.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from amaranth.lib import wiring

from benchmarks.size import figures, table
from benchmarks.size_cases import Case
from hw.blocks.fifo import StreamFifo
from hw.blocks.join import Add, Concat
from hw.blocks.objectness import Objectness
from hw.blocks.scale import Scale
from hw.blocks.stream_threshold import StreamThreshold
from hw.blocks.window_pool import WindowPool
from hw.plan.join import AddConfig, ConcatConfig, FifoConfig
from hw.plan.objectness import ObjectnessConfig
from hw.plan.pool import WindowPoolConfig
from hw.plan.scale import ScaleConfig
from hw.plan.stream_threshold import StreamThresholdConfig
from sw import cli

__all__ = ["BASELINE", "CASES", "JoinCase"]

BASELINE = Path(__file__).parents[1] / "tests" / "baselines" / "size_join.json"


class JoinCase(Case):
    """A block with its config."""

    def build(self, rng: np.random.Generator) -> wiring.Component:
        """The block, with random data where it takes any."""
        return _BUILD[type(self.config)](self.config, rng)


def _scale(config: ScaleConfig, rng: np.random.Generator) -> Scale:
    limit = 1 << (config.gain_bits - 1)
    gain = rng.integers(-limit, limit, config.channels)
    low, high = config.offset_limits
    # About the middle, where those of a trained network lie.
    offset = rng.integers(low // 4, high // 4, (config.classes, config.channels))
    return Scale(config=config, gain=gain, offset=offset)


def _threshold(config: StreamThresholdConfig, rng: np.random.Generator) -> StreamThreshold:
    low, high = config.level_limits
    shape = config.classes, config.channels, config.levels
    levels = np.sort(rng.integers(low, high, shape), axis=-1)
    inverted = rng.random(config.channels) < 0.5
    return StreamThreshold(config=config, levels=levels, inverted=inverted)


def _objectness(config: ObjectnessConfig, rng: np.random.Generator) -> Objectness:
    low, high = config.level_limits
    return Objectness(config=config, levels=rng.integers(low // 4, high // 4, config.levels))


_BUILD: dict[type, Callable[[Any, np.random.Generator], wiring.Component]] = {
    AddConfig: lambda config, _: Add(config=config),
    ConcatConfig: lambda config, _: Concat(config=config),
    FifoConfig: lambda config, _: StreamFifo(config=config),
    ObjectnessConfig: _objectness,
    ScaleConfig: _scale,
    StreamThresholdConfig: _threshold,
    WindowPoolConfig: lambda config, _: WindowPool(config=config),
}


def _sides(border: bool) -> dict[str, tuple[int, ...]]:
    """A map of 14x14, of nine border classes or of one."""
    side = (0, *(1,) * 12, 2) if border else (0,) * 14
    return {"y_classes": side, "x_classes": side}


def _scale_case(
    name: str, lanes: int, folds: int, *, border: bool = False, **options: Any
) -> JoinCase:
    shape = {
        "channels": lanes * folds, "lanes": lanes, "source_bits": 13, "encoding": "matches",
        "gain_bits": 18, "shift": 12, "levels": 65534, **_sides(border),
    }  # fmt: skip
    config = ScaleConfig(**{**shape, **options})
    return JoinCase(name=f"scale {name}", block="Scale", config=config)


def _threshold_case(
    name: str, lanes: int, folds: int, *, border: bool = False, **options: Any
) -> JoinCase:
    shape = {
        "channels": lanes * folds, "lanes": lanes, "source_bits": 16, "encoding": "code",
        "levels": 1, **_sides(border),
    }  # fmt: skip
    config = StreamThresholdConfig(**{**shape, **options})
    return JoinCase(name=f"threshold {name}", block="StreamThreshold", config=config)


def _add_case(lanes: int, bits: tuple[int, int], levels: int, constant: int) -> JoinCase:
    config = AddConfig(
        elements=64 * lanes, lanes=lanes, source_bits=bits, constant=constant, levels=levels
    )
    name = f"add {lanes} lanes of {bits[0]} and {bits[1]} bits"
    return JoinCase(name=name, block="Add", config=config)


def _concat_case(lanes: int, channels: tuple[int, ...], lane_bits: int) -> JoinCase:
    config = ConcatConfig(pixels=64, channels=channels, lanes=lanes, lane_bits=lane_bits)
    name = f"concat {lanes} lanes of {lane_bits} bits, {len(channels)} sources"
    return JoinCase(name=name, block="Concat", config=config)


def _fifo_case(width: int, depth: int) -> JoinCase:
    config = FifoConfig(width=width, depth=depth)
    return JoinCase(name=f"fifo {width} bits, {depth}", block="StreamFifo", config=config)


def _objectness_case(boxes: int, levels: int, score_bits: int) -> JoinCase:
    config = ObjectnessConfig(elements=5 * boxes, levels=levels, score_bits=score_bits)
    name = f"objectness {score_bits} bits, {levels} levels"
    return JoinCase(name=name, block="Objectness", config=config)


def _pool_case(name: str, side: int, channels: int, lanes: int, **options: Any) -> JoinCase:
    shape = {
        "height": side, "width": side, "channels": channels, "lanes": lanes, "levels": 65534,
        "size": (2, 2), "stride": (2, 2),
    }  # fmt: skip
    config = WindowPoolConfig(**{**shape, **options})
    return JoinCase(name=f"window pool {name}", block="WindowPool", config=config)


_STEM = {"size": (3, 3), "stride": (2, 2), "top": 1, "left": 1, "bottom": 1, "right": 1}

CASES: tuple[JoinCase, ...] = (
    _scale_case("4 lanes, 8 folds", 4, 8),
    _scale_case("4 lanes, 64 folds", 4, 64),
    _scale_case("8 lanes, 8 folds, 8 bits", 8, 8, levels=255, shift=20),
    _scale_case("4 lanes, 8 folds, border", 4, 8, border=True),
    _scale_case("2 lanes of 24 bits, 8 folds", 2, 8, source_bits=24, encoding="signed"),
    _scale_case("8 lanes of 16 bits, 16 folds", 8, 16, source_bits=16, encoding="code"),
    _threshold_case("8 lanes, 8 folds", 8, 8),
    _threshold_case("4 lanes, 64 folds", 4, 64),
    _threshold_case("4 lanes, 4 folds, 3 levels", 4, 4, levels=3),
    _threshold_case("4 lanes of 12 bits, border", 4, 4, source_bits=12, border=True),
    _add_case(4, (16, 16), 65534, -32767),
    _add_case(8, (16, 16), 65534, -32767),
    _add_case(4, (8, 16), 255, -100),
    _concat_case(16, (32, 32), 1),
    _concat_case(8, (16, 32, 16), 2),
    _fifo_case(64, 16),
    _fifo_case(32, 100),
    _fifo_case(64, 700),
    _pool_case("28x28x16, 4 lanes, 3x3, stride 2", 28, 16, 4, **_STEM),
    _pool_case("56x56x64, 4 lanes, 3x3, stride 2", 56, 64, 4, **_STEM),
    _pool_case("14x14x16, 4 lanes, sum", 14, 16, 4, kind="sum"),
    _pool_case("7x7x64, 4 lanes, global sum", 7, 64, 4, kind="sum", size=(7, 7), stride=(7, 7)),
    _pool_case("28x28x16, 16 lanes of 1 bit, 3x3, stride 2", 28, 16, 16, levels=1, **_STEM),
    _objectness_case(507, 1, 12),
    _objectness_case(507, 3, 16),
    _objectness_case(845, 5, 21),
    _objectness_case(98, 98, 16),
    _objectness_case(507, 507, 18),
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.size_cases_join")
    parser.add_argument("--only", metavar="TEXT", default="", help="cases whose name contains TEXT")
    parser.add_argument("--clock", type=float, default=150, metavar="MHZ", help="clock asked for")
    parser.add_argument("--update", action="store_true", help="write the baseline")
    args = parser.parse_args()
    found = []
    for case in CASES:
        if args.only in case.name:
            found.append(figures(case, clock_mhz=args.clock, seeds=(1,)))
            if args.update:
                _update(found)
    print(table(found))
    return 0


def _update(found: list[dict[str, Any]]) -> None:
    """Put the figures in the baseline, in the order of the cases; those not measured stay."""
    known = json.loads(BASELINE.read_text(encoding="utf-8")) if BASELINE.exists() else []
    entries = {entry["name"]: entry for entry in [*known, *found]}
    ordered = [entries[case.name] for case in CASES if case.name in entries]
    with cli.atomic_write(BASELINE) as path:
        lines = ",\n".join(json.dumps(entry) for entry in ordered)
        path.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


if __name__ == "__main__":
    cli.run(main)
