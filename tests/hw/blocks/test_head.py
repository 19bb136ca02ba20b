"""Scores and the winner against plain NumPy."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pytest

from hw.blocks.head import Head
from hw.plan.stream import HeadConfig
from sw.errors import PlanError
from tests.hw.blocks.bench import RATES, Transfers, pack, run


def sample(payload: Any) -> Any:
    return payload.as_value()


def check(
    config: HeadConfig,
    rng: np.random.Generator,
    *,
    frames: int = 4,
    i_rate: float = 1.0,
    o_rate: float = 1.0,
) -> Transfers:
    matches = rng.integers(0, 1 << config.match_bits, (frames, config.elements))
    constants = rng.integers(-50, 50, config.elements)
    if rng.random() < 0.3:
        constants[:] = constants[0]
    scores = config.step * matches + constants
    expected = scores if config.kind == "raw" else scores.argmax(1)[:, None]
    beats = pack(matches, config.lanes, config.match_bits)
    limit = 1000 + int(8 * matches.size / (i_rate * o_rate))
    result = run(
        Head(config=config, constants=constants), beats, expected.size,
        rng=rng, i_rate=i_rate, o_rate=o_rate, sample=sample, limit=limit,
    )  # fmt: skip
    low = np.array(result.outputs, np.int64).reshape(expected.shape)
    sign = 1 << (config.score_bits - 1)
    data = ((low & (2 * sign - 1)) ^ sign) - sign
    np.testing.assert_array_equal(data, expected)
    last = low >> config.score_bits
    np.testing.assert_array_equal(last[:, -1], 1)
    np.testing.assert_array_equal(last[:, :-1], 0)
    return result


def random_config(rng: np.random.Generator, kind: Literal["raw", "argmax"]) -> HeadConfig:
    elements = int(rng.choice([1, 2, 6, 10, 12]))
    config = HeadConfig(
        elements=elements,
        lanes=int(rng.choice([n for n in range(1, elements + 1) if elements % n == 0])),
        # Few bits make ties.
        match_bits=int(rng.choice([2, 6])),
        step=int(rng.choice([1, 2, 3])),
        kind=kind,
        score_bits=10,
    )
    print(config)
    return config


@pytest.mark.parametrize("kind", ["raw", "argmax"])
@pytest.mark.parametrize("part", range(3))
def test_at_full_speed(kind: Literal["raw", "argmax"], part: int, rng: np.random.Generator) -> None:
    for _ in range(5):
        config = random_config(rng, kind)
        result = check(config, rng)
        assert result.period(config.output_beats) == config.cycles_per_frame
        assert result.latency() == config.latency_cycles


@pytest.mark.parametrize("kind", ["raw", "argmax"])
@pytest.mark.parametrize(("i_rate", "o_rate"), RATES[1:])
def test_with_pauses(
    kind: Literal["raw", "argmax"], i_rate: float, o_rate: float, rng: np.random.Generator
) -> None:
    for _ in range(2):
        check(random_config(rng, kind), rng, i_rate=i_rate, o_rate=o_rate)


def test_many_elements(rng: np.random.Generator) -> None:
    config = HeadConfig(elements=100, lanes=5, match_bits=6, step=2, score_bits=10)
    check(config, rng, frames=2)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"lanes": 3}, "lanes is 3, must divide the 10 elements"),
        ({"kind": "best"}, "kind is 'best', must be 'raw' or 'argmax'"),
        ({"kind": "argmax", "score_bits": 4}, "score_bits is 4, too few for the index of 10"),
        ({"step": 0}, "step is 0, must be at least 1"),
    ],
)
def test_refuses(change: dict[str, Any], text: str) -> None:
    good: dict[str, Any] = {
        "elements": 10, "lanes": 5, "match_bits": 6, "step": 2, "score_bits": 10,
    }  # fmt: skip
    with pytest.raises(PlanError, match=text):
        HeadConfig(**(good | change))


def test_refuses_constants_of_another_shape() -> None:
    config = HeadConfig(elements=2, lanes=1, match_bits=4, step=1, score_bits=8)
    with pytest.raises(PlanError, match=r"constants has shape \(3,\), must be \(2,\)"):
        Head(config=config, constants=[1, 2, 3])
