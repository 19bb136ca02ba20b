"""The compiled SoC behind a pseudo-terminal, on a line that can be spoilt, and watched.

    host -> sent -> [wire] -> delivered -> SoC -> emitted -> [wire] -> received -> host

What passes each of the four points is cut into packets by `sw.protocol`, so that what the
wire did to them, and what both ends counted, can be compared.
"""

from __future__ import annotations

import os
import select
import threading
import time
import tty
from dataclasses import dataclass, field

import numpy as np

from sw.protocol import Command, Packet

from .soc import SocSimulator

__all__ = ["BYTE_FAULTS", "Breaks", "Bytes", "FaultyBoard", "Resets", "Splits", "Stalls", "Tap"]

#: Cycles between two looks at the port, and so the grain of what happens to the chip.
_SLICE = 4_000

#: Faults of single bytes, or runs of them.
BYTE_FAULTS = ("flip", "drop", "duplicate", "insert", "zero", "burst")


@dataclass(frozen=True)
class Passed:
    """A run of bytes between delimiters, of which `end` is one past its own."""

    start: int
    end: int
    packet: Packet | None


@dataclass
class Tap:
    """What has passed a point of the line, in order; positions count bytes."""

    position: int = 0
    passed: list[Passed] = field(default_factory=list)
    _partial: bytes = b""

    def feed(self, data: bytes) -> None:
        *ended, rest = data.split(b"\0")
        start = self.position - len(self._partial)
        for run in ended:
            run = self._partial + run
            if run:
                end = start + len(run) + 1
                self.passed.append(Passed(start, end, Packet.decode(run)))
            start += len(run) + 1
            self._partial = b""
        self._partial += rest
        self.position += len(data)

    def cut(self) -> None:
        """Whatever watches here was reset, and knows of nothing before; a mark tells of it."""
        self._partial = b""
        self.passed.append(Passed(self.position, self.position, Packet(command=Command.RESET)))

    def of(self, command: Command) -> list[Passed]:
        """The packets of a command."""
        return [one for one in self.passed if one.packet and one.packet.command == command]

    def since(self, *commands: Command) -> list[Passed]:
        """What came after the last packet of one of ``commands``."""
        last = -1
        for place, one in enumerate(self.passed):
            if one.packet is not None and one.packet.command in commands:
                last = place
        return self.passed[last + 1 :]


class Wire:
    """Both ways of a line; without faults here.

    Attributes
    ----------
    events : dict of lists
        For each way ("to", "back"): first and last position of each fault, as its tap
        before the wire counts.
    active : bool
        False: no more faults.
    """

    def __init__(self) -> None:
        self.events: dict[str, list[tuple[int, int]]] = {"to": [], "back": []}
        self.active = True

    @property
    def holding(self) -> bool:
        """It holds bytes that are still to come."""
        return False

    def carry(self, way: str, data: bytes) -> bytes:
        """What comes out of it where ``data``, which may be empty, goes in."""
        return data

    def tick(self, board: FaultyBoard) -> None:
        """Do what is to be done to the chip or the line; called before each slice of time."""


