"""Popcounts of iCE40 and Gowin: forms of them, cells and clock, placed and routed.

``python -m benchmarks.popcount`` prints what is stored in ``tests/baselines/popcount.json``, for
docs/blocks.md as it is. ``--run NAME`` measures an entry, ``--run missing`` all that have no
figures.

A popcount adds the matches of N lanes, code XOR weight, behind registers and in front of one.
Forms are `benchmarks.popcount_forms`, and the project's own `MatchSum` and `PE`, with registers
between levels. Inputs come from a shift register and sums go into one, whose cells are not
counted. Cells are as routed: an iCE40's logic cells; a Gowin's LUT sites, those of adders
and of flip-flops on their own too. One seed, 100 MHz asked for.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from amaranth.back import rtlil
from amaranth.lib import wiring

from benchmarks.popcount_forms import FORMS, Harness, Popcount
from benchmarks.stored import named, put, stored
from hw.blocks.array import SystolicArray
from hw.blocks.pe import PE
from hw.blocks.popcount import MatchSum
from hw.fabric import Fabric
from hw.flow.routing import route
from hw.flow.synthesis import synthesise
from hw.flow.toolchain import find_nextpnr, find_yosys
from hw.plan.array import ArrayConfig
from hw.plan.block_ram import SB_RAM40
from hw.plan.match_sum import MatchSumConfig
from sw import cli

BASELINE = Path(__file__).parents[1] / "tests" / "baselines" / "popcount.json"

LANES = {"UP5K": (4, 8, 16, 36, 64, 128), "GW2AR-18": (4, 16, 36, 64, 128)}
CLOCK_MHZ = 100.0


@dataclass(frozen=True, kw_only=True)
class Device:
    """What nextpnr is told, and four pins: clock, input, load, output."""

    family: str
    arguments: str
    pins: tuple[str, str, str, str]
    luts: int

    def constraints(self) -> bytes:
        line = 'IO_LOC "{}" {};\n' if self.family == "gowin" else "set_io {} {}\n"
        names = ("clk", "i", "load", "o")
        return "".join(line.format(n, p) for n, p in zip(names, self.pins, strict=True)).encode()


DEVICES = {
    "UP5K": Device(
        family="ice40", arguments="--up5k --package sg48", pins=("35", "2", "3", "4"), luts=5_280
    ),
    "HX8K": Device(
        family="ice40",
        arguments="--hx8k --package ct256",
        pins=("J3", "A1", "A2", "B1"),
        luts=7_680,
    ),
    "GW2AR-18": Device(
        family="gowin",
        arguments="--device GW2AR-LV18QN88C8/I7 --vopt family=GW2A-18C",
        pins=("4", "25", "26", "27"),
        luts=20_736,
    ),
}

#: Whole arrays: rows, lanes, outputs, fan in.
ARRAYS = ((4, 64, 8, 576), (8, 32, 16, 288))


@dataclass(frozen=True, kw_only=True)
class Case:
    """A block on a device.

    ``family`` is what the block is elaborated for: not the device's, its form is the plain one.
    """

    device: str
    family: str
    build: Callable[[], wiring.Component]
    flags: str | None = None
    what: str = ""


def _cases() -> dict[str, Case]:
    cases: dict[str, Case] = {}
    for name, sizes in LANES.items():
        family = DEVICES[name].family
        flags = "-abc9" if family == "ice40" else "-nowidelut -noalu"
        for lanes in sizes:
            for form in FORMS:
                # Of that form with more than four lanes nextpnr reports no clock at all.
                if family == "gowin" and form == "6:3, then a chain" and lanes > 4:
                    continue
                cases[f"{name}/{form}/{lanes}"] = Case(
                    device=name, family="none", build=lambda f=form, n=lanes: Popcount(f, n)
                )
            own = MatchSumConfig(simd=lanes)
            for form, families, options in (
                ("MatchSum, vectors", "none", None),
                ("MatchSum, chains", "ice40", None),
                (f"MatchSum, vectors, {flags.split()[-1]}", "none", flags),
            ):
                cases[f"{name}/{form}/{lanes}"] = Case(
                    device=name,
                    family=families,
                    build=lambda c=own: MatchSum(config=c),
                    flags=options,
                )
            pe = ArrayConfig(outputs=4, fan_in=4 * lanes, rows=1, simd=lanes, width=4)
            for form, families in (("PE, vectors", "none"), ("PE, chains", "ice40")):
                cases[f"{name}/{form}/{lanes}"] = Case(
                    device=name, family=families, build=lambda c=pe: PE(config=c)
                )
    for rows, lanes, outputs, fan_in in ARRAYS:
        array = ArrayConfig(outputs=outputs, fan_in=fan_in, rows=rows, simd=lanes, width=4)
        early = replace(array, block_ram=SB_RAM40)
        for form, families, config in (
            ("array, vectors", "none", array),
            ("array, chains", "ice40", array),
            ("array, chains and early matches", "ice40", early),
        ):
            cases[f"HX8K/{form}/{rows} x {lanes}"] = Case(
                device="HX8K", family=families, build=lambda c=config: _array(c)
            )
    return cases


def _array(config: ArrayConfig) -> SystolicArray:
    """With random weights."""
    rng = np.random.default_rng(1)
    return SystolicArray(config=config, weights=rng.random((config.outputs, config.fan_in)) < 0.5)


CASES = _cases()


def measure(name: str) -> dict[str, Any]:
    """Synthesise, place and route a case; "cells" without the harness's, and "fmax_mhz"."""
    case = CASES[name]
    device = DEVICES[case.device]
    harness = Harness(case.build())
    design = rtlil.convert(
        harness,
        name="top",
        ports=[harness.clk, harness.i, harness.load, harness.o],
        platform=Fabric(family=case.family),
        emit_src=False,
    )
    Path("build").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="popcount-", dir="build") as folder:
        made = synthesise(
            design.encode(), family=device.family, folder=Path(folder), flags=case.flags
        )
        routed = route(
            made,
            family=device.family,
            device=device.arguments,
            luts=device.luts,
            clock_mhz=CLOCK_MHZ,
            seed=1,
            folder=Path(folder),
            constraints=device.constraints(),
            # The default router of iCE40 may go round and round.
            options=["--router", "router2"] if device.family == "ice40" else [],
        )
    tools = (find_yosys(), find_nextpnr(device.family))
    return {
        "cells": routed.lut - harness.bits,
        "flip_flops": routed.ff - harness.bits,
        "fmax_mhz": round(routed.fmax_mhz, 1),
        "tools": {tool.name: f"{tool.version} ({tool.kind})" for tool in tools},
    }


