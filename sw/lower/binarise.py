"""Real weights become +-1 and a scale, moved behind the accumulator."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sw.errors import ModelError

__all__ = ["binarise"]

_REMEDY = (
    "Binarise the weights before exporting: sign(w) times one positive scale for the tensor "
    "or for each output channel"
)

#: Relative spread within which magnitudes of one channel count as one scale.
TOLERANCE = 1e-5


def binarise(
    name: str, weights: NDArray[np.float32]
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """``weights`` (outputs, ...) as +-1 of the same shape, and their scales.

    Returns
    -------
    signs : int8 array, the shape of ``weights``
    scales : float32 array (), or (outputs,) where they differ

    Raises
    ------
    ModelError
        A weight is zero, not finite, or of a magnitude unlike the others of its output.
    """
    weights = np.asarray(weights, np.float32)
    if not np.isfinite(weights).all():
        bad = weights[~np.isfinite(weights)][0]
        raise ModelError(f"op '{name}': a weight is {bad}; allowed is +-scale", _REMEDY)
    if not weights.all():
        count = int((weights == 0).sum())
        raise ModelError(
            f"op '{name}': {count} of {weights.size} weights are 0; allowed is +-scale", _REMEDY
        )
    magnitudes = np.abs(weights).reshape(len(weights), -1)
    low, high = magnitudes.min(1), magnitudes.max(1)
    uneven = high - low > TOLERANCE * high
    if uneven.any():
        channel = int(np.flatnonzero(uneven)[0])
        raise ModelError(
            f"op '{name}': weights of output {channel} have magnitudes from {low[channel]:.6g} "
            f"to {high[channel]:.6g}; allowed is one magnitude per output: they are float weights",
            _REMEDY,
        )
    scales = magnitudes[:, 0].copy()
    if (scales == scales[0]).all():
        scales = scales[0]
    return np.where(weights > 0, 1, -1).astype(np.int8), np.asarray(scales, np.float32)
