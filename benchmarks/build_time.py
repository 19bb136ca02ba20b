"""How the time and memory of a build grow with the array.

``python -m benchmarks.build_time`` elaborates, synthesises, places and routes arrays of
512 to 8,192 binary MAC/cycle by the flow that builds use, and prints CPU seconds and peak
memory of each step with the exponent of the growth: 1 is linear; of place and route also the
clock. ``--no-route`` leaves that out, which takes minutes for the larger ones; ``--json``
prints the figures, and ``--update`` writes them to ``tests/baselines/build_time.json`` after
each step.

Steps run one after the other, each in a process of its own. CPU time is that of the process
and of the tools it starts, which hardly depends on what else the machine does; a step's
peak is that of its largest process. Arrays are placed and routed as `benchmarks.fill_the_chip`
has it, with three seeds, whose median is given: what one of the two has measured, the other
takes from the build cache.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.chip_parts import BLOCK_CLOCK, SEEDS
from benchmarks.size import FAMILY, design_of, placements
from benchmarks.size_cases import CASES, Case
from benchmarks.used import apart
from hw.flow.synthesis import synthesise
from sw import cli
from sw.errors import UserError

__all__ = ["ARRAYS", "STEPS", "exponent", "macs", "measure", "table"]

BASELINE = Path(__file__).parents[1] / "tests" / "baselines" / "build_time.json"

#: Of the cases of `benchmarks.size`, by MAC/cycle.
ARRAYS = (
    "array 8x64, 2 rows per hop",
    "array 16x64, 2 rows per hop",
    "array 32x64, 2 rows per hop",
    "array 64x64, 2 rows per hop",
    "array 64x64, 2 rows per hop, 2 columns",
)
STEPS = ("elaborate", "synthesise", "place_and_route")

#: Of place and route: the median over the seeds.
_PLACED = ("comb", "ff", "fmax_mhz")

Figures = dict[str, Any]
Store = Callable[[Figures], None]


def macs(case: Case) -> int:
    """Binary multiply-accumulates that an array does each cycle."""
    config = case.config
    return config.rows * config.simd * config.lane_bits * config.columns


def measure(case: Case, *, route: bool, store: Store | None = None) -> Figures:
    """CPU seconds and peak memory of each step for one array.

    Parameters
    ----------
    case : Case
        Of a `SystolicArray`.
    route : bool
        Whether to place and route too.
    store : callable, optional
        Gets the figures after each step.

    Returns
    -------
    dict
        "name"; "macs"; under each step's name "cpu_s" and "peak_mb"; "lut" as Yosys counts;
        with ``route`` the medians "comb", "ff" and "fmax_mhz", and by "seeds" what each used
        and reached.
    """
    found: Figures = {"name": case.name, "macs": macs(case)}

    def keep(figures: Figures) -> None:
        found.update(figures)
        if store is not None:
            store(found)

    design, used = apart(design_of, case)
    keep({"elaborate": used})
    if not route:
        # Not the system's temporary folder, which YoWASP's programs do not see.
        Path("build").mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="build-time-", dir="build") as name:
            made, used = apart(synthesise, design, family=FAMILY, folder=Path(name))
        keep({"synthesise": used, "lut": made.counts.lut})
        return found
    runs = placements(design, clock_mhz=BLOCK_CLOCK, seeds=SEEDS)
    median = {key: statistics.median_low([run[key] for run in runs.values()]) for key in _PLACED}
    seeds = {str(seed): run["place_and_route"] | {"fmax_mhz": run["fmax_mhz"]}
             for seed, run in runs.items()}  # fmt: skip
    used = {key: statistics.median_low([run[key] for run in seeds.values()])
            for key in ("cpu_s", "peak_mb")}  # fmt: skip
    first = runs[SEEDS[0]]
    keep({"synthesise": first["synthesise"], "lut": first["lut"]})
    keep({"place_and_route": used, **median, "seeds": seeds})
    return found


def exponent(found: list[Figures], step: str) -> float | None:
    """The k of CPU seconds ~ MAC^k that fits best; None for fewer than two arrays.

    The slope of the line of least squares through the logarithms of both.
    """
    points = [(entry["macs"], entry[step]["cpu_s"]) for entry in found if step in entry]
    if len(points) < 2:
        return None
    xs, ys = ([math.log(value) for value in values] for values in zip(*points, strict=True))
    return statistics.linear_regression(xs, ys).slope


def table(found: list[Figures]) -> str:
    """The figures as docs/build.md has them: CPU seconds and peak in MB of each step."""
    lines = [
        "| MAC/cycle | LUTs | elaborate | synthesise | place and route | Fmax MHz |",
        "|---:|---:|---:|---:|---:|---:|",
    ]
    for entry in found:
        cells = [f"{entry['macs']:,}", f"{entry['lut']:,}" if "lut" in entry else ""]
        cells += [_cell(entry[step]) if step in entry else "" for step in STEPS]
        cells.append(f"{entry['fmax_mhz']:.0f}" if "fmax_mhz" in entry else "")
        lines.append(f"| {' | '.join(cells)} |")
    slopes = [exponent(found, step) for step in STEPS]
    cells = ["" if slope is None else f"{slope:.2f}" for slope in slopes]
    lines.append(f"| exponent | | {' | '.join(cells)} | |")
    return "\n".join(lines)


def _cell(used: dict[str, float]) -> str:
    return f"{used['cpu_s']:.1f} s, {used['peak_mb']:,} MB"


def _update(found: Figures) -> None:
    """Put one array's figures in the baseline; the steps not measured now stay."""
    entries: dict[str, Figures] = {}
    if BASELINE.exists():
        known = json.loads(BASELINE.read_text(encoding="utf-8"))
        entries = {entry["name"]: entry for entry in known}
    entries[found["name"]] = entries.get(found["name"], {}) | found
    ordered = [entries[name] for name in ARRAYS if name in entries]
    with cli.atomic_write(BASELINE) as path:
        lines = ",\n".join(json.dumps(entry) for entry in ordered)
        path.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line, measure, and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.build_time", description=__doc__)
    parser.add_argument("--no-route", action="store_true", help="leave out place and route")
    parser.add_argument(
        "--macs", type=int, action="append", metavar="N", help="the array of N MAC/cycle only"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--update", action="store_true", help="write the baseline")
    options = parser.parse_args(arguments)
    cases = {case.name: case for case in CASES}
    by_macs = {macs(cases[name]): cases[name] for name in ARRAYS}
    wanted = options.macs or list(by_macs)
    if unknown := [number for number in wanted if number not in by_macs]:
        raise UserError(
            f"there is no array of {unknown[0]:,} MAC/cycle among the cases",
            f"Choose among {', '.join(map(str, by_macs))}",
        )
    store = _update if options.update else None
    found = [measure(by_macs[number], route=not options.no_route, store=store) for number in wanted]
    print(json.dumps(found, indent=1) if options.json else table(found))


if __name__ == "__main__":
    cli.run(main)
