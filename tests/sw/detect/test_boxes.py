"""Overlap, suppression, matching and average precision, against plain loops and by hand."""

from __future__ import annotations

import numpy as np
import pytest

from sw.detect import average_precision, evaluate, iou, match, suppress


def random_boxes(rng: np.random.Generator, count: int) -> np.ndarray:
    low = rng.uniform(0, 0.8, (count, 2))
    return np.concatenate([low, low + rng.uniform(0.01, 0.4, (count, 2))], axis=1)


def plain_iou(a: np.ndarray, b: np.ndarray) -> float:
    wide = min(a[2], b[2]) - max(a[0], b[0])
    high = min(a[3], b[3]) - max(a[1], b[1])
    shared = wide * high if wide > 0 and high > 0 else 0.0
    areas = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    return shared / (areas - shared)


def test_iou(rng: np.random.Generator) -> None:
    one, other = random_boxes(rng, 9), random_boxes(rng, 7)
    expected = [[plain_iou(a, b) for b in other] for a in one]
    np.testing.assert_allclose(iou(one, other), expected)
    np.testing.assert_allclose(np.diag(iou(one, one)), 1)
    assert iou(one[:0], other).shape == (0, 7)
    empty = np.array([[0.5, 0.5, 0.5, 0.5]])
    assert iou(empty, empty) == 0


def plain_suppress(corners: np.ndarray, objectness: np.ndarray, overlap: float) -> list[int]:
    kept: list[int] = []
    for index in sorted(range(len(corners)), key=lambda i: -objectness[i]):
        if all(plain_iou(corners[index], corners[other]) <= overlap for other in kept):
            kept.append(index)
    return kept


def test_suppress(rng: np.random.Generator) -> None:
    for _ in range(30):
        corners = random_boxes(rng, int(rng.integers(0, 25)))
        objectness = rng.integers(0, 6, len(corners)) / 5
        overlap = rng.uniform(0.05, 0.7)
        kept = suppress(corners, objectness, overlap)
        assert kept.tolist() == plain_suppress(corners, objectness, overlap)
        # What is left at a high threshold does not depend on what is below it.
        high = objectness >= 0.6
        alone = np.flatnonzero(high)[suppress(corners[high], objectness[high], overlap)]
        assert alone.tolist() == [index for index in kept if high[index]]


def test_match() -> None:
    truth = np.array([[0, 0, 10, 10], [20, 0, 30, 10]])
    found = np.array(
        [[0, 0, 10, 6], [0, 0, 10, 9], [20, 0, 30, 5], [20, 0, 30, 4.9], [50, 50, 60, 60]]
    )
    # The second is likelier and takes the first true box; the third overlaps by exactly half.
    right = match(found, np.array([0.8, 0.9, 0.5, 0.99, 0.7]), truth)
    assert right.tolist() == [False, True, True, False, False]
    assert match(found, np.ones(5), truth, 0.95).tolist() == [False] * 5
    assert match(found, np.ones(5), truth[:0]).tolist() == [False] * 5
    assert match(found[:0], np.ones(0), truth).tolist() == []


def test_average_precision_by_hand() -> None:
    # Right, wrong, right, of 4: precision 1 up to recall 1/4, 2/3 up to 1/2, then 0.
    scores, right = np.array([0.9, 0.8, 0.7]), np.array([True, False, True])
    assert average_precision(scores, right, 4) == pytest.approx(1 / 4 + 2 / 3 / 4)
    # Of equal objectness they count together: precision 2/3 up to recall 1/2.
    assert average_precision(np.full(3, 0.5), right, 4) == pytest.approx(2 / 3 / 2)
    assert average_precision(scores, np.ones(3, bool), 3) == 1
    assert average_precision(scores, np.zeros(3, bool), 3) == 0
    assert average_precision(scores[:0], right[:0], 3) == 0
    assert average_precision(scores[:0], right[:0], 0) == 0


def test_average_precision_does_not_depend_on_order(rng: np.random.Generator) -> None:
    for _ in range(20):
        count = int(rng.integers(1, 30))
        scores, right = rng.integers(0, 8, count) / 7, rng.random(count) < 0.5
        order = rng.permutation(count)
        one = average_precision(scores, right, count)
        assert one == pytest.approx(average_precision(scores[order], right[order], count))
        assert 0 <= one <= 1


def test_evaluate(rng: np.random.Generator) -> None:
    truth = [random_boxes(rng, count) for count in (2, 0, 1, 3)]
    perfect = [(boxes, np.full(len(boxes), 0.9)) for boxes in truth]
    figures = evaluate(perfect, truth)
    assert (figures.precision, figures.recall, figures.average_precision) == (1, 1, 1)
    assert (figures.found, figures.right, figures.true) == (6, 6, 6)
    # One found below the threshold, one where there is none.
    far = np.array([[0.98, 0.98, 1, 1]])
    changed = [*perfect]
    changed[1] = far, np.array([0.95])
    changed[2] = truth[2], np.array([0.3])
    figures = evaluate(changed, truth)
    assert (figures.found, figures.right, figures.true) == (6, 5, 6)
    assert figures.precision == figures.recall == pytest.approx(5 / 6)
    # By falling objectness: one wrong, five right, one right.
    assert figures.average_precision == pytest.approx(6 / 7)
    nothing = [(boxes[:0], np.zeros(0)) for boxes in truth]
    figures = evaluate(nothing, truth)
    assert (figures.precision, figures.recall, figures.average_precision) == (0, 0, 0)
    assert evaluate([], []).true == 0
