"""What one accelerator and a pool of them have in common: frames in, scores out."""

from __future__ import annotations

import contextlib
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sw import cli
from sw.driver.source import Drop, Feed, Inline, Source
from sw.errors import LinkError, ModelError
from sw.model import Model
from sw.protocol import Identity, Packet, pack_codes

__all__ = ["Calls", "Evaluation", "Progress", "Stream", "Throughput"]

#: Frames that are preprocessed at a time.
BATCH = 64

#: Frames of a live source that wait for a slot, unless said otherwise.
BUFFER = 16

#: True for a bar on the terminal, or what is called with the number of frames done since.
Progress = bool | Callable[[int], None]


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What `Calls.evaluate` found."""

    frames: int
    correct: int

    @property
    def accuracy(self) -> float:
        """Part of the frames that was classified as labelled, 0 to 1."""
        return self.correct / self.frames


@dataclass(frozen=True, kw_only=True)
class Throughput:
    """What `Calls.throughput` measured.

    Parameters
    ----------
    frames : int
    seconds : float
    resent : int
        Frames that had to be sent again.
    link_frames_per_second : float or None
        What the serial line could carry at most, framing included.
    """

    frames: int
    seconds: float
    resent: int
    link_frames_per_second: float | None

    @property
    def frames_per_second(self) -> float:
        return self.frames / self.seconds


class Stream:
    """Scores of a stream of frames: an iterator, and a context manager that closes it.

    Yields int32 arrays (scores,), in the order of the frames. No more frames are held
    than wait in the buffer and are in flight.

    Attributes
    ----------
    index : int
        Of the frame whose scores were given last, counted from 0 in what the source
        gave, those dropped included; -1 before the first.
    """

    def __init__(
        self, results: Generator[tuple[int, NDArray[np.int32]], None, None], source: Source
    ) -> None:
        self._results, self._source = results, source
        self.index = -1

    @property
    def dropped(self) -> int:
        """Frames that were dropped so far, as ``drop`` says."""
        return self._source.dropped if isinstance(self._source, Feed) else 0

    def __iter__(self) -> Iterator[NDArray[np.int32]]:
        return self

    def __next__(self) -> NDArray[np.int32]:
        self.index, scores = next(self._results)
        return scores

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def stop(self) -> None:
        """Have the stream end soon; may be called from another thread."""
        self._source.stop.set()

    def close(self) -> None:
        """Take no more frames, and forget those in flight; does nothing the second time."""
        self.stop()
        self._results.close()


class Calls(ABC):
    """Calls that send frames; `Accelerator` and `AcceleratorPool` say how."""

    def __init__(self) -> None:
        self._stop: threading.Event | None = None

    def stop_with(self, stop: threading.Event | None) -> None:
        """Have ``stop`` end the calls to come, soon after it is set from another thread."""
        self._stop = stop

    @property
    @abstractmethod
    def model(self) -> Model:
        """The model of the accelerator."""

    @property
    @abstractmethod
    def info(self) -> Identity:
        """What the accelerator says of itself."""

    @property
    @abstractmethod
    def port(self) -> str:
        """Name of the port, or of all of them."""

    @property
    @abstractmethod
    def resent(self) -> int:
        """Frames that had to be sent again since it was opened."""

    @property
    @abstractmethod
    def bauds(self) -> float | None:
        """Bits per second of the line, or of all of them; None where that is no bound."""

    @abstractmethod
    def results(self, source: Source) -> Generator[tuple[int, NDArray[np.int32]], None, None]:
        """Index and scores of each frame of a source, in order."""

    @abstractmethod
    def close(self) -> None:
        """Give the port back; does nothing the second time."""

    def predict(
        self, frames: NDArray[np.uint8], *, progress: Progress = False
    ) -> NDArray[np.int32]:
        """Scores of frames.

        Parameters
        ----------
        frames : uint8 array (N, H, W, C), or (N, H, W) where C is 1
        progress : bool or callable
            True for a bar where standard error is a terminal; a callable is called with
            the number of frames done since the last call. False is silent.

        Returns
        -------
        int32 array (N, scores)
            As the golden model gives them; with an argmax head, the index.

        Raises
        ------
        ModelError
            The frames are not what the model takes.
        LinkError
            The link or the accelerator failed.
        """
        frames = self.model.as_frames(frames)
        scores = np.empty((len(frames), self.info.scores), np.int32)
        source = Inline(self._bodies(frames), self._stop)
        done = 0
        with (
            _advance(progress, f"run on {self.port}", len(frames)) as advance,
            contextlib.closing(self.results(source)) as results,
        ):
            for index, result in results:
                scores[index] = result
                done += 1
                advance(1)
        if done < len(frames):
            raise LinkError(
                f"the call was ended with {done} of {len(frames)} frames done", "Call it again"
            )
        return scores

    def stream(
        self,
        frames: Iterable[NDArray[np.uint8]],
        *,
        drop: Drop | None = None,
        buffer: int = BUFFER,
    ) -> Stream:
        """Scores (scores,) of each of ``frames`` (H, W, C), as they come, in order.

        Parameters
        ----------
        frames : iterable of uint8 arrays (H, W, C)
            Without ``drop``, up to `info.slots` frames are taken ahead of the scores, in
            the caller's thread, and the source waits meanwhile.
        drop : "oldest", "newest" or None
            For a source that does not wait, such as a camera: a thread reads it, and a
            frame that finds ``buffer`` frames waiting makes the one that waited longest
            go, or goes itself. `Stream.index` tells which frame a result is of,
            `Stream.dropped` how many went.
        buffer : int
            Frames that may wait for a slot, with ``drop``.

        Raises
        ------
        ModelError
            A frame is not what the model takes, or ``drop`` no policy.
        LinkError
            The link or the accelerator failed.
        """
        if drop is None:
            inline = Inline((self._body(frame) for frame in frames), self._stop)
            return Stream(self.results(inline), inline)
        feed = self.feed(drop=drop, buffer=buffer)
        feed.fill(frames)
        return Stream(self.results(feed), feed)

    def classify(
        self, frames: NDArray[np.uint8], *, progress: Progress = False
    ) -> NDArray[np.int64]:
        """Class (N,) of frames: the greatest logit's index, the lowest where equal."""
        return self.model.classify(self.predict(frames, progress=progress))

    def verify(self) -> int:
        """Run the model's embedded test vectors; their number.

        Raises
        ------
        LinkError
            A score differs.
        """
        vectors = self.model.vectors
        got = self.predict(vectors.frames)
        wrong = np.argwhere(got != vectors.scores)
        if len(wrong):
            frame, index = map(int, wrong[0])
            raise LinkError(
                f"the accelerator at '{self.port}' gives {got[frame, index]} as score {index} of "
                f"test vector {frame}; the model says {vectors.scores[frame, index]}",
                "Build and load the bitstream again; if it stays so, check the board's clock and "
                "supply, and report it as a bug",
            )
        return len(got)

    def evaluate(
        self,
        frames: NDArray[np.uint8],
        labels: NDArray,
        *,
        progress: Progress = False,
    ) -> Evaluation:
        """How many of ``frames`` (N, H, W, C) are classified as ``labels`` (N,) say."""
        labels = np.asarray(labels)
        if labels.shape != (len(frames),) or labels.dtype.kind not in "iu":
            raise ModelError(
                f"labels are {labels.dtype} of shape {labels.shape}, not integers of shape "
                f"({len(frames)},)",
                "Give one class number for each frame",
            )
        correct = self.classify(frames, progress=progress) == labels
        return Evaluation(frames=len(labels), correct=int(correct.sum()))

    def throughput(self, frames: int = 200, *, progress: Progress = False) -> Throughput:
        """Measure with ``frames`` frames, the test vectors over and over."""
        vectors = self.model.as_frames(self.model.vectors.frames)
        bodies = list(self._bodies(vectors))
        source = Inline((bodies[i % len(bodies)] for i in range(frames)), self._stop)
        resent, start = self.resent, time.perf_counter()
        with _advance(progress, f"measure {self.port}", frames) as advance:
            for _ in self.results(source):
                advance(1)
        seconds = time.perf_counter() - start
        peak = None
        if self.bauds is not None:
            lengths = [len(Packet(command=1, body=body).encode()) for body in bodies]
            peak = self.bauds / 10 / float(np.mean(lengths))
        return Throughput(
            frames=frames,
            seconds=seconds,
            resent=self.resent - resent,
            link_frames_per_second=peak,
        )

    def feed(self, *, drop: Drop | None, buffer: int) -> Feed[NDArray[np.uint8]]:
        """A buffer of frames for `results`."""
        return Feed(self._body, room=buffer, drop=drop, stop=self._stop)

    def _body(self, frame: NDArray[np.uint8]) -> bytes:
        """Body of the FRAME of one frame (H, W, C)."""
        return next(self._bodies(self.model.as_frames(np.asarray(frame)[None])))

    def _bodies(self, frames: NDArray[np.uint8]) -> Iterator[bytes]:
        """Bodies of FRAMEs, preprocessed some at a time."""
        model = self.model
        range_ = model.graph.input.type.range
        for first in range(0, len(frames), BATCH):
            inputs = model.preprocessing.apply(frames[first : first + BATCH])
            codes = range_.encode(inputs).reshape(len(inputs), -1)
            for body in pack_codes(codes, range_.bits):
                yield body.tobytes()


@contextlib.contextmanager
def _advance(progress: Progress, what: str, total: int) -> Iterator[Callable[[int], None]]:
    """What to call with each advance."""
    if callable(progress):
        yield progress
    elif progress and cli.console.is_terminal:
        with cli.progress(what, total, "frames") as advance:
            yield advance
    else:
        yield lambda _: None
