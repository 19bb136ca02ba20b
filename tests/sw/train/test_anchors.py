"""Anchors: sizes that boxes overlap well."""

from __future__ import annotations

import numpy as np
import pytest

from sw.errors import UserError
from sw.train.anchors import choose_anchors, shape_iou


def test_clusters_are_found(rng: np.random.Generator) -> None:
    small = rng.normal([0.1, 0.05], 0.003, (40, 2))
    large = rng.normal([0.6, 0.2], 0.01, (20, 2))
    anchors = choose_anchors(np.concatenate([large, small]), 2)
    assert anchors.dtype == np.float32
    np.testing.assert_allclose(anchors, [[0.1, 0.05], [0.6, 0.2]], atol=0.01)


def test_fewer_boxes_than_anchors() -> None:
    np.testing.assert_allclose(choose_anchors(np.array([[0.2, 0.1]]), 2), [[0.2, 0.1]] * 2)


def test_overlap_of_shapes() -> None:
    overlaps = shape_iou(np.array([[2.0, 1.0]]), np.array([[1.0, 2.0], [2.0, 1.0], [4.0, 1.0]]))
    np.testing.assert_allclose(overlaps, [[1 / 3, 1, 1 / 2]])


def test_no_boxes() -> None:
    with pytest.raises(UserError, match="the training frames have no boxes"):
        choose_anchors(np.zeros((0, 2)), 2)
