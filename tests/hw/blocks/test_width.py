"""The width converter keeps every element and loses no cycle."""

from __future__ import annotations

import numpy as np
import pytest

from hw.blocks.width import WidthConverter
from hw.plan.stream import WidthConfig
from sw.errors import PlanError
from tests.hw.blocks.bench import RATES, Transfers, pack, run, unpack

LANES = [(1, 1), (1, 8), (8, 1), (2, 3), (3, 2), (4, 6), (6, 4), (5, 5), (9, 12), (3, 9), (16, 4)]


def check(
    config: WidthConfig,
    groups: int,
    rng: np.random.Generator,
    i_rate: float = 1.0,
    o_rate: float = 1.0,
) -> Transfers:
    elements = rng.integers(0, 1 << config.lane_bits, groups * config.block_lanes)
    beats = pack(elements, config.i_lanes, config.lane_bits)
    count = len(elements) // config.o_lanes
    dut = WidthConverter(config=config)
    result = run(dut, beats, count, rng=rng, i_rate=i_rate, o_rate=o_rate)
    actual = unpack(result.outputs, config.o_lanes, config.lane_bits)
    np.testing.assert_array_equal(actual.reshape(-1), elements)
    return result


@pytest.mark.parametrize("lane_bits", [1, 2, 8])
@pytest.mark.parametrize(("i_lanes", "o_lanes"), LANES)
def test_at_full_speed(
    i_lanes: int, o_lanes: int, lane_bits: int, rng: np.random.Generator
) -> None:
    config = WidthConfig(i_lanes=i_lanes, o_lanes=o_lanes, lane_bits=lane_bits)
    result = check(config, 6, rng)
    assert result.period(config.o_beats) == config.cycles(config.block_lanes)
    assert result.latency() == config.latency_cycles


@pytest.mark.parametrize(("i_rate", "o_rate"), RATES[1:])
def test_with_pauses(i_rate: float, o_rate: float, rng: np.random.Generator) -> None:
    for i_lanes, o_lanes in LANES:
        config = WidthConfig(i_lanes=i_lanes, o_lanes=o_lanes, lane_bits=2)
        check(config, 5, rng, i_rate, o_rate)


def test_refuses() -> None:
    with pytest.raises(PlanError, match="o_lanes is 0, must be at least 1"):
        WidthConfig(i_lanes=1, o_lanes=0, lane_bits=1)
