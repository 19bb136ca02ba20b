"""An accelerator in Python, made of `sw.protocol` alone, and links with faults to it."""

from __future__ import annotations

import os
import threading
import tty
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from sw.driver.links import Link
from sw.protocol import (
    VERSION,
    Command,
    Counters,
    Decoder,
    ErrorCode,
    Identity,
    Packet,
    pack_scores,
    packed_bytes,
    unpack_codes,
)

#: Changes bytes on their way.
Fault = Callable[[bytes], bytes]

SHA256 = "00112233445566778899aabbccddeeff" * 2


def identity(
    *,
    elements: int = 20,
    code_bits: int = 8,
    scores: int = 3,
    slots: int = 4,
    sha256: str = SHA256,
) -> Identity:
    return Identity(
        model_sha256=sha256,
        elements=elements,
        frame_bytes=packed_bytes(elements, code_bits),
        scores=scores,
        code_bits=code_bits,
        score_bytes=2,
        slots=slots,
    )


def sums(identity: Identity, codes: np.ndarray) -> np.ndarray:
    """Scores (scores,) of codes (elements,), in place of a network's."""
    weights = np.arange(1, identity.elements + 1)
    return ((codes @ weights) * np.arange(1, identity.scores + 1) % 4001 - 2000).astype(np.int32)


@dataclass
class Fake:
    """The accelerator: bytes in, bytes out, as in docs/protocol.md.

    Answers wait in `answers` until `step` lets one out, so that frames are in flight.
    """

    identity: Identity
    scores: Callable[[Identity, np.ndarray], np.ndarray] = sums
    version: int = VERSION
    counters: dict[str, int] = field(default_factory=dict)
    frames: deque[tuple[int, bytes]] = field(default_factory=deque)
    answers: deque[bytes] = field(default_factory=deque)
    most_frames: int = 0

    def __post_init__(self) -> None:
        self._decoder = Decoder(7 + self.identity.frame_bytes)
        self._clear()

    def _clear(self) -> None:
        self.counters = dict.fromkeys(("bad_packets", "overruns", "frames_in", "frames_out"), 0)
        self.frames.clear()
        self.answers.clear()

    def feed(self, data: bytes) -> None:
        for packet in self._decoder.feed(data):
            self._take(packet)

    def step(self) -> bytes:
        """What the accelerator sends next: an answer, or the result of a frame."""
        if self.answers:
            return self.answers.popleft()
        if not self.frames:
            return b""
        number, body = self.frames.popleft()
        self.counters["frames_out"] += 1
        packed = np.frombuffer(body, np.uint8)[None]
        codes = unpack_codes(packed, self.identity.elements, self.identity.code_bits)[0]
        scores = self.scores(self.identity, codes)
        return self._packet(Command.RESULT, number, pack_scores(scores, self.identity.score_bytes))

    def _packet(self, command: int, number: int, body: bytes = b"") -> bytes:
        return Packet(command=command, number=number, body=body, version=self.version).encode()

    def _take(self, packet: Packet) -> None:
        command, number, body, error = packet.command, packet.number, b"", None
        if packet.version != self.version:
            error = ErrorCode.VERSION
        elif command == Command.FRAME:
            if len(packet.body) != self.identity.frame_bytes:
                error = ErrorCode.LENGTH
            elif len(self.frames) == self.identity.slots:
                error = ErrorCode.BUSY
                self.counters["overruns"] += 1
            else:
                self.counters["frames_in"] += 1
                self.frames.append((number, packet.body))
                self.most_frames = max(self.most_frames, len(self.frames))
                return
        elif command not in (Command.HELLO, Command.RESET, Command.STATS):
            error = ErrorCode.COMMAND
        elif packet.body:
            error = ErrorCode.LENGTH
        if error is not None:
            self.answers.append(self._packet(Command.ERROR, number, bytes([error])))
            return
        if command == Command.RESET:
            self._clear()
            self.answers.append(b"\0")
        if command == Command.HELLO:
            body = self.identity.pack()
        if command in (Command.HELLO, Command.STATS):
            body += Counters(**self.counters).pack()
        self.answers.append(self._packet(command | 8, number, body))


def nothing(data: bytes) -> bytes:
    """No fault."""
    return data


class MemoryLink(Link):
    """A link to a `Fake`, without threads: a read lets the fake do one step."""

    timeout = 0.05

    def __init__(self, fake: Fake, *, to: Fault = nothing, back: Fault = nothing) -> None:
        self.name = "memory"
        self.fake = fake
        self._to, self._back = to, back
        self.left_over = b""
        self.closed = False

    def read(self) -> bytes:
        before, self.left_over = self.left_over, b""
        return before + self._back(self.fake.step())

    def write(self, data: bytes) -> None:
        self.fake.feed(self._to(data))

    def close(self) -> None:
        self.closed = True


class Noise:
    """A fault of one kind that strikes each byte with a probability.

    Kinds: flip, drop, duplicate, insert (anything), zero (a delimiter), burst (of
    random bytes in place of some), replay (what passed a while ago, once more).
    """

    KINDS = ("flip", "drop", "duplicate", "insert", "zero", "burst", "replay")

    def __init__(self, kind: str, rng: np.random.Generator, rate: float) -> None:
        self._kind, self._rng, self._rate = kind, rng, rate
        self._past = b""

    def __call__(self, data: bytes) -> bytes:
        out = bytearray()
        strikes = self._rng.random(len(data)) < self._rate
        for byte, strike in zip(data, strikes, strict=True):
            if strike:
                out += self._struck(byte)
            else:
                out.append(byte)
        self._past = (self._past + data)[-400:]
        return bytes(out)

    def _struck(self, byte: int) -> bytes:
        rng, here = self._rng, bytes([byte])
        match self._kind:
            case "flip":
                return bytes([byte ^ 1 << int(rng.integers(8))])
            case "drop":
                return b""
            case "duplicate":
                return here + here
            case "insert":
                return rng.bytes(1) + here
            case "zero":
                return b"\0" + here
            case "burst":
                return rng.bytes(int(rng.integers(1, 30)))
        start = int(rng.integers(len(self._past) + 1))
        return self._past[start:] + here


class Terminal:
    """A pseudo-terminal with a `Fake` behind it, or with ``answer(bytes) -> bytes``."""

    def __init__(self, answer: Callable[[bytes], bytes]) -> None:
        self._answer = answer
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.name = os.ttyname(self._slave)
        self._thread = threading.Thread(target=self._serve, daemon=True)

    @classmethod
    def of(cls, fake: Fake) -> Terminal:
        def answer(data: bytes) -> bytes:
            fake.feed(data)
            out = b""
            while sent := fake.step():
                out += sent
            return out

        return cls(answer)

    def __enter__(self) -> Terminal:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        os.write(self._slave, b"")
        os.close(self._slave)
        self._thread.join(5)
        os.close(self._master)

    def _serve(self) -> None:
        while True:
            try:
                data = os.read(self._master, 65536)
                out = self._answer(data)
                while out:
                    out = out[os.write(self._master, out) :]
            except OSError:
                return
            if not data:
                return
