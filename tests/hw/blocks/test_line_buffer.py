"""The line buffer against plain NumPy windows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hw.blocks.line_buffer import LineBuffer
from hw.plan.stream import LineBufferConfig
from sw.errors import PlanError
from tests.hw.blocks.bench import RATES, Transfers, pack, run, unpack


def reference(config: LineBufferConfig, frames: NDArray[np.int64]) -> NDArray[np.int64]:
    """Windows of codes (frames, H, W, C), as they leave.

    Returns (frames, groups, repeats, beats, columns, simd).
    """
    (kh, kw), (sy, sx) = config.kernel, config.stride
    sides = (0, 0), (config.top, config.bottom), (config.left, config.right), (0, 0)
    padded = np.pad(frames, sides, constant_values=config.pad_code)
    windows = [
        padded[:, y * sy : y * sy + kh, x * sx : x * sx + kw].reshape(len(frames), -1)
        for y in range(config.output_height)
        for x in range(config.output_width)
    ]
    shape = len(frames), -1, 1, config.columns, config.window_beats, config.simd
    side_by_side = np.stack(windows, 1).reshape(shape).swapaxes(3, 4)
    return np.repeat(side_by_side, config.repeats, axis=2)


def check(
    config: LineBufferConfig, rng: np.random.Generator, *, frames: int = 3, **how: Any
) -> Transfers:
    shape = frames, config.height, config.width, config.channels
    codes = rng.integers(0, 1 << config.lane_bits, shape)
    expected = reference(config, codes)
    beats = pack(codes, config.i_lanes, config.lane_bits)
    count = expected.size // config.o_lanes
    result = run(LineBuffer(config=config), beats, count, rng=rng, **how)
    actual = unpack(result.outputs, config.o_lanes, config.lane_bits)
    np.testing.assert_array_equal(actual.reshape(expected.shape), expected)
    return result


def measure(config: LineBufferConfig, rng: np.random.Generator) -> None:
    """Exact data at full speed, and the declared cycles and latency."""
    result = check(config, rng, frames=5, idle=config.window_beats + 4)
    assert result.period(config.output_beats) == config.cycles_per_frame, config
    assert result.latency(config.window_beats - 1) == config.latency_cycles, config


def random_config(
    rng: np.random.Generator, parallel: bool, columns: Sequence[int] = (1,)
) -> LineBufferConfig:
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
                columns=int(rng.choice(columns)),
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


@pytest.mark.parametrize("part", range(10))
def test_columns_at_full_speed(part: int, rng: np.random.Generator) -> None:
    for _ in range(3):
        config = random_config(rng, False, (2, 2, 3, 4))
        print(config)
        measure(config, rng)


@pytest.mark.parametrize(("i_rate", "o_rate"), RATES[1:])
def test_columns_with_pauses(i_rate: float, o_rate: float, rng: np.random.Generator) -> None:
    for _ in range(3):
        config = random_config(rng, False, (2, 3, 4))
        print(config)
        check(config, rng, i_rate=i_rate, o_rate=o_rate)


BITS: dict[str, Any] = {"lane_bits": 1}

#: Shapes of real layers, which random ones do not reach: deep memories of either
#: kind, and a map whose lower half no window sees.
REAL: list[dict[str, Any]] = [
    {"height": 4, "width": 30, "channels": 16, "kernel": (3, 3), "simd": 16, "top": 1,
     "left": 1, "bottom": 1, "right": 1, "lane_bits": 2},
    {"height": 14, "width": 14, "channels": 8, "kernel": (3, 3), "stride": (2, 2), "simd": 8,
     "top": 1, "left": 1},
    {"height": 5, "width": 48, "channels": 3, "kernel": (3, 3), "simd": 9, "lane_bits": 8},
    {"height": 7, "width": 40, "channels": 1, "kernel": (5, 5), "simd": 5, "lane_bits": 8,
     "top": 2, "left": 2, "bottom": 2, "right": 2},
    {"height": 1, "width": 1, "channels": 96, "simd": 8, "repeats": 10},
    {"height": 1, "width": 1, "channels": 96, "simd": 3, "repeats": 1, "kernel": (1, 1),
     "stride": (2, 2)},
    {"height": 12, "width": 3, "channels": 2, "kernel": (2, 2), "stride": (9, 1), "simd": 1},
    {"height": 5, "width": 30, "channels": 32, "kernel": (3, 3), "simd": 16, "top": 1,
     "left": 1, "bottom": 1, "right": 1, "lane_bits": 2, "columns": 2},
    {"height": 6, "width": 28, "channels": 8, "kernel": (5, 5), "simd": 8, "top": 2,
     "left": 2, "bottom": 2, "right": 2, "columns": 4, "repeats": 2},
    {"height": 7, "width": 27, "channels": 4, "kernel": (3, 3), "stride": (2, 2), "simd": 2,
     "top": 1, "left": 1, "right": 1, "columns": 7},
]  # fmt: skip


@pytest.mark.parametrize("shape", REAL, ids=str)
def test_real_shapes(shape: dict[str, Any], rng: np.random.Generator) -> None:
    config = LineBufferConfig(**(BITS | shape))
    measure(config, rng)


def test_real_shapes_cover_both_kinds_of_memory() -> None:
    configs = [LineBufferConfig(**(BITS | shape)) for shape in REAL]
    kinds = {(config.mode, config.memory) for config in configs}
    assert kinds == {
        ("serial", "lut"), ("serial", "block"), ("parallel", "lut"), ("parallel", "block"),
    }  # fmt: skip


@pytest.mark.parametrize(("channels", "simd"), [(4, 4), (3, 9)], ids=["serial", "parallel"])
def test_a_slow_steady_producer_starves_nobody(
    channels: int, simd: int, rng: np.random.Generator
) -> None:
    """The pace that the memory is sized for: beat j offered in cycle j * period / beats."""
    config = LineBufferConfig(
        height=6, width=8, channels=channels, lane_bits=1, kernel=(3, 3), simd=simd,
        repeats=2, top=1, bottom=1,
    )  # fmt: skip
    pace = config.cycles_per_frame / config.input_beats
    frames = 6
    codes = rng.integers(0, 2, (frames, config.height, config.width, channels))
    beats = pack(codes, config.i_lanes, 1)
    result = run(
        LineBuffer(config=config), beats, frames * config.output_beats,
        offered=[int(j * pace) for j in range(len(beats))],
    )  # fmt: skip
    assert result.period(config.output_beats) == config.cycles_per_frame


WIRE: dict[str, Any] = {"height": 2, "width": 2, "channels": 4, "lane_bits": 1, "simd": 2}


def test_a_dense_layer_of_one_fold_is_wires(rng: np.random.Generator) -> None:
    config = LineBufferConfig(**WIRE)
    assert config.mode == "wire" and config.depth == 0
    measure(config, rng)


def test_columns_take_the_place_of_wires(rng: np.random.Generator) -> None:
    two: dict[str, Any] = {"columns": 2}
    config = LineBufferConfig(**(WIRE | two))
    assert config.mode == "serial"
    measure(config, rng)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"simd": 3}, "simd is 3, must divide the window's 4 elements"),
        ({"kernel": (3, 1)}, "the kernel is 3x1, the padded map only 2x2"),
        ({"top": 1}, "top padding is 1, with a kernel of 1x1 it must be 0 to 0"),
        ({"pad_code": 2}, "pad_code is 2, must be 0 to 1 in lanes of 1 bits"),
        ({"repeats": 0}, "repeats is 0, must be at least 1"),
        ({"columns": 0}, "columns is 0, must be at least 1"),
        ({"width": 5, "columns": 2}, "columns is 2, must divide the 5 pixels of an output row"),
        (
            {"kernel": (1, 2), "width": 3, "simd": 8, "columns": 2},
            "columns is 2, but simd 8 does not divide the 4 channels",
        ),
    ],
)
def test_refuses(change: dict[str, Any], text: str) -> None:
    with pytest.raises(PlanError, match=text):
        LineBufferConfig(**(WIRE | change))
