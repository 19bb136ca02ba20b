"""The driver for asyncio: the same scores, and cancellation that loses nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine

import numpy as np
import pytest

from sw import golden
from sw.driver import AsyncAccelerator
from sw.errors import LinkError, ModelError
from sw.protocol import Counters
from tests.graphs import random_frames

from .fake import Terminal
from .test_accelerator import fake_of, model

__all__ = ["model"]

#: No test waits for longer: a hang is an error.
LIMIT = 60


def run(work: Coroutine) -> None:
    asyncio.run(asyncio.wait_for(work, LIMIT))


@pytest.fixture
def port(model):
    with Terminal.of(fake_of(model)) as terminal:
        yield terminal.name


def test_calls(rng, model, port):
    frames = random_frames(rng, model.graph, 40)
    expected = golden.scores(model, frames)

    async def work():
        async with AsyncAccelerator(port, model) as accelerator:
            assert accelerator.info.slots == 4 and accelerator.port == port
            assert accelerator.model is model
            # Several at once: one after the other at the board.
            both = accelerator.predict(frames[:20]), accelerator.predict(frames[20:])
            assert np.array_equal(np.concatenate(await asyncio.gather(*both)), expected)
            classes = model.classify(expected)
            assert np.array_equal(await accelerator.classify(frames), classes)
            assert (await accelerator.evaluate(frames, classes)).accuracy == 1.0
            assert await accelerator.verify() == len(model.vectors.frames)
            assert (await accelerator.throughput(5)).frames == 5
            counters = await accelerator.counters()
            assert isinstance(counters, Counters) and counters.bad_packets == 0
        with pytest.raises(LinkError, match="the accelerator is not open"):
            await accelerator.verify()

    run(work())


@pytest.mark.parametrize("kind", ["list", "generator", "asynchronous"])
def test_streams(rng, model, port, kind):
    frames = random_frames(rng, model.graph, 60)
    expected = golden.scores(model, frames)

    async def live():
        for frame in frames:
            await asyncio.sleep(0)
            yield frame

    sources = {"list": list(frames), "generator": iter(frames), "asynchronous": live()}

    async def work():
        async with AsyncAccelerator(port, model) as accelerator:
            stream = accelerator.stream(sources[kind], buffer=2)
            place = 0
            async for scores in stream:
                assert stream.index == place and np.array_equal(scores, expected[place])
                place += 1
            assert place == 60 and stream.dropped == 0

    run(work())


def test_a_live_source_that_does_not_wait(rng, model, port):
    frames = random_frames(rng, model.graph, 200)
    expected = golden.scores(model, frames)

    async def live():
        for frame in frames:
            yield frame

    async def work():
        async with AsyncAccelerator(port, model) as accelerator:
            found = []
            stream = accelerator.stream(live(), drop="oldest", buffer=5)
            async for scores in stream:
                found.append(stream.index)
                assert np.array_equal(scores, expected[stream.index])
            assert found == sorted(set(found)) and found[-1] == 199
            assert stream.dropped == 200 - len(found) > 0

    run(work())


def test_what_an_asynchronous_source_raises(model, port):
    async def live():
        yield model.vectors.frames[0]
        raise OSError("the camera is gone")

    async def work():
        async with AsyncAccelerator(port, model) as accelerator:
            with pytest.raises(OSError, match="the camera is gone"):
                async for _ in accelerator.stream(live()):
                    pass
            with pytest.raises(ModelError, match="drop='all' is no policy"):
                accelerator.stream(live(), drop="all")  # type: ignore[arg-type]
            assert await accelerator.verify() > 0

    run(work())


def test_a_cancelled_call_ends_at_the_board_too(rng, model, port):
    frames = random_frames(rng, model.graph, 5000)
    expected = golden.scores(model, frames[:50])

    async def work():
        async with AsyncAccelerator(port, model) as accelerator:
            begun = asyncio.Event()
            loop = asyncio.get_running_loop()
            count = 0

            def progress(_: int) -> None:
                nonlocal count
                count += 1
                loop.call_soon_threadsafe(begun.set)

            call = asyncio.create_task(accelerator.predict(frames, progress=progress))
            await begun.wait()
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            assert np.array_equal(await accelerator.predict(frames[:50]), expected)
            assert count < 5000

    run(work())


def test_a_cancelled_wait_loses_no_result(rng, model, port):
    frames = random_frames(rng, model.graph, 10)
    expected = golden.scores(model, frames)

    async def work():
        gate = asyncio.Event()

        async def live():
            yield frames[0]
            await gate.wait()
            for frame in frames[1:]:
                yield frame

        async with AsyncAccelerator(port, model) as accelerator:
            stream = accelerator.stream(live())
            assert np.array_equal(await anext(stream), expected[0])
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(stream), 0.05)
            gate.set()
            rest = [scores async for scores in stream]
            assert np.array_equal(rest, expected[1:])

    run(work())


def test_a_stream_left_open_does_not_hold_the_port(rng, model, port):
    frames = random_frames(rng, model.graph, 50)

    async def endless():
        while True:
            yield frames[0]
            await asyncio.sleep(0)

    async def work():
        async with AsyncAccelerator(port, model) as accelerator:
            async with accelerator.stream(endless()) as stream:
                await anext(stream)
            assert await accelerator.verify() > 0
            await anext(accelerator.stream(endless()))
        async with AsyncAccelerator(port, model) as accelerator:
            assert await accelerator.verify() > 0

    run(work())


def test_a_pool(rng, model, port):
    frames = random_frames(rng, model.graph, 80)
    expected = golden.scores(model, frames)

    async def work():
        async with AsyncAccelerator([port, second.name], model) as accelerator:
            assert np.array_equal(await accelerator.predict(frames), expected)
            counters = await accelerator.counters()
            assert isinstance(counters, dict) and list(counters) == [port, second.name]

    with Terminal.of(fake_of(model)) as second:
        run(work())


def test_a_port_that_cannot_be_opened(model):
    async def work():
        with pytest.raises(LinkError, match="there is no port"):
            async with AsyncAccelerator("/dev/ttyUSB99", model):
                pass

    run(work())
