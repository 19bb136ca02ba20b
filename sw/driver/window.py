"""The frames in flight of one run, and what of them was lost."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sw.driver.links import QUANTUM
from sw.driver.source import Item, Source
from sw.errors import PortLostError
from sw.protocol import VERSION, Command, ErrorCode, Packet, unpack_scores

if TYPE_CHECKING:
    from sw.driver.session import Session

__all__ = ["Window"]

#: Most often that one frame is sent before the line is given up as too noisy.
MAX_SENDS = 50

#: Frames begun and not yet handed on, for each slot: results may wait for an earlier frame, and
#: it is given up before this is reached.
AHEAD = 64


@dataclass
class _Flight:
    """A frame that was sent and not yet answered."""

    place: int  # in the run's order
    index: int  # as its source counts
    line: bytes
    first: int = 0  # when it was first sent, counted in sends
    last: int = 0
    sends: int = 0


class Window:
    """The frames in flight of one run.

    The accelerator answers in the order in which frames reach it. So a result tells
    of the loss of every frame that was last sent before the result's was first sent,
    and those are sent again at once. What is lost without a result behind it shows by
    silence; then the accelerator is asked who it is, and all that is in flight is sent
    again, from the second time on after a reset. So it is when the port was lost.
    """

    def __init__(self, session: Session, source: Source) -> None:
        self._session = session
        self._source = source
        self._flights: dict[int, _Flight] = {}  # by number, oldest first
        self._done: dict[int, tuple[int, NDArray[np.int32]]] = {}  # by place
        self._begun = 0
        self._given = 0
        self._clock = 0
        self._stalls = 0
        self._losses = 0  # of the port, since the last result
        self._lost: PortLostError | None = None

    def run(self) -> Iterator[tuple[int, NDArray[np.int32]]]:
        """Index and scores of each frame, in order."""
        session = self._session
        deadline = time.monotonic() + session.timeout
        while not self._source.stop.is_set():
            if self._lost is not None:
                self._recover(self._lost)
                deadline = time.monotonic() + session.timeout
                continue
            try:
                self._fill()
                if not self._flights and self._source.ended:
                    break
                heard = self._hear() if self._flights else True
                if not heard and time.monotonic() >= deadline:
                    self._stalled()
                    heard = True
            except PortLostError as error:
                self._lost, heard = error, True
            while self._given in self._done:
                yield self._done.pop(self._given)
                self._given += 1
                heard = True
            if heard:
                deadline = time.monotonic() + session.timeout

    def _recover(self, error: PortLostError) -> None:
        """Have a lost port back, and send again what was in flight."""
        self._lost = None
        self._losses += 1
        if self._losses > self._session.tries:
            raise error
        self._session.reconnect(error)
        try:
            self._resend_all(fresh=True)
        except PortLostError as again:
            self._lost = again

    def _fill(self) -> None:
        """Send frames while there are slots, and frames."""
        slots, source = self._session.identity.slots, self._source
        while (
            not source.ended
            and len(self._flights) < slots
            and self._begun - self._given < AHEAD * slots
        ):
            item = source.take(0.0 if self._flights else QUANTUM)
            if item is None:
                return
            self._begin(item)

    def _begin(self, item: Item) -> None:
        session = self._session
        number = session.next_number()
        packet = Packet(command=Command.FRAME, number=number, body=item.body)
        flight = _Flight(place=self._begun, index=item.index, line=packet.encode())
        # From here on the frame is sent again if anything goes amiss.
        self._flights[number] = flight
        self._begun += 1
        if session.idle:
            session.meet()
        self._send(flight)
        flight.first = flight.last

    def _send(self, flight: _Flight) -> None:
        session = self._session
        if flight.sends == MAX_SENDS:
            raise session.silent(
                f"lost frame {flight.index} {MAX_SENDS} times: the line is too noisy"
            )
        session.counts.resent += flight.sends > 0
        session.counts.frames_sent += 1
        self._clock += 1
        flight.last = self._clock
        flight.sends += 1
        # The second time, whatever lies on the line before it is ended first.
        session.send(flight.line if flight.sends == 1 else b"\0" + flight.line)

    def _hear(self) -> bool:
        """Take what comes in a short while; False where no result is in it."""
        heard = False
        for packet in self._session.receive():
            heard |= self._take(packet)
        if heard:
            self._stalls = self._losses = 0
        return heard

    def _take(self, packet: Packet) -> bool:
        """True if ``packet`` is the result of a frame in flight."""
        session = self._session
        if packet.version != VERSION:
            return False
        if packet.number not in self._flights:
            session.counts.repeats += packet.command == Command.RESULT
            return False
        if packet.command == Command.ERROR:
            if packet.body != bytes([ErrorCode.BUSY]):
                raise session.wrong(f"refused a frame with error {packet.body.hex()}")
            return False
        if packet.command != Command.RESULT:
            return False
        identity = session.identity
        if len(packet.body) != identity.scores * identity.score_bytes:
            raise session.wrong(
                f"sent {len(packet.body)} bytes of scores, not "
                f"{identity.scores * identity.score_bytes}"
            )
        flight = self._flights.pop(packet.number)
        scores = unpack_scores(packet.body, identity.score_bytes)
        self._done[flight.place] = (flight.index, scores)
        session.counts.results += 1
        for other in [f for f in self._flights.values() if f.last < flight.first]:
            self._send(other)
        return True

    def _stalled(self) -> None:
        """Nothing has come for too long: find out why, and send again."""
        session = self._session
        self._stalls += 1
        if self._stalls > session.tries:
            raise session.silent(
                f"sent no result for {self._stalls * session.timeout:g} s with "
                f"{len(self._flights)} frames in flight"
            )
        # Whoever gives no answer gets no frames either: they would not be known to arrive.
        if session.answers():
            self._resend_all(fresh=self._stalls > 1, reset=self._stalls > 1)

    def _resend_all(self, *, fresh: bool, reset: bool = False) -> None:
        """Send all that is in flight; ``fresh``: the accelerator holds none of it any more."""
        if reset:
            self._session.reset()
        for flight in self._flights.values():
            self._send(flight)
            if fresh:
                flight.first = flight.last
