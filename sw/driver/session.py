"""A session with an accelerator: requests, frames in flight, and what was lost sent again.

Why no wrong score can come out: a result counts only if its CRC is right, its length
exact and its number that of a frame in flight. Numbers are not used twice within
65,536 frames, and a session begins with a RESET whose answer separates what an earlier
one left in the pipes from what is its own.
"""

from __future__ import annotations

import random
import time
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sw.driver.links import Link
from sw.errors import LinkError
from sw.protocol import (
    COUNTERS_BYTES,
    IDENTITY_BYTES,
    VERSION,
    Command,
    Counters,
    Decoder,
    ErrorCode,
    Identity,
    Packet,
    unpack_scores,
)

__all__ = ["Session"]

#: Most often that one frame is sent before the line is given up as too noisy.
MAX_SENDS = 50


@dataclass
class _Flight:
    """A frame that was sent and not yet answered."""

    index: int
    line: bytes
    first: int = 0  # when it was first sent, counted in sends
    last: int = 0
    sends: int = 0


class Session:
    """Packets over a link, with an accelerator that has said who it is.

    Parameters
    ----------
    link : Link
    timeout : float, optional
        Seconds of silence before something is sent again; the link's own without.
    tries : int
        How often in a row that may happen.

    Attributes
    ----------
    identity : Identity
    resent : int
        Frames sent more than once so far.

    Raises
    ------
    LinkError
        Nothing answers, or something that is no accelerator of this protocol version.
    """

    def __init__(self, link: Link, *, timeout: float | None = None, tries: int = 4) -> None:
        self._link = link
        self._timeout = timeout or link.timeout
        self._tries = tries
        self._decoder = Decoder()
        self._number = random.randrange(1 << 16)
        self._in_use = False
        self._dirty = True  # the accelerator may hold frames that nobody waits for
        self._heard = 0
        self.resent = 0
        answer = self._ask(Command.HELLO)
        identity = None
        if len(answer.body) == IDENTITY_BYTES + COUNTERS_BYTES:
            identity = Identity.unpack(answer.body[:IDENTITY_BYTES])
        if identity is None:
            raise self._foreign(f"its identity of {len(answer.body)} bytes makes no sense")
        self.identity = identity

    @property
    def bad_packets(self) -> int:
        """Runs of bytes received that were no packets."""
        return self._decoder.bad

    def counters(self) -> Counters:
        """The accelerator's counters since its last reset."""
        answer = self._ask(Command.STATS)
        if len(answer.body) != COUNTERS_BYTES:
            raise self._foreign(f"its counters have {len(answer.body)} bytes")
        return Counters.unpack(answer.body)

    def reset(self) -> None:
        """Abort everything in flight; what comes after belongs to what is sent after."""
        self._ask(Command.RESET)
        self._dirty = False

    def run(self, bodies: Iterable[bytes]) -> Generator[NDArray[np.int32], None, None]:
        """Scores of frames, in order; ``slots`` of them are in flight at a time.

        Parameters
        ----------
        bodies : iterable of bytes, each ``identity.frame_bytes`` long

        Raises
        ------
        LinkError
            Silence, a line too noisy, or answers that cannot be.
        """
        if self._in_use:
            raise LinkError(
                f"port '{self._link.name}' is carrying another stream of frames",
                "Finish or close that one first",
            )
        self._in_use = True
        try:
            if self._dirty:
                self.reset()
            self._dirty = True
            yield from _Window(self, iter(bodies)).run()
            self._dirty = False
        finally:
            self._in_use = False

    # What the window uses.

    def next_number(self) -> int:
        self._number = (self._number + 1) & 0xFFFF
        return self._number

    def send(self, line: bytes) -> None:
        self._link.write(line)

    def receive(self) -> list[Packet]:
        """Whole packets that have come, after a short wait at most."""
        data = self._link.read()
        self._heard += len(data)
        return list(self._decoder.feed(data))

    @property
    def timeout(self) -> float:
        return self._timeout

    @property
    def tries(self) -> int:
        return self._tries

    def _ask(self, command: Command) -> Packet:
        """The answer to a request, asked again when it does not come."""
        self._heard = 0
        foreign = 0
        for _ in range(self._tries):
            request = Packet(command=command, number=self.next_number())
            # The first zero ends whatever a noisy line or another program left there.
            self.send(b"\0" + request.encode())
            end = time.monotonic() + self._timeout
            while time.monotonic() < end:
                for packet in self.receive():
                    self._check_version(packet)
                    if packet.command == command | 8 and packet.number == request.number:
                        return packet
                    foreign += packet == request
        waited = f"{self._tries} times in {self._tries * self._timeout:g} s"
        if foreign:
            raise self._foreign("it returns what it is sent")
        if self._heard:
            raise self._foreign(
                f"{self._heard} bytes came, but no answer to {command.name}, asked {waited}"
            )
        raise self.silent(f"was asked {command.name} {waited} and said nothing")

    def _check_version(self, packet: Packet) -> None:
        if packet.version != VERSION:
            raise LinkError(
                f"the accelerator at '{self._link.name}' speaks protocol version "
                f"{packet.version}; allowed is {VERSION}",
                "Build its bitstream again with this release, or use the release it came from",
            )

    def _foreign(self, what: str) -> LinkError:
        return LinkError(
            f"port '{self._link.name}' speaks another protocol: {what}",
            "Check that the port and the baud are the accelerator's and that its bitstream is "
            "loaded",
        )

    def silent(self, what: str) -> LinkError:
        return LinkError(
            f"the accelerator at '{self._link.name}' {what}",
            "Check that the bitstream is loaded, the baud is right and the cable is whole; for a "
            "slow accelerator give a longer timeout",
        )

    def wrong(self, what: str) -> LinkError:
        return LinkError(
            f"the accelerator at '{self._link.name}' {what}",
            "Load the bitstream again; if it stays so, report it as a bug",
        )


