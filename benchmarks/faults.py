"""Faults on the line, in the chip and in who uses it: what the driver makes of them.

``python -m benchmarks.faults`` prints the campaign as stored; ``--run NAME`` (or ``all``,
``missing``) runs a case again: a tiny network, its whole SoC compiled with the UART and
driven bit by bit behind a pseudo-terminal, frames sent by the driver, faults by a seeded
generator, and every score compared with the golden model's.
"""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.command import run_command
from benchmarks.fault_cases import CASES, Bench, Case, Line
from sim.faults import FaultyBoard, Passed, Wire
from sw import cli, golden
from sw.driver import Accelerator, HostCounters
from sw.errors import ToolError
from sw.protocol import Command, Counters

__all__ = ["PATH", "SEED", "main", "measure", "recovery", "run_line"]

PATH = Path(__file__).parents[1] / "tests" / "baselines" / "faults.json"

#: Of faults and frames.
SEED = 1

#: Frames of a case; there are more than 10,000 in all.
FRAMES = 700

#: Seconds of silence after which the driver sends again, and how often in a row.
TIMEOUT, TRIES = 2.0, 25

#: Seconds after which the chip must be at rest.
REST = 30.0

#: Frames without faults at the end of a run: more than are in flight.
CALM = 20

#: Most frames sent after a fault's end that may be lost to it.
LIMIT = 2


@dataclass(frozen=True)
class Recovery:
    """What faults cost on one way: in all, and at most of one fault.

    Parameters
    ----------
    lost : int
        Packets that did not arrive.
    struck : int
        At most: packets under way while the fault lasted.
    after : int
        At most: packets that began after it, lost one after the other.
    """

    lost: int
    struck: int
    after: int


def recovery(
    sent: Iterable[Passed], arrived: Iterable[int], events: Iterable[tuple[int, int]]
) -> Recovery:
    """Compare packets with the numbers that arrived, in their order, and the faults' places."""
    sent, wanted = list(sent), list(arrived)
    # Latest first: of a frame sent twice the one that arrived is the one before the next to arrive.
    lost = []
    for one in reversed(sent):
        assert one.packet is not None
        if wanted and wanted[-1] == one.packet.number:
            wanted.pop()
        else:
            lost.append(one)
    missing = {one.start for one in lost}
    struck = after = 0
    events = list(events)
    for place, (first, last) in enumerate(events):
        # What the next fault strikes is not this one's.
        end = events[place + 1][0] if place + 1 < len(events) else math.inf
        behind = [one for one in sent if one.end > first]
        hit = [one for one in behind if one.start <= last and one.start in missing]
        struck = max(struck, len(hit))
        count = 0
        for one in behind:
            if one.start > last:
                if one.start not in missing or one.end > end:
                    break
                count += 1
        after = max(after, count)
    return Recovery(len(lost), struck, after)


def _calm_at_the_end(accelerator: Accelerator, wire: Wire, inputs: np.ndarray) -> np.ndarray:
    """Scores of frames, the last of which meet no faults."""
    left = len(inputs)

    def progress(done: int) -> None:
        nonlocal left
        left -= done
        wire.active = left > CALM

    return accelerator.predict(inputs, progress=progress)


def _numbers(passed: Iterable[Passed]) -> list[int]:
    return [one.packet.number for one in passed if one.packet is not None]


def _first(numbers: Iterable[int]) -> list[int]:
    return list(dict.fromkeys(numbers))


def run_line(bench: Bench, line: Line, *, frames: int, seed: int) -> dict[str, Any]:
    """The figures of one case of faults on the line or in the chip."""
    rng = np.random.default_rng(seed)
    wire = line.wire(rng)
    wire.active = False
    soc = bench.soc()
    inputs = bench.frames(frames, seed)
    expected = golden.scores(bench.model, inputs)
    with FaultyBoard(soc, wire) as board:
        with Accelerator(board.name, bench.model, timeout=TIMEOUT, tries=TRIES) as accelerator:
            soc.host_clock, wire.active = line.host_clock, True
            start = time.perf_counter()
            # To the very end of the one part; not to that of the other, so that no RESET clears
            # the chip's counters then.
            part = frames // 4
            first = accelerator.predict(inputs[:part])
            rest = _calm_at_the_end(accelerator, wire, inputs[part:])
            scores = np.concatenate([first, rest])
            seconds = time.perf_counter() - start
            wire.active, soc.host_clock = False, 1.0
            if not board.settle(REST):
                raise ToolError("the chip does not come to rest", "This is a bug; report it")
            host, chip = accelerator.host_counters, accelerator.counters()
            board.settle(REST)
        ways = _ways(board, line)
        agree = _agreement(board, line, host, chip)
    return {
        "frames": frames,
        # A wrong clock is wrong for each frame.
        "injected": frames if line.host_clock != 1.0 else sum(map(len, wire.events.values())),
        "lost_to": ways[0].lost,
        "lost_back": ways[1].lost if len(ways) > 1 else None,
        "resent": host.resent,
        "wrong": int((scores != expected).any(axis=1).sum()),
        "struck": max(way.struck for way in ways),
        "after": max(way.after for way in ways),
        "agree": sorted(key for key, value in agree.items() if value),
        "differ": sorted(key for key, value in agree.items() if not value),
        "host": vars(host),
        "chip": vars(chip),
        "seconds": round(seconds, 2),
    }


