"""Training of detectors: the loss of boxes, and how good the boxes found are.

Of cell (y, x) and anchor a the head gives tx, ty, tw, th and to, see `sw.model.model.Detection`.
The loss is YOLOv2's, for one class:

1. Each true box belongs to the cell of its centre and to the anchor whose shape it overlaps
   most. There, the squared errors of sigmoid(tx), sigmoid(ty), tw and th count `BOX_WEIGHT`
   times ``2 - width * height``, so that small boxes are not neglected.
2. Objectness is a cross entropy: 1 where a true box belongs, 0 elsewhere with `EMPTY_WEIGHT`,
   and nothing where the predicted box overlaps a true one by more than `NEAR`.
3. The sum over a frame, averaged over the batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from sw import detect
from sw.errors import UserError
from sw.model import Model
from sw.model.model import BOX_CHANNELS, Detection
from sw.train.anchors import choose_anchors, shape_iou
from sw.train.datasets import Boxes, DetectionDataset
from sw.train.engine.network import Network, to_model
from sw.train.engine.task import scores_of

__all__ = ["BoxFinding", "Targets", "box_loss", "make_targets"]

BOX_WEIGHT = 5.0
EMPTY_WEIGHT = 0.5
NEAR = 0.6

#: tw and th of a loss are cut here, as `sw.detect` cuts them.
MAX_EXPONENT = 8.0

#: Objectness from which on boxes count for the average precision.
LEAST = 0.01


@dataclass(frozen=True, kw_only=True)
class Targets:
    """What the head should say about a batch.

    Parameters
    ----------
    there : bool Tensor (N, H, W, anchors)
        Where a true box belongs.
    values : Tensor (N, H, W, anchors, 4)
        There, sigmoid(tx), sigmoid(ty), tw and th.
    weights : Tensor (N, H, W, anchors)
        There, of the box's errors.
    boxes : Tensor (N, most boxes of a frame, 4)
        True boxes, centre and size as fractions; those that a frame lacks have size 0.
    """

    there: Tensor
    values: Tensor
    weights: Tensor
    boxes: Tensor


def make_targets(
    boxes: Sequence[Boxes], grid: tuple[int, int], anchors: NDArray[np.float32]
) -> Targets:
    """The targets of frames with ``boxes``; of two boxes of one place the later one stays."""
    height, width = grid
    shape = (len(boxes), height, width, len(anchors))
    there, weights = np.zeros(shape, bool), np.zeros(shape, np.float32)
    values = np.zeros((*shape, 4), np.float32)
    most = max(1, *map(len, boxes)) if boxes else 1
    listed = np.zeros((len(boxes), most, 4), np.float32)
    for frame, these in enumerate(boxes):
        if not len(these):
            continue
        xywh = these.xywh.astype(np.float64)
        listed[frame, : len(these)] = xywh
        places = xywh[:, :2] * (width, height)
        cells = np.minimum(places.astype(int), (width - 1, height - 1))
        anchor = shape_iou(xywh[:, 2:], anchors).argmax(1)
        place = (np.full(len(these), frame), cells[:, 1], cells[:, 0], anchor)
        there[place] = True
        weights[place] = 2 - xywh[:, 2:].prod(1)
        sizes = np.log(np.maximum(xywh[:, 2:], 1e-6) / anchors[anchor])
        values[place] = np.concatenate([places - cells, sizes], axis=1)
    tensors = (torch.from_numpy(array) for array in (there, values, weights, listed))
    there_, values_, weights_, boxes_ = tensors
    return Targets(there=there_, values=values_, weights=weights_, boxes=boxes_)


def predicted(logits: Tensor, anchors: Tensor) -> Tensor:
    """Boxes (N, H, W, anchors, 4), centre and size as fractions, of logits (..., 5)."""
    _, height, width, _, _ = logits.shape
    y, x = torch.meshgrid(
        torch.arange(height, device=logits.device),
        torch.arange(width, device=logits.device),
        indexing="ij",
    )
    x_centre = (logits[..., 0].sigmoid() + x[..., None]) / width
    y_centre = (logits[..., 1].sigmoid() + y[..., None]) / height
    sizes = anchors * logits[..., 2:4].clamp(max=MAX_EXPONENT).exp()
    return torch.cat([torch.stack([x_centre, y_centre], -1), sizes], -1)


def best_overlap(boxes: Tensor, truth: Tensor) -> Tensor:
    """For each of ``boxes`` (N, ..., 4), the greatest IoU with its frame's ``truth`` (N, m, 4)."""
    flat = boxes.flatten(1, -2)[:, :, None]
    truth = truth[:, None]
    low = torch.maximum(flat[..., :2] - flat[..., 2:] / 2, truth[..., :2] - truth[..., 2:] / 2)
    high = torch.minimum(flat[..., :2] + flat[..., 2:] / 2, truth[..., :2] + truth[..., 2:] / 2)
    shared = (high - low).clamp(min=0).prod(-1)
    union = flat[..., 2:].prod(-1) + truth[..., 2:].prod(-1) - shared
    return (shared / union.clamp(min=1e-9)).amax(-1).view(boxes.shape[:-1])


