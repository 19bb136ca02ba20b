"""`Accelerator`: frames in, scores out, over any link."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Generator, Sequence

import numpy as np
from numpy.typing import NDArray

from sw.driver import simulated
from sw.driver.calls import Calls
from sw.driver.links import (
    DEFAULT_BAUD,
    Link,
    SerialLink,
    SocketLink,
    describe_ports,
    ports_here,
)
from sw.driver.session import HostCounters, Session
from sw.driver.source import Source
from sw.driver.udp import UdpLink
from sw.errors import IdentityError, LinkError, ModelError
from sw.model import Model, load
from sw.model.npz import to_bytes
from sw.protocol import Counters, Identity

__all__ = ["BAUDS", "RECONNECT", "Accelerator", "digest_of", "discover"]

#: Seconds that a port is given by "auto" to say who is there, at each rate.
DISCOVERY_TIMEOUT = 0.5

#: Rates that "auto" tries, in this order: those that bitstreams come to have.
BAUDS = (DEFAULT_BAUD, 12_000_000, 8_000_000, 6_000_000, 2_000_000, 115_200)

#: Seconds for which a port that was lost is awaited: a board takes some to start again.
RECONNECT = 10.0


class Accelerator(Calls):
    """An accelerator on a port; a context manager.

    Parameters
    ----------
    port : str
        "auto", a serial port, ``udp://host``, ``socket://host:port``, or ``sim:`` and a
        build's folder or a model file.
    model : Model or path, optional
        The model it was built from: preprocessing, logits and test vectors are in it.
        A ``sim:`` port brings its own. Without, only `info` and `counters` work.
    baud : int, optional
        Of a serial port: 3,000,000 of one that is named; "auto" tries each of `BAUDS`.
    timeout : float, optional
        Seconds of silence before something is sent again: 2, or 600 in simulation.
    tries : int
        How often in a row.
    reconnect : float
        Seconds for which a port that is lost while in use is awaited. What was in flight
        is sent again then; 0 makes its loss an error at once. The end of a simulator
        that was started for a ``sim:`` port always is.

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
        baud: int | None = None,
        timeout: float | None = None,
        tries: int = 4,
        reconnect: float = RECONNECT,
    ) -> None:
        super().__init__()
        if model is None and port.startswith("sim:"):
            model = simulated.model_of(port)
        self._model = load(model) if isinstance(model, str | os.PathLike) else model
        wanted = None if self._model is None else digest_of(self._model)
        auto = port == "auto"

        def open_link() -> Link:
            name, rate = port, baud or DEFAULT_BAUD
            if auto:
                # A board that was pulled out may come back by another name.
                ((name, rate),) = _only(discover(wanted, baud))
            return _open(name, baud=rate, timeout=timeout)

        with contextlib.ExitStack() as stack:
            link = open_link()
            stack.callback(link.close)
            self._session = Session(
                link, timeout=timeout, tries=tries, reopen=open_link, reconnect=reconnect
            )
            if self._model is not None:
                _check_model(self._model, wanted, self._session.identity, link.name)
            self._session.reset()
            stack.pop_all()

    def __enter__(self) -> Accelerator:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the port back; does nothing the second time."""
        self._session.link.close()

    @property
    def port(self) -> str:
        """Name of the port; the one that was found where "auto" was asked for."""
        return self._session.link.name

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

    @property
    def host_counters(self) -> HostCounters:
        """What this end of the link has seen since it was opened."""
        return self._session.counts

    @property
    def bauds(self) -> float | None:
        return self._session.link.baud

    def results(self, source: Source) -> Generator[tuple[int, NDArray[np.int32]], None, None]:
        return self._session.results(source)


def _open(port: str, *, baud: int, timeout: float | None) -> Link:
    if port.startswith("sim:"):
        return simulated.SimulatedLink(port, timeout=timeout)
    if port.startswith("socket://"):
        return SocketLink(port, timeout=timeout)
    if port.startswith("udp://"):
        return UdpLink(port, timeout=timeout)
    return SerialLink(port, baud=baud, timeout=timeout)


def digest_of(model: Model) -> str:
    """The hash of the model's file, whether or not it was ever written."""
    return model.sha256 or hashlib.sha256(to_bytes(model)).hexdigest()


def _check_model(model: Model, digest: str | None, identity: Identity, port: str) -> None:
    if identity.model_sha256 != digest:
        raise IdentityError(
            f"the accelerator at '{port}' was built from the model with SHA-256 "
            f"{identity.model_sha256}; the model given, '{model.name}', has {digest}",
            "Give the model it was built from, or build and load a bitstream of this one",
        )
    type_, head = model.graph.input.type, model.graph.types[model.graph.head.name]
    expected = (type_.size, type_.range.bits, head.size)
    if (identity.elements, identity.code_bits, identity.scores) != expected:
        raise IdentityError(
            f"the accelerator at '{port}' takes {identity.elements} codes of "
            f"{identity.code_bits} bits and gives {identity.scores} scores; its model "
            f"'{model.name}' has {expected[0]} of {expected[1]}, and {expected[2]}",
            "Build its bitstream again with this release",
        )


def discover(wanted: str | None, baud: int | None = None) -> list[tuple[str, int]]:
    """The serial ports with an accelerator (of the model of hash ``wanted``), and their rates.

    Parameters
    ----------
    wanted : str or None
    baud : int, optional
        The only rate to try; without it each of `BAUDS`.

    Raises
    ------
    LinkError
        None has.
    """
    found: list[tuple[str, int]] = []
    refusals: list[str] = []
    for name in ports_here():
        try:
            identity, rate = _ask(name, BAUDS if baud is None else (baud,))
        except LinkError as error:
            refusals.append(error.message)
            continue
        if wanted in (None, identity.model_sha256):
            found.append((name, rate))
        else:
            refusals.append(f"'{name}' has the model {identity.model_sha256}")
    if not found:
        tried = "; ".join(refusals) or describe_ports()
        model = "" if wanted is None else f" with the model {wanted}"
        raise LinkError(
            f"no accelerator{model} was found: {tried}",
            "Plug the board in and load its bitstream, or name the port",
        )
    return found


def _ask(name: str, bauds: Sequence[int]) -> tuple[Identity, int]:
    """Who is at a port, and the first rate at which there is an answer; else the first error."""
    first: LinkError | None = None
    for baud in bauds:
        try:
            with contextlib.closing(SerialLink(name, baud=baud, timeout=DISCOVERY_TIMEOUT)) as link:
                return Session(link, tries=1).identity, baud
        except LinkError as error:
            first = first or error
    assert first is not None, "a rate at least"
    raise first


def _only(found: list[tuple[str, int]]) -> list[tuple[str, int]]:
    if len(found) > 1:
        names = ", ".join(name for name, _ in found)
        raise LinkError(f"there are accelerators at {names}", "Name one of the ports")
    return found
