"""Frames per second of every example: predicted, and counted in the compiled RTL.

``python -m benchmarks.throughput`` plans each model of ``examples/`` for a board, compiles
the RTL of its core, streams real frames through it, compares every score with the golden
model's, and prints cycles per frame beside the prediction. Frames per second of the core
are cycles at the board's clock; those of the golden model and of the simulation are
measured here, one after the other in one run.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from hw.flow.report import link_frames_per_second
from hw.options import add_plan_arguments, planned
from sim.core import CoreSimulator
from sw import cli, golden
from sw.errors import ToolError
from sw.model import load

EXAMPLES = Path(__file__).parents[1] / "examples"

#: Each model, the bundle of frames that it reads, and how many frames to simulate.
CASES = {
    "fashion": ("fashion_frames", 100),
    "fashion_trained_binarization": ("fashion_frames", 50),
    "fashion_bireal": ("fashion_frames", 50),
    "fashion_dual_path": ("fashion_frames", 50),
    "fashion_high_precision_second": ("fashion_frames", 50),
    "tfc_mnist": ("mnist_frames", 200),
    "tfc_mnist_1w2a": ("mnist_frames", 200),
    "lfc_mnist": ("mnist_frames", 100),
    "larq_mnist": ("mnist_frames", 200),
    "cnv_cifar10": ("cifar10_frames", 10),
}


def measure(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """The figures of one example.

    Raises
    ------
    ToolError
        A score differs from the golden model's.
    """
    bundle_name, count = CASES[name]
    model = load(EXAMPLES / f"{name}.npz")
    with np.load(EXAMPLES / f"{bundle_name}.npz") as bundle:
        frames = model.as_frames(bundle["frames"][:count])
    made = planned(options, model)
    simulator = CoreSimulator(made.plan, model)
    inputs = model.preprocessing.apply(frames)
    with cli.step(f"Simulating {len(frames)} frames of {name}"):
        start = time.perf_counter()
        result = simulator.run(inputs)
        simulated = time.perf_counter() - start
    start = time.perf_counter()
    expected = golden.scores(model, frames)
    executed = time.perf_counter() - start
    if not (result.scores == expected).all():
        raise ToolError(
            f"the RTL of {name} gives other scores than the golden model",
            "This is a bug in Binarray; please report it",
        )
    return {
        "model": name,
        "board": made.board.name,
        "size": made.board.size,
        "clock_mhz": made.plan.clock_mhz,
        "frames": len(frames),
        "equal_to_golden": True,
        "cycles_per_frame": result.cycles_per_frame,
        "predicted_cycles_per_frame": made.plan.cycles_per_frame,
        "latency_cycles": result.latency_cycles,
        "frames_per_second": {
            "core": round(made.clock_hz / (result.cycles_per_frame or np.inf), 1),
            "link": round(link_frames_per_second(made), 1),
            "golden": round(len(frames) / executed, 1),
            "simulation": round(len(frames) / simulated, 1),
        },
    }


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line, measure, and print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.throughput", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--only", choices=CASES, action="append", help="one example (repeatable)")
    add_plan_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args(arguments)
    figures = [measure(name, options) for name in options.only or CASES]
    if options.json:
        print(json.dumps(figures, indent=2))
        return
    table = Table(box=None)
    columns = ("model", "cycles a frame", "predicted", "first frame", "core/s", "link/s")
    for column in (*columns, "golden/s", "simulation/s"):
        table.add_column(column, justify="left" if column == "model" else "right")
    for row in figures:
        rates = row["frames_per_second"]
        counts = [row[key] for key in ("predicted_cycles_per_frame", "latency_cycles")]
        table.add_row(
            row["model"],
            f"{row['cycles_per_frame']:,g}",
            *(f"{count:,}" for count in counts),
            *(f"{rates[key]:,.0f}" for key in ("core", "link", "golden", "simulation")),
        )
    first = figures[0]
    console = Console(highlight=False)
    console.print(f"{first['board']} {first['size']} at {first['clock_mhz']:g} MHz")
    console.print(table)


if __name__ == "__main__":
    cli.run(main)
