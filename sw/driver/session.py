"""A session with an accelerator: who it is, requests, and the port when it comes back.

Why no wrong score can come out: a result counts only if its CRC is right, its length
exact and its number that of a frame in flight. Numbers are not used twice within
65,536 frames, and a session begins with a RESET whose answer separates what an earlier
one left in the pipes from what is its own. Whoever has been silent, or away, is asked
who it is before it gets another frame.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sw.driver.links import Link
from sw.driver.source import Inline, Source
from sw.driver.window import Window
from sw.errors import IdentityError, LinkError, PortLostError
from sw.protocol import (
    COUNTERS_BYTES,
    IDENTITY_BYTES,
    VERSION,
    Command,
    Counters,
    Decoder,
    Identity,
    Packet,
)

__all__ = ["HostCounters", "Session"]

#: Seconds of silence after which something else may be on the line: a board that was loaded anew.
IDLE = 0.5

#: Seconds between two attempts to open a port that is gone.
RETRY = 0.1


@dataclass
class HostCounters:
    """What the host's end of the link has seen since it was opened.

    Parameters
    ----------
    frames_sent : int
        FRAMEs, those sent again included.
    resent : int
        FRAMEs sent again.
    results : int
        Results that counted: one a frame.
    repeats : int
        Results for no frame in flight: of frames that were sent again although they had arrived,
        or that a RESET gave up.
    bad_packets : int
        Runs of bytes received that were no packets.
    reconnects : int
        Times the port was lost and came back.
    """

    frames_sent: int = 0
    resent: int = 0
    results: int = 0
    repeats: int = 0
    bad_packets: int = 0
    reconnects: int = 0


class Session:
    """Packets over a link, with an accelerator that has said who it is.

    Parameters
    ----------
    link : Link
    timeout : float, optional
        Seconds of silence before something is sent again; the link's own without.
    tries : int
        How often in a row that may happen.
    reopen : callable, optional
        Opens the link anew when it was lost. Without, its loss is an error.
    reconnect : float
        Seconds for which that is tried.

    Attributes
    ----------
    link : Link
        The one in use.
    identity : Identity
    counts : HostCounters

    Raises
    ------
    LinkError
        Nothing answers, or something that is no accelerator of this protocol version.
    """

    def __init__(
        self,
        link: Link,
        *,
        timeout: float | None = None,
        tries: int = 4,
        reopen: Callable[[], Link] | None = None,
        reconnect: float = 0.0,
    ) -> None:
        self.link = link
        self.timeout = timeout or link.timeout
        self.tries = tries
        self.counts = HostCounters()
        self._reopen, self._patience = reopen, reconnect
        self._decoder = Decoder()
        self._number = random.randrange(1 << 16)
        self._in_use = False
        self._dirty = True  # the accelerator may hold frames that nobody waits for
        self._heard = 0
        self._heard_at = time.monotonic()
        self._spare: list[Packet] = []  # what came to a run while it asked something
        self.identity = self._who(self._ask(Command.HELLO))

    @property
    def resent(self) -> int:
        """Frames sent more than once so far."""
        return self.counts.resent

    def counters(self) -> Counters:
        """The accelerator's counters since its last reset."""
        try:
            answer = self._ask(Command.STATS)
        except PortLostError as error:
            self.reconnect(error)
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
        for _, scores in self.results(Inline(bodies)):
            yield scores

    def results(self, source: Source) -> Generator[tuple[int, NDArray[np.int32]], None, None]:
        """Index and scores of each frame of ``source``, in order; raises as `run` does.

        Ends with the source, or soon after its ``stop`` is set.
        """
        if self._in_use:
            raise LinkError(
                f"port '{self.link.name}' is carrying another stream of frames",
                "Finish or close that one first",
            )
        self._in_use = True
        self._forget()
        try:
            if self._dirty or self.idle:
                try:
                    self._begin()
                except PortLostError as error:
                    self.reconnect(error)
            self._dirty = True
            yield from Window(self, source).run()
            self._dirty = source.stop.is_set()
        finally:
            self._in_use = False

    def _begin(self) -> None:
        """Find who has been silent for a while, and have what nobody waits for dropped."""
        if self.idle:
            self.meet()
        if self._dirty:
            self.reset()

    # What the window uses.

    @property
    def idle(self) -> bool:
        """Nothing has been heard for so long that another board may be there by now."""
        return time.monotonic() - self._heard_at > IDLE

    def next_number(self) -> int:
        self._number = (self._number + 1) & 0xFFFF
        return self._number

    def send(self, line: bytes) -> None:
        self.link.write(line)

    def receive(self) -> list[Packet]:
        """Whole packets that have come, after a short wait at most."""
        spare, self._spare = self._spare, []
        return spare or self._read()

    def _forget(self) -> None:
        """Drop what came while something was asked: it belongs to nobody."""
        self.counts.repeats += sum(one.command == Command.RESULT for one in self._spare)
        self._spare.clear()

    def _read(self) -> list[Packet]:
        data = self.link.read()
        self._heard += len(data)
        packets = list(self._decoder.feed(data))
        self.counts.bad_packets = self._decoder.bad
        if packets:
            self._heard_at = time.monotonic()
        return packets

    def meet(self, *, tries: int | None = None) -> None:
        """Make sure that the accelerator is the one that this session began with."""
        identity = self._who(self._ask(Command.HELLO, tries=tries))
        if identity != self.identity:
            raise IdentityError(
                f"the accelerator at '{self.link.name}' was built from the model with SHA-256 "
                f"{identity.model_sha256} now, and from {self.identity.model_sha256} before",
                "Open it again, with the model that it was built from",
            )

    def answers(self) -> bool:
        """False where nobody says who is there, asked once; otherwise as `meet`."""
        try:
            self.meet(tries=1)
        except (IdentityError, PortLostError):
            raise
        except LinkError:
            return False
        return True

    def reconnect(self, error: PortLostError) -> None:
        """Open the port that ``error`` tells of again, and begin with a RESET.

        Whoever else has that name meanwhile is asked who it is, and left alone.

        Raises
        ------
        LinkError
            It did not come back in time, or with another accelerator.
        """
        if self._reopen is None or not self._patience:
            raise error
        end = time.monotonic() + self._patience
        while True:
            # Within the loop: an attempt may have opened it and found nobody.
            self.link.close()
            try:
                self.link = self._reopen()
                # What was cut off by the loss is not to be joined to what comes now.
                list(self._decoder.feed(b"\0"))
                self._forget()
                # Each gets its time, however late the port came back.
                self.meet(tries=1)
                self._ask(Command.RESET, tries=1)
            except LinkError as failure:
                if time.monotonic() >= end and isinstance(failure, IdentityError):
                    raise
                if time.monotonic() >= end:
                    raise PortLostError(
                        f"{error.message}, and was not back after {self._patience:g} s: "
                        f"{failure.message}",
                        failure.remedy,
                    ) from None
                time.sleep(RETRY)
            else:
                self.counts.reconnects += 1
                return

    def _ask(self, command: Command, *, tries: int | None = None) -> Packet:
        """The answer to a request, asked again when it does not come."""
        self._heard = 0
        if not self._in_use:
            self._forget()
        foreign = 0
        tries = tries or self.tries
        for _ in range(tries):
            request = Packet(command=command, number=self.next_number())
            # The first zero ends whatever a noisy line or another program left there.
            self.send(b"\0" + request.encode())
            end = time.monotonic() + self.timeout
            while time.monotonic() < end:
                packets = self._read()
                for place, packet in enumerate(packets):
                    self._check_version(packet)
                    if packet.command == command | 8 and packet.number == request.number:
                        if command == Command.RESET:
                            self._forget()
                        self._spare += packets[place + 1 :]
                        return packet
                    foreign += packet == request
                    self._spare.append(packet)
        waited = f"{tries} times in {tries * self.timeout:g} s"
        if foreign:
            raise self._foreign("it returns what it is sent")
        if self._heard:
            raise self._foreign(
                f"{self._heard} bytes came, but no answer to {command.name}, asked {waited}"
            )
        raise self.silent(f"was asked {command.name} {waited} and said nothing")

    def _who(self, answer: Packet) -> Identity:
        """The identity in an answer to HELLO."""
        identity = None
        if len(answer.body) == IDENTITY_BYTES + COUNTERS_BYTES:
            identity = Identity.unpack(answer.body[:IDENTITY_BYTES])
        if identity is None:
            raise self._foreign(f"its identity of {len(answer.body)} bytes makes no sense")
        return identity

    def _check_version(self, packet: Packet) -> None:
        if packet.version != VERSION:
            raise IdentityError(
                f"the accelerator at '{self.link.name}' speaks protocol version "
                f"{packet.version}; allowed is {VERSION}",
                "Build its bitstream again with this release, or use the release it came from",
            )

    def _foreign(self, what: str) -> LinkError:
        return LinkError(
            f"port '{self.link.name}' speaks another protocol: {what}",
            "Check that the port and the baud are the accelerator's and that its bitstream is "
            "loaded",
        )

    def silent(self, what: str) -> LinkError:
        return LinkError(
            f"the accelerator at '{self.link.name}' {what}",
            "Check that the bitstream is loaded, the baud is right and the cable is whole; for a "
            "slow accelerator give a longer timeout",
        )

    def wrong(self, what: str) -> LinkError:
        return LinkError(
            f"the accelerator at '{self.link.name}' {what}",
            "Load the bitstream again; if it stays so, report it as a bug",
        )
