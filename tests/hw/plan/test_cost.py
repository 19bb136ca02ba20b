"""The area model against place and route of single blocks (tests/baselines/size.json)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hw.plan.array import ArrayConfig, ThresholdConfig
from hw.plan.cost import (
    Cost,
    Share,
    array_cost,
    head_cost,
    line_buffer_cost,
    pool_cost,
    width_cost,
)
from hw.plan.memory import block_rams, rom_luts
from hw.plan.stream import HeadConfig, LineBufferConfig, PoolConfig, WidthConfig
from sw.errors import PlanError

BASELINE = json.loads((Path(__file__).parents[2] / "baselines" / "size.json").read_text("utf-8"))

COSTS: dict[str, tuple[Callable[..., Any], Callable[[Any], Cost]]] = {
    "SystolicArray": (ArrayConfig, array_cost),
    "LineBuffer": (LineBufferConfig, line_buffer_cost),
    "Pool": (PoolConfig, pool_cost),
    "WidthConverter": (WidthConfig, width_cost),
    "Head": (HeadConfig, head_cost),
}


def _tuples(config: dict[str, Any]) -> dict[str, Any]:
    """A config's fields from JSON, which has lists for tuples."""
    return {k: tuple(v) if isinstance(v, list) else v for k, v in config.items()}


def predicted(entry: dict[str, Any]) -> Cost:
    """The model's cost of a measured block."""
    make, cost = COSTS[entry["block"]]
    values = _tuples(entry["config"])
    if thresholds := values.get("thresholds"):
        values["thresholds"] = ThresholdConfig(**_tuples(thresholds))
    return cost(make(**values))


@pytest.mark.parametrize("entry", BASELINE, ids=lambda entry: entry["name"])
def test_block_within_a_fifth(entry: dict[str, Any]) -> None:
    """Within 20 %, or for small blocks within 60 LUTs; block RAM exactly."""
    cost, result = predicted(entry), entry["result"]
    print(f"{entry['name']}: predicted {cost}, routed {result}")
    assert cost.bram == result["dp16kd"]
    assert abs(cost.lut - result["comb"]) <= max(60, 0.2 * result["comb"])
    assert abs(cost.ff - result["ff"]) <= max(60, 0.2 * result["ff"])


@pytest.mark.parametrize(
    ("width", "depth", "count"),
    [(36, 512, 1), (18, 1024, 1), (9, 2048, 1), (1, 16384, 1), (37, 512, 2), (36, 513, 2),
     (8, 4096, 2), (64, 144, 2), (10, 1000, 1)],
)  # fmt: skip
def test_block_rams(width: int, depth: int, count: int) -> None:
    assert block_rams(width, depth) == count


def test_rom_of_one_word_is_free() -> None:
    assert rom_luts(64, 1) == 0
    assert rom_luts(8, 16) == pytest.approx(8, rel=0.01)


@pytest.mark.parametrize("value", [0, -0.1, 1.2])
def test_share_out_of_range(value: float) -> None:
    with pytest.raises(PlanError, match=f"the share of lut is {value}; it must be above 0"):
        Share.of(value)


def test_share_of_a_number_is_of_logic() -> None:
    assert Share.of(0.3) == Share(lut=0.3, ff=0.3)
    assert Share.of(None) == Share()
