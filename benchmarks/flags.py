"""Which flags of Yosys and nextpnr win, for each kind of design.

``python -m benchmarks.flags`` prints the tables of docs/build.md from the figures that are
stored in ``tests/baselines/flags.json``. ``--run NAME`` measures again and stores:
``synthesis-*`` what each set of flags makes of a design; ``routing-*`` the default's netlist
and the smallest of the others, placed and routed with seed 1; ``placing-*`` the default's
netlist by each router at each density. ``--run missing`` measures what has no figures.

Blocks are on an LFE5U-85F without pins, whole chips on their board's device; CPU seconds are
those of the tool.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import size
from benchmarks.chip_parts import BLOCK_CLOCK, PARTS
from benchmarks.routed_chip import plan_options
from benchmarks.stored import named, put, stored, tools
from benchmarks.throughput import EXAMPLES
from benchmarks.used import apart
from hw.build import sources_of
from hw.flow.ecp5 import Ecp5
from hw.flow.routing import route
from hw.flow.run import Sources
from hw.flow.synthesis import Synthesis, synthesise
from hw.options import planned
from sw import cli
from sw.errors import UserError
from sw.model import load

__all__ = ["ENTRIES", "FLAGS", "PLACINGS", "RESULTS", "Design", "markdown", "rival"]

RESULTS = Path(__file__).parents[1] / "tests" / "baselines" / "flags.json"
COMMAND = "python -m benchmarks.flags"

Figures = dict[str, Any]

#: Of synth_ecp5, the default first.
FLAGS = (
    Ecp5.SYNTHESIS_FLAGS,
    "",
    "-nowidelut -dff",
    "-nowidelut -cmp2softlogic",
    "-nowidelut -noccu2",
    "-nowidelut -abc2",
    "-nowidelut -abc9",
)

#: Of nextpnr: router and density; 0.9 is nextpnr's own.
PLACINGS = {
    f"{router}, {density}": ["--router", router, "--placer-heap-beta", density]
    for router in ("router1", "router2")
    for density in ("0.9", "0.6")
}

_SEED = 1


@dataclass(frozen=True, kw_only=True)
class Design:
    """What the tools start from, and where it goes."""

    sources: Sources
    device: str
    luts: int
    clock_mhz: float

    def synthesise(self, folder: Path, flags: str) -> tuple[Synthesis, dict[str, float]]:
        """Leave the netlist in ``folder``; what that is and what it used."""
        design = self.sources.rtlil
        return apart(synthesise, design, family=size.FAMILY, folder=folder, flags=flags)

    def route(
        self, synthesis: Synthesis, folder: Path, options: Sequence[str] | None = None
    ) -> Figures:
        """Area, clock and CPU seconds of the netlist in ``folder``, placed and routed."""
        routed, used = apart(
            route,
            synthesis,
            family=size.FAMILY,
            device=self.device,
            luts=self.luts,
            clock_mhz=self.clock_mhz,
            seed=_SEED,
            folder=folder,
            constraints=self.sources.constraints,
            options=options,
        )
        return {
            "lut": routed.lut,
            "ff": routed.ff,
            "fmax_mhz": routed.fmax_mhz,
            "cpu_s": used["cpu_s"],
        }


def _block(part: str) -> Design:
    case = PARTS[part].case
    assert case is not None, "a block of its own"
    return Design(
        sources=Sources(rtlil=size.design_of(case()), constraints=None),
        device=size.DEVICE,
        luts=size.LUTS,
        clock_mhz=BLOCK_CLOCK,
    )


def _chip(model: str, *arguments: str) -> Design:
    made = planned(plan_options(arguments), load(EXAMPLES / f"{model}.npz"))
    return Design(
        sources=sources_of(made),
        device=made.board.device,
        luts=made.board.budget.lut,
        clock_mhz=made.plan.clock_mhz,
    )


_DESIGNS: dict[str, Callable[[], Design]] = {
    "array-1024": lambda: _block("array-1024"),
    "array-2048": lambda: _block("array-2048"),
    "lines-serial": lambda: _block("lines-serial"),
    "lines-parallel": lambda: _block("lines-parallel"),
    "logic-64x64": lambda: _block("logic-64x64"),
    "larq-12F": lambda: _chip("larq_mnist", "--size", "12F"),
}


def measure_synthesis(design: Design) -> Figures:
    """For each set of flags "lut", "ff", "bram" and "cpu_s"."""
    found: Figures = {}
    with tempfile.TemporaryDirectory(prefix="flags-", dir=_build_folder()) as name:
        for flags in FLAGS:
            made, used = design.synthesise(Path(name), flags)
            counts = made.counts
            found[flags] = {
                "lut": counts.lut,
                "ff": counts.ff,
                "bram": counts.bram,
                "cpu_s": used["cpu_s"],
            }
    return found


def measure_routing(design: Design, sets: Sequence[str]) -> Figures:
    """For each of some sets of flags "lut", "ff", "fmax_mhz" and "cpu_s" of place and route."""
    found: Figures = {}
    with tempfile.TemporaryDirectory(prefix="flags-", dir=_build_folder()) as name:
        for flags in sets:
            made, _ = design.synthesise(Path(name), flags)
            found[flags] = design.route(made, Path(name))
    return found


def rival(found: Figures) -> str:
    """The smallest netlist's flags, of those that differ from the default's."""
    default = _counts(found[FLAGS[0]])
    others = [flags for flags in FLAGS[1:] if _counts(found[flags]) != default]
    return min(others or FLAGS[1:], key=lambda flags: _counts(found[flags]))


def _counts(figures: Figures) -> tuple[int, int]:
    return figures["lut"], figures["ff"]


def measure_placing(design: Design) -> Figures:
    """Each router at each density.

    Returns
    -------
    dict
        "fill", the part of the LUTs in use; "placings": for each "lut", "ff", "fmax_mhz"
        and "cpu_s".
    """
    with tempfile.TemporaryDirectory(prefix="flags-", dir=_build_folder()) as name:
        folder = Path(name)
        synthesis, _ = design.synthesise(folder, FLAGS[0])
        placed = {
            placing: design.route(synthesis, folder, options)
            for placing, options in PLACINGS.items()
        }
    return {"fill": round(synthesis.counts.lut / design.luts, 3), "placings": placed}


def _build_folder() -> Path:
    # Not the system's temporary folder, which YoWASP's programs do not see.
    folder = Path("build")
    folder.mkdir(exist_ok=True)
    return folder


_SYNTHESIS = ("array-1024", "lines-serial", "lines-parallel", "logic-64x64", "larq-12F")
_PLACING = ("array-2048", "larq-12F", "logic-64x64")

#: What is measured, by name: the kind, and the design.
ENTRIES = {
    f"{kind}-{design}": (kind, design)
    for kind, designs in (
        ("synthesis", _SYNTHESIS),
        ("routing", _SYNTHESIS),
        ("placing", _PLACING),
    )
    for design in designs
}


def measure(name: str, results: dict[str, Any]) -> Figures:
    """Figures of an entry.

    Raises
    ------
    UserError
        It hangs on another, which ``results`` lack.
    """
    kind, design = ENTRIES[name]
    if kind == "placing":
        return measure_placing(_DESIGNS[design]())
    if kind == "synthesis":
        return measure_synthesis(_DESIGNS[design]())
    netlists = results.get(f"synthesis-{design}")
    if netlists is None:
        raise UserError(
            f"{name} compares the netlists of synthesis-{design}, which was not measured",
            f"Add --run synthesis-{design}",
        )
    return measure_routing(_DESIGNS[design](), (FLAGS[0], rival(netlists["figures"])))


def markdown(results: dict[str, Any]) -> str:
    """The tables of docs/build.md: netlists, routed designs, and placings."""

    def found(kind: str) -> dict[str, Figures]:
        names = {design: name for name, (k, design) in ENTRIES.items() if k == kind}
        return {design: results[n]["figures"] for design, n in names.items() if n in results}

    netlists = [
        [design, *(f"{f[flags]['lut']:,} / {f[flags]['ff']:,}" for flags in FLAGS)]
        for design, f in found("synthesis").items()
    ]
    routed = [
        [design, *(f"{_flags(flags)}: {_routed(run)}" for flags, run in f.items())]
        for design, f in found("routing").items()
    ]
    placed = [
        [f"{design}, {f['fill']:.0%}", *(_placed(run) for run in f["placings"].values())]
        for design, f in found("placing").items()
    ]
    tables = (
        (["design", *map(_flags, FLAGS)], netlists),
        (["design", "default", "smallest of the others"], routed),
        (["design, LUTs in use", *PLACINGS], placed),
    )
    return "\n\n".join(_table(heading, rows) for heading, rows in tables if rows)


def _flags(flags: str) -> str:
    return f"`{flags}`" if flags else "none"


def _routed(run: Figures) -> str:
    return f"{run['lut']:,} LUT, {run['ff']:,} FF, {run['fmax_mhz']:.0f} MHz"


def _placed(run: Figures) -> str:
    return f"{run['fmax_mhz']:.0f} MHz, {run['cpu_s']:.0f} s"


def _table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heading, ["---"] + ["---:"] * (len(heading) - 1), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def run(names: Sequence[str], path: Path = RESULTS) -> None:
    """Measure entries and store each as soon as it is known."""
    for name in names:
        with cli.step(name):
            figures = measure(name, stored(path))
        entry = {"command": f"{COMMAND} --run {name}", "tools": tools(), "figures": figures}
        put(path, name, entry, order=ENTRIES)


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line, measure what was asked for, and print."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    parser.add_argument(
        "--run", metavar="NAME", action="append", default=[],
        help=f"measure it first (repeatable): missing, {', '.join(ENTRIES)}",
    )  # fmt: skip
    options = parser.parse_args(arguments)
    names = named(options.run, ENTRIES, stored(RESULTS), what="measurement")
    run(names)
    print(markdown(stored(RESULTS)))


if __name__ == "__main__":
    cli.run(main)
