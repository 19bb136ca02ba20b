"""Pixels side by side come out one after the other, and no cycle is lost."""

from __future__ import annotations

import numpy as np
import pytest

from hw.blocks.columns import ColumnOrder
from hw.plan.columns import ColumnOrderConfig
from sw.errors import PlanError
from tests.hw.blocks.bench import RATES, Transfers, pack, run, unpack


def check(
    config: ColumnOrderConfig,
    rng: np.random.Generator,
    *,
    groups: int = 7,
    i_rate: float = 1.0,
    o_rate: float = 1.0,
    pace: int | None = None,
) -> Transfers:
    """``pace``: cycles from one input beat to the next."""
    shape = groups, config.neuron_folds, config.columns, config.lanes
    codes = rng.integers(0, 1 << config.lane_bits, shape)
    beats = pack(codes, config.i_lanes, config.lane_bits)
    result = run(
        ColumnOrder(config=config), beats, groups * config.group_beats,
        rng=rng, i_rate=i_rate, o_rate=o_rate, idle=2,
        offered=[2 + pace * i for i in range(len(beats))] if pace else None,
    )  # fmt: skip
    actual = unpack(result.outputs, config.lanes, config.lane_bits)
    np.testing.assert_array_equal(actual.reshape(-1), codes.swapaxes(1, 2).reshape(-1))
    return result


def random_config(rng: np.random.Generator) -> ColumnOrderConfig:
    config = ColumnOrderConfig(
        columns=int(rng.choice([1, 2, 2, 3, 4, 7])),
        lanes=int(rng.choice([1, 2, 5, 8])),
        lane_bits=int(rng.choice([1, 2, 9])),
        neuron_folds=int(rng.choice([1, 2, 3, 4, 5, 8, 11])),
    )
    print(config)
    return config


#: Memories of block RAM.
DEEP = ColumnOrderConfig(columns=2, lanes=16, lane_bits=2, neuron_folds=64)


@pytest.mark.parametrize("part", range(5))
def test_random_shapes_at_full_speed(part: int, rng: np.random.Generator) -> None:
    for config in [random_config(rng) for _ in range(4)]:
        result = check(config, rng)
        assert result.period(config.group_beats) == config.cycles(config.columns)
        assert result.latency() == config.latency_cycles


def test_block_ram(rng: np.random.Generator) -> None:
    assert (DEEP.memory, DEEP.read_cycles) == ("block", 2)
    result = check(DEEP, rng, groups=4)
    assert result.period(DEEP.group_beats) == DEEP.cycles(DEEP.columns)
    assert result.latency() == DEEP.latency_cycles
    check(DEEP, rng, groups=3, i_rate=0.7, o_rate=0.7)


def test_a_producer_just_fast_enough_starves_nobody(rng: np.random.Generator) -> None:
    for _ in range(6):
        config = random_config(rng)
        result = check(config, rng, pace=config.columns)
        assert result.period(config.group_beats) == config.cycles(config.columns)


@pytest.mark.parametrize(("i_rate", "o_rate"), RATES[1:])
def test_with_pauses(i_rate: float, o_rate: float, rng: np.random.Generator) -> None:
    for _ in range(4):
        check(random_config(rng), rng, i_rate=i_rate, o_rate=o_rate)


def test_refuses() -> None:
    with pytest.raises(PlanError, match="column order: columns is 0, must be at least 1"):
        ColumnOrderConfig(columns=0, lanes=1, lane_bits=1, neuron_folds=1)
