"""Thresholds on streams against the golden model's."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from hw.blocks.stream_threshold import StreamThreshold
from hw.plan.stream_threshold import StreamThresholdConfig
from sw.errors import PlanError
from sw.golden import reference
from sw.model.ir import Threshold
from tests.hw.blocks.bench import RATES, Transfers, pack, run, unpack


def check(
    config: StreamThresholdConfig, rng: np.random.Generator, frames: int = 3, **how: Any
) -> Transfers:
    height, width = len(config.y_classes), len(config.x_classes)
    low, above = config.level_limits
    shape = config.classes, config.channels, config.levels
    levels = np.sort(rng.integers(low - 2, above + 3, shape), axis=-1)
    inverted = rng.random(config.channels) < 0.5
    source = rng.integers(low, above, (frames, height, width, config.channels))
    expected = np.empty_like(source)
    for y, y_class in enumerate(config.y_classes):
        for x, x_class in enumerate(config.x_classes):
            border = y_class * (max(config.x_classes) + 1) + x_class
            op = Threshold(
                name="t", source="s", levels=levels[border].astype(np.int32), inverted=inverted,
                low=0, step=1,
            )  # fmt: skip
            expected[:, y, x] = reference.threshold(op, source[:, y, x])

    dut = StreamThreshold(config=config, levels=levels, inverted=inverted)
    beats = pack(source % (1 << config.source_bits), config.lanes, config.source_bits)
    result = run(dut, beats, len(beats), rng=rng, **how)
    actual = unpack(result.outputs, config.lanes, config.out_bits)
    np.testing.assert_array_equal(actual.reshape(expected.shape), expected)
    return result


def random_config(rng: np.random.Generator) -> StreamThresholdConfig:
    channels = int(rng.choice([1, 2, 4, 6]))
    border = rng.random() < 0.4
    config = StreamThresholdConfig(
        channels=channels,
        lanes=int(rng.choice([n for n in range(1, channels + 1) if channels % n == 0])),
        source_bits=int(rng.integers(1, 17)),
        encoding=str(rng.choice(["matches", "signed", "code"])),  # type: ignore[arg-type]
        levels=int(rng.choice([1, 1, 2, 3, 7])),
        y_classes=(0, 1, 1, 2) if border else (0, 0),
        x_classes=(0, 1, 2) if border else (0, 0, 0),
        memory=[None, "lut", "block"][rng.integers(0, 3)],
    )
    print(config)
    return config


@pytest.mark.parametrize("part", range(4))
def test_random_configs_at_full_speed(part: int, rng: np.random.Generator) -> None:
    for _ in range(5):
        config = random_config(rng)
        result = check(config, rng)
        assert result.latency() == config.latency_cycles
        assert result.period(config.cycles_per_frame) == config.cycles_per_frame


@pytest.mark.parametrize(("i_rate", "o_rate"), RATES[1:])
def test_random_configs_with_pauses(i_rate: float, o_rate: float, rng: np.random.Generator) -> None:
    for _ in range(2):
        check(random_config(rng), rng, i_rate=i_rate, o_rate=o_rate)


GOOD = StreamThresholdConfig(
    channels=4, lanes=2, source_bits=16, encoding="code", levels=1, y_classes=(0,), x_classes=(0,)
)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"lanes": 3}, "thresholds: lanes is 3, must divide the 4 channels"),
        ({"levels": 0}, "thresholds: levels is 0, must be at least 1"),
        ({"encoding": "float"}, "thresholds: encoding is 'float', must be 'matches', 'signed' or"),
        ({"memory": "disk"}, "thresholds: memory is 'disk', must be 'lut' or 'block'"),
        ({"x_classes": (0, -1)}, "thresholds: class_of_a_column is -1, must be at least 0"),
    ],
)
def test_refuses(change: dict[str, Any], text: str) -> None:
    with pytest.raises(PlanError, match=text):
        replace(GOOD, **change)
