"""``make demo``: from the bundled model to a bitstream, and proof that it computes the model.

Builds a bitstream of ``examples/fashion.npz`` for a ULX3S, compiles the RTL of that very
SoC, has the driver classify the bundled test frames through it, and prints what came out
beside what was predicted.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from hw import build
from hw.flow import report
from hw.options import add_plan_arguments
from sw import Accelerator, golden
from sw.cli import progress, run, step
from sw.errors import ToolError

from .core import CoreSimulator
from .serve import planned_build

__all__ = ["main"]

_EXAMPLES = Path(__file__).resolve().parents[1] / "examples"

#: Frames through the core alone, to count its cycles.
_COUNTED_FRAMES = 16

#: Small enough to be placed and routed in a few minutes; more than the serial link carries.
_FRAMES_PER_SECOND = 10_000


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line, build, classify, compare, and print."""
    parser = argparse.ArgumentParser(prog="python -m sim.demo", description=__doc__)
    add_plan_arguments(parser)
    parser.set_defaults(fps=_FRAMES_PER_SECOND)
    parser.add_argument("--out", type=Path, default=Path("build/demo"), metavar="DIR")
    parser.add_argument("--json", action="store_true", help="print figures as JSON")
    options = parser.parse_args(arguments)
    options.model = _EXAMPLES / "fashion.npz"
    options.seed, options.dry_run, options.flash = 1, False, False
    made = build.build(options)
    figures = _classify(options.out)
    figures |= _count_cycles(options.out)
    figures |= {name: made[name] for name in ("predicted", "routed", "clock_mhz", "available")}
    figures["frames_per_second"] = made["frames_per_second"]
    figures["report"] = str(options.out / "report.txt")
    if options.json:
        print(json.dumps(figures, indent=2))
    else:
        _show(figures)


def _classify(folder: Path) -> dict[str, Any]:
    """Every bundled frame through the compiled SoC, and the test vectors bit by bit."""
    with np.load(_EXAMPLES / "fashion_frames.npz") as bundle:
        frames, labels = bundle["frames"], bundle["labels"]
    with Accelerator(f"sim:{folder}?mode=bytes") as accelerator:
        with progress("Classifying through the compiled SoC", len(frames), "frames") as advance:
            scores = accelerator.predict(frames, progress=advance)
        correct = accelerator.model.classify(scores) == labels
        expected = golden.scores(accelerator.model, accelerator.model.as_frames(frames))
    if not (scores == expected).all():
        raise ToolError(
            f"{int((scores != expected).any(axis=1).sum())} of {len(frames)} frames have other "
            "scores than the golden model's",
            "This is a bug in Binarray; please report it with the folder of the build",
        )
    with step("Test vectors through the bit-level UART"), Accelerator(f"sim:{folder}") as slow:
        vectors = slow.verify()
    return {
        "frames": len(frames),
        "accuracy": float(correct.mean()),
        "equal_to_golden": True,
        "vectors_bit_level": vectors,
    }


def _count_cycles(folder: Path) -> dict[str, Any]:
    """Cycles per frame of the core, measured."""
    made = planned_build(folder)
    frames = np.resize(
        made.model.vectors.frames, (_COUNTED_FRAMES, *made.model.graph.input.type.shape)
    )
    core = CoreSimulator(made.plan, made.model)
    result = core.run(made.model.preprocessing.apply(frames))
    return {
        "cycles_per_frame": result.cycles_per_frame,
        "latency_cycles": result.latency_cycles,
    }


def _show(figures: dict[str, Any]) -> None:
    """The table that `make demo` ends with."""
    predicted, routed = figures["predicted"], figures["routed"]
    table = Table(box=None, show_header=False, title="\nBinarray demo", title_justify="left")
    table.add_row("accuracy", f"{figures['accuracy']:.2%} of {figures['frames']} test frames")
    table.add_row("equal to the golden model", "every score of every frame")
    table.add_row(
        "through the bit-level UART", f"{figures['vectors_bit_level']} test vectors, equal"
    )
    table.add_row(
        "cycles per frame",
        f"{figures['cycles_per_frame']:g} measured, {predicted['cycles_per_frame']} predicted; "
        f"the first frame after {figures['latency_cycles']}",
    )
    table.add_row(
        "clock", f"{figures['clock_mhz']:g} MHz; Fmax {routed['fmax_mhz']:.1f} MHz routed"
    )
    for name, title in report.resources_of(figures).items():
        used, have = routed[name], figures["available"][name]
        table.add_row(title, f"{used:,} of {have:,}; {predicted[name]:,} predicted")
    rate = figures["frames_per_second"]
    table.add_row("frames/s", f"core {rate['core']:,.0f}, link {rate['link']:,.0f}")
    table.add_row("report", figures["report"])
    Console(highlight=False).print(table)


if __name__ == "__main__":
    run(main)