class Bytes(Wire):
    """Faults of one kind, one in about ``gap`` bytes on each way.

    Kinds: flip (one bit), drop, duplicate, insert (any byte), zero (a delimiter comes in),
    burst (up to ``length`` random bytes in place of as many).
    """

    def __init__(self, kind: str, rng: np.random.Generator, *, gap: int, length: int = 30) -> None:
        super().__init__()
        self._kind, self._rng, self._gap, self._length = kind, rng, gap, length
        self._at = {"to": 0, "back": 0}
        self._next = {way: self._distance() for way in self._at}
        self._left = {"to": 0, "back": 0}  # of a burst

    def _distance(self) -> int:
        return int(self._rng.integers(self._gap // 2, 3 * self._gap // 2))

    def carry(self, way: str, data: bytes) -> bytes:
        out = bytearray()
        for byte in data:
            at = self._at[way]
            if self._left[way]:
                self._left[way] -= 1
                self.events[way][-1] = (self.events[way][-1][0], at)
                out += self._rng.bytes(1)
            elif self.active and at >= self._next[way]:
                self.events[way].append((at, at))
                self._next[way] = at + self._distance()
                out += self._struck(way, byte)
            else:
                out.append(byte)
            self._at[way] += 1
        return bytes(out)

    def _struck(self, way: str, byte: int) -> bytes:
        here = bytes([byte])
        match self._kind:
            case "flip":
                return bytes([byte ^ 1 << int(self._rng.integers(8))])
            case "drop":
                return b""
            case "duplicate":
                return here + here
            case "insert":
                return self._rng.bytes(1) + here
            case "zero":
                return b"\0" + here
        assert self._kind == "burst"
        self._left[way] = int(self._rng.integers(self._length))
        return self._rng.bytes(1)


class Stalls(Wire):
    """All that comes after a place waits, up to ``seconds``, one in about ``gap`` bytes."""

    def __init__(self, rng: np.random.Generator, *, gap: int, seconds: float) -> None:
        super().__init__()
        self._rng, self._gap, self._seconds = rng, gap, seconds
        self._held = {"to": b"", "back": b""}
        self._until = {"to": 0.0, "back": 0.0}
        self._at = {"to": 0, "back": 0}
        self._next = {way: int(rng.integers(gap)) for way in self._at}

    @property
    def holding(self) -> bool:
        return any(self._held.values())

    def carry(self, way: str, data: bytes) -> bytes:
        held = self._held[way] + data
        if time.monotonic() < self._until[way]:
            self._held[way] = held
            return b""
        cut = len(held)
        if self.active and self._at[way] + cut > self._next[way]:
            cut = max(0, self._next[way] - self._at[way])
            place = self._at[way] + cut
            self.events[way].append((place, place))
            self._next[way] = place + int(self._rng.integers(self._gap // 2, 3 * self._gap // 2))
            self._until[way] = time.monotonic() + self._seconds * self._rng.random()
        self._at[way] += cut
        self._held[way] = held[cut:]
        return held[:cut]


class Splits(Wire):
    """Bytes come in pieces of one to three, however they were written."""

    def __init__(self, rng: np.random.Generator) -> None:
        super().__init__()
        self._rng = rng
        self._held = {"to": b"", "back": b""}
        self._at = {"to": 0, "back": 0}

    @property
    def holding(self) -> bool:
        return any(self._held.values())

    def carry(self, way: str, data: bytes) -> bytes:
        held = self._held[way] + data
        cut = int(self._rng.integers(1, 4)) if self.active else len(held)
        if held:
            self.events[way].append((self._at[way], self._at[way]))
        self._at[way] += min(cut, len(held))
        self._held[way] = held[cut:]
        return held[:cut]


class Resets(Wire):
    """The chip is reset, once in about ``gap`` bytes to it, wherever in a packet that is."""

    def __init__(self, rng: np.random.Generator, *, gap: int) -> None:
        super().__init__()
        self._rng, self._gap = rng, gap
        self._next = gap

    def tick(self, board: FaultyBoard) -> None:
        if self.active and board.taken >= self._next:
            self._next = board.taken + int(self._rng.integers(self._gap // 2, 3 * self._gap // 2))
            self.events["to"].append((board.taken, board.taken))
            board.reset()


class Breaks(Wire):
    """A line is held low for up to ``bits`` bits, one in about ``gap`` bytes to the chip.

    Now the line to it, now the line from it.
    """

    def __init__(self, rng: np.random.Generator, *, gap: int, bits: int) -> None:
        super().__init__()
        self._rng, self._gap, self._bits = rng, gap, bits
        self._next = gap

    def tick(self, board: FaultyBoard) -> None:
        if self.active and board.taken >= self._next:
            self._next = board.taken + int(self._rng.integers(self._gap // 2, 3 * self._gap // 2))
            bits = int(self._rng.integers(1, self._bits))
            to = bool(self._rng.integers(2))
            self.events["to"].append((board.taken, board.taken + bits // 10 + 1))
            board.soc.break_line(to=bits if to else 0, back=0 if to else bits)


class FaultyBoard:
    """The SoC on a pseudo-terminal; a context manager.

    Parameters
    ----------
    soc : SocSimulator
        Used by a thread of its own until the context ends.
    wire : Wire

    Attributes
    ----------
    name : str
        Of the port.
    taps : dict of Tap
        "sent", "delivered", "emitted" and "received".
    taken : int
        Bytes that the chip has had.
    """

    def __init__(self, soc: SocSimulator, wire: Wire) -> None:
        self.soc, self.wire = soc, wire
        self.taps = {point: Tap() for point in ("sent", "delivered", "emitted", "received")}
        self.taken = 0
        self._quiet = threading.Event()
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.name = os.ttyname(self._slave)
        self._stop = os.pipe()
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> FaultyBoard:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        os.write(self._stop[1], b"x")
        self._thread.join()
        for descriptor in (self._master, self._slave, *self._stop):
            os.close(descriptor)

    def reset(self) -> None:
        """Reset the chip; only the wire may."""
        self.soc.reset()
        self.taps["delivered"].cut()
        self.taps["emitted"].cut()

    def settle(self, seconds: float) -> bool:
        """Wait until nothing moves any more; False where that takes longer."""
        return self._quiet.wait(seconds)

    def _serve(self) -> None:
        incoming, outgoing, busy = b"", b"", False
        while True:
            active = busy or incoming
            idle = not (active or outgoing or self.wire.holding)
            if idle:
                self._quiet.set()
            readable, writable, _ = select.select(
                [self._master, self._stop[0]],
                [self._master] if outgoing else [],
                [],
                None if idle else 0 if active else 0.001,
            )
            self._quiet.clear()
            if self._stop[0] in readable:
                return
            data = os.read(self._master, 1 << 16) if self._master in readable else b""
            self.taps["sent"].feed(data)
            incoming += self.wire.carry("to", data)
            self.wire.tick(self)
            answer = b""
            if incoming or busy:
                taken, answer, silent = self.soc.exchange(incoming, cycles=_SLICE)
                self.taps["delivered"].feed(incoming[:taken])
                incoming, busy = incoming[taken:], not silent
                self.taken += taken
            self.taps["emitted"].feed(answer)
            answer = self.wire.carry("back", answer)
            self.taps["received"].feed(answer)
            outgoing += answer
            if writable or (outgoing and not busy):
                outgoing = self._write(outgoing)

    def _write(self, outgoing: bytes) -> bytes:
        try:
            return outgoing[os.write(self._master, outgoing) :]
        except BlockingIOError:
            return outgoing
