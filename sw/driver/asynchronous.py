"""`AsyncAccelerator`: the driver for programs of asyncio."""

from __future__ import annotations

import asyncio
import functools
import os
import threading
from collections.abc import AsyncIterable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from sw.driver.accelerator import Accelerator
from sw.driver.calls import BUFFER, Calls, Evaluation, Progress, Stream, Throughput
from sw.driver.pool import AcceleratorPool
from sw.driver.source import Drop, Feed
from sw.errors import LinkError
from sw.model import Model
from sw.protocol import Counters, Identity

__all__ = ["AsyncAccelerator", "AsyncStream"]

T = TypeVar("T")

#: Marks the end of a stream, which an executor's future cannot carry as StopIteration.
_END = object()


class AsyncStream:
    """`Stream` as an asynchronous iterator, and context manager.

    A wait that is cancelled loses nothing: the next one goes on with the same frame.

    Attributes
    ----------
    index : int
        As of `Stream`.
    """

    def __init__(
        self, stream: Stream, executor: ThreadPoolExecutor, pump: asyncio.Task[None] | None
    ) -> None:
        self._stream, self._executor, self._pump = stream, executor, pump
        self._pending: asyncio.Future[Any] | None = None
        self.index = -1

    @property
    def dropped(self) -> int:
        """Frames that were dropped so far."""
        return self._stream.dropped

    def __aiter__(self) -> AsyncStream:
        return self

    async def __anext__(self) -> NDArray[np.int32]:
        if self._pending is None:
            loop = asyncio.get_running_loop()
            self._pending = loop.run_in_executor(self._executor, self._next)
        found = await asyncio.shield(self._pending)
        self._pending = None
        if found is _END:
            raise StopAsyncIteration
        self.index, scores = found
        return scores

    def _next(self) -> object:
        scores = next(self._stream, None)
        return _END if scores is None else (self._stream.index, scores)

    async def __aenter__(self) -> AsyncStream:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Take no more frames, and forget those in flight; does nothing the second time."""
        self._stream.stop()
        if self._pump is not None:
            self._pump.cancel()
        if self._pending is not None:
            await asyncio.wait([self._pending])
            # What it came to is forgotten, as asked for.
            self._pending.exception()
            self._pending = None
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._executor, self._stream.close)


class AsyncAccelerator:
    """`Accelerator`, or of several ports `AcceleratorPool`, without blocking the event loop.

    The work is done by one thread of its own, a call after the other. A call that is
    cancelled ends at the board too, soon after. An asynchronous context manager, which
    opens the port.

    Parameters
    ----------
    port : str or sequence of str
    model : Model or path, optional
    **options
        As `Accelerator` takes them.
    """

    def __init__(
        self,
        port: str | Sequence[str] = "auto",
        model: Model | str | os.PathLike[str] | None = None,
        **options: Any,
    ) -> None:
        kind = Accelerator if isinstance(port, str) else AcceleratorPool
        self._open: Callable[[], Calls] = functools.partial(kind, port, model, **options)
        self._calls: Calls | None = None
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="accelerator")
        self._streams: list[AsyncStream] = []

    async def __aenter__(self) -> AsyncAccelerator:
        self._calls = await self._run(self._open)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Give the port back; does nothing the second time."""
        if self._calls is None:
            return
        for stream in self._streams:
            await stream.aclose()
        self._streams.clear()
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._executor, self._calls.close)
        self._calls = None
        self._executor.shutdown()

    @property
    def calls(self) -> Accelerator | AcceleratorPool:
        """The accelerator or pool behind it; not to be used while a call is running.

        Raises
        ------
        LinkError
            It is not open.
        """
        if not isinstance(self._calls, Accelerator | AcceleratorPool):
            raise LinkError("the accelerator is not open", "Use it within 'async with'")
        return self._calls

    @property
    def port(self) -> str:
        return self.calls.port

    @property
    def model(self) -> Model:
        return self.calls.model

    @property
    def info(self) -> Identity:
        return self.calls.info

    async def predict(
        self, frames: NDArray[np.uint8], *, progress: Progress = False
    ) -> NDArray[np.int32]:
        """As `Accelerator.predict`; ``progress`` is called in the thread of the work."""
        return await self._run(self.calls.predict, frames, progress=progress)

    async def classify(
        self, frames: NDArray[np.uint8], *, progress: Progress = False
    ) -> NDArray[np.int64]:
        """As `Accelerator.classify`."""
        return await self._run(self.calls.classify, frames, progress=progress)

    async def verify(self) -> int:
        """As `Accelerator.verify`."""
        return await self._run(self.calls.verify)

    async def evaluate(
        self, frames: NDArray[np.uint8], labels: NDArray, *, progress: Progress = False
    ) -> Evaluation:
        """As `Accelerator.evaluate`."""
        return await self._run(self.calls.evaluate, frames, labels, progress=progress)

    async def throughput(self, frames: int = 200) -> Throughput:
        """As `Accelerator.throughput`."""
        return await self._run(self.calls.throughput, frames)

    async def counters(self) -> Counters | dict[str, Counters]:
        """As `Accelerator.counters` or `AcceleratorPool.counters`."""
        return await self._run(self.calls.counters)

    def stream(
        self,
        frames: Iterable[NDArray[np.uint8]] | AsyncIterable[NDArray[np.uint8]],
        *,
        drop: Drop | None = None,
        buffer: int = BUFFER,
    ) -> AsyncStream:
        """As `Accelerator.stream`, of an iterable or an asynchronous one.

        An asynchronous one is read by a task; ``buffer`` frames may wait, and without
        ``drop`` the source waits then. Another one is read in the thread of the work.
        """
        pump = None
        if isinstance(frames, AsyncIterable):
            feed = self.calls.feed(drop=drop, buffer=buffer)
            stream = Stream(self.calls.results(feed), feed)
            pump = asyncio.get_running_loop().create_task(_pump(frames, feed))
        else:
            stream = self.calls.stream(frames, drop=drop, buffer=buffer)
        made = AsyncStream(stream, self._executor, pump)
        self._streams.append(made)
        return made

    async def _run(self, function: Callable[..., T], *arguments: Any, **options: Any) -> T:
        """Call in the thread; what is cancelled meanwhile ends there too."""
        stop = threading.Event()

        def call() -> T:
            if self._calls is None:
                return function(*arguments, **options)
            self._calls.stop_with(stop)
            try:
                return function(*arguments, **options)
            finally:
                self._calls.stop_with(None)

        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, call)
        except asyncio.CancelledError:
            stop.set()
            raise


async def _pump(frames: AsyncIterable[NDArray[np.uint8]], feed: Feed[NDArray[np.uint8]]) -> None:
    """Give all of ``frames`` to ``feed``."""
    try:
        async for frame in frames:
            while not feed.put(frame):
                if feed.stop.is_set():
                    return
                # Without a policy: wait beside the event loop.
                await asyncio.to_thread(feed.wait_for_room, 0.1)
    except BaseException as error:
        # A cancelled task too is an end of the stream.
        feed.end(None if isinstance(error, asyncio.CancelledError) else error)
        if isinstance(error, asyncio.CancelledError):
            raise
    else:
        feed.end()
