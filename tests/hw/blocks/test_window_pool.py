"""Pools of any window, stride and padding against the golden model's."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from hw.blocks.window_pool import WindowPool
from hw.plan.pool import WindowPoolConfig
from sw.errors import PlanError
from sw.golden import reference
from sw.model.ir import Padding, Pool
from tests.hw.blocks.bench import RATES, Transfers, pack, run, unpack


def check(
    config: WindowPoolConfig, rng: np.random.Generator, frames: int = 3, **how: Any
) -> Transfers:
    minimum = rng.random(config.channels) < rng.choice([0.0, 0.5, 1.0])
    minimum &= config.kind == "max"
    size = frames, config.height, config.width, config.channels
    codes = rng.integers(0, config.levels + 1, size)
    if config.kind == "sum" and rng.random() < 0.3:
        codes[:] = config.levels
    op = Pool(
        name="pool",
        source="source",
        kind=config.kind,
        size=config.size,
        stride=config.stride,
        padding=Padding(top=config.top, left=config.left, bottom=config.bottom, right=config.right),
        minimum=minimum,
    )
    expected = reference.pool(op, codes)
    dut = WindowPool(config=config, minimum=minimum)
    beats = pack(codes, config.lanes, config.lane_bits)
    limit = 1000 + 12 * int(len(beats) / how.get("i_rate", 1) / how.get("o_rate", 1))
    result = run(dut, beats, expected.size // config.lanes, rng=rng, limit=limit, **how)
    actual = unpack(result.outputs, config.lanes, config.out_bits)
    np.testing.assert_array_equal(actual.reshape(expected.shape), expected)
    return result


def measure(config: WindowPoolConfig, rng: np.random.Generator) -> None:
    """Exact data at full speed, and the declared cycles and latency."""
    result = check(config, rng)
    beats = config.output_height * config.output_width * config.pixel_beats
    assert result.latency() == config.latency_cycles, config
    assert result.period(beats) == config.cycles_per_frame, config


def random_config(rng: np.random.Generator) -> WindowPoolConfig:
    """A legal config of a small map."""
    while True:
        channels = int(rng.choice([1, 2, 3, 4, 6]))
        kind = str(rng.choice(["max", "sum"]))
        size = int(rng.integers(1, 5)), int(rng.integers(1, 5))
        stride = int(rng.integers(1, 5)), int(rng.integers(1, 5))
        padded = kind == "max" and rng.random() < 0.7
        before = [int(rng.integers(0, n)) * padded for n in size]
        after = [
            int(rng.integers(0, min(n, s))) * padded for n, s in zip(size, stride, strict=True)
        ]
        try:
            config = WindowPoolConfig(
                height=int(rng.integers(1, 9)),
                width=int(rng.integers(1, 9)),
                channels=channels,
                levels=int(rng.choice([1, 2, 7, 200, 65534])),
                lanes=int(rng.choice([n for n in range(1, channels + 1) if channels % n == 0])),
                kind=kind,  # type: ignore[arg-type]
                size=size,
                stride=stride,
                top=before[0],
                left=before[1],
                bottom=after[0],
                right=after[1],
            )
        except PlanError:
            continue
        print(config)
        return config


@pytest.mark.parametrize("part", range(6))
def test_random_shapes_at_full_speed(part: int, rng: np.random.Generator) -> None:
    for _ in range(8):
        measure(random_config(rng), rng)


@pytest.mark.parametrize(("i_rate", "o_rate"), RATES[1:])
def test_random_shapes_with_pauses(i_rate: float, o_rate: float, rng: np.random.Generator) -> None:
    for _ in range(3):
        check(random_config(rng), rng, frames=2, i_rate=i_rate, o_rate=o_rate)


#: The stem of a residual network: 3x3, stride 2, one row and column of padding above and left.
STEM = WindowPoolConfig(
    height=8, width=8, channels=4, levels=65534, lanes=2, size=(3, 3), stride=(2, 2),
    top=1, left=1, bottom=1, right=1,
)  # fmt: skip


@pytest.mark.parametrize(("height", "width"), [(8, 8), (7, 9), (1, 2), (2, 1)])
def test_three_by_three_with_stride_two(height: int, width: int, rng: np.random.Generator) -> None:
    config = replace(STEM, height=height, width=width)
    assert config.rows.slots == config.columns.slots == 1
    measure(config, rng)


def test_block_ram(rng: np.random.Generator) -> None:
    config = replace(STEM, height=4, width=170, channels=2, lanes=1)
    assert config.rows.memory == "block"
    measure(config, rng)


@pytest.mark.parametrize("channels", [1, 8])
def test_global_average(channels: int, rng: np.random.Generator) -> None:
    config = WindowPoolConfig(
        height=7, width=7, channels=channels, levels=65534, lanes=1, kind="sum", size=(7, 7),
        stride=(7, 7),
    )  # fmt: skip
    assert config.out_bits == 22
    measure(config, rng)


def test_one_by_one_is_wires(rng: np.random.Generator) -> None:
    config = replace(STEM, size=(1, 1), stride=(1, 1), top=0, left=0, bottom=0, right=0)
    assert config.latency_cycles == 0
    check(config, rng)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"lanes": 3}, "pool: lanes is 3, must divide the 4 channels"),
        ({"kind": "mean"}, "pool: kind is 'mean', must be 'max' or 'sum'"),
        ({"kind": "sum"}, "pool: top padding of a sum is 1, must be 0"),
        ({"top": 3}, "pool: top padding is 3, with windows of 3x3 it must be 0 to 2"),
        ({"right": 2}, "pool: right padding is 2 with a stride of 2; the hardware pools with"),
        ({"size": (11, 3)}, "pool: size is 11x3, the map with its padding only 10x10"),
        ({"levels": 0}, "pool: levels is 0, must be at least 1"),
    ],
)
def test_refuses(change: dict[str, Any], text: str) -> None:
    with pytest.raises(PlanError, match=text):
        replace(STEM, **change)


def test_refuses_marks() -> None:
    with pytest.raises(PlanError, match=r"minimum has shape \(3,\), must be \(4,\)"):
        WindowPool(config=STEM, minimum=[True] * 3)
    config = replace(STEM, kind="sum", top=0, left=0, bottom=0, right=0)
    with pytest.raises(PlanError, match="a sum with minimum in channel 1, must have none"):
        WindowPool(config=config, minimum=[False, True, False, False])
