"""A million frames through a ``sim:`` port, with every score compared, and the memory watched.

``python -m benchmarks.soak`` prints what is stored; ``--frames N`` runs: a tiny network in
the mode "bytes", the driver in this process and the simulator in its own, as for a user.
The resident memory of both is read at twenty places.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.stored import put, stored
from benchmarks.tiny import frames_of, tiny
from sw import cli, golden
from sw.driver import Accelerator
from sw.errors import ToolError
from sw.model import save

__all__ = ["PATH", "main", "soak"]

PATH = Path(__file__).parents[1] / "tests" / "baselines" / "soak.json"

#: Different frames, over and over.
POOL = 512

#: Places at which the memory is read.
READINGS = 20

#: Part of the run after which nothing grows any more, and growth in KiB that is none: what an
#: allocator's rounding makes.
SETTLED, NO_GROWTH = 0.1, 2048


def _rss(pid: int) -> int:
    """KiB of resident memory."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.partition("VmRSS:")[2].split()[0])


def _children() -> list[int]:
    pid = os.getpid()
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def soak(frames: int) -> dict[str, Any]:
    """The figures of a run.

    Raises
    ------
    ToolError
        A score differs from the golden model's.
    """
    with tempfile.TemporaryDirectory(prefix="binarray-") as folder:
        model = tiny()
        save(model, Path(folder) / "tiny.npz")
        pool = frames_of(model, POOL, seed=1)
        expected = golden.scores(model, pool)
        before = set(_children())
        with Accelerator(f"sim:{folder}/tiny.npz?mode=bytes") as accelerator:
            (simulator,) = set(_children()) - before
            readings = list(_readings(accelerator, frames, pool, expected, simulator))
            host, chip = accelerator.host_counters, accelerator.counters()
    used = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
    settled = readings[int(SETTLED * len(readings)) :]
    seconds = max(readings[-1]["seconds"], 0.1)  # as it is rounded
    return {
        "frames": frames,
        "seconds": seconds,
        "frames_per_second": round(frames / seconds, 1),
        "host_cpu_seconds": round(used, 1),
        "resent": host.resent,
        "wrong": 0,
        "chip_frames_modulo_65536": [chip.frames_in, chip.frames_out],
        "bad_packets": [host.bad_packets, chip.bad_packets],
        "growth_kib": {
            side: max(one[side] for one in settled) - settled[0][side]
            for side in ("driver_kib", "simulator_kib")
        },
        "readings": readings,
    }


def _readings(
    accelerator: Accelerator,
    frames: int,
    pool: np.ndarray,
    expected: np.ndarray,
    simulator: int,
) -> Iterator[dict[str, Any]]:
    """Run, and read the memory of both processes now and then."""
    start = time.perf_counter()
    places = {frames * (k + 1) // READINGS for k in range(READINGS)}
    source = itertools.islice(itertools.cycle(pool), frames)
    for place, scores in enumerate(accelerator.stream(source)):
        if not np.array_equal(scores, expected[place % len(pool)]):
            raise ToolError(f"the scores of frame {place} are wrong", "This is a bug; report it")
        if place + 1 in places:
            yield {
                "frames": place + 1,
                "seconds": round(time.perf_counter() - start, 1),
                "driver_kib": _rss(os.getpid()),
                "simulator_kib": _rss(simulator),
            }


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line, run if asked to, and print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.soak", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument(
        "--frames", type=int, metavar="N", help="run so many, and store the figures"
    )
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args(arguments)
    if options.frames:
        with cli.step(f"{options.frames:,} frames"):
            entry = soak(options.frames)
        put(PATH, "sim-bytes", entry, order=["sim-bytes"])
    known = stored(PATH)
    if options.json:
        print(json.dumps(known, indent=2))
        return
    console = Console(highlight=False)
    for entry in known.values():
        console.print(
            f"{entry['frames']:,} frames in {entry['seconds']:,} s, {entry['resent']} sent again, "
            f"{entry['wrong']} wrong; growth {entry['growth_kib']} KiB"
        )
        table = Table(box=None)
        for column in ("frames", "s", "driver KiB", "simulator KiB"):
            table.add_column(column, justify="right")
        for one in entry["readings"]:
            keys = ("frames", "seconds", "driver_kib", "simulator_kib")
            table.add_row(*(f"{one[key]:,}" for key in keys))
        console.print(table)


if __name__ == "__main__":
    cli.run(main)
