"""Area and clock of each block on its own: synthesis, place and route out of context.

``python -m benchmarks.size`` prints a table; ``--json`` the figures; ``--check``
compares them with ``tests/baselines/size.json`` and ``--update`` writes that file,
after each case. With ``--seeds 1,2,3`` each figure is the median over these seeds of
the placer, as in all that is published. The area model of `hw.plan.cost` is fitted to
these figures.

A block is measured with random weights and thresholds, by the flow that builds use
(`hw.flow`), its ports left unconnected to pins. LUT sites (``comb``) are nextpnr's
TRELLIS_COMB, ends of carry chains included. The device is an LFE5U-85F of speed grade
6. What was measured before, of the same RTL with the same tools, is taken from the
build cache: a run that was interrupted goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from amaranth.back import rtlil
from amaranth.lib import wiring

from benchmarks.size_cases import CASES, Case
from benchmarks.used import apart
from hw.fabric import Fabric
from hw.flow.cache import Cache, content_key
from hw.flow.routing import route
from hw.flow.run import flow_identity
from hw.flow.synthesis import Synthesis, synthesise
from sw import cli
from sw.errors import UserError

BASELINE = Path(__file__).parents[1] / "tests" / "baselines" / "size.json"

#: Relative change of a figure that ``--check`` lets pass; place and route is
#: deterministic, but versions of the tools differ.
TOLERANCE = 0.05

FAMILY = "ecp5"
DEVICE = "--85k --package CABGA381 --speed 6"
#: LUTs of the device.
LUTS = 83_640
_RESULTS = ("comb", "ff", "ramw", "dp16kd", "dsp", "fmax_mhz")


def measure(
    block: wiring.Component, *, clock_mhz: float, seeds: Sequence[int] = (1,)
) -> dict[str, float]:
    """Synthesise, place and route a block; its area and the clock it reaches.

    Parameters
    ----------
    block : wiring.Component
        Elaborated for the family of the device.
    clock_mhz : float
        The clock asked for.
    seeds : sequence of int
        Of the placer; each figure is the median over them, the lower of two.
    """
    found = placements(rtlil_of(block), clock_mhz=clock_mhz, seeds=seeds)
    return {key: statistics.median_low([run[key] for run in found.values()]) for key in _RESULTS}


def rtlil_of(block: wiring.Component) -> bytes:
    """A block elaborated for the family of the device."""
    text = rtlil.convert(block, name="top", platform=Fabric(family=FAMILY), emit_src=False)
    return text.encode()


def design_of(case: Case) -> bytes:
    """A case elaborated, with the data that its figures are of."""
    return rtlil_of(case.build(np.random.default_rng(1)))


def placements(
    design: bytes, *, clock_mhz: float, seeds: Sequence[int]
) -> dict[int, dict[str, Any]]:
    """Synthesise a block once, place and route it with each seed.

    Returns
    -------
    dict
        For each seed "comb", "ff", "ramw", "dp16kd", "dsp" and "fmax_mhz" as routed; "lut"
        as synthesised; "synthesise" and "place_and_route", what each used: see `apart`.
    """
    entries = {seed: _entry(design, clock_mhz=clock_mhz, seed=seed) for seed in seeds}
    _fill(design, entries, clock_mhz=clock_mhz)
    return {seed: json.loads(entry.read_text("utf-8")) for seed, entry in entries.items()}


def _entry(design: bytes, *, clock_mhz: float, seed: int) -> Path:
    """The file in the cache that holds, or will hold, the figures of one seed."""
    key = content_key("2", design, *flow_identity(FAMILY), DEVICE, f"{clock_mhz:g}", str(seed))
    return Cache().root / "size" / f"{key}.json"


def _fill(design: bytes, entries: dict[int, Path], *, clock_mhz: float) -> None:
    """Measure the seeds whose entry is not there; each is written when it is known."""
    missing = {seed: entry for seed, entry in entries.items() if not entry.exists()}
    if not missing:
        return
    with tempfile.TemporaryDirectory(prefix="size-", dir=_build_folder()) as name:
        folder = Path(name)
        synthesis, used = apart(synthesise, design, family=FAMILY, folder=folder)
        for seed, entry in missing.items():
            result = _routed(synthesis, clock_mhz=clock_mhz, seed=seed, folder=folder)
            result |= {"lut": synthesis.counts.lut, "synthesise": used}
            entry.parent.mkdir(parents=True, exist_ok=True)
            with cli.atomic_write(entry) as path:
                path.write_text(json.dumps(result), encoding="utf-8")


def _routed(synthesis: Synthesis, *, clock_mhz: float, seed: int, folder: Path) -> dict[str, Any]:
    """Place and route what is in ``folder``."""
    routed, used = apart(
        route,
        synthesis,
        family=FAMILY,
        device=DEVICE,
        luts=LUTS,
        clock_mhz=clock_mhz,
        seed=seed,
        folder=folder,
        constraints=None,
    )
    report = json.loads((folder / "routed.json").read_text(encoding="utf-8"))
    return {
        "comb": routed.lut,
        "ff": routed.ff,
        "ramw": report["utilization"]["TRELLIS_RAMW"]["used"],
        "dp16kd": routed.bram,
        "dsp": routed.dsp,
        "fmax_mhz": round(routed.fmax_mhz, 1),
        "place_and_route": used,
    }


def _build_folder() -> Path:
    # Not the system's temporary folder, which YoWASP's programs do not see.
    folder = Path("build")
    folder.mkdir(exist_ok=True)
    return folder


def figures(case: Case, *, clock_mhz: float, seeds: Sequence[int]) -> dict[str, Any]:
    """Config and results of a case."""
    with cli.step(case.name):
        block = case.build(np.random.default_rng(1))
        result = measure(block, clock_mhz=clock_mhz, seeds=seeds)
    return {
        "name": case.name,
        "block": case.block,
        "config": case.plain_config(),
        "seeds": list(seeds),
        "result": result,
    }


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
    parser.add_argument(
        "--seeds", type=_seeds, default=(1,), metavar="N,...", help="of the placer (default 1)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--update", action="store_true", help="write the baseline")
    parser.add_argument("--check", action="store_true", help="compare with the baseline")
    args = parser.parse_args()
    cases = [case for case in CASES if args.only in case.name]
    if not cases:
        raise UserError(
            f"no case contains {args.only!r}", f"Choose among {', '.join(c.name for c in CASES)}"
        )
    found = []
    for case in cases:
        found.append(figures(case, clock_mhz=args.clock, seeds=args.seeds))
        if args.update:
            _update(found)
    print(json.dumps(found, indent=1) if args.json else table(found))
    if args.check:
        worse = differences(found, json.loads(BASELINE.read_text(encoding="utf-8")))
        for line in worse:
            print(line, file=sys.stderr)
        return 1 if worse else 0
    return 0


def _seeds(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


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