def _ways(board: FaultyBoard, line: Line) -> list[Recovery]:
    """What the faults cost on the way to the chip and, where it is seen, on the way back."""
    taps, events = board.taps, board.wire.events
    sent, results = taps["sent"].of(Command.FRAME), taps["emitted"].of(Command.RESULT)
    received = _numbers(taps["received"].of(Command.RESULT))
    if not line.is_byte_wise:
        # Within a byte only the two ends are seen. A frame answered twice arrived once.
        return [recovery(sent, _first(received), events["to"])]
    to = recovery(sent, _numbers(results), events["to"])
    return [to, recovery(results, received, events["back"])]


def _agreement(
    board: FaultyBoard, line: Line, host: HostCounters, chip: Counters
) -> dict[str, bool]:
    """Which counters of host and chip are what the taps have seen."""
    taps = board.taps
    received = taps["received"].passed
    arrived = taps["delivered"].since(Command.RESET)
    good = sum(one.packet is not None for one in arrived if _is(one, Command.FRAME))
    sent_back = taps["emitted"].since(Command.WAS_RESET, Command.RESET)
    answered = sum(_is(one, Command.RESULT) for one in sent_back)
    agree = {
        "sent": host.frames_sent == len(taps["sent"].of(Command.FRAME)),
        "results": host.results + host.repeats
        == len([one for one in received if _is(one, Command.RESULT)]),
        "host_bad": host.bad_packets == sum(one.packet is None for one in received),
    }
    if line.is_byte_wise:
        agree["frames_in"] = chip.frames_in <= good <= chip.frames_in + chip.overruns
        agree["frames_out"] = chip.frames_out == answered
        agree["chip_bad"] = chip.bad_packets == sum(one.packet is None for one in arrived)
    else:
        # The taps see what the far ends of the UARTs do, and not what became of it on the line.
        agree["frames_in"] = chip.frames_in <= good
        agree["frames_out"] = chip.frames_out >= answered
    return agree


def _is(passed: Passed, command: Command) -> bool:
    return passed.packet is not None and passed.packet.command == command


def measure(bench: Bench, case: Case, *, frames: int, seed: int) -> dict[str, Any]:
    """The figures of a case, whichever kind it is."""
    if isinstance(case, Line):
        return run_line(bench, case, frames=frames, seed=seed)
    return case.run(bench, frames, seed)


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line, run what it names, and print."""
    bench = functools.cache(Bench.of_tiny)
    run_command(
        arguments,
        prog="python -m benchmarks.faults",
        about=__doc__,
        path=PATH,
        cases=CASES,
        measure=lambda name: measure(bench(), CASES[name], frames=FRAMES, seed=SEED),
        step=f"{FRAMES} frames:",
        rows=_rows,
    )


COLUMNS = ("fault", "frames", "injected", "lost", "sent again", "wrong", "until recovery")


def _rows(known: dict[str, Any]) -> list[tuple[str, ...]]:
    """The table, its heading first."""
    rows: list[tuple[str, ...]] = [COLUMNS]
    for name, entry in known.items():
        lost = entry["lost_to"] + (entry["lost_back"] or 0)
        figures = [entry[key] for key in ("frames", "injected")]
        figures += [lost, *(entry[key] for key in ("resent", "wrong", "after"))]
        rows.append((CASES[name].what, *(f"{figure:,}" for figure in figures)))
    keys = [("frames", 1), ("wrong", 5)]
    totals = {place: sum(entry[key] for entry in known.values()) for key, place in keys}
    rows.append(tuple("all" if i == 0 else f"{totals.get(i, '')}" for i in range(len(COLUMNS))))
    return rows


if __name__ == "__main__":
    cli.run(main)