class _Window:
    """The frames in flight of one run.

    The accelerator answers in the order in which frames reach it. So a result tells
    of the loss of every frame that was last sent before the result's was first sent,
    and those are sent again at once. What is lost without a result behind it shows by
    silence; then all that is in flight is sent again, from the second time on after a
    reset.
    """

    def __init__(self, session: Session, bodies: Iterator[bytes]) -> None:
        self._session = session
        self._bodies = bodies
        self._flights: dict[int, _Flight] = {}  # by number, oldest first
        self._done: dict[int, NDArray[np.int32]] = {}  # by index, waiting for an earlier one
        self._begun = 0
        self._clock = 0

    def run(self) -> Iterator[NDArray[np.int32]]:
        slots = self._session.identity.slots
        given, more, stalls = 0, True, 0
        while True:
            while more and len(self._flights) < slots:
                more = self._begin()
            if not self._flights:
                return
            heard = self._await_result()
            stalls = 0 if heard else stalls + 1
            if stalls > self._session.tries:
                raise self._session.silent(
                    f"sent no result for {stalls * self._session.timeout:g} s with "
                    f"{len(self._flights)} frames in flight"
                )
            if stalls:
                self._resend_all(after_reset=stalls > 1)
            while given in self._done:
                yield self._done.pop(given)
                given += 1

    def _begin(self) -> bool:
        """Send the next frame; False when there is none."""
        body = next(self._bodies, None)
        if body is None:
            return False
        number = self._session.next_number()
        packet = Packet(command=Command.FRAME, number=number, body=body)
        self._flights[number] = flight = _Flight(index=self._begun, line=packet.encode())
        self._begun += 1
        self._send(flight)
        flight.first = flight.last
        return True

    def _send(self, flight: _Flight) -> None:
        if flight.sends == MAX_SENDS:
            raise self._session.silent(
                f"lost frame {flight.index} {MAX_SENDS} times: the line is too noisy"
            )
        self._session.resent += flight.sends > 0
        self._clock += 1
        flight.last = self._clock
        flight.sends += 1
        self._session.send(flight.line)

    def _await_result(self) -> bool:
        """Wait for results; False after a timeout without one."""
        end = time.monotonic() + self._session.timeout
        heard = False
        while not heard and time.monotonic() < end:
            for packet in self._session.receive():
                heard |= self._take(packet)
        return heard

    def _take(self, packet: Packet) -> bool:
        """True if ``packet`` is the result of a frame in flight."""
        if packet.version != VERSION or packet.number not in self._flights:
            return False
        if packet.command == Command.ERROR:
            if packet.body != bytes([ErrorCode.BUSY]):
                raise self._session.wrong(f"refused a frame with error {packet.body.hex()}")
            return False
        if packet.command != Command.RESULT:
            return False
        identity = self._session.identity
        if len(packet.body) != identity.scores * identity.score_bytes:
            raise self._session.wrong(
                f"sent {len(packet.body)} bytes of scores, not "
                f"{identity.scores * identity.score_bytes}"
            )
        flight = self._flights.pop(packet.number)
        self._done[flight.index] = unpack_scores(packet.body, identity.score_bytes)
        for other in [f for f in self._flights.values() if f.last < flight.first]:
            self._send(other)
        return True

    def _resend_all(self, *, after_reset: bool) -> None:
        if after_reset:
            self._session.reset()
        for flight in self._flights.values():
            self._send(flight)
            if after_reset:
                flight.first = flight.last
