"""Cases of `benchmarks.faults` in which somebody else is at fault than the line."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.tiny import tiny
from sim.faults import FaultyBoard, Wire
from sw import golden
from sw.driver import Accelerator
from sw.errors import IdentityError, LinkError, ToolError
from sw.protocol import VERSION, Command, Packet

if TYPE_CHECKING:
    from benchmarks.fault_cases import Bench

__all__ = [
    "another_model",
    "noise_from_the_chip",
    "noise_to_the_chip",
    "old_protocol",
    "restarts",
    "two_clients",
]

TIMEOUT, TRIES = 2.0, 25

#: Seconds for which a simulator that was killed is awaited, its start included.
RESTART = 300.0

#: Frames between two faults of these kinds, and between two visits of a second client.
EVERY, VISITS = 70, 40


def _entry(accelerator: Accelerator, *, frames: int, injected: int, wrong: int) -> dict[str, Any]:
    host = accelerator.host_counters
    return {
        "frames": frames,
        "injected": injected,
        "lost_to": host.resent,
        "lost_back": None,
        "resent": host.resent,
        "wrong": wrong,
        "host": vars(host),
        "chip": vars(accelerator.counters()),
    }


@contextmanager
def _server(bench: Bench, link: Path) -> Iterator[subprocess.Popen[str]]:
    """A simulator of its own, bit by bit, at the port ``link``."""
    command = [
        sys.executable,
        "-m",
        "sim.serve",
        "--model",
        str(bench.path),
        "--symlink",
        str(link),
    ]
    with subprocess.Popen(
        [*command, *bench.arguments, "--until-eof"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()
            # The name of its pseudo-terminal is free for others now.
            link.unlink(missing_ok=True)


def restarts(bench: Bench, frames: int, seed: int) -> dict[str, Any]:
    """The simulator is killed in mid-stream, and started again while the driver waits."""
    inputs = bench.frames(frames, seed)
    expected = golden.scores(bench.model, inputs)
    kills = [frames * part // 4 for part in (1, 2, 3)]
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        link = Path(folder) / "port"
        servers = [_server(bench, link) for _ in range(len(kills) + 1)]
        process = servers[0].__enter__()
        assert process.stdout is not None
        process.stdout.readline()
        with Accelerator(
            str(link), bench.model, timeout=2.0, tries=TRIES, reconnect=RESTART
        ) as accelerator:
            host = accelerator.host_counters
            for place, scores in enumerate(accelerator.stream(iter(inputs))):
                wrong += not np.array_equal(scores, expected[place])
                if place in kills:
                    servers.pop(0).__exit__(None, None, None)
                    servers[0].__enter__()
            entry = _entry(accelerator, frames=frames, injected=len(kills), wrong=wrong)
        servers[0].__exit__(None, None, None)
    # What was sent again beyond what can have been in flight when the simulator died.
    in_flight = accelerator.info.slots * len(kills)
    return entry | {"after": max(0, host.resent - in_flight)}


def two_clients(bench: Bench, frames: int, seed: int) -> dict[str, Any]:
    """One that keeps to the lock is refused; one that does not writes and reads on the port.

    "after" are frames sent again between two visits of the rude one, but for those that can have
    been in flight when it came.
    """
    rng = np.random.default_rng(seed)
    inputs = bench.frames(frames, seed)
    expected = golden.scores(bench.model, inputs)
    wrong = injected = after = 0
    with (
        FaultyBoard(bench.soc(), Wire()) as board,
        Accelerator(board.name, bench.model, timeout=TIMEOUT, tries=TRIES) as accelerator,
    ):
        host, settled = accelerator.host_counters, accelerator.info.slots + 1
        assert settled < VISITS // 2, "frames of one visit are done before the next"
        resent = 0  # when those in flight at the last visit were done
        for place, scores in enumerate(accelerator.stream(iter(inputs))):
            wrong += not np.array_equal(scores, expected[place])
            if place % VISITS == settled:
                resent = host.resent
            elif place % VISITS == VISITS // 2:
                injected += 1
                _refused(lambda: Accelerator(board.name), "is in use by another program")
            elif place % VISITS == 0:
                after = max(after, host.resent - resent)
                injected += 1
                _rude(board.name, rng)
        entry = _entry(accelerator, frames=frames, injected=injected, wrong=wrong)
        return entry | {"after": after}


def _rude(name: str, rng: np.random.Generator) -> None:
    """Write something on the port and take what has come, whatever the lock says."""
    port = os.open(name, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    commands = (Command.HELLO, Command.STATS, Command.RESET)
    command = commands[int(rng.integers(3))]
    packet = Packet(command=command, number=int(rng.integers(1 << 16))).encode()
    try:
        os.write(port, packet if rng.random() < 0.5 else rng.bytes(int(rng.integers(1, 40))))
        os.read(port, 4096)
    except BlockingIOError:
        pass
    finally:
        os.close(port)


def _refused(call: Callable[[], object], text: str) -> None:
    """Make sure that ``call`` ends in an error that says so."""
    try:
        call()
    except LinkError as error:
        if text not in str(error):
            raise
        return
    raise ToolError(f"a call was to end with '{text}' and did not", "This is a bug; report it")


def _in_parts(
    bench: Bench, frames: int, seed: int, wire: Wire, between: Callable[[FaultyBoard], None]
) -> dict[str, Any]:
    """Frames in parts, and ``between`` on the port in between, when it is closed."""
    inputs = bench.frames(frames, seed)
    expected = golden.scores(bench.model, inputs)
    wrong = injected = resent = 0
    entry: dict[str, Any] = {}
    with FaultyBoard(bench.soc(), wire) as board:
        for first in range(0, frames, EVERY):
            between(board)
            injected += 1
            with Accelerator(board.name, bench.model, timeout=TIMEOUT, tries=TRIES) as accelerator:
                scores = accelerator.predict(inputs[first : first + EVERY])
                wrong += int((scores != expected[first : first + EVERY]).any(axis=1).sum())
                entry = _entry(accelerator, frames=frames, injected=injected, wrong=wrong)
                resent += accelerator.resent
    return entry | {"resent": resent, "lost_to": resent, "after": resent}


def another_model(bench: Bench, frames: int, seed: int) -> dict[str, Any]:
    """A client with another model of the same shapes is refused, each time."""
    other = tiny(hidden=24)

    def between(board: FaultyBoard) -> None:
        _refused(lambda: Accelerator(board.name, other), "was built from the model with SHA-256")

    return _in_parts(bench, frames, seed, Wire(), between)


class _Translated(Wire):
    """Both ends speak different versions; their packets are whole."""

    def __init__(self) -> None:
        super().__init__()
        self.version = VERSION
        self._partial = {"to": b"", "back": b""}

    def carry(self, way: str, data: bytes) -> bytes:
        *ended, rest = (self._partial[way] + data).split(b"\0")
        self._partial[way] = rest
        out = b""
        for run in ended:
            packet = Packet.decode(run)
            if packet is None or self.version == VERSION:
                out += run + b"\0"
                continue
            # The other way round on the way back: the host sees a chip of `version`.
            version = VERSION if way == "to" else self.version
            body, number = packet.body, packet.number
            out += Packet(
                command=packet.command, number=number, body=body, version=version
            ).encode()
        return out


def old_protocol(bench: Bench, frames: int, seed: int) -> dict[str, Any]:
    """A host of another version is told so by the chip, and a chip of another by the driver."""
    wire = _Translated()
    versions = iter([version for version in range(16) if version != VERSION] * frames)

    def between(board: FaultyBoard) -> None:
        wire.version = next(versions)
        _refused(
            lambda: Accelerator(board.name, bench.model, timeout=TIMEOUT),
            f"speaks protocol version {wire.version}; allowed is {VERSION}",
        )
        wire.version = VERSION
        _foreign_hosts(board)

    return _in_parts(bench, frames, seed, wire, between)


def _foreign_hosts(board: FaultyBoard) -> None:
    """Every command in every other version gets one answer: an ERROR with the chip's."""
    port = os.open(board.name, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        for version in range(16):
            if version == VERSION:
                continue
            for command in (Command.HELLO, Command.FRAME, Command.RESET, Command.STATS):
                seen = len(board.taps["received"].passed)
                packet = Packet(command=command, number=version, body=bytes(8), version=version)
                os.write(port, packet.encode())
                end = time.monotonic() + 5
                while len(board.taps["received"].passed) == seen and time.monotonic() < end:
                    time.sleep(0.001)
                (answer,) = board.taps["received"].passed[seen:]
                expected = Packet(command=Command.ERROR, number=version, body=b"\1")
                if answer.packet != expected:
                    raise ToolError(f"the chip answers {answer.packet}", "This is a bug; report it")
    finally:
        os.close(port)


class _Chatter(Wire):
    """Random bytes on one way, as fast as the chip takes them, for as long as `active`."""

    def __init__(self, way: str, rng: np.random.Generator) -> None:
        super().__init__()
        self.active = False
        self.spoken = 0
        self._way, self._rng = way, rng

    @property
    def holding(self) -> bool:
        return self.active

    def carry(self, way: str, data: bytes) -> bytes:
        if not self.active or way != self._way:
            return data
        self.spoken += 64
        return data + self._rng.bytes(64)


def _chatter(bench: Bench, frames: int, seed: int, way: str) -> dict[str, Any]:
    """While it lasts nobody can be reached, and that is said; afterwards all is as ever."""
    wire = _Chatter(way, np.random.default_rng(seed))

    def between(board: FaultyBoard) -> None:
        wire.active = True
        for _ in range(2):
            try:
                Accelerator(board.name, bench.model, timeout=0.3, tries=2).close()
            except IdentityError:
                raise
            except LinkError:
                continue
        wire.active = False
        if not board.settle(30):
            raise ToolError("the chip does not come to rest", "This is a bug; report it")

    entry = _in_parts(bench, frames, seed, wire, between)
    return entry | {"injected": wire.spoken}


def noise_to_the_chip(bench: Bench, frames: int, seed: int) -> dict[str, Any]:
    """Endless random bytes to the chip."""
    return _chatter(bench, frames, seed, "to")


def noise_from_the_chip(bench: Bench, frames: int, seed: int) -> dict[str, Any]:
    """Endless random bytes to the host."""
    return _chatter(bench, frames, seed, "back")
