"""Preprocessing, and the frames that a model takes."""

from __future__ import annotations

import numpy as np
import pytest

from sw.errors import ModelError
from sw.model import Model, Preprocessing
from tests.graphs import random_model
from tests.sw.model.small import small_model


def test_preprocessing(rng: np.random.Generator) -> None:
    frames = rng.integers(0, 256, (2, 3, 4, 5), dtype=np.uint8)
    for rows in (1, 5):
        table = rng.integers(-128, 128, (rows, 256)).astype(np.int16)
        got = Preprocessing(table=table).apply(frames)
        assert got.dtype == np.int16
        assert got.shape == frames.shape
        for place in np.ndindex(*frames.shape):
            assert got[place] == table[place[-1] % rows, frames[place]]


def test_identity() -> None:
    frames = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    assert (Preprocessing.identity().apply(frames) == frames).all()


def grey(rng: np.random.Generator) -> Model:
    """A model of one channel."""
    while (model := random_model(rng)).graph.input.type.channels != 1:
        pass
    return model


def test_frames_without_channel(rng: np.random.Generator) -> None:
    model = grey(rng)
    height, width, _ = model.graph.input.type.shape
    frames = rng.integers(0, 256, (3, height, width), dtype=np.uint8)
    assert (model.as_frames(frames) == frames[..., None]).all()


REMEDY = "Give frames as a uint8 array of shape (N, 4, 4, 3), each pixel 0 to 255."

FRAMES: dict[str, tuple[object, str]] = {
    "no array": ([[0]], "frames are list, not a NumPy array. "),
    "dtype": (
        np.full((2, 4, 4, 3), 0.5, np.float32),
        "frames are float32 with values from 0.5 to 0.5; allowed is uint8. ",
    ),
    "range": (
        np.arange(-1, 95, dtype=np.int64).reshape(2, 4, 4, 3) * 4,
        "frames are int64 with values from -4 to 376; allowed is uint8. ",
    ),
    "bool": (np.zeros((2, 4, 4, 3), bool), "frames are bool; allowed is uint8. "),
    "shape": (
        np.zeros((2, 3, 4, 4), np.uint8),
        "frames have shape (2, 3, 4, 4); model 'small' takes (N, 4, 4, 3). ",
    ),
    "single": (
        np.zeros((4, 4, 3), np.uint8),
        "frames have shape (4, 4, 3); model 'small' takes (N, 4, 4, 3). ",
    ),
    "none": (
        np.zeros((0, 4, 4, 3), np.uint8),
        "frames have shape (0, 4, 4, 3): there are none. ",
    ),
}


@pytest.mark.parametrize("case", FRAMES)
def test_bad_frames(case: str) -> None:
    frames, message = FRAMES[case]
    with pytest.raises(ModelError) as caught:
        small_model().as_frames(frames)  # type: ignore[arg-type]
    assert str(caught.value) == message + REMEDY
