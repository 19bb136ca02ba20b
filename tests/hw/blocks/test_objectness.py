"""Marks on boxes against plain NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hw.blocks.head import head_layout
from hw.blocks.objectness import Objectness
from hw.plan.objectness import ObjectnessConfig
from sw.errors import PlanError
from sw.model.model import BOX_CHANNELS
from tests.hw.blocks.bench import RATES, Transfers, run


def sample(payload: Any) -> Any:
    return payload.as_value()


def check(
    config: ObjectnessConfig,
    rng: np.random.Generator,
    *,
    frames: int = 3,
    i_rate: float = 1.0,
    o_rate: float = 1.0,
) -> Transfers:
    """Scores that lie about the levels, and at the ends of their range."""
    sign = 1 << (config.score_bits - 1)
    # Some levels are beyond every score.
    levels = rng.integers(-sign - 2, sign + 3, config.levels)
    boxes = config.elements // BOX_CHANNELS
    of_box = np.resize(levels, boxes)
    scores = np.clip(
        of_box[None, :, None] + rng.integers(-2, 3, (frames, boxes, BOX_CHANNELS)), -sign, sign - 1
    )
    ends = rng.random(scores.shape) < 0.1
    scores[ends] = rng.choice([-sign, sign - 1], ends.sum())
    marks = np.zeros(scores.shape, np.int64)
    marks[..., -1] = scores[..., -1] >= of_box
    last = np.zeros((frames, config.elements), np.int64)
    last[:, -1] = 1
    words = ((scores.ravel() % (2 * sign)) + last.ravel() * 2 * sign).tolist()
    result = run(
        Objectness(config=config, levels=levels),
        [head_layout(config.score_bits).from_bits(word) for word in words], len(words),
        rng=rng, i_rate=i_rate, o_rate=o_rate, sample=sample,
    )  # fmt: skip
    found = np.array(result.outputs, np.int64)
    np.testing.assert_array_equal(found & (4 * sign - 1), words)
    np.testing.assert_array_equal(found >> config.score_bits + 1, marks.ravel())
    return result


def random_config(rng: np.random.Generator) -> ObjectnessConfig:
    levels = int(rng.choice([1, 2, 3, 5, 30]))
    config = ObjectnessConfig(
        elements=BOX_CHANNELS * levels * int(rng.choice([1, 2, 4])),
        levels=levels,
        score_bits=int(rng.choice([2, 4, 11])),
        memory=(None, "lut", "block")[rng.integers(3)],
    )
    print(config)
    return config


@pytest.mark.parametrize("part", range(2))
def test_at_full_speed(part: int, rng: np.random.Generator) -> None:
    for _ in range(4):
        config = random_config(rng)
        result = check(config, rng)
        assert result.period(config.elements) == config.cycles_per_frame
        assert result.latency() == config.latency_cycles


@pytest.mark.parametrize(("i_rate", "o_rate"), RATES[1:])
def test_with_pauses(i_rate: float, o_rate: float, rng: np.random.Generator) -> None:
    for _ in range(2):
        check(random_config(rng), rng, i_rate=i_rate, o_rate=o_rate)


def test_levels_by_place_are_kept_in_block_ram() -> None:
    few = ObjectnessConfig(elements=15, levels=3, score_bits=12)
    many = ObjectnessConfig(elements=5 * 507, levels=507, score_bits=12)
    assert (few.kind, few.read_cycles) == ("lut", 1)
    assert (many.kind, many.read_cycles) == ("block", 2)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"levels": 0}, "objectness: levels is 0, must be at least 1"),
        ({"levels": 4}, "elements is 30, must be a multiple of 5 scores a box x 4 levels"),
        ({"elements": 33}, "elements is 33, must be a multiple of 5 scores a box x 3 levels"),
        ({"memory": "rom"}, "memory is 'rom', must be 'lut' or 'block'"),
    ],
)
def test_refuses(change: dict[str, Any], text: str) -> None:
    good: dict[str, Any] = {"elements": 30, "levels": 3, "score_bits": 8}
    with pytest.raises(PlanError, match=text):
        ObjectnessConfig(**(good | change))
