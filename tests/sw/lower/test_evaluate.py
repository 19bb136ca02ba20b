"""Steps and quantisers against their definitions."""

from __future__ import annotations

import numpy as np
import pytest

from sw.errors import ModelError
from sw.lower.evaluate import apply_steps, check_steps, direction, indices, real_values
from sw.model.float_ir import Sign, Step, Uniform

X = np.array([[-2.5], [-1.5], [-0.5], [0.0], [0.5], [1.5], [2.5]], np.float32)


@pytest.mark.parametrize(
    ("step", "wanted"),
    [
        (Step.add(1.0), [-1.5, -0.5, 0.5, 1, 1.5, 2.5, 3.5]),
        (Step.sub(1.0), [-3.5, -2.5, -1.5, -1, -0.5, 0.5, 1.5]),
        (Step.reverse_sub(1.0), [3.5, 2.5, 1.5, 1, 0.5, -0.5, -1.5]),
        (Step.mul(-2.0), [5, 3, 1, 0, -1, -3, -5]),
        (Step.div(0.5), [-5, -3, -1, 0, 1, 3, 5]),
        (Step.batch_norm(2.0, 1.0, 0.5, 3.0, 1.0), [-2, -1, 0, 0.5, 1, 2, 3]),
        (Step.relu(), [0, 0, 0, 0, 0.5, 1.5, 2.5]),
        (Step.prelu(0.5), [-1.25, -0.75, -0.25, 0, 0.5, 1.5, 2.5]),
        (Step.clip(-1.0, 2.0), [-1, -1, -0.5, 0, 0.5, 1.5, 2]),
        (Step.greater(0.0), [0, 0, 0, 0, 1, 1, 1]),
    ],
)
def test_steps(step: Step, wanted: list[float]) -> None:
    got = apply_steps((step,), X)
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got[:, 0], np.array(wanted, np.float32))


@pytest.mark.parametrize(
    ("rounding", "wanted"),
    [
        ("half_even", [-2, -2, 0, 0, 0, 2, 2]),
        ("half_up", [-2, -1, 0, 0, 1, 2, 3]),
        ("half_away", [-3, -2, -1, 0, 1, 2, 3]),
        ("half_to_zero", [-2, -1, 0, 0, 0, 1, 2]),
        ("floor", [-3, -2, -1, 0, 0, 1, 2]),
        ("ceil", [-2, -1, 0, 0, 1, 2, 3]),
        ("to_zero", [-2, -1, 0, 0, 0, 1, 2]),
        ("away", [-3, -2, -1, 0, 1, 2, 3]),
    ],
)
def test_roundings(rounding: str, wanted: list[int]) -> None:
    quantiser = Uniform(name="q", source="x", low=-4, high=4, rounding=rounding)  # type: ignore[arg-type]
    assert (indices(quantiser, X)[:, 0] - 4).tolist() == wanted


def test_uniform_scale_zero_point_and_clipping() -> None:
    quantiser = Uniform(name="q", source="x", scale=0.5, zero_point=1, low=0, high=3)
    assert indices(quantiser, X)[:, 0].tolist() == [0, 0, 0, 1, 2, 3, 3]
    assert real_values(quantiser).tolist() == [-0.5, 0, 0.5, 1]


def test_bounds() -> None:
    assert Uniform.bounds(2, signed=True, narrow=True) == (-1, 1)
    assert Uniform.bounds(8, signed=True, narrow=False) == (-128, 127)
    assert Uniform.bounds(2, signed=False, narrow=False) == (0, 3)
    assert Uniform.bounds(2, signed=False, narrow=True) == (0, 2)


def test_sign() -> None:
    up, down = (Sign(name="q", source="x", zero=zero, scale=0.5) for zero in (1, -1))
    assert indices(up, X)[:, 0].tolist() == [0, 0, 0, 1, 1, 1, 1]
    assert indices(down, X)[:, 0].tolist() == [0, 0, 0, 0, 1, 1, 1]
    assert apply_steps((up,), X)[:, 0].tolist() == [-0.5] * 3 + [0.5] * 4


def test_direction_is_the_product_of_signs(rng: np.random.Generator) -> None:
    channels = 200
    gamma = rng.normal(size=channels) * (rng.random(channels) < 0.8)
    scale = rng.normal(size=channels)
    steps = (
        Step.batch_norm(gamma, 0.0, 1.0, 1.0, 0.0),
        Step.reverse_sub(1.0),
        Step.div(scale),
        Step.relu(),
    )
    np.testing.assert_array_equal(direction(steps, channels), -np.sign(gamma) * np.sign(scale))
    values = apply_steps(steps, np.arange(-50, 51)[:, None].repeat(channels, 1))
    moves = np.diff(values, axis=0) * direction(steps, channels)
    assert (moves >= 0).all()


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (Step.add(np.nan), "op 'x', step 'add': operand holds nan; allowed are finite numbers"),
        (Step.mul([1.0, np.inf]), "op 'x', step 'mul': operand holds inf; allowed are finite"),
        (Step.add([1.0, 2.0, 3.0]), "operand of shape (3,) on 2 channels; allowed is a scalar or"),
        (Step.div([1.0, 0.0]), "op 'x', step 'div': divides by 0; allowed is any other number"),
        (
            Step.batch_norm(1.0, 0.0, 0.0, -1.0, 0.5),
            "variance + epsilon is -0.5; allowed is more than 0",
        ),
        (Step.prelu(-0.5), "slope is -0.5; allowed is 0 or more"),
        (Step.clip(1.0, 0.0), "clips from 1.0 to 0.0; allowed is low <= high"),
    ],
)
def test_illegal_operands(step: Step, message: str) -> None:
    with pytest.raises(ModelError) as caught:
        check_steps("x", (step,), 2)
    assert message in caught.value.message
