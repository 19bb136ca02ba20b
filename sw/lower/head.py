"""The float operations after the last accumulator: an integer bias, a scale, an offset."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sw.errors import ModelError
from sw.model.float_ir import Step
from sw.model.ir import Head

__all__ = ["make_head"]

#: How near to an integer, relative to its size, a bias must be to count as one.
TOLERANCE = 1e-6


def make_head(
    name: str,
    source: str,
    steps: Sequence[Step],
    channels: int,
    pixels: int,
    kind: Literal["raw", "argmax"],
) -> Head:
    """`Head` whose logits are what ``steps`` make of the accumulators of ``source``.

    1. The steps are affine: ``logit = scale * acc + offset``, in float64 per channel.
    2. Where one scale serves all channels and the offsets are integer multiples of it
       (to a common rest), they become the integer bias: the scores then order the classes.
    3. Else the bias is 0 and the host applies scale and offset to the raw scores.

    Raises
    ------
    ModelError
        A step is not affine; or ``kind`` is argmax and the order of the integer scores
        is not that of the logits.
    """
    scale, offset = _affine(source, steps, channels)
    bias = np.zeros(channels, np.int64)
    if (scale == scale[0]).all() and scale[0] != 0:
        ratio = offset / scale[0]
        for rest in (0.0, ratio[0]):
            whole = np.rint(ratio - rest)
            if (np.abs(ratio - rest - whole) <= TOLERANCE * np.maximum(1, np.abs(ratio))).all():
                bias, offset = whole.astype(np.int64), np.full(channels, rest * scale[0])
                break
    single = (scale == scale[0]).all() and scale[0] > 0 and (offset == offset[0]).all()
    if kind == "argmax" and not single:
        raise ModelError(
            f"op '{source}': the argmax of its integers is not the network's answer: its logits "
            f"have scales {scale.min():.6g} to {scale.max():.6g} and offsets {offset.min():.6g} "
            f"to {offset.max():.6g}; allowed are one positive scale, and offsets that are "
            "multiples of it",
            "Use head 'raw' (--head raw): the host then scales the scores and takes the argmax",
        )
    return Head(
        name=name,
        source=source,
        kind=kind,
        bias=np.tile(bias, pixels).astype(np.int32),
        scale=np.tile(scale, pixels).astype(np.float32),
        offset=np.tile(offset, pixels).astype(np.float32),
    )


def _affine(
    source: str, steps: Sequence[Step], channels: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    scale, offset = np.ones(channels), np.zeros(channels)
    for step in steps:
        kind = step.kind
        operands = [np.asarray(o, np.float64) for o in step.operands]
        if kind == "add":
            offset = offset + operands[0]
        elif kind == "sub":
            offset = offset - operands[0]
        elif kind == "reverse_sub":
            scale, offset = -scale, operands[0] - offset
        elif kind == "mul":
            scale, offset = scale * operands[0], offset * operands[0]
        elif kind == "div":
            scale, offset = scale / operands[0], offset / operands[0]
        elif kind == "batch_norm":
            gamma, beta, mean, variance, epsilon = operands
            factor = gamma / np.sqrt(variance + epsilon)
            scale, offset = scale * factor, offset * factor + (beta - mean * factor)
        else:
            raise ModelError(
                f"op '{source}' is the last layer and is followed by '{kind}'; allowed are add, "
                "sub, mul, div and batch_norm",
                "Export the network up to its logits",
            )
    if not (np.isfinite(scale).all() and np.isfinite(offset).all()):
        raise ModelError(
            f"op '{source}': its logits are not finite",
            "Retrain or re-export the network; its batch norm or scales are damaged",
        )
    return scale, offset