def box_loss(logits: Tensor, targets: Targets, anchors: Tensor) -> tuple[Tensor, Tensor]:
    """Loss of objectness and loss of the boxes, per frame.

    Parameters
    ----------
    logits : Tensor (N, H, W, anchors, 5)
    """
    there = targets.there
    with torch.no_grad():
        near = best_overlap(predicted(logits, anchors), targets.boxes) > NEAR
        weight = torch.where(there, 1.0, EMPTY_WEIGHT * (~near).float())
    objectness = functional.binary_cross_entropy_with_logits(
        logits[..., 4], there.float(), weight, reduction="sum"
    )
    said = torch.cat([logits[..., :2].sigmoid(), logits[..., 2:4]], -1)
    errors = ((said - targets.values) ** 2).sum(-1)
    boxes = BOX_WEIGHT * (errors * targets.weights * there).sum()
    return objectness / len(logits), boxes / len(logits)


class BoxFinding:
    """The task of a detector.

    Parameters
    ----------
    dataset : DetectionDataset
        Of one class.
    network : Network
        A detector; its anchors are chosen here.

    Raises
    ------
    UserError
        The data have several classes, or no boxes.
    """

    def __init__(self, dataset: DetectionDataset, network: Network) -> None:
        if len(dataset.classes) != 1:
            raise UserError(
                f"the data have {len(dataset.classes)} classes of boxes; a detector finds one",
                "Give data of one class",
            )
        self.dataset, self.grid = dataset, network.grid
        self.train_frames = dataset.train_frames
        sizes = np.concatenate([boxes.xywh[:, 2:] for boxes in dataset.train_boxes])
        self.anchors = choose_anchors(sizes, network.head.bias.numel() // BOX_CHANNELS)

    @property
    def description(self) -> str:
        return f"{list(self.train_frames.shape)} {self.dataset.source}"

    @property
    def detection(self) -> Detection:
        """What turns scores into boxes."""
        return Detection(anchors=self.anchors, classes=self.dataset.classes)

    def targets(self, chosen: Tensor, device: torch.device) -> Targets:
        boxes = [self.dataset.train_boxes[index] for index in chosen.tolist()]
        made = make_targets(boxes, self.grid, self.anchors)
        return Targets(**{key: value.to(device) for key, value in vars(made).items()})

    def loss(self, logits: Tensor, targets: object) -> tuple[Tensor, dict[str, float]]:
        assert isinstance(targets, Targets)
        cells = logits.view(len(logits), *self.grid, len(self.anchors), BOX_CHANNELS)
        anchors = torch.from_numpy(self.anchors).to(logits.device)
        objectness, boxes = box_loss(cells, targets, anchors)
        parts = {"objectness_loss": objectness.item(), "box_loss": boxes.item()}
        return objectness + boxes, parts

    def test(self, network: Network) -> dict[str, float]:
        frames = self.dataset.test_frames
        model = to_model(network, name="test", detection=self.detection)
        return self.judge(model, scores_of(network, frames))

    def judge(self, model: Model, scores: NDArray) -> dict[str, float]:
        found = detect.find(model, scores.astype(np.int32), LEAST)
        figures = detect.evaluate(
            [(boxes.corners, boxes.objectness) for boxes in found],
            [boxes.corners for boxes in self.dataset.test_boxes],
        )
        return {
            "test_precision": figures.precision,
            "test_recall": figures.recall,
            "test_average_precision": figures.average_precision,
        }
