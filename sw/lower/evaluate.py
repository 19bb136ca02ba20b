"""Float32 evaluation of steps and quantisers, and the direction in which they run.

Each step is one or a few correctly rounded float32 operations, and each of those is
monotone in x. So a chain of steps is monotone per channel by construction, rounding
included, and `direction` tells which way: the product of the signs of what it
multiplies by. That is what makes bisection (`sw.lower.thresholds`) exact.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from sw.errors import ModelError
from sw.model.float_ir import Quantiser, Sign, Step, Uniform

__all__ = ["apply_steps", "check_steps", "direction", "indices", "real_values"]

Float = NDArray[np.float32]

_ONE = np.float32(1)
_HALF = np.float32(0.5)


def _batch_norm(x: Float, *operands: Float) -> NDArray:
    gamma, beta, mean, variance, epsilon = operands
    scale = gamma * (_ONE / np.sqrt(variance + epsilon))
    return x * scale + (beta - mean * scale)


_STEPS: dict[str, Callable[..., NDArray]] = {
    "add": lambda x, value: x + value,
    "sub": lambda x, value: x - value,
    "reverse_sub": lambda x, value: value - x,
    "mul": lambda x, value: x * value,
    "div": lambda x, value: x / value,
    "batch_norm": _batch_norm,
    "relu": lambda x: np.maximum(x, np.float32(0)),
    "prelu": lambda x, slope: np.where(x > 0, x, x * slope),
    "clip": lambda x, low, high: np.minimum(np.maximum(x, low), high),
    "greater": lambda x, value: (x > value).astype(np.float32),
}

_ROUNDINGS: dict[str, Callable[[Float], NDArray]] = {
    "half_even": np.rint,
    "half_up": lambda x: np.floor(x + _HALF),
    "half_away": lambda x: np.copysign(np.floor(np.abs(x) + _HALF), x),
    "half_to_zero": lambda x: np.copysign(np.ceil(np.abs(x) - _HALF), x),
    "floor": np.floor,
    "ceil": np.ceil,
    "to_zero": np.trunc,
    "away": lambda x: np.copysign(np.ceil(np.abs(x)), x),
}


def apply_steps(steps: Iterable[Step | Quantiser], x: NDArray) -> Float:
    """``steps`` on ``x`` (..., channels), rounding to float32 after each operation.

    A quantiser among the steps yields its real values.
    """
    x = np.asarray(x, np.float32)
    # Overflow is looked for in the results, by whoever called.
    with np.errstate(all="ignore"):
        for step in steps:
            if isinstance(step, Quantiser):
                x = real_values(step)[indices(step, x)]
            else:
                x = np.asarray(_STEPS[step.kind](x, *step.operands), np.float32)
    return np.asarray(x, np.float32)


def indices(quantiser: Quantiser, x: NDArray) -> NDArray[np.int64]:
    """Index of the value that each element of ``x`` is quantised to, 0 the lowest."""
    x = np.asarray(x, np.float32)
    if isinstance(quantiser, Sign):
        return (x >= 0 if quantiser.zero > 0 else x > 0).astype(np.int64)
    assert isinstance(quantiser, Uniform), f"unknown quantiser {quantiser!r}"
    scaled = x / np.float32(quantiser.scale) + np.float32(quantiser.zero_point)
    clipped = np.clip(scaled, np.float32(quantiser.low), np.float32(quantiser.high))
    rounded = _ROUNDINGS[quantiser.rounding](np.asarray(clipped, np.float32))
    return rounded.astype(np.int64) - quantiser.low


def real_values(quantiser: Quantiser) -> Float:
    """The real values (levels + 1,) that ``quantiser`` can give, ascending."""
    integers = quantiser.low_integer + quantiser.step * np.arange(quantiser.levels + 1)
    return integers.astype(np.float32) * np.float32(quantiser.scale)


def direction(steps: Iterable[Step | Quantiser], channels: int) -> NDArray[np.int8]:
    """+1 per channel where ``steps`` never fall with x, -1 where they never rise.

    0 where they are constant because a factor is zero.
    """
    result = np.ones(channels, np.int8)
    for step in steps:
        if isinstance(step, Quantiser):
            continue
        if step.kind in ("mul", "div", "batch_norm"):
            result = result * np.sign(step.operands[0]).astype(np.int8)
        elif step.kind == "reverse_sub":
            result = -result
    return result


def check_steps(name: str, steps: Iterable[Step], channels: int) -> None:
    """Refuse operands that are not finite, not of the right shape, or make steps fall back.

    Raises
    ------
    ModelError
        Naming the op, the step and the offending value.
    """
    for step in steps:
        where = f"op '{name}', step '{step.kind}'"
        for operand in step.operands:
            if operand.shape not in ((), (1,), (channels,)):
                raise ModelError(
                    f"{where}: operand of shape {operand.shape} on {channels} channels; "
                    f"allowed is a scalar or ({channels},)",
                    "Use one value for all or one per channel",
                )
            if not np.isfinite(operand).all():
                bad = operand[~np.isfinite(operand)].flat[0]
                raise ModelError(
                    f"{where}: operand holds {bad}; allowed are finite numbers",
                    "Retrain or re-export the network; its weights are damaged",
                )
        problem = _problem(step)
        if problem:
            raise ModelError(
                f"{where}: {problem}", "Retrain or re-export the network with legal parameters"
            )


def _problem(step: Step) -> str:
    """What makes the operands of ``step`` illegal, or nothing."""
    if step.kind == "div" and not step.operands[0].all():
        return "divides by 0; allowed is any other number"
    if step.kind == "batch_norm" and not (step.operands[3] + step.operands[4] > 0).all():
        worst = (step.operands[3] + step.operands[4]).min()
        return f"variance + epsilon is {worst}; allowed is more than 0"
    if step.kind == "prelu" and not (step.operands[0] >= 0).all():
        return f"slope is {step.operands[0].min()}; allowed is 0 or more"
    if step.kind == "clip" and not (step.operands[0] <= step.operands[1]).all():
        return f"clips from {step.operands[0]} to {step.operands[1]}; allowed is low <= high"
    return ""
