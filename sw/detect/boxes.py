"""Boxes as corners: overlap, suppression, matching, precision, recall and average precision.

Corners are arrays (n, 4) of xmin, ymin, xmax, ymax, in any one unit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Figures", "average_precision", "evaluate", "iou", "match", "suppress"]

#: Corners and objectness of the boxes found on a frame.
Detected = tuple[NDArray, NDArray]


@dataclass(frozen=True, kw_only=True)
class Figures:
    """How good detections are.

    Parameters
    ----------
    precision : float
        Share of the boxes found, at the threshold, that are right; 0 where none is found.
    recall : float
        Share of the true boxes that are found, at the threshold; 0 where there is none.
    average_precision : float
        Area under precision over recall as the threshold falls over all that was found.
    found, right, true : int
        Numbers of boxes at the threshold.
    """

    precision: float
    recall: float
    average_precision: float
    found: int
    right: int
    true: int


def iou(one: NDArray, other: NDArray) -> NDArray[np.float64]:
    """Intersection over union of each of ``one`` (n, 4) with each of ``other`` (m, 4): (n, m)."""
    one, other = np.asarray(one, np.float64), np.asarray(other, np.float64)
    low = np.maximum(one[:, None, :2], other[None, :, :2])
    high = np.minimum(one[:, None, 2:], other[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=2)
    areas = (np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(axis=1) for boxes in (one, other))
    first, second = areas
    union = first[:, None] + second[None] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def _likeliest(objectness: NDArray) -> NDArray[np.int64]:
    """Indices by falling objectness; of equal ones the first comes first."""
    return np.argsort(-np.asarray(objectness, np.float64), kind="stable")


def suppress(corners: NDArray, objectness: NDArray, overlap: float = 0.45) -> NDArray[np.int64]:
    """Indices of the boxes that stay, the likeliest first (non-maximum suppression).

    A box stays unless its overlap with a likelier one that stays is above ``overlap``.
    """
    left, kept = _likeliest(objectness), []
    while len(left):
        kept.append(left[0])
        clear = iou(corners[left[:1]], corners[left[1:]])[0] <= overlap
        left = left[1:][clear]
    return np.array(kept, np.int64)


def match(corners: NDArray, objectness: NDArray, truth: NDArray, least: float = 0.5) -> NDArray:
    """Which of the boxes found on a frame are right: bool (n,), in their own order.

    From the likeliest on, each takes the true box that it overlaps most of those not yet
    taken, if that is by at least ``least``.
    """
    right = np.zeros(len(corners), bool)
    overlaps = iou(corners, truth)
    for index in _likeliest(objectness):
        if not overlaps.shape[1]:
            break
        best = int(overlaps[index].argmax())
        if overlaps[index, best] >= least:
            right[index] = True
            overlaps[:, best] = -1
    return right


def average_precision(objectness: NDArray, right: NDArray, true: int) -> float:
    """Area under the precision that is reached at each recall or beyond.

    1. by falling objectness, after k boxes of which r are right: precision r / k, recall
       r / true; boxes of equal objectness count together;
    2. the precision of a recall is the greatest at that recall or a greater one;
    3. the area is the sum over the steps of recall.
    """
    if not true or not len(objectness):
        return 0.0
    order = _likeliest(objectness)
    ends = np.append(np.diff(objectness[order]) != 0, True)
    hits = np.cumsum(right[order])[ends]
    precision = hits / (np.flatnonzero(ends) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    recall = np.concatenate([[0], hits / true])
    return float((np.diff(recall) * envelope).sum())


def evaluate(
    found: Sequence[Detected],
    truth: Sequence[NDArray],
    threshold: float = 0.5,
    least: float = 0.5,
) -> Figures:
    """Precision and recall at ``threshold`` and average precision, over all frames together.

    Parameters
    ----------
    found : sequence of (corners (n, 4), objectness (n,)), one for each frame
        Found at a low threshold such as 0.01, so that the average precision sees them all.
    truth : sequence of true corners (m, 4), one for each frame
    threshold : float
        Least objectness for precision and recall.
    least : float
        Least intersection over union of a right box.
    """
    hits = [match(*boxes, those, least) for boxes, those in zip(found, truth, strict=True)]
    right = np.concatenate([np.zeros(0, bool), *hits])
    objectness = np.concatenate([np.zeros(0), *(scores for _, scores in found)])
    true = sum(map(len, truth))
    # Matching goes from the likeliest on: those above the threshold match as if alone.
    kept = objectness >= threshold
    count, correct = int(kept.sum()), int(right[kept].sum())
    return Figures(
        precision=correct / count if count else 0.0,
        recall=correct / true if true else 0.0,
        average_precision=average_precision(objectness, right, true),
        found=count,
        right=correct,
        true=true,
    )
