"""From the integer scores of a detector to boxes.

The accelerator and the golden model give the raw tensor, which is exact; what follows is
float arithmetic on the host. Which boxes there are is still an integer question: see `levels`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sw.detect.boxes import suppress
from sw.errors import ModelError
from sw.model.model import BOX_CHANNELS, Detection, Model

__all__ = ["Found", "decode", "find", "levels", "objects", "sigmoid"]

#: Exponents of sizes are cut here: no frame shows a box of e**8 anchors.
MAX_EXPONENT = 8.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Found:
    """The boxes found on a frame, the likeliest first.

    Parameters
    ----------
    corners : float64 array (n, 4)
        xmin, ymin, xmax, ymax as fractions of the frame, cut at its edges.
    objectness : float64 array (n,)
        0 to 1.
    """

    corners: NDArray[np.float64]
    objectness: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.corners)

    def above(self, threshold: float) -> Found:
        """Those of at least that objectness."""
        kept = self.objectness >= threshold
        return Found(corners=self.corners[kept], objectness=self.objectness[kept])


def sigmoid(values: NDArray) -> NDArray[np.float64]:
    """``1 / (1 + exp(-values))`` in float64, without overflow."""
    small = np.exp(-np.abs(np.asarray(values, np.float64)))
    return np.where(np.asarray(values) >= 0, 1 / (1 + small), small / (1 + small))


def detection_of(model: Model) -> Detection:
    """The model's description of its boxes.

    Raises
    ------
    ModelError
        It is no detector.
    """
    if model.detection is None:
        raise ModelError(
            f"model '{model.name}' is no detector: it gives scores and no boxes",
            "Give a model with anchors, as sw.train writes it for a detector network",
        )
    return model.detection


def _cells(model: Model, values: NDArray) -> NDArray:
    """Values of the head's elements (..., elements) as (..., H, W, anchors, 5)."""
    anchors = len(detection_of(model).anchors)
    return values.reshape(*values.shape[:-1], *model.grid, anchors, BOX_CHANNELS)


def levels(model: Model, threshold: float) -> NDArray[np.int64]:
    """Least integer score of objectness that counts as a box, (H, W, anchors).

    ``score >= level`` decides exactly as ``sigmoid(logit) >= threshold`` does on the logits
    ``float32(score) * scale + offset`` of the model: the level is found by bisection of that
    very expression, in float32, over the range of the scores. A box that no score reaches has
    a level one above the range, and one that every score reaches has the lowest of the range.

    Parameters
    ----------
    model : Model
        A detector; its scales of objectness are positive, so that logits ascend with scores.
    threshold : float
        Between 0 and 1.

    Raises
    ------
    ModelError
        The model is no detector, or the threshold is out of range.
    """
    if not 0 < threshold < 1:
        raise ModelError(
            f"the threshold is {threshold}; allowed is between 0 and 1", "Give such as 0.5"
        )
    head = model.graph.head
    range_ = model.graph.types[head.name].range
    scale, offset = (
        _cells(model, values)[..., BOX_CHANNELS - 1] for values in (head.scale, head.offset)
    )
    # Invariant: what is below `low` counts as none, what is from `high` on as a box.
    low = np.full(scale.shape, range_.low, np.int64)
    high = np.full(scale.shape, range_.high + 1, np.int64)
    while (low < high).any():
        middle = (low + high) >> 1
        logits = middle.astype(np.int32).astype(np.float32) * scale + offset
        counts = (sigmoid(logits) >= threshold) | (low >= high)
        high = np.where(counts, np.minimum(middle, high), high)
        low = np.where(counts, low, middle + 1)
    return high


def objects(model: Model, scores: NDArray[np.int32], threshold: float = 0.5) -> NDArray[np.bool_]:
    """Which boxes of each frame reach an objectness of ``threshold``: (N, H, W, anchors).

    It is what hardware built with that objectness marks, bit by bit.

    Raises
    ------
    ModelError
        The model is no detector, or the threshold is out of range.
    """
    return _cells(model, scores)[..., BOX_CHANNELS - 1] >= levels(model, threshold)


def decode(
    model: Model, scores: NDArray[np.int32], threshold: float = 0.5
) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Every box of each frame whose objectness reaches ``threshold``, before suppression.

    With t the logits of cell (y, x) and anchor a of an H x W grid, in fractions of the frame:

    1. centre = ((x + sigmoid(tx)) / W, (y + sigmoid(ty)) / H);
    2. size = anchors[a] * exp((tw, th)), the exponent at most ``MAX_EXPONENT``;
    3. corners = centre -+ size / 2, cut at the frame's edges;
    4. objectness = sigmoid(to).

    Parameters
    ----------
    model : Model
    scores : int32 array (N, scores)

    Returns
    -------
    list of (corners (n, 4), objectness (n,)), one for each frame, in raster order
    """
    detection = detection_of(model)
    height, width = model.grid
    chosen = objects(model, scores, threshold)
    logits = _cells(model, model.logits(scores)).astype(np.float64)
    found = []
    for frame in range(len(scores)):
        y, x, anchor = np.nonzero(chosen[frame])
        values = logits[frame, y, x, anchor]
        places = np.stack([x, y], axis=1) + sigmoid(values[:, :2])
        centres = places / (width, height)
        exponents = np.minimum(values[:, 2:4], MAX_EXPONENT)
        halves = detection.anchors[anchor].astype(np.float64) * np.exp(exponents) / 2
        corners = np.concatenate([centres - halves, centres + halves], axis=1)
        found.append((np.clip(corners, 0, 1), sigmoid(values[:, 4])))
    return found


def find(
    model: Model, scores: NDArray[np.int32], threshold: float = 0.5, overlap: float = 0.45
) -> list[Found]:
    """The boxes on each frame, of those that overlap only the likeliest.

    Parameters
    ----------
    model : Model
        A detector.
    scores : int32 array (N, scores)
        Of the golden model or of an accelerator.
    threshold : float
        Least objectness, between 0 and 1.
    overlap : float
        Intersection over union from which on the less likely of two boxes is dropped.

    Raises
    ------
    ModelError
        The model is no detector, or the threshold is out of range.
    """
    found = []
    for corners, objectness in decode(model, scores, threshold):
        kept = suppress(corners, objectness, overlap)
        found.append(Found(corners=corners[kept], objectness=objectness[kept]))
    return found
