"""``python -m sim.run``: frames through the compiled RTL of the accelerator core."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from hw.options import add_plan_arguments, planned
from sw import golden
from sw.cli import atomic_directory, atomic_write, console, load_frames, run, step
from sw.detect import objects
from sw.model import load

from .core import CoreSimulator, Stall

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line, simulate, compare with the golden model, and print."""
    parser = argparse.ArgumentParser(
        prog="python -m sim.run",
        description="Compile the RTL that is built for a board, stream frames through the "
        "accelerator core, and compare every score with the golden model's, and a detector's marks "
        "on boxes with what these scores say.",
    )
    parser.add_argument("model", type=Path, help="model.npz")
    parser.add_argument("frames", type=Path, help="frames.npy: uint8, N x H x W x C")
    parser.add_argument("-o", "--output", type=Path, metavar="SCORES", help="scores.npy to write")
    add_plan_arguments(parser)
    parser.add_argument(
        "--tensors", type=Path, metavar="DIR", help="also watch, compare and write every tensor"
    )
    parser.add_argument(
        "--stall",
        type=float,
        default=0.0,
        metavar="P",
        help="withhold input and output in a part P of the cycles, at random (default 0)",
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the stalls (default 0)")
    parser.add_argument("--json", action="store_true", help="print figures as JSON")
    options = parser.parse_args(arguments)
    if not 0 <= options.stall < 1:
        parser.error(f"argument --stall: {options.stall} is not at least 0 and below 1")
    run_frames(options)


def run_frames(options: argparse.Namespace) -> None:
    """Carry out a parsed command line."""
    model = load(options.model)
    frames = load_frames(options.frames, model)
    plan = planned(options, model).plan
    simulator = CoreSimulator(plan, model, taps=options.tensors is not None)
    inputs = model.preprocessing.apply(np.asarray(frames))
    with step(f"Simulating {len(frames)} frames, {plan.cycles_per_frame} cycles each"):
        result = simulator.run(
            inputs, stall=Stall(i=options.stall, o=options.stall, seed=options.seed)
        )
    with step("Running the golden model"):
        reference = golden.run(model.graph, inputs)
    expected = reference[model.graph.head.name].reshape(len(frames), -1)
    equal = bool((result.scores == expected).all()) and all(
        (tensor == reference[name]).all() for name, tensor in result.tensors.items()
    )
    if result.objects is not None and plan.objectness is not None:
        equal &= bool((result.objects == objects(model, expected, plan.objectness)).all())
    if options.tensors is not None:
        with atomic_directory(options.tensors) as folder:
            for name, tensor in result.tensors.items():
                np.save(folder / f"{name}.npy", tensor)
    if options.output is not None:
        with atomic_write(options.output) as path:
            np.save(path, result.scores)
    figures = {
        "frames": len(frames),
        "cycles_per_frame": result.cycles_per_frame,
        "predicted_cycles_per_frame": plan.cycles_per_frame,
        "latency_cycles": result.latency_cycles,
        "equal_to_golden": equal,
    }
    if result.objects is not None:
        figures["objects"] = int(result.objects.sum())
    if options.json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name.replace('_', ' '):28}{value}")
    if not equal:
        console.print("[bold red]The RTL and the golden model differ: a bug in Binarray.")
        raise SystemExit(3)


if __name__ == "__main__":
    run(main)
