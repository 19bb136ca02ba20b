"""From the command line to a recipe, a network, an augmentation and a provenance."""

from __future__ import annotations

import numpy as np
import pytest

from sw.errors import UserError
from sw.train.datasets import Boxes, Dataset, DetectionDataset
from sw.train.options import arguments, augmentation, choose, provenance


def parse(text: str):
    return arguments([*text.split(), "-o", "out.npz"])


def dataset(*classes: str, side: int = 28) -> Dataset:
    frames, labels = np.zeros((2, side, side, 1), np.uint8), np.zeros(2, np.int64)
    return Dataset(
        train_frames=frames,
        train_labels=labels,
        test_frames=frames,
        test_labels=labels,
        classes=classes,
    )


def test_changes_of_a_recipe() -> None:
    recipe, net = choose(parse("ste --net vgg-small"))
    assert (recipe.epochs, recipe.batch, recipe.second_bits, net.name) == (40, 128, 1, "vgg-small")
    text = "high-precision-second --net vgg-small --second-layer binary --epochs 3 --rate 0.1"
    recipe, _ = choose(parse(text))
    assert (recipe.epochs, recipe.rate, recipe.second_bits) == (3, 0.1, 1)
    recipe, _ = choose(parse("bireal --net birealnet-18 --shortcuts none --pretraining 0.4"))
    assert (recipe.shortcuts, recipe.pretraining) == ("none", 0.4)
    recipe, net = choose(parse("fashion"))
    assert (recipe.rate, net.name) == (5e-3, "fashion-binary")


def test_large_frames_make_small_batches() -> None:
    assert choose(parse("ste --net plate-detector"))[0].batch == 32
    assert choose(parse("ste --net plate-detector --batch 8"))[0].batch == 8


def test_detectors_are_not_pretrained() -> None:
    with pytest.raises(UserError, match="'plate-detector' is a detector and is not pretrained"):
        choose(parse("ste --net plate-detector --pretraining 0.5"))


def test_augmentation() -> None:
    args = parse("ste --net fashion-cnn")
    assert augmentation(args, dataset("shirt", "bag")) == (True, 1)
    assert augmentation(args, dataset("0", "1", side=32)) == (False, 4)
    args = parse("ste --net fashion-cnn --flip --shift 2")
    assert augmentation(args, dataset("0", "1")) == (True, 2)


def test_boxes_stay_where_they_are() -> None:
    frames = np.zeros((1, 32, 32, 3), np.uint8)
    boxes = (Boxes(xywh=np.zeros((0, 4), np.float32), labels=np.zeros(0, np.int64)),)
    plates = DetectionDataset(
        train_frames=frames,
        train_boxes=boxes,
        test_frames=frames,
        test_boxes=boxes,
        classes=("plate",),
    )
    assert augmentation(parse("ste --net plate-detector"), plates) == (False, 0)
    with pytest.raises(UserError, match="frames with boxes are neither mirrored nor moved"):
        augmentation(parse("ste --net plate-detector --flip"), plates)


def test_provenance_remakes_the_model() -> None:
    text = "bireal --net fashion-residual --data /somewhere/mnist --width 0.5 --seed 7 --no-flip"
    args = parse(f"{text} --shortcuts pair --threads 2 --precision float32")
    recipe, _ = choose(args)
    assert provenance(args, recipe, "some data") == (
        "Trained by 'python -m sw.train bireal --net fashion-residual --data mnist --width 0.5 "
        "--epochs 40 --batch 128 --seed 7 --shortcuts pair --no-flip --precision float32 "
        "--threads 2' of Binarray (BSD-2-Clause) on some data"
    )
