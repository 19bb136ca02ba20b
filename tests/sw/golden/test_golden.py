"""Scores, logits and classes of models."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from sw import golden
from sw.errors import ModelError
from sw.model import Vectors
from tests.graphs import random_frames, random_model
from tests.sw.model.small import replaced, small_graph, small_model


def test_scores_are_the_heads_tensor(rng: np.random.Generator) -> None:
    for _ in range(20):
        model = random_model(rng)
        frames = random_frames(rng, model.graph, 5)
        tensors = golden.run(model.graph, model.preprocessing.apply(frames))
        scores = golden.scores(model, frames)
        assert scores.dtype == np.int32
        assert (scores == tensors["head"][:, 0, 0]).all()


def test_batches(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches join up, and progress counts every frame once."""
    model = small_model()
    frames = random_frames(rng, model.graph, 11)
    whole, seen = golden.scores(model, frames), []
    monkeypatch.setattr("sw.golden.fast.BATCH_FRAMES", 4)
    assert (golden.scores(model, frames, progress=seen.append) == whole).all()
    assert seen == [4, 4, 3]
    inputs = model.preprocessing.apply(frames)
    tensors = golden.run(model.graph, inputs, progress=seen.append)
    assert (tensors["head"][:, 0, 0] == whole).all()
    assert (tensors["input"] == inputs).all()
    assert seen == [4, 4, 3] * 2


def test_frames_without_channel(rng: np.random.Generator) -> None:
    while (model := random_model(rng)).graph.input.type.channels != 1:
        pass
    frames = random_frames(rng, model.graph, 3)
    assert (golden.scores(model, frames[..., 0]) == golden.scores(model, frames)).all()


def test_logits_and_classes() -> None:
    model = small_model()
    scores = np.array([[2, 1, 1], [1, 0, 0], [4, 1, 1]], np.int32)
    # scale 0.5, 1, 2; offset 0, 0.25, -1
    logits = model.logits(scores)
    assert logits.dtype == np.float32
    assert logits.tolist() == [[1, 1.25, 1], [0.5, 0.25, -1], [2, 1.25, 1]]
    assert model.classify(scores).tolist() == [1, 0, 0]
    ties = np.array([[0, 0, 1], [2, 0, 1]], np.int32)
    assert model.logits(ties).tolist() == [[0, 0.25, 1], [1, 0.25, 1]]
    assert model.classify(ties).tolist() == [2, 0]


def test_argmax_head(rng: np.random.Generator) -> None:
    ones = np.ones(3, np.float32)
    graph = replaced(small_graph(), "head", kind="argmax", scale=ones, offset=ones)
    model = small_model()
    frames = random_frames(rng, graph, 6)
    model = small_model(
        graph=graph, vectors=golden.make_vectors(graph, model.preprocessing, frames)
    )
    golden.check_vectors(model)
    scores = golden.scores(model, frames)
    assert scores.shape == (6, 1)
    assert (model.classify(scores) == scores[:, 0]).all()
    with pytest.raises(ModelError) as caught:
        model.logits(scores)
    assert str(caught.value) == (
        "model 'small' has an argmax head; allowed for logits: raw. Use the class that the head "
        "gives, or convert the network with a raw head."
    )


def test_wrong_vectors() -> None:
    model = small_model()
    golden.check_vectors(model)
    scores = model.vectors.scores.copy()
    true = int(scores[1, 2])
    scores[1, 2] += 1
    wrong = dataclasses.replace(model, vectors=Vectors(frames=model.vectors.frames, scores=scores))
    with pytest.raises(ModelError) as caught:
        golden.check_vectors(wrong)
    assert str(caught.value) == (
        f"test vector 1 of model 'small' gives {true} as score 2; the model says {true + 1}. "
        "Convert or train the model again."
    )


REMEDY = "Apply the model's preprocessing to the frames."


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (
            np.zeros((2, 4, 4), int),
            "inputs are int64 of shape (2, 4, 4); allowed: integers of shape (N, 4, 4, 3)",
        ),
        (
            np.ones((2, 4, 4, 3)),
            "inputs are float64 of shape (2, 4, 4, 3); allowed: integers of shape (N, 4, 4, 3)",
        ),
        (np.full((2, 4, 4, 3), 3), "inputs hold 3; allowed: -1..1 in steps of 2"),
        (np.zeros((2, 4, 4, 3), int), "inputs hold 0; allowed: -1..1 in steps of 2"),
    ],
)
def test_bad_inputs(inputs: np.ndarray, message: str) -> None:
    with pytest.raises(ModelError) as caught:
        golden.run(small_graph(), inputs)
    assert str(caught.value) == f"{message}. {REMEDY}"
