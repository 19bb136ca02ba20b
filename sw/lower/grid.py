"""Which integers stand for a set of real values: even spacing, found or refused."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sw.model.ir import IntegerRange

__all__ = ["Grid", "find_grid"]

#: More levels than that are no longer one first layer's input.
MOST_LEVELS = 1023

#: Deviation from the grid that float32 rounding may cause, as a part of its spacing.
TOLERANCE = 1e-3


@dataclass(frozen=True, kw_only=True)
class Grid:
    """``real value = integer * scale`` for the integers of ``range``."""

    range: IntegerRange
    scale: float

    def integers(self, reals: NDArray) -> NDArray[np.int64]:
        """Integers of ``reals``, which must lie on the grid."""
        return np.rint(np.asarray(reals, np.float64) / self.scale).astype(np.int64)


def find_grid(reals: NDArray) -> Grid | None:
    """The coarsest grid through zero, or midway beside it, that holds all ``reals``.

    Zero must be on the grid or halfway between two of its points (as with -1 and +1, or
    ``pixel / 127.5 - 1``); then the integers are odd, with a step of 2. None where
    there is no such grid, or only one value.
    """
    values = np.unique(np.asarray(reals, np.float64))
    if len(values) < 2 or not np.isfinite(values).all():
        return None
    span = values[-1] - values[0]
    closest = np.diff(values).min()
    count = int(np.rint(span / closest)) if span / closest <= MOST_LEVELS + 1 else 0
    if not 1 <= count <= MOST_LEVELS:
        return None
    spacing = span / count
    steps = (values - values[0]) / spacing
    if np.abs(steps - np.rint(steps)).max() > TOLERANCE:
        return None
    for step in (1, 2):
        scale = spacing / step
        low = values[0] / scale
        if abs(low - np.rint(low)) <= TOLERANCE * step and abs(low) + count * step < 2**15:
            first = int(np.rint(low))
            found = IntegerRange(low=first, high=first + step * count, step=step)
            return Grid(range=found, scale=float(scale))
    return None
