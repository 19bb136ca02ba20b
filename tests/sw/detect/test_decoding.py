"""Integer levels of objectness, exactly; boxes by a plain loop over cells and anchors."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from sw import golden
from sw.detect import decode, find, levels, objects
from sw.detect.decoding import MAX_EXPONENT, sigmoid
from sw.errors import ModelError
from sw.model import Model
from tests.detectors import ANCHORS, detector
from tests.sw.model.small import replaced, small_model


def random_detector(rng: np.random.Generator) -> Model:
    """A detector whose every element has a bias, scale and offset of its own."""
    model = detector(3, 4)
    size = model.graph.head.bias.size
    scale = np.exp(rng.uniform(-9, 3, size)).astype(np.float32)
    offset = (rng.normal(0, 1, size) * rng.choice([0, 0.01, 10, 3000], size)).astype(np.float32)
    bias = rng.integers(-900, 900, size).astype(np.int32)
    graph = replaced(model.graph, "head", scale=scale, offset=offset, bias=bias)
    return dataclasses.replace(model, graph=graph)


@pytest.mark.parametrize("threshold", [0.5, 0.01, 0.3, 0.97, 1 - 1e-9])
def test_levels_decide_as_sigmoid_does(rng: np.random.Generator, threshold: float) -> None:
    """For every score that there is."""
    for _ in range(5):
        model = random_detector(rng)
        head = model.graph.head
        range_ = model.graph.types["head"].range
        every = np.arange(range_.low, range_.high + 1, dtype=np.int32)
        least = levels(model, threshold).ravel()
        for element, level in zip(range(4, head.bias.size, 5), least, strict=True):
            logits = every.astype(np.float32) * head.scale[element] + head.offset[element]
            np.testing.assert_array_equal(every >= level, sigmoid(logits) >= threshold)
        assert range_.low <= least.min() and least.max() <= range_.high + 1


def test_objects_are_the_boxes_that_are_decoded(rng: np.random.Generator) -> None:
    model = random_detector(rng)
    frames = rng.integers(0, 256, (5, 3, 4, 3), np.uint8)
    scores = golden.scores(model, frames)
    found = objects(model, scores, 0.6)
    assert found.shape == (5, 3, 4, len(ANCHORS)) and 0 < found.sum() < found.size
    assert [int(frame.sum()) for frame in found] == [
        len(corners) for corners, _ in decode(model, scores, 0.6)
    ]
    objectness = sigmoid(model.logits(scores).reshape(5, 3, 4, -1, 5)[..., 4])
    np.testing.assert_array_equal(found, objectness >= 0.6)


def test_sigmoid() -> None:
    values = np.array([-1e4, -800, -3, 0, 2, 40, 1e4])
    expected = [0, 0, 1 / (1 + math.exp(3)), 0.5, 1 / (1 + math.exp(-2)), 1 - 4e-18, 1]
    np.testing.assert_allclose(sigmoid(values), expected, atol=1e-300)


def plain_decode(model: Model, scores: np.ndarray, threshold: float) -> list[list[float]]:
    """Boxes of one frame, cell by cell."""
    height, width = model.grid
    logits = model.logits(scores[None])[0].astype(float)
    boxes = []
    for y in range(height):
        for x in range(width):
            for anchor, (wide, high) in enumerate(ANCHORS.astype(float).tolist()):
                first = ((y * width + x) * len(ANCHORS) + anchor) * 5
                tx, ty, tw, th, to = logits[first : first + 5]
                objectness = float(sigmoid(np.array(to)))
                if objectness < threshold:
                    continue
                centre_x = (x + float(sigmoid(np.array(tx)))) / width
                centre_y = (y + float(sigmoid(np.array(ty)))) / height
                wide_now = wide * math.exp(min(tw, MAX_EXPONENT))
                high_now = high * math.exp(min(th, MAX_EXPONENT))
                corners = [centre_x - wide_now / 2, centre_y - high_now / 2]
                corners += [centre_x + wide_now / 2, centre_y + high_now / 2]
                boxes.append([*(min(max(c, 0), 1) for c in corners), objectness])
    return boxes


def test_decode(rng: np.random.Generator) -> None:
    for _ in range(6):
        model, threshold = random_detector(rng), float(rng.uniform(0.1, 0.9))
        frames = rng.integers(0, 256, (3, 3, 4, 3), np.uint8)
        scores = golden.scores(model, frames)
        for one, (corners, objectness) in zip(
            scores, decode(model, scores, threshold), strict=True
        ):
            expected = np.reshape(plain_decode(model, one, threshold), (-1, 5))
            np.testing.assert_allclose(corners, expected[:, :4], rtol=1e-12, atol=1e-12)
            np.testing.assert_allclose(objectness, expected[:, 4], rtol=1e-12)


def test_find_a_lit_cell() -> None:
    """One bright pixel: both anchors of its cell fire, and the likelier one's box stays."""
    model = detector()
    frames = np.zeros((2, 6, 8, 3), np.uint8)
    frames[0, 2, 5] = 200
    head = model.graph.head
    offset = head.offset.copy()
    offset[4::10] = 0.5
    model = dataclasses.replace(model, graph=replaced(model.graph, "head", offset=offset))
    found, none = find(model, golden.scores(model, frames), overlap=0.1)
    assert len(none) == 0 and none.corners.shape == (0, 4)
    assert len(found) == 1
    total = 600.0
    shift, grown = 1 / (1 + math.exp(-total / 512)), math.exp(total / 4096)
    centre = np.array([(5 + shift) / 8, (2 + shift) / 6])
    half = ANCHORS[0].astype(float) * grown / 2
    np.testing.assert_allclose(found.corners[0], [*(centre - half), *(centre + half)], rtol=1e-6)
    expected = 1 / (1 + math.exp(-((total - 192) / 64 + 0.5)))
    assert found.objectness[0] == pytest.approx(expected)
    assert len(found.above(1.0)) == 0 and len(found.above(0.9)) == 1
    assert len(find(model, golden.scores(model, frames), overlap=1.0)[0]) == 2


def test_refusals() -> None:
    with pytest.raises(ModelError, match="model 'small' is no detector: it gives scores"):
        find(small_model(), np.zeros((1, 3), np.int32))
    for threshold in (0.0, 1.0, -1.0, float("nan")):
        with pytest.raises(ModelError, match=f"the threshold is {threshold}; allowed is between"):
            find(detector(), np.zeros((1, 480), np.int32), threshold)
