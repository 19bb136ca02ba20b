"""Several boards as one: least outstanding first, order kept, a board that dies."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest

from sw import golden
from sw.driver import AcceleratorPool
from sw.errors import LinkError
from tests.graphs import random_frames

from .fake import Terminal
from .test_accelerator import fake_of, listed, model

__all__ = ["model"]


@contextlib.contextmanager
def boards(*fakes):
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(Terminal.of(fake)).name for fake in fakes]


def mortal(fake, life: int):
    """Answers so many bytes, then says nothing more."""
    left = life

    def answer(data: bytes) -> bytes:
        nonlocal left
        fake.feed(data)
        out = b"".join(iter(fake.step, b""))
        out, left = out[: max(0, left)], left - len(out)
        return out

    return Terminal(answer)


def test_frames_are_shared_and_scores_in_order(rng, model):
    frames = random_frames(rng, model.graph, 200)
    expected = golden.scores(model, frames)
    fakes = [fake_of(model) for _ in range(3)]
    with boards(*fakes) as ports, AcceleratorPool(ports, model) as pool:
        assert np.array_equal(pool.predict(frames), expected)
        counters = pool.counters()
        assert list(counters) == ports
        assert sum(one.frames_in for one in counters.values()) == 200
        assert all(one.frames_in for one in counters.values())
        stream = pool.stream(iter(frames))
        for place, scores in enumerate(stream):
            assert stream.index == place and np.array_equal(scores, expected[place])
        assert pool.verify() == 3 * len(model.vectors.frames)
        assert pool.evaluate(frames, model.classify(expected)).accuracy == 1.0
        speed = pool.throughput(30)
        assert speed.link_frames_per_second is not None and speed.resent == 0
        assert pool.port == ", ".join(ports) and pool.info.slots == 4 and not pool.lost


def test_the_board_with_the_fewest_outstanding_is_next(rng, model):
    """Of boards of 2 and 8 slots, the larger holds more of what is under way."""
    frames = random_frames(rng, model.graph, 12)
    fakes = [fake_of(model, slots=2), fake_of(model, slots=8)]
    for fake in fakes:
        # Results stay until there are some; requests are answered at once.
        fake.step = _only_answers(fake)
    with boards(*fakes) as ports, AcceleratorPool(ports, model, timeout=30) as pool:
        stream = pool.stream(iter(frames))
        with pytest.raises(StopIteration):
            _stop_soon(stream, pool, fakes)
        assert (fakes[0].most_frames, fakes[1].most_frames) == (2, 8)


def _only_answers(fake):
    def step() -> bytes:
        return fake.answers.popleft() if fake.answers else b""

    return step


def _stop_soon(stream, pool, fakes) -> None:
    import threading
    import time

    def watch() -> None:
        end = time.monotonic() + 20
        while sum(len(fake.frames) for fake in fakes) < 10 and time.monotonic() < end:
            time.sleep(0.01)
        stream.stop()

    threading.Thread(target=watch, daemon=True).start()
    next(stream)


def test_a_board_that_dies_loses_no_frame(rng, model):
    frames = random_frames(rng, model.graph, 150)
    expected = golden.scores(model, frames)
    with (
        boards(fake_of(model)) as (healthy,),
        mortal(fake_of(model), 400) as sick,
        AcceleratorPool([healthy, sick.name], model, timeout=0.3, tries=1) as pool,
    ):
        assert np.array_equal(pool.predict(frames), expected)
        assert list(pool.lost) == [sick.name]
        assert "sent no result" in str(pool.lost[sick.name])
        assert [one.port for one in pool.accelerators] == [healthy]
        assert np.array_equal(pool.predict(frames[:20]), expected[:20])


def test_when_all_die_the_call_does(rng, model):
    frames = random_frames(rng, model.graph, 150)
    with mortal(fake_of(model), 300) as one, mortal(fake_of(model), 300) as two:
        with AcceleratorPool([one.name, two.name], model, timeout=0.3, tries=1) as pool:
            for _ in range(2):
                with pytest.raises(LinkError, match="sent no result for"):
                    pool.predict(frames)
            assert set(pool.lost) == {one.name, two.name} and not pool.accelerators


def test_a_stream_cut_off(rng, model):
    frames = random_frames(rng, model.graph, 60)
    expected = golden.scores(model, frames)
    with boards(fake_of(model), fake_of(model)) as ports, AcceleratorPool(ports, model) as pool:
        stream = pool.stream(iter(frames))
        next(stream)
        with pytest.raises(LinkError, match="the pool is carrying another stream of frames"):
            pool.predict(frames)
        stream.close()
        assert np.array_equal(pool.predict(frames[30:]), expected[30:])


def test_what_a_frame_is_wrong_with_ends_the_call(model):
    with boards(fake_of(model), fake_of(model)) as ports, AcceleratorPool(ports, model) as pool:
        with pytest.raises(ZeroDivisionError):
            list(pool.stream(model.vectors.frames[: 1 // zero] for zero in [0]))
        assert pool.verify() > 0


def test_auto_is_every_board_of_the_model(monkeypatch, model):
    with boards(fake_of(model), fake_of(model, sha256="ab" * 32), fake_of(model)) as ports:
        listed(monkeypatch, *ports)
        with AcceleratorPool("auto", model) as pool:
            assert sorted(one.port for one in pool.accelerators) == sorted(ports[::2])


def test_boards_of_two_models(model):
    with boards(fake_of(model), fake_of(model, sha256="ab" * 32)) as ports:
        with pytest.raises(LinkError) as caught:
            AcceleratorPool(ports)
        assert str(caught.value) == (
            f"the accelerators at '{ports[0]}' and '{ports[1]}' were built from the models with "
            f"SHA-256 {model.sha256} and {'ab' * 32}. Give ports of one model."
        )


def test_no_ports(model):
    with pytest.raises(LinkError, match="a pool of no ports was asked for"):
        AcceleratorPool([], model)
