"""Anchors of a detector: the sizes that its boxes are told relative to; needs no PyTorch."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from sw.errors import UserError

__all__ = ["choose_anchors", "shape_iou"]

#: Rounds of k-means, of which few are needed.
ROUNDS = 50


def shape_iou(sizes: NDArray, anchors: NDArray) -> NDArray[np.float64]:
    """Intersection over union of boxes (n, 2) and anchors (m, 2) of one centre: (n, m)."""
    sizes, anchors = np.asarray(sizes, np.float64), np.asarray(anchors, np.float64)
    shared = np.minimum(sizes[:, None], anchors[None]).prod(2)
    return shared / (sizes.prod(1)[:, None] + anchors.prod(1)[None] - shared)


def choose_anchors(sizes: NDArray, count: int) -> NDArray[np.float32]:
    """``count`` sizes that boxes overlap well, the smallest first (k-means by `shape_iou`).

    1. Boxes in the order of their areas are cut into ``count`` equal parts; each part's
       median is an anchor.
    2. Each box goes to the anchor that it overlaps most, and the anchor becomes their mean,
       until nothing changes.

    Parameters
    ----------
    sizes : array (n, 2)
        Width and height of the training boxes, as fractions of the frame's.

    Raises
    ------
    UserError
        There are no boxes.
    """
    sizes = np.asarray(sizes, np.float64).reshape(-1, 2)
    if not len(sizes):
        raise UserError(
            "the training frames have no boxes; allowed for a detector is at least one",
            "Give other data with --data",
        )
    order = sizes[np.argsort(sizes.prod(1), kind="stable")]
    ends = np.linspace(0, len(order), count + 1)
    anchors = np.stack(
        [
            np.median(order[int(first) : max(int(end), int(first) + 1)], axis=0)
            for first, end in pairwise(ends)
        ]
    )
    for _ in range(ROUNDS):
        nearest = shape_iou(sizes, anchors).argmax(1)
        new = np.stack(
            [
                sizes[nearest == index].mean(0) if (nearest == index).any() else anchor
                for index, anchor in enumerate(anchors)
            ]
        )
        if np.allclose(new, anchors):
            break
        anchors = new
    return anchors[np.argsort(anchors.prod(1), kind="stable")].astype(np.float32)
