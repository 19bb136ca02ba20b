"""The line buffer against plain NumPy windows."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from hw.blocks.line_buffer import LineBuffer
from hw.plan.stream import LineBufferConfig
from sw.errors import PlanError
from tests.hw.blocks.bench import RATES, Transfers, pack, run, unpack


def reference(config: LineBufferConfig, frames: NDArray[np.int64]) -> NDArray[np.int64]:
    """Windows (frames, pixels, repeats, K) of codes (frames, H, W, C)."""
    (kh, kw), (sy, sx) = config.kernel, config.stride
    sides = (0, 0), (config.top, config.bottom), (config.left, config.right), (0, 0)
    padded = np.pad(frames, sides, constant_values=config.pad_code)
    windows = [
        padded[:, y * sy : y * sy + kh, x * sx : x * sx + kw].reshape(len(frames), -1)
        for y in range(config.output_height)
        for x in range(config.output_width)
    ]
    return np.repeat(np.stack(windows, 1)[:, :, None], config.repeats, axis=2)


def check(
    config: LineBufferConfig, rng: np.random.Generator, *, frames: int = 3, **how: float
) -> Transfers:
    shape = frames, config.height, config.width, config.channels
    codes = rng.integers(0, 1 << config.lane_bits, shape)
    expected = reference(config, codes)
    beats = pack(codes, config.i_lanes, config.lane_bits)
    count = expected.size // config.simd
    result = run(LineBuffer(config=config), beats, count, rng=rng, **how)  # type: ignore[arg-type]
    actual = unpack(result.outputs, config.simd, config.lane_bits)
    np.testing.assert_array_equal(actual.reshape(expected.shape), expected)
    return result


def measure(config: LineBufferConfig, rng: np.random.Generator) -> None:
    """Exact data at full speed, and the declared cycles and latency."""
    result = check(config, rng, frames=5, idle=config.window_beats + 4)
    assert result.period(config.output_beats) == config.cycles_per_frame, config
    assert result.latency(config.window_beats - 1) == config.latency_cycles, config


def random_config(rng: np.random.Generator, parallel: bool) -> LineBufferConfig:
    """A legal config of a small map."""
    while True:
        kernel = int(rng.integers(1, 5)), int(rng.integers(1, 5))
        sides = [int(rng.integers(0, k)) * int(rng.integers(0, 2)) for k in (*kernel, *kernel)]
        channels = int(rng.choice([1, 2, 3] if parallel else [1, 2, 4, 6]))
        fan_in = kernel[0] * kernel[1] * channels
        simds = [
            s for s in range(1, fan_in + 1) if fan_in % s == 0 and bool(channels % s) == parallel
        ]
        if not simds:
            continue
        lane_bits = int(rng.choice([1, 2, 8]))
        try:
            return LineBufferConfig(
                height=int(rng.integers(1, 8)),
                width=int(rng.integers(1, 8)),
                channels=channels,
                lane_bits=lane_bits,
                kernel=kernel,
                stride=(int(rng.integers(1, 4)), int(rng.integers(1, 4))),
                top=sides[0],
                left=sides[1],
                bottom=sides[2],
                right=sides[3],
                pad_code=int(rng.integers(0, 1 << lane_bits)),
                simd=int(rng.choice(simds)),
                repeats=int(rng.choice([1, 1, 2, 3])),
            )
        except PlanError:
            continue


@pytest.mark.parametrize("parallel", [False, True], ids=["serial", "parallel"])
@pytest.mark.parametrize("part", range(10))
def test_random_shapes_at_full_speed(part: int, parallel: bool, rng: np.random.Generator) -> None:
    for _ in range(3):
        config = random_config(rng, parallel)
        print(config)
        measure(config, rng)


@pytest.mark.parametrize("parallel", [False, True], ids=["serial", "parallel"])
@pytest.mark.parametrize(("i_rate", "o_rate"), RATES[1:])
def test_random_shapes_with_pauses(
    i_rate: float, o_rate: float, parallel: bool, rng: np.random.Generator
) -> None:
    for _ in range(2):
        config = random_config(rng, parallel)
        print(config)
        check(config, rng, i_rate=i_rate, o_rate=o_rate)
