"""The stages as NumPy: what each one's lanes are, from those of its sources."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hw.plan.stages import (
    AddStage,
    ArrayStage,
    ConcatStage,
    HeadStage,
    IntegerStage,
    PoolStage,
    ScaleStage,
    Stage,
    ThresholdStage,
    WindowStage,
)
from sw.golden import reference
from sw.model.ir import Padding, Pool

__all__ = ["classes", "matches", "run_stages"]

Lanes = NDArray[np.int64]


def run_stages(stages: tuple[Stage, ...], codes: Lanes) -> dict[str, Lanes]:
    """Lanes (N, H, W, C) of every tensor, from the input's codes; scores of the head's."""
    (source,) = {n for s in stages for n in s.sources} - {s.tensor for s in stages}
    tensors = {source: codes}
    for stage in stages:
        tensors[stage.tensor] = _stage(stage, *(tensors[name] for name in stage.sources))
    return tensors


def _stage(stage: Stage, *sources: Lanes) -> Lanes:
    (first, *others) = sources
    if isinstance(stage, ArrayStage):
        sums = matches(stage, first)
        return sums if stage.thresholds is None else _codes(stage, sums)
    if isinstance(stage, IntegerStage):
        sums = np.einsum("nyxk,ok->nyxo", windows(stage, first), stage.weights)
        return stage.step * sums + stage.starts[classes(stage.y_classes, stage.x_classes)]
    if isinstance(stage, ScaleStage):
        offset = stage.offset[classes(stage.y_classes, stage.x_classes)]
        return np.clip((stage.gain * first + offset) >> stage.shift, 0, stage.levels)
    if isinstance(stage, ThresholdStage):
        return _codes(stage, first)
    if isinstance(stage, AddStage):
        total = stage.steps[0] * first + stage.steps[1] * others[0] + stage.constant
        return np.clip(total, 0, stage.levels)
    if isinstance(stage, ConcatStage):
        return np.concatenate(sources, axis=3)
    if isinstance(stage, PoolStage):
        return _pooled(stage, first)
    assert isinstance(stage, HeadStage)
    scores = stage.step * first.reshape(len(first), -1) + stage.constants
    return scores if stage.kind == "raw" else scores.argmax(1)[:, None]


def windows(stage: WindowStage, codes: Lanes) -> Lanes:
    """(N, H, W, K) codes of each window, pad codes outside."""
    codes = codes.reshape(len(codes), stage.height, stage.width, stage.channels)
    sides = ((0, 0), (stage.top, stage.bottom), (stage.left, stage.right), (0, 0))
    padded = np.pad(codes, sides, constant_values=stage.pad_code)
    (kh, kw), (sy, sx) = stage.kernel, stage.stride
    shape = len(codes), stage.output_height, stage.output_width, stage.fan_in
    result = np.zeros(shape, np.int64)
    for y in range(stage.output_height):
        for x in range(stage.output_width):
            window = padded[:, y * sy : y * sy + kh, x * sx : x * sx + kw]
            result[:, y, x] = window.reshape(len(codes), -1)
    return result


def matches(stage: ArrayStage, codes: Lanes) -> Lanes:
    """Matches (N, H, W, O) as the hardware sums them: pad codes in, XNOR, add."""
    taps, top_code = windows(stage, codes), 2**stage.lane_bits - 1
    flipped = (~stage.weights).sum(1) * top_code
    return np.einsum("nyxk,ok->nyxo", taps, np.where(stage.weights, 1, -1)) + flipped


def classes(y_classes: tuple[int, ...], x_classes: tuple[int, ...]) -> Lanes:
    """Border class (H, W) of each pixel."""
    return np.add.outer(np.array(y_classes) * (max(x_classes) + 1), np.array(x_classes))


def _codes(stage: ArrayStage | ThresholdStage, lanes: Lanes) -> Lanes:
    """Codes of the stage's moved thresholds."""
    assert stage.thresholds is not None
    levels = stage.thresholds[classes(stage.y_classes, stage.x_classes)]
    reached = (lanes[..., None] >= levels).sum(-1)
    return np.where(stage.inverted, stage.levels - reached, reached)


def _pooled(stage: PoolStage, codes: Lanes) -> Lanes:
    pad = Padding(top=stage.top, left=stage.left, bottom=stage.bottom, right=stage.right)
    op = Pool(
        name="pool",
        source="source",
        kind=stage.kind,
        size=stage.size,
        stride=stage.stride,
        padding=pad,
        minimum=stage.minimum,
    )
    return reference.pool(op, codes)
