"""What the hardware reaches, beside others built with the same open tools.

``python -m benchmarks.fill_the_chip`` prints the table from the figures that are stored in
``tests/baselines/fill_the_chip.json``; ``--markdown`` prints it as the README and
docs/performance.md have it. ``--run PART`` measures a part again and stores it, with its
command and the versions of the tools; ``--run missing`` measures every part that has no
figures, the quickest first. What ran before an interruption is kept.

Figures of others are quoted, not measured here: from the issue "Fill the chip" of this
project, whose owners measured those designs with the same open tools on an ECP5 of speed
grade 6; FINN's frames/s are those that its authors publish.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.chip_parts import PARTS, Part
from benchmarks.stored import named, put, stored, tools
from sw import cli

__all__ = ["RESULTS", "ROWS", "Row", "cells", "main", "markdown"]

RESULTS = Path(__file__).parents[1] / "tests" / "baselines" / "fill_the_chip.json"

COMMAND = "python -m benchmarks.fill_the_chip"

#: Shown where a part has not been measured.
MISSING = "not measured"

Figures = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Row:
    """A line of the table.

    Parameters
    ----------
    what : str
        What is compared.
    part : str
        The part that holds our figures.
    ours : callable
        From a part's figures to text.
    quoted : str
        Another's figures, quoted; empty where there are none.
    asked : str
        What the project set out to reach; empty where nothing was set.
    """

    what: str
    part: str
    ours: Callable[[Figures], str]
    quoted: str = ""
    asked: str = ""


def _per_mac(f: Figures) -> str:
    return (
        f"{f['comb_per_mac']:.2f} COMB and {f['ff_per_mac']:.2f} FF per MAC, "
        f"{f['fmax_mhz']:.0f} MHz"
    )


def _area(f: Figures) -> str:
    return f"{f['comb']:,} COMB, {f['dp16kd']} BRAM, {f['fmax_mhz']:.0f} MHz"


def _thresholds(f: Figures) -> str:
    return ", ".join(f"{name}: {block['comb']} COMB per PE" for name, block in f.items())


def _network(f: Figures) -> str:
    if "refused" in f:
        return f"refused: {f['refused']}"
    build = sum(f["seconds"].values()) + f["seeds"]["1"]["seconds"]
    return (
        f"{f['lut']:,} LUT, {f['ff']:,} FF, {f['bram']} BRAM, {f['fmax_mhz']:.0f} MHz, "
        f"{f['cycles_per_frame']:,g} cycles, {f['frames_per_second']:,.0f} frames/s, "
        f"built in {build:,.0f} s"
    )


def _utilisation(f: Figures) -> str:
    if "refused" in f:
        return "refused"
    return (
        f"{f['cycles_per_frame']:,g} cycles, {f['utilisation']:.3f} of the ideal "
        f"{f['ideal_cycles']:,}; first frame after {f['latency_cycles']:,}"
    )


def _prediction(f: Figures) -> str:
    if "refused" in f:
        return "refused"
    said = f["predicted"]
    errors = [f"{name} {said[key] / f[key] - 1:+.1%}" for name, key in
              (("LUT", "lut"), ("FF", "ff"), ("Fmax", "fmax_mhz"))]  # fmt: skip
    return f"{', '.join(errors)}, BRAM {said['bram'] - f['bram']:+d}"


def _packing(f: Figures) -> str:
    if f.get("weight_packing") is None:
        return "no weights in block RAM"
    return f"{f['weight_packing']:.0%} of the bits are weights"


def _planner(f: Figures) -> str:
    return f"{f['resnet18_seconds']:.1f} s, gap {f['gap']:.1%}"


_ARRAY_ASKED = "2.8 COMB per MAC, aim 2.5, 150 MHz"
_OTHER_ARRAYS = {
    "array-512": "rbe binary core, 32 MAC/cycle: 2.6 COMB per MAC, 114 MHz",
    "array-1024": "HUNT-001 xpe_core, 64 MAC/cycle: 2.7 COMB per MAC, 93 MHz",
    "array-2048": "pipelined 64-bit XNOR-popcount tree: 3.1 to 3.4 per MAC, 165 to 263 MHz",
}
_NETWORKS = {
    "cnv-85F": (
        "CNV 1W1A, ULX3S-85F",
        "FINN: 21,906 frames/s (ZC706, 200 MHz), 3,052 (PYNQ-Z1), 661 (MLPerf Tiny, PYNQ-Z2)",
        "10,000 frames/s, on towards 22,000",
    ),
    "cnv-25F": ("CNV 1W1A, ULX3S-25F", "", "the best that fits, or a refusal"),
    "cnv-12F": ("CNV 1W1A, ULX3S-12F", "", "the best that fits, or a refusal"),
    "larq-12F": (
        "MNIST CNN (Larq), ULX3S-12F",
        "Mak-2805 ttsky-mnist-bnn: 18,499 LUT4, 7,070 cycles a frame, 23 MHz",
        "a quarter of the LUTs, 10 times the frames/s",
    ),
    "tfc-25F": ("TFC 1W1A, ULX3S-25F", "", "1,000,000 frames/s"),
}

ROWS: tuple[Row, ...] = (
    *(
        Row(
            what=f"array, {macs:,} MAC/cycle" + (", 2 columns" if macs == 8_192 else ""),
            part=f"array-{macs}",
            ours=_per_mac,
            quoted=_OTHER_ARRAYS.get(f"array-{macs}", ""),
            asked=_ARRAY_ASKED,
        )
        for macs in (512, 1_024, 2_048, 4_096, 8_192)
    ),
    Row(
        what="weights as logic, 64 outputs of 64",
        part="logic-64x64",
        ours=_per_mac,
        quoted="equal 3:2 structure: 0.94 per MAC; shared tables, 128 of 64: 1.18, about 170 MHz",
    ),
    Row(
        what="weights as logic, 64 outputs of 576",
        part="logic-64x576",
        ours=_per_mac,
        asked="1.2 per MAC",
    ),
    Row(
        what="line buffer 28x28x16, serial",
        part="lines-serial",
        ours=_area,
        asked="440 COMB, 110 MHz",
    ),
    Row(
        what="line buffer 28x28x16, parallel",
        part="lines-parallel",
        ours=_area,
        quoted="FINN's sliding-window generator, parallel: 443 COMB, 110 MHz",
        asked="440 COMB, 110 MHz",
    ),
    Row(
        what="threshold of 10 bits, 16 PEs",
        part="thresholds",
        ours=_thresholds,
        quoted="FINN's threshold unit, ROM: 27 COMB per PE, 206 MHz",
        asked="27 COMB per PE",
    ),
    *(
        Row(what=what, part=part, ours=_network, quoted=quoted, asked=asked)
        for part, (what, quoted, asked) in _NETWORKS.items()
    ),
    *(
        Row(
            what=f"cycles per frame, {part.removeprefix('cycles-')}",
            part=part,
            ours=_utilisation,
            asked="1.02 of the ideal",
        )
        for part in (
            *_NETWORKS,
            *(name for name in PARTS if name.startswith("cycles-")),
        )
    ),
    Row(
        what="weight memory, CNV on 85F",
        part="cnv-85F",
        ours=_packing,
        asked="85 % where the folding allows",
    ),
    *(
        Row(
            what=f"planner's prediction, {part}",
            part=part,
            ours=_prediction,
            asked="LUT 7 %, BRAM exact, Fmax 15 %",
        )
        for part in _NETWORKS
    ),
    Row(what="planning a ResNet-18", part="planner", ours=_planner, asked="5 s, gap stated"),
)


def cells(row: Row, results: dict[str, Any]) -> tuple[str, str, str, str]:
    """What is compared, what was asked, ours, and what is quoted."""
    stored = results.get(row.part)
    ours = MISSING if stored is None else row.ours(stored["figures"])
    return row.what, row.asked, ours, row.quoted and f"quoted: {row.quoted}"


HEADINGS = ("what", "asked", "ours", "others")


def markdown(results: dict[str, Any]) -> str:
    """The table for README and manual."""
    lines = ["| " + " | ".join(HEADINGS) + " |", "|---" * len(HEADINGS) + "|"]
    lines += ["| " + " | ".join(cells(row, results)) + " |" for row in ROWS]
    return "\n".join(lines)


def run(parts: Sequence[Part], path: Path = RESULTS) -> None:
    """Measure ``parts`` and store each as soon as it is known."""
    with_tools = tools()
    for part in parts:
        cli.console.print(f"{part.name}: about {part.minutes:g} minutes", markup=False)
        figures = part.measure()
        entry = {"command": f"{COMMAND} --run {part.name}", "tools": with_tools, "figures": figures}
        put(path, part.name, entry, order=PARTS)


def chosen(names: Sequence[str], results: dict[str, Any]) -> list[Part]:
    """The parts that ``--run`` names, missing ones the quickest first; see `named`."""
    every = sorted(PARTS, key=lambda name: PARTS[name].minutes)
    return [PARTS[name] for name in named(names, every, results, what="part")]


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line, measure what was asked for, and print the table."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--run", metavar="PART", action="append", default=[],
        help=f"measure it first (repeatable): missing, {', '.join(PARTS)}",
    )  # fmt: skip
    parser.add_argument("--markdown", action="store_true", help="print Markdown")
    parser.add_argument("--json", action="store_true", help="print what is stored")
    options = parser.parse_args(arguments)
    run(chosen(options.run, stored(RESULTS)))
    results = stored(RESULTS)
    if options.json:
        print(json.dumps(results, indent=1))
    elif options.markdown:
        print(markdown(results))
    else:
        table = Table(box=None)
        for heading in HEADINGS:
            table.add_column(heading, overflow="fold")
        for row in ROWS:
            table.add_row(*cells(row, results))
        Console(file=sys.stdout, highlight=False, markup=False).print(table)
    return 0


if __name__ == "__main__":
    cli.run(main)
