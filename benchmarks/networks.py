"""The papers' networks in hardware: bit-exact, routed, and what their full sizes would need.

``python -m benchmarks.networks`` prints the tables of docs/papers.md from the figures that are
stored in ``tests/baselines/networks.json``. ``--run NAME`` measures a network again, ``--run
missing`` whatever has no figures, the smallest first. Of each network there are four steps,
each stored as soon as it is done:

1. *core*: at a width that fits, frames go through the compiled RTL; every tensor that leaves a
   stage and every score must equal the golden model's, and cycles are counted.
2. *full*: at width 1 a frame goes through the golden model, whose scores must be PyTorch's;
   and the planner says what the network would need.
3. *widest*: the greatest width at which the planner puts it on the board.
4. *chip*: the first step's design, with link and pins, is placed and routed, with one seed.

Weights are random numbers of a seed (`benchmarks.network_steps`). Measuring needs PyTorch.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.network_steps import STEPS, Case
from benchmarks.stored import put, stored, tools
from sw import cli
from sw.errors import UserError

__all__ = ["CASES", "HEADINGS", "RESULTS", "chosen", "main", "markdown", "rows", "run"]

RESULTS = Path(__file__).parents[1] / "tests" / "baselines" / "networks.json"

COMMAND = "python -m benchmarks.networks"

#: Shown where a step has not been measured.
MISSING = "not measured"


def _case(
    name: str, recipe: str, width: float, *, fps: int, frames: int, classes: int = 10
) -> Case:
    return Case(name=name, recipe=recipe, width=width, classes=classes, fps=fps, frames=frames)


_CASES = (
    _case("fashion-residual", "bireal", 0.5, fps=100, frames=100),
    _case("fashion-dualpath", "dual-path", 0.5, fps=100, frames=50),
    _case("vgg-small", "trained-binarization", 0.25, fps=300, frames=10),
    _case("dualpath-vgg", "dual-path", 0.25, fps=300, frames=10),
    _case("binarynet-vgg", "ste", 0.25, fps=100, frames=5),
    _case("plate-detector", "high-precision-second", 0.5, fps=60, frames=3),
    _case("alexnet", "trained-binarization", 0.03125, fps=10, frames=2, classes=1000),
    _case("resnet-18", "trained-binarization", 0.125, fps=20, frames=2, classes=1000),
    _case("birealnet-18", "bireal", 0.0625, fps=20, frames=2, classes=1000),
    _case("birealnet-34", "bireal", 0.0625, fps=20, frames=2, classes=1000),
)

#: Every network by its name, the smallest design first.
CASES: dict[str, Case] = {case.name: case for case in _CASES}


def run(work: Sequence[tuple[Case, str]], path: Path = RESULTS) -> None:
    """Measure steps of networks and store each as soon as it is known."""
    with_tools = tools()
    for case, step in work:
        cli.console.print(f"{case.name}: {step}", markup=False)
        measured = {step: STEPS[step](case)}
        figures = _figures(case, stored(path)) | measured
        entry = {
            "command": f"{COMMAND} --run {case.name}",
            "tools": with_tools,
            "case": case.summary(),
            "figures": {name: figures[name] for name in STEPS if name in figures},
        }
        put(path, case.name, entry, order=CASES)


def _figures(case: Case, results: dict[str, Any]) -> dict[str, Any]:
    """Figures of a network by step; none that are of another width or plan."""
    entry = results.get(case.name, {})
    return entry["figures"] if entry.get("case") == case.summary() else {}


def chosen(names: Sequence[str], results: dict[str, Any]) -> list[tuple[Case, str]]:
    """The networks and steps that ``--run`` names.

    Raises
    ------
    UserError
        There is no such network.
    """
    work: list[tuple[Case, str]] = []
    for name in names:
        if name == "missing":
            work += [
                (case, step)
                for case in CASES.values()
                for step in STEPS
                if step not in _figures(case, results)
            ]
        elif name in CASES:
            work += [(CASES[name], step) for step in STEPS]
        else:
            raise UserError(
                f"there is no network {name!r} here: the networks are {', '.join(CASES)}",
                "Name one of them, or missing for what has no figures",
            )
    return work


#: Of the tables, by title.
HEADINGS: dict[str, tuple[str, ...]] = {
    "At a width that fits": (
        "network", "recipe", "frame", "width", "frames", "values compared, all equal",
        "cycles a frame, planned", "measured", "queues",
    ),
    "Routed": (
        "network", "LUT", "planned", "FF", "planned", "block RAM", "planned", "DSP", "planned",
        "Fmax MHz", "planned", "frames/s",
    ),
    "In full size": (
        "network", "weights Mbit", "golden model, a frame", "fits an 85F", "widest that fits",
        "block RAM at 1 frame/s", "LUT", "cycles",
    ),
}  # fmt: skip


def rows(title: str, results: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """The rows of a table, a network each."""
    step, cells = {
        "At a width that fits": ("core", _core_cells),
        "Routed": ("chip", _chip_cells),
        "In full size": ("full", _full_cells),
    }[title]
    for case in CASES.values():
        figures = _figures(case, results)
        found = cells(case, figures) if step in figures else (MISSING,)
        yield (case.name, *found, *[""] * (len(HEADINGS[title]) - 1 - len(found)))


def _core_cells(case: Case, figures: dict[str, Any]) -> tuple[str, ...]:
    core, (height, width, channels) = figures["core"], case.summary()["frame"]
    return (
        case.recipe,
        f"{height} x {width} x {channels}",
        f"{case.width:g}",
        str(core["frames"]),
        f"{core['elements']:,} of {core['tensors'] + 1} tensors",
        f"{core['predicted']['cycles_per_frame']:,}",
        f"{core['cycles_per_frame']:,.0f}",
        str(core["queues"]),
    )


def _chip_cells(_: Case, figures: dict[str, Any]) -> tuple[str, ...]:
    chip = figures["chip"]
    planned = figures["core"]["predicted"]
    both = [f"{x:,}" for key in ("lut", "ff", "bram", "dsp") for x in (chip[key], planned[key])]
    rate = chip["fmax_mhz"] * 1e6 / figures["core"]["cycles_per_frame"]
    return (*both, f"{chip['fmax_mhz']:.0f}", f"{planned['fmax_mhz']:.0f}", f"{rate:,.0f}")


def _full_cells(_: Case, figures: dict[str, Any]) -> tuple[str, ...]:
    full, widest = figures["full"], figures.get("widest")
    needs = full["needs"]
    return (
        f"{full['weight_bits'] / 1e6:.3g}",
        f"{full['golden_seconds']:.2f} s" if full["golden_seconds"] else "under 0.01 s",
        "no" if "refused" in full else "yes",
        MISSING if widest is None else f"{widest['width']:g}",
        f"{needs['bram']:,}",
        f"{needs['lut']:,}",
        f"{needs['cycles_per_frame']:,}",
    )


def markdown(results: dict[str, Any]) -> str:
    """The tables for the manual, and the refusals in full."""
    parts = []
    for title, headings in HEADINGS.items():
        lines = [f"**{title}**", ""]
        lines += [f"| {' | '.join(cells)} |" for cells in (headings, ["---"] * len(headings))]
        lines += [f"| {' | '.join(row)} |" for row in rows(title, results)]
        parts.append("\n".join(lines))
    refused = [
        figures["full"]["refused"]
        for case in CASES.values()
        if "refused" in (figures := _figures(case, results)).get("full", {})
    ]
    if refused:
        parts.append("\n".join(["What the planner answers for those that do not fit:", "", "```"]))
        parts[-1] += "\n" + "\n".join(refused) + "\n```"
    return "\n\n".join(parts)


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line, measure what was asked for, and print."""
    parser = argparse.ArgumentParser(
        prog=COMMAND,
        description="The papers' networks: simulated bit-exactly, routed, and their full sizes.",
    )
    parser.add_argument(
        "--run", metavar="NAME", action="append", default=[],
        help=f"measure it first (repeatable): missing, {', '.join(CASES)}",
    )  # fmt: skip
    parser.add_argument("--markdown", action="store_true", help="print Markdown")
    options = parser.parse_args(arguments)
    run(chosen(options.run, stored(RESULTS)))
    results = stored(RESULTS)
    if options.markdown:
        print(markdown(results))
        return 0
    console = Console(file=sys.stdout, highlight=False, markup=False)
    for title, headings in HEADINGS.items():
        table = Table(title=title, box=None)
        for heading in headings:
            table.add_column(heading, overflow="fold")
        for row in rows(title, results):
            table.add_row(*row)
        console.print(table)
    return 0


if __name__ == "__main__":
    cli.run(main)
