"""Area and clock of each block on its own: synthesis, place and route out of context.

``python -m benchmarks.size`` prints a table; ``--json`` the figures; ``--check``
compares them with ``tests/baselines/size.json`` and ``--update`` writes that file.
The area model of `hw.plan.cost` is fitted to these figures.

A block is measured with random weights and thresholds, its ports left unconnected
to pins. LUT sites (``comb``) are nextpnr's TRELLIS_COMB, ends of carry chains
included. The device is an LFE5U-85F of speed grade 6.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from amaranth.back import rtlil
from amaranth.lib import wiring

from benchmarks.size_cases import CASES, Case
from hw.flow.toolchain import find_nextpnr, find_yosys
from sw import cli
from sw.errors import UserError

BASELINE = Path(__file__).parents[1] / "tests" / "baselines" / "size.json"

#: Relative change of a figure that ``--check`` lets pass; place and route is
#: deterministic, but versions of the tools differ.
TOLERANCE = 0.05

_TARGET = "--85k --package CABGA381 --speed 6 --out-of-context --lpf-allow-unconstrained"
_RESULTS = ("comb", "ff", "ramw", "dp16kd", "dsp", "fmax_mhz")


def measure(block: wiring.Component, *, clock_mhz: float, seed: int) -> dict[str, float]:
    """Synthesise, place and route a block; its area and the clock it reaches."""
    with tempfile.TemporaryDirectory(prefix="size-", dir=_build_folder()) as name:
        folder = Path(name)
        (folder / "top.il").write_text(rtlil.convert(block, name="top"), encoding="utf-8")
        script = "read_rtlil top.il; synth_ecp5 -nowidelut -top top -json top.json"
        find_yosys().run(["-p", script], cwd=folder, log=folder / "yosys.log")
        options = f"{_TARGET} --freq {clock_mhz:g} --seed {seed} --timing-allow-fail"
        find_nextpnr("ecp5").run(
            [*options.split(), "--json", "top.json", "--report", "report.json"],
            cwd=folder,
            log=folder / "nextpnr.log",
        )
        report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    used = {cell: entry["used"] for cell, entry in report["utilization"].items()}
    clocks = [entry["achieved"] for entry in report["fmax"].values()]
    return {
        "comb": used["TRELLIS_COMB"],
        "ff": used["TRELLIS_FF"],
        "ramw": used["TRELLIS_RAMW"],
        "dp16kd": used["DP16KD"],
        "dsp": used["MULT18X18D"],
        "fmax_mhz": round(min(clocks), 1) if clocks else 0.0,
    }


def _build_folder() -> Path:
    # Not the system's temporary folder, which YoWASP's programs do not see.
    folder = Path("build")
    folder.mkdir(exist_ok=True)
    return folder


def figures(cases: Sequence[Case], *, clock_mhz: float, seed: int) -> list[dict[str, Any]]:
    """Config and results of each case."""
    found = []
    for case in cases:
        with cli.step(case.name):
            block = case.build(np.random.default_rng(1))
            result = measure(block, clock_mhz=clock_mhz, seed=seed)
        found.append(
            {
                "name": case.name,
                "block": case.block,
                "config": case.plain_config(),
                "result": result,
            }
        )
    return found


def differences(now: list[dict[str, Any]], baseline: list[dict[str, Any]]) -> list[str]:
    """What has become larger or slower than the baseline by more than `TOLERANCE`, in words."""
    known = {entry["name"]: entry["result"] for entry in baseline}
    lines = []
    for entry in now:
        if entry["name"] not in known:
            lines.append(f"{entry['name']}: not in the baseline")
            continue
        for key in _RESULTS:
            new, old = entry["result"][key], known[entry["name"]][key]
            worse = old - new if key == "fmax_mhz" else new - old
            # A handful of cells is noise in a small block.
            if worse > max(TOLERANCE * old, 4):
                lines.append(f"{entry['name']}: {key} was {old}, is {new}")
    return lines


def table(found: list[dict[str, Any]]) -> str:
    """The figures for people; MAC is a binary one, a lane of b bits counts as b."""
    lines = [f"{'block':44}{'COMB':>7}{'FF':>7}{'BRAM':>6}{'MHz':>7}{'COMB/MAC':>10}"]
    for entry in found:
        result, config = entry["result"], entry["config"]
        ratio = ""
        if entry["block"] == "SystolicArray":
            macs = config["rows"] * config["simd"] * config["lane_bits"]
            ratio = f"{result['comb'] / macs:.2f}"
        lines.append(
            f"{entry['name']:44}{result['comb']:>7}{result['ff']:>7}{result['dp16kd']:>6}"
            f"{result['fmax_mhz']:>7.0f}{ratio:>10}"
        )
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.size", description=__doc__)
    parser.add_argument("--only", metavar="TEXT", default="", help="cases whose name contains TEXT")
    parser.add_argument("--clock", type=float, default=150, metavar="MHZ", help="clock asked for")
    parser.add_argument("--seed", type=int, default=1, help="seed of the placer")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--update", action="store_true", help="write the baseline")
    parser.add_argument("--check", action="store_true", help="compare with the baseline")
    args = parser.parse_args()
    cases = [case for case in CASES if args.only in case.name]
    if not cases:
        raise UserError(
            f"no case contains {args.only!r}", f"Choose among {', '.join(c.name for c in CASES)}"
        )
    found = figures(cases, clock_mhz=args.clock, seed=args.seed)
    print(json.dumps(found, indent=1) if args.json else table(found))
    if args.update:
        _update(found)
    if args.check:
        worse = differences(found, json.loads(BASELINE.read_text(encoding="utf-8")))
        for line in worse:
            print(line, file=sys.stderr)
        return 1 if worse else 0
    return 0


def _update(found: list[dict[str, Any]]) -> None:
    """Put the figures in the baseline, in the order of the cases; those not measured stay."""
    entries: dict[str, Any] = {}
    if BASELINE.exists():
        known = json.loads(BASELINE.read_text(encoding="utf-8"))
        entries = {entry["name"]: entry for entry in known}
    entries |= {entry["name"]: entry for entry in found}
    ordered = [entries[case.name] for case in CASES if case.name in entries]
    BASELINE.parent.mkdir(exist_ok=True)
    with cli.atomic_write(BASELINE) as path:
        lines = ",\n".join(json.dumps(entry) for entry in ordered)
        path.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


if __name__ == "__main__":
    cli.run(main)