def tables(known: dict[str, Any]) -> str:
    """Of each device a table: forms by lanes, cells and MHz."""
    found: dict[str, dict[str, dict[str, str]]] = {}
    for name in CASES:
        if name in known:
            device, form, size = name.split("/")
            entry = known[name]
            text = f"{entry['cells']:,} at {entry['fmax_mhz']:.0f}"
            kind = f"{device}, arrays" if form.startswith("array") else device
            found.setdefault(kind, {}).setdefault(form, {})[size] = text
    lines: list[str] = []
    for device, forms in found.items():
        sizes = list(dict.fromkeys(size for cells in forms.values() for size in cells))
        lines += [f"| {device} | " + " | ".join(sizes) + " |", "|---" * (len(sizes) + 1) + "|"]
        lines += [
            f"| {form} | " + " | ".join(cells.get(size, "") for size in sizes) + " |"
            for form, cells in forms.items()
        ]
        lines.append("")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.popcount", description=__doc__)
    parser.add_argument(
        "--run", action="append", default=[], metavar="NAME", help="measure; missing for the rest"
    )
    args = parser.parse_args()
    for name in named(args.run, CASES, stored(BASELINE), what="case"):
        with cli.step(name):
            entry = measure(name)
        put(BASELINE, name, entry, order=CASES)
    print(tables(stored(BASELINE)))
    return 0


if __name__ == "__main__":
    cli.run(main)
