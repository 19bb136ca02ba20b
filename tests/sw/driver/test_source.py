"""Buffers of frames between a live source and a run."""

from __future__ import annotations

import threading

import pytest

from sw.driver.source import Feed, Inline, Item
from sw.errors import ModelError


def feed(**options) -> Feed[int]:
    return Feed(lambda frame: bytes([frame]), **options)


def items(source) -> list[tuple[int, int]]:
    found = []
    while (item := source.take(5)) is not None:
        found.append((item.index, item.body[0]))
    return found


def test_inline():
    source = Inline([b"a", b"b"])
    assert source.take(0) == Item(0, b"a") and not source.ended
    assert source.take(0) == Item(1, b"b")
    assert source.take(0) is None and source.ended


@pytest.mark.parametrize(
    ("drop", "left"), [("oldest", [(3, 3), (4, 4), (5, 5)]), ("newest", [(0, 0), (1, 1), (2, 2)])]
)
def test_policies(drop, left):
    source = feed(room=3, drop=drop)
    for frame in range(6):
        assert source.put(frame)
    assert source.dropped == 3
    source.end()
    assert items(source) == left and source.ended
    # What comes afterwards is counted on.
    assert source.put(9)
    assert source.take(0) == Item(6, b"\t")


def test_without_a_policy_the_source_waits():
    source = feed(room=2, drop=None)
    assert source.put(0) and source.put(1)
    assert not source.put(2) and source.dropped == 0
    assert not source.wait_for_room(0)
    assert source.take(0) == Item(0, b"\0")
    assert source.wait_for_room(0) and source.put(2)
    source.end()
    assert items(source) == [(1, 1), (2, 2)]


def test_a_thread_fills_and_waits():
    source = feed(room=2, drop=None)
    source.fill(range(50))
    assert items(source) == [(k, k) for k in range(50)] and source.ended


def test_what_the_source_raises_comes_after_its_frames():
    def frames():
        yield 1
        raise ValueError("no camera")

    source = feed(room=2, drop="oldest")
    source.fill(frames())
    assert source.take(5) == Item(0, b"\1")
    with pytest.raises(ValueError, match="no camera"):
        source.take(5)


def test_a_run_that_is_over_ends_the_thread():
    taken = threading.Event()
    ended = threading.Event()

    def frames():
        try:
            while True:
                taken.set()
                yield 1
        finally:
            ended.set()

    source = feed(room=1, drop=None)
    source.fill(frames())
    assert taken.wait(5)
    source.stop.set()
    assert ended.wait(5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(room=1, drop="some"), "drop='some' is no policy; allowed are 'oldest', 'newest'"),
        (dict(room=0, drop=None), "a buffer of 0 frames holds none; allowed are 1 or more"),
    ],
)
def test_what_cannot_be(options, message):
    with pytest.raises(ModelError) as caught:
        feed(**options)
    assert message in str(caught.value)
