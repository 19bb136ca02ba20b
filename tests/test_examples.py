"""The bundled Fashion-MNIST network is what examples/README.md says it is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sw import golden
from sw.model import Model, load
from sw.model.ir import BIPOLAR, Conv, Dense, Pool
from sw.train.datasets.idx import FASHION_CLASSES

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


@pytest.fixture(scope="module")
def model() -> Model:
    return load(EXAMPLES / "fashion.npz")


def test_has_every_kind_of_layer(model: Model) -> None:
    ops, types = model.graph.ops, model.graph.types
    assert any(isinstance(op, Conv) and op.padding and op.padding.value is None for op in ops)
    assert any(isinstance(op, Pool) for op in ops)
    assert sum(isinstance(op, Dense) for op in ops) == 2
    products = [op for op in ops if isinstance(op, Conv | Dense)]
    assert types[products[0].source].range.bits == 8
    assert all(types[op.source].range == BIPOLAR for op in products[1:])
    assert sum(op.weights.size for op in products) == 93_088


def test_vectors_are_the_first_test_frames(model: Model) -> None:
    with np.load(EXAMPLES / "fashion_frames.npz") as bundle:
        frames = bundle["frames"]
    np.testing.assert_array_equal(model.vectors.frames[..., 0], frames[:16])
    scores = golden.scores(model, model.vectors.frames)
    np.testing.assert_array_equal(scores, model.vectors.scores)


def test_accuracy_on_the_bundled_frames(model: Model) -> None:
    with np.load(EXAMPLES / "fashion_frames.npz") as bundle:
        frames, labels, classes = bundle["frames"], bundle["labels"], bundle["classes"]
    assert frames.shape == (512, 28, 28)
    assert frames.dtype == np.uint8
    assert tuple(classes) == model.classes == FASHION_CLASSES
    answers = model.classify(golden.scores(model, model.as_frames(frames)))
    assert (answers == labels).mean() >= 0.87


def test_says_where_it_comes_from(model: Model) -> None:
    text = (EXAMPLES / "README.md").read_text()
    assert "Zalando SE" in model.provenance
    assert "--epochs 40 --batch 128 --seed 1" in model.provenance
    assert "python -m sw.train fashion -o examples/fashion.npz --seed 1" in text
