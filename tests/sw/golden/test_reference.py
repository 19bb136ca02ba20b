"""The plain functions against results worked out by hand."""

from __future__ import annotations

import numpy as np

from sw.golden import reference
from sw.model.ir import Add, Conv, Dense, Head, Padding, Pool, Scale, Threshold

#: One frame, 2 x 2 pixels of 2 channels.
SOURCE = np.array([[[[1, -1], [1, 1]], [[-1, -1], [1, -1]]]])


def test_conv() -> None:
    weights = np.array([[[[1, -1]]], [[[1, 1]]]], np.int8)
    got = reference.conv(Conv(name="c", source="s", weights=weights), SOURCE)
    assert got.tolist() == [[[[2, 0], [0, 2]], [[0, -2], [2, 0]]]]


def test_conv_window_order() -> None:
    """Rows first, then columns; strides step over windows."""
    source = np.arange(12).reshape(1, 3, 4, 1)
    weights = np.array([1, -1, 1, 1], np.int8).reshape(1, 2, 2, 1)
    got = reference.conv(Conv(name="c", source="s", weights=weights, stride=(1, 2)), source)
    expected = [[0 - 1 + 4 + 5, 2 - 3 + 6 + 7], [4 - 5 + 8 + 9, 6 - 7 + 10 + 11]]
    assert got[0, ..., 0].tolist() == expected


def test_conv_skipped_and_stated() -> None:
    """Above and left of the map: nothing, or the stated value."""
    weights = np.array([1, 1, -1, 1], np.int8).reshape(1, 2, 2, 1)
    source = np.array([[[[1], [-1]]]])
    skip = Conv(name="c", source="s", weights=weights, padding=Padding(top=1, left=1))
    assert reference.conv(skip, source)[0, ..., 0].tolist() == [[1, -2]]
    padding = Padding(top=1, left=1, value=-1)
    stated = Conv(name="c", source="s", weights=weights, padding=padding)
    assert reference.conv(stated, source)[0, ..., 0].tolist() == [[-1 - 1 + 1 + 1, -1 - 1 - 1 - 1]]


def test_dense() -> None:
    weights = np.array([[1, 1, 1, 1, 1, 1, 1, 1], [1, -1, 1, 1, -1, -1, 1, -1]], np.int8)
    got = reference.dense(Dense(name="d", source="s", weights=weights), SOURCE)
    assert got.tolist() == [[[[0, 8]]]]


def test_threshold() -> None:
    source = np.arange(-2, 3).reshape(1, 1, 5, 1).repeat(2, 3)
    levels = np.array([[-1, 1], [-1, 1]], np.int32)
    inverted = np.array([False, True])
    op = Threshold(name="t", source="s", levels=levels, inverted=inverted, low=-1, step=1)
    got = reference.threshold(op, source)
    assert got[0, 0, :, 0].tolist() == [-1, 0, 0, 1, 1]
    assert got[0, 0, :, 1].tolist() == [1, 0, 0, -1, -1]


def test_threshold_sign_of_zero() -> None:
    zero, inverted = np.zeros((1, 1), np.int32), np.array([False])
    op = Threshold(name="t", source="s", levels=zero, inverted=inverted)
    assert reference.threshold(op, np.zeros((1, 1, 1, 1), int)).item() == 1


def test_pool() -> None:
    """The third row and column are dropped; the second channel takes the minimum."""
    source = np.arange(9).reshape(1, 3, 3, 1).repeat(2, 3)
    minimum = np.array([False, True])
    op = Pool(name="p", source="s", size=(2, 2), stride=(2, 2), minimum=minimum)
    assert reference.pool(op, source).tolist() == [[[[4, 0]]]]
    op = Pool(name="p", source="s", size=(1, 2), stride=(2, 1), minimum=minimum)
    assert reference.pool(op, source).tolist() == [[[[1, 0], [2, 1]], [[7, 6], [8, 7]]]]


def test_pool_padded() -> None:
    """What lies outside takes no part, whatever the sign of the values."""
    source = np.array([[-5, -4], [-3, -2]]).reshape(1, 2, 2, 1).repeat(2, 3)
    op = Pool(
        name="p",
        source="s",
        size=(2, 2),
        stride=(1, 2),
        padding=Padding(top=1, left=1, bottom=0, right=1),
        minimum=np.array([False, True]),
    )
    assert reference.pool(op, source)[0, ..., 0].tolist() == [[-5, -4], [-3, -2]]
    assert reference.pool(op, source)[0, ..., 1].tolist() == [[-5, -4], [-5, -4]]


def test_pool_sum() -> None:
    source = np.arange(9).reshape(1, 3, 3, 1)
    none = np.array([False])
    op = Pool(name="p", source="s", kind="sum", size=(2, 2), stride=(1, 1), minimum=none)
    assert reference.pool(op, source)[0, ..., 0].tolist() == [[8, 12], [20, 24]]


def test_scale() -> None:
    """Halves go up, also below 0; then the result saturates."""
    source = np.array([-6, -5, -3, -2, -1, 0, 1, 2, 3, 5, 6]).reshape(1, 1, -1, 1).repeat(2, 3)
    gain, offset = np.array([2, -1], np.int32), np.array([0, 1], np.int32)
    op = Scale(name="s", source="s", gain=gain, offset=offset, shift=2, low=-2, high=2)
    got = reference.scale(op, source)
    # x / 2, and (1 - x) / 4
    assert got[0, 0, :, 0].tolist() == [-2, -2, -1, -1, 0, 0, 1, 1, 2, 2, 2]
    assert got[0, 0, :, 1].tolist() == [2, 2, 1, 1, 1, 0, 0, 0, 0, -1, -1]
    plain = Scale(name="s", source="s", gain=gain, offset=offset, shift=0, low=-9, high=9)
    assert reference.scale(plain, source)[0, 0, :, 0].tolist() == [
        *(-9, -9, -6, -4, -2, 0, 2, 4, 6, 9, 9)
    ]


def test_add() -> None:
    op = Add(name="a", sources=("s", "t"), low=-3, high=3)
    got = reference.add(op, np.array([1, -2, -2, 3]), np.array([1, 0, -2, 1]))
    assert got.tolist() == [2, -2, -3, 3]


def test_concat() -> None:
    got = reference.concat(SOURCE, 5 * SOURCE)
    assert got[0].tolist() == [[[1, -1, 5, -5], [1, 1, 5, 5]], [[-1, -1, -5, -5], [1, -1, 5, -5]]]


def test_head() -> None:
    ones = np.ones(3, np.float32)
    fields = {"name": "h", "source": "s", "scale": ones, "offset": ones}
    source = np.array([[[[5, 7, 6]]], [[[0, 0, 0]]]])
    raw = Head(bias=np.array([0, -1, 0], np.int32), **fields)  # type: ignore[arg-type]
    assert reference.head(raw, source).tolist() == [[[[5, 6, 6]]], [[[0, -1, 0]]]]
    best = Head(bias=np.array([0, -1, 0], np.int32), kind="argmax", **fields)  # type: ignore[arg-type]
    assert reference.head(best, source).tolist() == [[[[1]]], [[[0]]]]
