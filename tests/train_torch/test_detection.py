"""Detectors: anchors, targets and loss against formulas written out, and a training run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from sw import detect, golden
from sw.errors import UserError
from sw.model import load
from sw.train import __main__ as command
from sw.train.datasets import Boxes, DetectionDataset
from sw.train.engine.build import build
from sw.train.engine.detection import BoxFinding, Targets, box_loss, make_targets, predicted
from sw.train.engine.network import to_model
from sw.train.engine.task import scores_of
from sw.train.recipe import RECIPES
from sw.train.zoo import NETWORKS


def boxes(*xywh: tuple[float, float, float, float]) -> Boxes:
    array = np.array(xywh, np.float32).reshape(-1, 4)
    return Boxes(xywh=array, labels=np.zeros(len(array), np.int64))


def test_targets() -> None:
    anchors = np.array([[0.1, 0.1], [0.4, 0.2]], np.float32)
    made = make_targets([boxes((0.6, 0.3, 0.4, 0.1)), boxes()], (4, 5), anchors)
    assert made.there.nonzero().tolist() == [[0, 1, 3, 1]]
    values = made.values[0, 1, 3, 1].tolist()
    assert values == pytest.approx([0.0, 0.2, 0.0, np.log(0.5)], abs=1e-6)
    assert made.weights[0, 1, 3, 1].item() == pytest.approx(2 - 0.04)
    assert made.boxes.shape == (2, 1, 4)
    edge = make_targets([boxes((1.0, 1.0, 0.2, 0.2))], (4, 5), anchors)
    assert edge.there.nonzero()[:, 1:3].tolist() == [[3, 4]]


def exact_logits(made: Targets) -> torch.Tensor:
    """Logits that say the targets."""
    logits = torch.zeros(*made.there.shape, 5)
    logits[..., 4] = torch.where(made.there, 20.0, -20.0)
    logits[..., :2] = torch.logit(made.values[..., :2].clamp(1e-6, 1 - 1e-6))
    logits[..., 2:4] = made.values[..., 2:]
    return logits


def test_loss_and_boxes_of_exact_logits() -> None:
    anchors = np.array([[0.1, 0.1], [0.4, 0.2]], np.float32)
    truth = boxes((0.62, 0.3, 0.4, 0.1), (0.15, 0.8, 0.1, 0.12))
    made = make_targets([truth], (4, 5), anchors)
    logits, tensor = exact_logits(made), torch.from_numpy(anchors)
    found = predicted(logits, tensor)[made.there]
    np.testing.assert_allclose(
        found[found[:, 0].argsort()].numpy(), truth.xywh[truth.xywh[:, 0].argsort()], atol=1e-5
    )
    objectness, error = box_loss(logits, made, tensor)
    assert objectness.item() < 1e-6
    assert error.item() < 1e-6
    # Half a unit of tw at one place: 5 * (2 - w h) / 4.
    moved = logits.clone()
    moved[0, 1, 3, 1, 2] += 0.5
    assert box_loss(moved, made, tensor)[1].item() == pytest.approx(5 * 1.96 / 4, rel=1e-4)
    # A box where none is costs half a cross entropy.
    wrong = logits.clone()
    wrong[0, 3, 4, 0, 4] = 3.0
    cost = 0.5 * np.log1p(np.exp(3.0))
    assert box_loss(wrong, made, tensor)[0].item() == pytest.approx(cost, rel=1e-4)
    # And nothing where it overlaps a true one.
    near = logits.clone()
    near[0, 1, 3, 0, 2:4] = torch.from_numpy(np.log(truth.xywh[0, 2:] / anchors[0]))
    near[0, 1, 3, 0, :2] = near[0, 1, 3, 1, :2]
    near[0, 1, 3, 0, 4] = 3.0
    assert box_loss(near, made, tensor)[0].item() < 1e-6


def test_data_of_several_classes() -> None:
    frames = np.zeros((2, 32, 32, 3), np.uint8)
    dataset = DetectionDataset(
        train_frames=frames,
        train_boxes=(boxes((0.5, 0.5, 0.1, 0.1)),) * 2,
        test_frames=frames,
        test_boxes=(boxes(),) * 2,
        classes=("plate", "car"),
    )
    network = build(NETWORKS["plate-detector"], RECIPES["ste"], (32, 32, 3), 1, 0.25)
    with pytest.raises(UserError, match="the data have 2 classes of boxes; a detector finds one"):
        BoxFinding(dataset, network)


def squares(rng: np.random.Generator, count: int) -> tuple[np.ndarray, tuple[Boxes, ...]]:
    """White squares on dark noise."""
    frames = rng.integers(0, 80, (count, 48, 48, 1), np.uint8)
    places = rng.integers(0, 36, (count, 2))
    for frame, (y, x) in zip(frames, places, strict=True):
        frame[y : y + 12, x : x + 12] = 255
    found = tuple(boxes(((x + 6) / 48, (y + 6) / 48, 0.25, 0.25)) for y, x in places)
    return frames, found


@pytest.mark.parametrize("second", ["8bit", "binary"])
def test_training_a_detector(
    second: str,
    tmp_path: Path,
    rng: np.random.Generator,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (train_frames, train_boxes), (test_frames, test_boxes) = squares(rng, 240), squares(rng, 30)
    dataset = DetectionDataset(
        train_frames=train_frames,
        train_boxes=train_boxes,
        test_frames=test_frames,
        test_boxes=test_boxes,
        classes=("square",),
        source="squares made by the test",
    )
    monkeypatch.setattr(command, "open_dataset", lambda spec, *, task: dataset)
    output = tmp_path / "found.npz"
    arguments = ["high-precision-second", "--net", "plate-detector", "--second-layer", second]
    arguments += ["--width", "0.25", "--epochs", "6", "--batch", "12", "--rate", "0.01"]
    arguments += ["--precision", "float32", "--threads", "1", "--json", "-o", str(output)]
    assert command.main(arguments) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["mismatches"] == 0
    assert figures["test_average_precision"] > 0.1
    model = load(output)
    assert model.detection is not None and model.detection.classes == ("square",)
    assert model.grid == (3, 3)
    # What the file says is found again by the host's decoder.
    found = detect.find(model, golden.scores(model, test_frames), 0.01)
    again = detect.evaluate(
        [(f.corners, f.objectness) for f in found], [b.corners for b in test_boxes]
    )
    assert again.recall == pytest.approx(figures["test_recall"])
    network = build(NETWORKS["plate-detector"], RECIPES["ste"], (48, 48, 1), 1, 0.25)
    assert to_model(network, name="a", detection=model.detection).detection is model.detection
    assert scores_of(network, test_frames).shape == (30, 3 * 3 * 10)
