"""Thresholds against the float expression on every integer of the range."""

from __future__ import annotations

import numpy as np
import pytest

from sw.errors import ModelError
from sw.lower.evaluate import apply_steps, indices
from sw.lower.thresholds import bisect_levels
from sw.model.float_ir import Quantiser, Sign, Step, Uniform
from sw.model.ir import IntegerRange
from tests.sw.lower.random_floats import ROUNDINGS, random_batch_norm

RANGE = IntegerRange(low=-150, high=150)


def _counted(levels: np.ndarray, inverted: np.ndarray) -> np.ndarray:
    """What the `Threshold` op counts, for every integer of `RANGE`."""
    values = np.arange(RANGE.low, RANGE.high + 1)[:, None, None]
    count = (values >= levels).sum(2)
    return np.where(inverted, levels.shape[1] - count, count)


def _direct(steps: tuple[Step, ...], quantiser: Quantiser, channels: int) -> np.ndarray:
    values = np.arange(RANGE.low, RANGE.high + 1)[:, None].repeat(channels, 1)
    return indices(quantiser, apply_steps(steps, values))


@pytest.mark.parametrize("zero", [1, -1])
def test_sign_after_batch_norm(rng: np.random.Generator, zero: int) -> None:
    channels = 3000
    steps = (random_batch_norm(rng, channels, 60.0),)
    quantiser = Sign(name="q", source="x", zero=zero)
    levels, inverted = bisect_levels("bn", steps, quantiser, RANGE, channels)
    np.testing.assert_array_equal(_counted(levels, inverted), _direct(steps, quantiser, channels))
    gamma = steps[0].operands[0]
    assert (inverted == (gamma < 0)).all() and (gamma < 0).any() and (gamma == 0).any()


@pytest.mark.parametrize("rounding", [*ROUNDINGS, "away"])
def test_several_levels_after_batch_norm(rng: np.random.Generator, rounding: str) -> None:
    channels = 300
    steps = (random_batch_norm(rng, channels, 60.0), Step.add(0.5), Step.prelu(0.25))
    quantiser = Uniform(
        name="q",
        source="x",
        scale=0.3,
        zero_point=1,
        low=-3,
        high=4,
        rounding=rounding,  # type: ignore[arg-type]
    )
    levels, inverted = bisect_levels("bn", steps, quantiser, RANGE, channels)
    assert levels.shape == (channels, 7) and (np.diff(levels, axis=1) >= 0).all()
    np.testing.assert_array_equal(_counted(levels, inverted), _direct(steps, quantiser, channels))


def test_constant_channels_lie_at_the_ends() -> None:
    steps = (Step.mul([0.0, 0.0, 1.0]), Step.add([1.0, -1.0, 1000.0]))
    levels, inverted = bisect_levels("c", steps, Sign(name="q", source="x"), RANGE, 3)
    assert levels.tolist() == [[-150], [151], [-150]] and not inverted.any()


def test_zero_on_the_boundary_follows_the_sign_of_zero() -> None:
    for zero, wanted in ((1, 7), (-1, 8)):
        quantiser = Sign(name="q", source="x", zero=zero)
        levels, _ = bisect_levels("z", (Step.sub(7.0),), quantiser, RANGE, 1)
        assert levels.tolist() == [[wanted]]


def test_a_falling_channel_is_inverted() -> None:
    quantiser = Uniform(name="q", source="x", low=0, high=2)
    levels, inverted = bisect_levels("f", (Step.reverse_sub(10.0),), quantiser, RANGE, 1)
    # round(10 - acc) clipped to 0..2: at most 1 from 9 on, 0 from 10 on.
    assert levels.tolist() == [[9, 10]] and inverted.tolist() == [True]


def test_overflow_is_refused() -> None:
    steps = (Step.mul([1.0, 1e38]), Step.mul(1e38))
    with pytest.raises(ModelError) as caught:
        bisect_levels("big", steps, Sign(name="q", source="x"), RANGE, 2)
    assert caught.value.message.startswith("op 'big': channel 0 evaluates to [-inf, inf] at the")


def test_ranges_beyond_float32_are_refused() -> None:
    wide = IntegerRange(low=-(2**24), high=2**24)
    with pytest.raises(ModelError) as caught:
        bisect_levels("wide", (), Sign(name="q", source="x"), wide, 1)
    assert str(caught.value) == (
        "op 'wide': accumulators reach 16777216; float32 is exact below 16777216. Use fewer "
        "inputs per output or fewer bits per input."
    )
