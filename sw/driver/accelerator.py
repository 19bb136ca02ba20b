"""`Accelerator`: frames in, scores out, over any link."""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sw.driver import simulated
from sw.driver.links import (
    DEFAULT_BAUD,
    Link,
    SerialLink,
    SocketLink,
    describe_ports,
    ports_here,
)
from sw.driver.session import Session
from sw.driver.udp import UdpLink
from sw.errors import LinkError, ModelError
from sw.model import Model, load
from sw.model.npz import to_bytes
from sw.protocol import Counters, Identity, Packet, pack_codes

__all__ = ["Accelerator", "Evaluation", "Throughput"]

#: Frames that are preprocessed at a time.
BATCH = 64

#: Seconds that a port is given by "auto" to say who is there.
DISCOVERY_TIMEOUT = 0.5


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What `Accelerator.evaluate` found."""

    frames: int
    correct: int

    @property
    def accuracy(self) -> float:
        """Part of the frames that was classified as labelled, 0 to 1."""
        return self.correct / self.frames


@dataclass(frozen=True, kw_only=True)
class Throughput:
    """What `Accelerator.throughput` measured.

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


class Accelerator:
    """An accelerator on a port; a context manager.

    Parameters
    ----------
    port : str
        "auto", a serial port, ``udp://host``, ``socket://host:port``, or ``sim:`` and a
        build's folder or a model file.
    model : Model or path, optional
        The model it was built from: preprocessing, logits and test vectors are in it.
        A ``sim:`` port brings its own. Without, only `info` and `counters` work.
    baud : int
        Of a serial port.
    timeout : float, optional
        Seconds of silence before something is sent again: 2, or 600 in simulation.
    tries : int
        How often in a row.

    Raises
    ------
    LinkError
        The port is absent, in use, silent, speaks another protocol or another version
        of this one, or the accelerator was built from another model.
    ModelError
        The model file cannot be used.
    """

    def __init__(
        self,
        port: str = "auto",
        model: Model | str | os.PathLike[str] | None = None,
        *,
        baud: int = DEFAULT_BAUD,
        timeout: float | None = None,
        tries: int = 4,
    ) -> None:
        if model is None and port.startswith("sim:"):
            model = simulated.model_of(port)
        self._model = load(model) if isinstance(model, str | os.PathLike) else model
        wanted = None if self._model is None else _digest(self._model)
        with contextlib.ExitStack() as stack:
            if port == "auto":
                port = _discover(wanted, baud)
            self._link = _open(port, baud=baud, timeout=timeout)
            stack.callback(self._link.close)
            self._session = Session(self._link, timeout=timeout, tries=tries)
            if self._model is not None:
                _check_model(self._model, wanted, self._session.identity, port)
            self._session.reset()
            stack.pop_all()

    def __enter__(self) -> Accelerator:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the port back; does nothing the second time."""
        self._link.close()

    @property
    def port(self) -> str:
        """Name of the port; the one that was found where "auto" was asked for."""
        return self._link.name

    @property
    def info(self) -> Identity:
        """What the accelerator says of itself."""
        return self._session.identity

    @property
    def model(self) -> Model:
        """The model of the accelerator.

        Raises
        ------
        ModelError
            None was given.
        """
        if self._model is None:
            raise ModelError(
                f"no model was given for the accelerator at '{self.port}', whose model has "
                f"SHA-256 {self.info.model_sha256}",
                "Give the model file that it was built from",
            )
        return self._model

    def counters(self) -> Counters:
        """The accelerator's counters since it was opened."""
        return self._session.counters()

    @property
    def resent(self) -> int:
        """Frames that had to be sent again since the accelerator was opened."""
        return self._session.resent

    def predict(
        self, frames: NDArray[np.uint8], *, progress: Callable[[int], None] | None = None
    ) -> NDArray[np.int32]:
        """Scores of frames.

        Parameters
        ----------
        frames : uint8 array (N, H, W, C), or (N, H, W) where C is 1
        progress : callable, optional
            Called with the number of frames done since the last call.

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
        with contextlib.closing(self._session.run(self._bodies(frames))) as results:
            for index, result in enumerate(results):
                scores[index] = result
                if progress is not None:
                    progress(1)
        return scores

    def stream(self, frames: Iterable[NDArray[np.uint8]]) -> Iterator[NDArray[np.int32]]:
        """Scores (scores,) of each of ``frames`` (H, W, C), as they come, in order.

        Up to `info.slots` frames are taken from ``frames`` ahead of the scores.
        """
        model = self.model
        singles = (model.as_frames(np.asarray(frame)[None]) for frame in frames)
        bodies = (body for single in singles for body in self._bodies(single))
        with contextlib.closing(self._session.run(bodies)) as results:
            yield from results

    def classify(
        self, frames: NDArray[np.uint8], *, progress: Callable[[int], None] | None = None
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
        progress: Callable[[int], None] | None = None,
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

    def throughput(self, frames: int = 200) -> Throughput:
        """Measure with ``frames`` frames, the test vectors over and over."""
        vectors = self.model.as_frames(self.model.vectors.frames)
        bodies = list(self._bodies(vectors))
        resent, start = self.resent, time.perf_counter()
        for _ in self._session.run(bodies[i % len(bodies)] for i in range(frames)):
            pass
        seconds = time.perf_counter() - start
        peak = None
        if self._link.baud is not None:
            lengths = [len(Packet(command=1, body=body).encode()) for body in bodies]
            peak = self._link.baud / 10 / float(np.mean(lengths))
        return Throughput(
            frames=frames,
            seconds=seconds,
            resent=self.resent - resent,
            link_frames_per_second=peak,
        )

    def _bodies(self, frames: NDArray[np.uint8]) -> Iterator[bytes]:
        """Bodies of FRAMEs, preprocessed some at a time."""
        model = self.model
        range_ = model.graph.input.type.range
        for first in range(0, len(frames), BATCH):
            inputs = model.preprocessing.apply(frames[first : first + BATCH])
            codes = range_.encode(inputs).reshape(len(inputs), -1)
            for body in pack_codes(codes, range_.bits):
                yield body.tobytes()


def _open(port: str, *, baud: int, timeout: float | None) -> Link:
    if port.startswith("sim:"):
        return simulated.SimulatedLink(port, timeout=timeout)
    if port.startswith("socket://"):
        return SocketLink(port, timeout=timeout)
    if port.startswith("udp://"):
        return UdpLink(port, timeout=timeout)
    return SerialLink(port, baud=baud, timeout=timeout)


def _digest(model: Model) -> str:
    """The hash of the model's file, whether or not it was ever written."""
    return model.sha256 or hashlib.sha256(to_bytes(model)).hexdigest()


