"""Max and min pool against plain NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hw.blocks.pool import Pool
from hw.plan.stream import PoolConfig
from sw.errors import PlanError
from tests.hw.blocks.bench import RATES, Transfers, pack, run, unpack


def reference(
    config: PoolConfig, minimum: NDArray[np.bool_], frames: NDArray[np.int64]
) -> NDArray[np.int64]:
    (ph, pw), (rows, columns) = config.size, (config.output_height, config.output_width)
    whole = frames[:, : rows * ph, : columns * pw]
    blocks = whole.reshape(len(frames), rows, ph, columns, pw, config.channels)
    return np.where(minimum, blocks.min((2, 4)), blocks.max((2, 4)))


def check(
    config: PoolConfig,
    minimum: NDArray[np.bool_],
    rng: np.random.Generator,
    *,
    frames: int = 3,
    i_rate: float = 1.0,
    o_rate: float = 1.0,
) -> Transfers:
    shape = frames, config.height, config.width, config.channels
    codes = rng.integers(0, 1 << config.lane_bits, shape)
    expected = reference(config, minimum, codes)
    dut = Pool(config=config, minimum=minimum)
    beats = pack(codes, config.lanes, config.lane_bits)
    count = expected.size // config.lanes
    limit = 1000 + int(8 * len(beats) / (i_rate * o_rate))
    result = run(dut, beats, count, rng=rng, i_rate=i_rate, o_rate=o_rate, limit=limit)
    actual = unpack(result.outputs, config.lanes, config.lane_bits)
    np.testing.assert_array_equal(actual.reshape(expected.shape), expected)
    return result


def random_case(rng: np.random.Generator) -> tuple[PoolConfig, NDArray[np.bool_]]:
    size = int(rng.integers(1, 4)), int(rng.integers(1, 4))
    channels = int(rng.choice([1, 2, 3, 4, 6]))
    config = PoolConfig(
        height=size[0] + int(rng.integers(0, 6)),
        width=size[1] + int(rng.integers(0, 7)),
        channels=channels,
        lane_bits=int(rng.choice([1, 2, 8])),
        lanes=int(rng.choice([n for n in range(1, channels + 1) if channels % n == 0])),
        size=size,
        stride=size,
    )
    minimum = rng.random(channels) < rng.choice([0.0, 0.5, 1.0])
    print(config, minimum)
    return config, minimum


@pytest.mark.parametrize("part", range(6))
def test_random_shapes_at_full_speed(part: int, rng: np.random.Generator) -> None:
    for _ in range(5):
        config, minimum = random_case(rng)
        result = check(config, minimum, rng)
        beats = config.output_height * config.output_width * config.pixel_beats
        assert result.period(beats) == config.cycles_per_frame
        assert result.latency() == config.latency_cycles


@pytest.mark.parametrize(("i_rate", "o_rate"), RATES[1:])
def test_random_shapes_with_pauses(i_rate: float, o_rate: float, rng: np.random.Generator) -> None:
    for _ in range(3):
        check(*random_case(rng), rng, i_rate=i_rate, o_rate=o_rate)


def test_long_rows_in_block_ram(rng: np.random.Generator) -> None:
    config = PoolConfig(
        height=3, width=172, channels=3, lane_bits=2, lanes=1, size=(2, 2), stride=(2, 2)
    )
    assert config.memory == "block"
    result = check(config, np.array([True, False, True]), rng)
    assert result.period(config.depth) == config.cycles_per_frame
    assert result.latency() == config.latency_cycles


GOOD: dict[str, Any] = {
    "height": 6, "width": 6, "channels": 4, "lane_bits": 1, "lanes": 2,
    "size": (2, 2), "stride": (2, 2),
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"stride": (1, 1)}, "size is 2x2 and stride 1x1, hardware pools only with stride equal"),
        ({"size": (7, 7), "stride": (7, 7)}, "size is 7x7, the map only 6x6"),
        ({"lanes": 3}, "lanes is 3, must divide the 4 channels"),
        ({"lane_bits": 0}, "lane_bits is 0, must be at least 1"),
    ],
)
def test_refuses(change: dict[str, Any], text: str) -> None:
    with pytest.raises(PlanError, match=text):
        PoolConfig(**(GOOD | change))


def test_refuses_marks_of_another_shape() -> None:
    with pytest.raises(PlanError, match=r"minimum has shape \(3,\), must be \(4,\)"):
        Pool(config=PoolConfig(**GOOD), minimum=[True] * 3)
