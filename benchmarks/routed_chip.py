"""Whole designs on a board: planned, synthesised once, placed and routed with some seeds."""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hw.build import sources_of
from hw.flow.limits import check_fit
from hw.flow.routing import route_board
from hw.flow.synthesis import synthesise
from hw.options import Planned, add_plan_arguments

__all__ = ["plan_options", "route_chip"]

#: The median of these over the seeds is what a design's figures are.
_FIGURES = ("lut", "ff", "bram", "dsp", "fmax_mhz")


def plan_options(arguments: Sequence[str]) -> argparse.Namespace:
    """The options of a plan from a command line, as every command takes them."""
    parser = argparse.ArgumentParser()
    add_plan_arguments(parser)
    return parser.parse_args(list(arguments))


def route_chip(made: Planned, *, seeds: Sequence[int]) -> dict[str, Any]:
    """Synthesise once, place and route with each seed.

    Returns
    -------
    dict
        "lut", "ff", "bram", "dsp", "fmax_mhz", the median over the seeds, the lower of two;
        "seeds": the same of each, its seconds and its slowest path; "seconds": of
        "elaborate" and "synthesise".

    Raises
    ------
    PlanError
        The synthesised design exceeds the device.
    ToolError
        A tool is missing or failed.
    """
    board = made.board
    start = time.monotonic()
    sources = sources_of(made)
    seconds = {"elaborate": round(time.monotonic() - start, 1)}
    runs: dict[str, Any] = {}
    # YoWASP's programs do not see the system's temporary folder.
    Path("build").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="chip-", dir="build") as name:
        folder = Path(name)
        synthesis = synthesise(sources.rtlil, family=board.family, folder=folder)
        seconds["synthesise"] = synthesis.seconds
        check_fit(synthesis.counts, board)
        for seed in seeds:
            start = time.monotonic()
            routed = route_board(
                synthesis,
                board,
                clock_mhz=made.plan.clock_mhz,
                seed=seed,
                folder=folder,
                constraints=sources.constraints,
            )
            runs[str(seed)] = dataclasses.asdict(routed) | {
                "seconds": round(time.monotonic() - start, 1),
                "path": slowest_path(folder / "routed.json", routed.fmax_mhz),
            }
    median = {key: statistics.median_low([run[key] for run in runs.values()]) for key in _FIGURES}
    return {"seeds": runs, "seconds": seconds, **median}


def slowest_path(report: Path, fmax_mhz: float) -> dict[str, Any]:
    """The path that sets the clock, from nextpnr's report.

    Returns
    -------
    dict
        "from" and "to", cells as nextpnr calls them; "logic_ns" and "route_ns".
    """
    found = json.loads(report.read_text(encoding="utf-8"))["critical_paths"]
    paths = [entry["path"] for entry in found if entry["path"]]
    period = 1e3 / fmax_mhz
    path = min(paths, key=lambda steps: abs(sum(step["delay"] for step in steps) - period))
    routes = sum(step["delay"] for step in path if step["type"] == "routing")
    return {
        "from": path[0]["from"]["cell"],
        "to": path[-1]["to"]["cell"],
        "logic_ns": round(sum(step["delay"] for step in path) - routes, 2),
        "route_ns": round(routes, 2),
    }
