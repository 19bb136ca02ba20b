"""How much of the serial line frames get: cycles between results in the compiled SoC.

``python -m benchmarks.link_efficiency`` prints what is stored; ``--run NAME`` (or ``all``,
``missing``) measures again: the whole SoC of a tiny network with frames of that size, its
UART driven bit by bit at the board's clock and baud, and the driver's own session, which
sends a frame as soon as a slot is free, ``latency`` after the result that freed it.

- busy: the bits of the FRAME packets over the bit times that passed. Packets are what the
  driver writes: type, number, body and CRC in COBS with its delimiter, ten bits a byte.
- payload: the bits of the frames' codes alone, ten a byte too, over the bit times that
  passed: what is lost to framing is counted as lost.
"""

from __future__ import annotations

import tempfile
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.command import run_command
from benchmarks.fault_cases import Bench
from benchmarks.tiny import tiny
from sim.soc import SocSimulator
from sw import cli, golden
from sw.driver.links import Link
from sw.driver.session import Session
from sw.errors import ToolError
from sw.model import save
from sw.protocol import Command, Packet, pack_codes

__all__ = ["CASES", "PATH", "Case", "SimulatedLine", "main", "measure"]

PATH = Path(__file__).parents[1] / "tests" / "baselines" / "link_efficiency.json"

#: Frames of a run, beside those of the start, which fill the slots.
FRAMES = 40

#: Times of the host, in seconds: none, USB's and a driver's, and an FTDI chip's own timer.
LATENCIES = (0.0, 0.001, 0.016)

#: Cycles between two looks of the host.
SLICE = 500

#: Of the network's clock and speed: fast to simulate, and faster than its link.
PLAN = ("--clock", "30", "--fps", "4000")


@dataclass(frozen=True)
class Case:
    """Frames of a size."""

    height: int
    width: int
    channels: int
    bits: int


CASES = {
    "28x28": Case(28, 28, 1, 8),
    "32x32x3": Case(32, 32, 3, 8),
}


class SimulatedLine(Link):
    """The lines of a SoC in this process, and the host's latency, in the chip's time."""

    timeout = 600.0

    def __init__(self, soc: SocSimulator, *, latency_cycles: int) -> None:
        self.name = "the simulated line"
        self._soc, self._latency = soc, latency_cycles
        self._waiting: deque[tuple[int, bytes]] = deque()  # when it may go, and what
        self._going = b""
        self._skipped = 0  # cycles in which nothing moved, and which were not simulated

    @property
    def now(self) -> int:
        """Cycles that have passed."""
        return self._soc.cycles + self._skipped

    def write(self, data: bytes) -> None:
        self._waiting.append((self.now + self._latency, data))

    def read(self) -> bytes:
        while True:
            while self._waiting and self._waiting[0][0] <= self.now:
                self._going += self._waiting.popleft()[1]
            taken, answer, silent = self._soc.exchange(self._going, cycles=SLICE)
            self._going = self._going[taken:]
            if answer:
                return answer
            if silent and not self._going:
                if not self._waiting:
                    return b""
                self._skipped += max(0, self._waiting[0][0] - self.now)

    def close(self) -> None:
        pass


def measure(bench: Bench, *, frames: int, latency: float) -> dict[str, Any]:
    """The figures of one chip and one latency.

    Raises
    ------
    ToolError
        A score differs from the golden model's, or a frame had to be sent again.
    """
    soc, model = bench.soc(), bench.model
    line = SimulatedLine(soc, latency_cycles=round(latency * bench.made.clock_hz))
    session = Session(line, timeout=600)
    slots = session.identity.slots
    inputs = bench.frames(frames + 2 * slots, seed=1)
    range_ = model.graph.input.type.range
    codes = range_.encode(model.preprocessing.apply(inputs)).reshape(len(inputs), -1)
    bodies = [body.tobytes() for body in pack_codes(codes, range_.bits)]
    times, scores = [], []
    for result in session.run(bodies):
        times.append(line.now)
        scores.append(result)
    if session.resent or not np.array_equal(scores, golden.scores(model, inputs)):
        raise ToolError("frames were lost, or scores are wrong", "This is a bug; please report it")
    # From the result of the last frame of the start to that of the last before the end, when
    # the line has nothing left to send.
    first, last = slots - 1, slots - 1 + frames
    cycles = (times[last] - times[first]) / frames
    packets = [len(Packet(command=Command.FRAME, number=9, body=one).encode()) for one in bodies]
    byte_cycles = 10 * soc.bit_cycles
    mean = float(np.mean(packets[slots : slots + frames]))
    return {
        "frame_bytes": len(bodies[0]),
        "packet_bytes": round(mean, 2),
        "slots": slots,
        "cycles_per_frame": round(cycles, 1),
        "busy": round(mean * byte_cycles / cycles, 4),
        "payload": round(len(bodies[0]) * byte_cycles / cycles, 4),
        "frames_per_second": round(bench.made.clock_hz / cycles, 1),
    }


def _run(name: str) -> dict[str, Any]:
    case = CASES[name]
    with tempfile.TemporaryDirectory(prefix="binarray-") as folder:
        path = Path(folder) / "model.npz"
        save(tiny(case.height, case.width, case.channels, bits=case.bits), path)
        bench = Bench.of(path, *PLAN)
    runs = {f"{latency:g}": measure(bench, frames=FRAMES, latency=latency) for latency in LATENCIES}
    return {"clock_hz": bench.made.clock_hz, "baud": bench.made.baud, "latencies": runs}


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line, measure what it names, and print."""
    run_command(
        arguments,
        prog="python -m benchmarks.link_efficiency",
        about=__doc__,
        path=PATH,
        cases=CASES,
        measure=_run,
        step="Measuring the line with frames of",
        rows=_rows,
    )


def _rows(known: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """The table, its heading first."""
    yield "frame", "bytes", "packet", "slots", "host's latency", "busy", "payload", "frames/s"
    for name, entry in known.items():
        for latency, run in entry["latencies"].items():
            yield (
                name,
                *(f"{run[key]:,g}" for key in ("frame_bytes", "packet_bytes", "slots")),
                f"{1000 * float(latency):g} ms",
                f"{run['busy']:.1%}",
                f"{run['payload']:.1%}",
                f"{run['frames_per_second']:,.1f}",
            )


if __name__ == "__main__":
    cli.run(main)