def _check_model(model: Model, digest: str | None, identity: Identity, port: str) -> None:
    if identity.model_sha256 != digest:
        raise LinkError(
            f"the accelerator at '{port}' was built from the model with SHA-256 "
            f"{identity.model_sha256}; the model given, '{model.name}', has {digest}",
            "Give the model it was built from, or build and load a bitstream of this one",
        )
    type_, head = model.graph.input.type, model.graph.types[model.graph.head.name]
    expected = (type_.size, type_.range.bits, head.size)
    if (identity.elements, identity.code_bits, identity.scores) != expected:
        raise LinkError(
            f"the accelerator at '{port}' takes {identity.elements} codes of "
            f"{identity.code_bits} bits and gives {identity.scores} scores; its model "
            f"'{model.name}' has {expected[0]} of {expected[1]}, and {expected[2]}",
            "Build its bitstream again with this release",
        )


def _discover(wanted: str | None, baud: int) -> str:
    """Name of the one serial port with an accelerator (of the wanted model).

    Raises
    ------
    LinkError
        None has, or several have.
    """
    found: list[str] = []
    refusals: list[str] = []
    for name in ports_here():
        try:
            link = SerialLink(name, baud=baud, timeout=DISCOVERY_TIMEOUT)
        except LinkError as error:
            refusals.append(error.message)
            continue
        try:
            identity = Session(link, tries=1).identity
        except LinkError as error:
            refusals.append(error.message)
        else:
            if wanted in (None, identity.model_sha256):
                found.append(name)
            else:
                refusals.append(f"'{name}' has the model {identity.model_sha256}")
        finally:
            link.close()
    if len(found) > 1:
        raise LinkError(f"there are accelerators at {', '.join(found)}", "Name one of the ports")
    if not found:
        tried = "; ".join(refusals) or describe_ports()
        model = "" if wanted is None else f" with the model {wanted}"
        raise LinkError(
            f"no accelerator{model} was found: {tried}",
            "Plug the board in and load its bitstream, or name the port",
        )
    return found[0]
