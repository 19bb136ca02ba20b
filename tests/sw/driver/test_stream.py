"""Streams of live sources, progress, and what both ends counted."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from sw import cli, golden
from sw.driver import Accelerator
from sw.errors import LinkError, ModelError
from tests.graphs import random_frames

from .fake import Terminal
from .test_accelerator import fake_of, model

__all__ = ["model"]


@pytest.fixture
def accelerator(model):
    with Terminal.of(fake_of(model)) as port, Accelerator(port.name, model) as opened:
        yield opened


def test_results_tell_their_frames(rng, model, accelerator):
    frames = random_frames(rng, model.graph, 40)
    expected = golden.scores(model, frames)
    with accelerator.stream(iter(frames)) as stream:
        assert stream.index == -1
        for place, scores in enumerate(stream):
            assert stream.index == place and np.array_equal(scores, expected[place])
    assert stream.dropped == 0


@pytest.mark.parametrize("drop", ["oldest", "newest"])
def test_a_source_that_does_not_wait(rng, model, accelerator, drop):
    """All that is not dropped is answered, in order, and tells which frame it was."""
    frames = random_frames(rng, model.graph, 300)
    expected = golden.scores(model, frames)
    over = threading.Event()

    def camera():
        yield from frames
        over.set()

    stream = accelerator.stream(camera(), drop=drop, buffer=3)
    found = []
    for scores in stream:
        # Nothing is read from the port until the source has run on: so frames must go.
        assert over.wait(20)
        found.append(stream.index)
        assert np.array_equal(scores, expected[stream.index])
    assert found == sorted(set(found))
    assert stream.dropped == 300 - len(found) > 0
    assert (299 in found) == (drop == "oldest")


def test_a_slow_source_gets_each_score_at_once(rng, model, accelerator):
    frames = random_frames(rng, model.graph, 5)
    seen = threading.Semaphore(0)

    def camera():
        for frame in frames:
            yield frame
            # The next comes only when the scores of this one have.
            assert seen.acquire(timeout=20)

    count = 0
    for _ in accelerator.stream(camera(), drop="oldest"):
        count += 1
        seen.release()
    assert count == 5


def test_what_the_source_raises(model, accelerator):
    def camera():
        yield model.vectors.frames[0]
        raise OSError("the camera is gone")

    with pytest.raises(OSError, match="the camera is gone"):
        list(accelerator.stream(camera(), drop="newest"))
    assert accelerator.verify() > 0


def test_a_frame_of_another_shape(model, accelerator):
    with pytest.raises(ModelError, match="frames have shape"):
        list(accelerator.stream([np.zeros((1, 2, 3), np.uint8)], drop="oldest"))


def test_no_such_policy(accelerator):
    with pytest.raises(ModelError, match="drop='all' is no policy"):
        accelerator.stream([], drop="all")  # type: ignore[arg-type]


def test_closed_in_the_middle(rng, model, accelerator):
    frames = random_frames(rng, model.graph, 60)
    with accelerator.stream(iter(frames), drop="newest", buffer=60) as stream:
        next(stream)
    stream.close()
    assert accelerator.verify() > 0


def test_a_call_that_is_stopped(rng, model, accelerator):
    stop = threading.Event()
    accelerator.stop_with(stop)
    frames = random_frames(rng, model.graph, 300)
    with pytest.raises(LinkError, match=r"the call was ended with \d+ of 300 frames done"):
        accelerator.predict(frames, progress=lambda _: stop.set())
    accelerator.stop_with(None)
    assert accelerator.verify() > 0


def test_progress(rng, model, accelerator, monkeypatch):
    frames = random_frames(rng, model.graph, 10)
    shown = []

    class Bar:
        def __init__(self, description, total, unit):
            shown.append((description, total, unit))

        def __enter__(self):
            return lambda count: shown.append(count)

        def __exit__(self, *_):
            pass

    monkeypatch.setattr(cli, "progress", Bar)
    accelerator.predict(frames)
    accelerator.predict(frames, progress=True)
    assert not shown, "standard error is no terminal here"
    monkeypatch.setattr(cli.console, "_force_terminal", True)
    accelerator.predict(frames)
    assert not shown, "nobody asked"
    accelerator.predict(frames, progress=True)
    assert shown == [(f"run on {accelerator.port}", 10, "frames"), *([1] * 10)]


def test_both_ends_count(rng, model, accelerator):
    accelerator.predict(random_frames(rng, model.graph, 30))
    host, chip = accelerator.host_counters, accelerator.counters()
    assert host.frames_sent == chip.frames_in == 30 and host.results == chip.frames_out == 30
    assert (host.resent, host.repeats, host.bad_packets, host.reconnects) == (0, 0, 0, 0)
