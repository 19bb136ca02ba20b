"""Everything between an accumulator and its quantiser becomes integer thresholds.

1. ``index(acc) = quantiser(steps(float32(acc)))`` is evaluated in float32, by the very
   operations of the trained network; no formula is solved for the threshold.
2. Per channel it never falls (or never rises) with ``acc``, see `sw.lower.evaluate`.
3. Level i of a rising channel is hence the least ``acc`` with ``index(acc) >= i``: a
   bisection over the accumulator's range. Level j of a falling channel is the least
   ``acc`` with ``index(acc) <= L - j``, and the op gives ``L - n`` (inverted).
4. A level that is never reached lies one above the range; one always reached, at its
   low end. So a constant channel needs no special case.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sw.errors import ModelError
from sw.lower.evaluate import apply_steps, direction, indices
from sw.model.float_ir import Quantiser, Step
from sw.model.ir import IntegerRange

__all__ = ["EXACT_LIMIT", "bisect_levels"]

#: float32 holds each integer of lesser magnitude exactly.
EXACT_LIMIT = 2**24


def bisect_levels(
    name: str,
    steps: Sequence[Step | Quantiser],
    quantiser: Quantiser,
    accumulators: IntegerRange,
    channels: int,
) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """Levels (channels, L), ascending, and inverted (channels,) of a `Threshold`.

    Parameters
    ----------
    name : str
        Of the op, for messages.
    steps : sequence of Step or Quantiser
        From the accumulator to the quantiser.
    accumulators : IntegerRange
        Values to cover; beyond them the result is unspecified.

    Raises
    ------
    ModelError
        The range is too wide for float32, or the steps overflow on it.
    """
    low, high = accumulators.low, accumulators.high
    if max(-low, high) >= EXACT_LIMIT:
        raise ModelError(
            f"op '{name}': accumulators reach {max(-low, high)}; "
            f"float32 is exact below {EXACT_LIMIT}",
            "Use fewer inputs per output or fewer bits per input",
        )
    _check_finite(name, steps, accumulators, channels)
    inverted = direction(steps, channels) < 0
    count = quantiser.levels
    levels = np.arange(1, count + 1)[:, None]

    def reached(values: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether the op counts each level at ``values`` (L, channels)."""
        index = indices(quantiser, apply_steps(steps, values))
        return np.where(inverted, count - index, index) >= levels

    # Invariant: not reached below `floor`, reached at `ceiling` and above.
    floor = np.full((count, channels), low, np.int64)
    ceiling = np.full((count, channels), high + 1, np.int64)
    while (floor < ceiling).any():
        middle = (floor + ceiling) // 2
        at_middle = reached(np.minimum(middle, high)) & (floor < ceiling)
        ceiling = np.where(at_middle, middle, ceiling)
        floor = np.where(~at_middle & (floor < ceiling), middle + 1, floor)
    result = np.ascontiguousarray(ceiling.T).astype(np.int32)
    _check_samples(name, steps, quantiser, accumulators, result, inverted)
    return result, inverted


def _check_finite(
    name: str, steps: Sequence[Step | Quantiser], accumulators: IntegerRange, channels: int
) -> None:
    """Monotone steps that are finite at both ends are finite between."""
    ends = np.array([[accumulators.low], [accumulators.high]], np.float32)
    values = np.broadcast_to(apply_steps(steps, np.repeat(ends, channels, 1)), (2, channels))
    if not np.isfinite(values).all():
        channel = int(np.flatnonzero(~np.isfinite(values).all(0))[0])
        raise ModelError(
            f"op '{name}': channel {channel} evaluates to {values[:, channel].tolist()} at the "
            f"ends of its range {accumulators.low} to {accumulators.high}; allowed are finite "
            "numbers",
            "Retrain or re-export the network; its batch norm or scales are damaged",
        )


def _check_samples(
    name: str,
    steps: Sequence[Step | Quantiser],
    quantiser: Quantiser,
    accumulators: IntegerRange,
    levels: NDArray[np.int32],
    inverted: NDArray[np.bool_],
) -> None:
    """Evaluate across the range once more and compare with the thresholds."""
    low, high = accumulators.low, accumulators.high
    values = np.unique(np.linspace(low, high, 65).round().astype(np.int64))
    grid = np.repeat(values[:, None], len(levels), 1)
    wanted = indices(quantiser, apply_steps(steps, grid))
    count = np.zeros_like(wanted)
    for level in levels.T:
        count += grid >= level
    got = np.where(inverted, quantiser.levels - count, count)
    assert np.array_equal(wanted, got), f"op '{name}' is not monotone in its accumulator"
