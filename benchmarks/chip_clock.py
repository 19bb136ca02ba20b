"""The clock that whole chips reach, and how far off the model of it is.

``python -m benchmarks.chip_clock`` compares `hw.plan.clock` with designs that were placed and
routed whole, on a board's device with link and pins. They are of different networks, sizes,
devices and foldings: those of `CHIPS`, one seed each, stored in ``tests/baselines/chips.json``,
and the networks of `benchmarks.fill_the_chip`, the median of three seeds.

1. The model has four constants. They are fitted to least squares of the relative error of the
   period: a fast chip counts as much as a slow one.
2. *Fitted* errors are those of the constants that stand in `hw.plan.clock`. *Left out* ones are
   of a chip by constants that were fitted to all the others: what to expect of a chip that was
   never routed.

``--fit`` prints the constants to put into `hw.plan.clock`, ``--markdown`` the table as
docs/planner.md has it. ``--run NAME`` routes a chip again and stores it; ``--run missing`` each
that has no figures.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

import boards
from benchmarks import fill_the_chip
from benchmarks.chip_parts import PARTS, Part
from benchmarks.routed_chip import plan_options, route_chip
from benchmarks.stored import named, put, stored, tools
from benchmarks.throughput import EXAMPLES
from hw.options import planned
from hw.plan.clock import BASE_NS, BLOCK_RAM_NS, FILL_NS, POOL_NS, clock_terms
from hw.plan.cost import Cost
from hw.plan.plan import Plan, largest_memory
from hw.plan.stages import PoolStage, cut
from sw import cli
from sw.model import load

__all__ = [
    "CHIPS",
    "RESULTS",
    "Chip",
    "Error",
    "Routed",
    "errors",
    "fit",
    "markdown",
    "measure",
    "routed",
]

RESULTS = Path(__file__).parents[1] / "tests" / "baselines" / "chips.json"

COMMAND = "python -m benchmarks.chip_clock"

#: Of the placer.
SEED = 1


@dataclass(frozen=True, kw_only=True)
class Chip:
    """A whole design to route.

    Parameters
    ----------
    name : str
        As ``--run`` takes it.
    model : str
        Of ``examples/``.
    arguments : tuple of str
        Options of its plan. The clock is given, so that the plan does not hang on the model
        of the clock.
    """

    name: str
    model: str
    arguments: tuple[str, ...]


def _chip(model: str, size: str, *, clock: int, fps: int | None = None) -> Chip:
    """A chip of a rate; without, the fastest that fits."""
    arguments = ("--size", size, "--clock", str(clock))
    name = f"{model}-{size}"
    if fps is None:
        return Chip(name=name, model=model, arguments=arguments)
    return Chip(name=f"{name}-{fps}", model=model, arguments=(*arguments, "--fps", str(fps)))


_CHIPS = (
    _chip("larq_mnist", "12F", clock=120, fps=2_000),
    _chip("tfc_mnist", "12F", clock=120, fps=100_000),
    _chip("tfc_mnist", "25F", clock=110, fps=1_000_000),
    _chip("tfc_mnist", "45F", clock=100, fps=2_000_000),
    _chip("tfc_mnist_1w2a", "25F", clock=110, fps=200_000),
    _chip("tfc_mnist_1w2a", "85F", clock=100, fps=1_000_000),
    _chip("fashion", "12F", clock=110, fps=3_000),
    _chip("fashion", "12F", clock=90),
    _chip("fashion", "85F", clock=100, fps=10_000),
    _chip("lfc_mnist", "85F", clock=100, fps=10_000),
    _chip("lfc_mnist", "85F", clock=90, fps=50_000),
    _chip("cnv_cifar10", "85F", clock=100, fps=100),
)

#: Every chip by its name.
CHIPS: dict[str, Chip] = {chip.name: chip for chip in _CHIPS}


def measure(chip: Chip) -> dict[str, Any]:
    """Plan and route a chip; its figures, plain JSON."""
    model = load(EXAMPLES / f"{chip.model}.npz")
    made = planned(plan_options(chip.arguments), model)
    return {
        "clock_mhz": made.plan.clock_mhz,
        "device_lut": made.board.budget.lut,
        "predicted": made.plan.summary()["predicted"],
        "largest_memory": largest_memory(made.plan.layers),
        "foldings": foldings(made.plan),
        **route_chip(made, seeds=(SEED,)),
    }


def foldings(plan: Plan) -> list[dict[str, Any]]:
    """What tells the arrays of one plan from those of another."""
    keys = ("rows", "simd", "columns", "weight_memory")
    layers = plan.summary()["layers"]
    return [{key: layer[key] for key in keys} for layer in layers if "rows" in layer]


def run(chips: Sequence[Chip], path: Path = RESULTS) -> None:
    """Route ``chips`` and store each as soon as it is known."""
    with_tools = tools()
    for chip in chips:
        cli.console.print(chip.name, markup=False)
        figures = measure(chip)
        entry = {"command": f"{COMMAND} --run {chip.name}", "tools": with_tools, "figures": figures}
        put(path, chip.name, entry, order=CHIPS)


#: `BASE_NS`, `FILL_NS`, `BLOCK_RAM_NS` and `POOL_NS` of `hw.plan.clock`.
Constants = tuple[float, ...]

_NAMES = ("BASE_NS", "FILL_NS", "BLOCK_RAM_NS", "POOL_NS")
TODAY: Constants = (BASE_NS, FILL_NS, BLOCK_RAM_NS, POOL_NS)


@dataclass(frozen=True, kw_only=True)
class Routed:
    """A chip that was routed: LUTs, terms of the model, and the clock it reaches in MHz."""

    name: str
    lut: int
    terms: tuple[float, ...]
    fmax_mhz: float

    def error(self, constants: Constants) -> float:
        """Relative error of Fmax; above 0 where too much is predicted."""
        return 1e3 / float(np.dot(self.terms, constants)) / self.fmax_mhz - 1


@dataclass(frozen=True, kw_only=True)
class Error:
    """Relative errors of a chip's Fmax."""

    chip: Routed
    fitted: float
    left_out: float


def routed() -> list[Routed]:
    """All chips that were routed, by LUTs."""
    known = stored(fill_the_chip.RESULTS) | stored(RESULTS)
    found = (
        _routed(part, known[name]["figures"])
        for name, part in (PARTS | CHIPS).items()
        if part.model and name in known and "lut" in known[name]["figures"]
    )
    return sorted(found, key=lambda chip: chip.lut)


def _routed(part: Part | Chip, figures: dict[str, Any]) -> Routed:
    options = plan_options(part.arguments)
    budget = boards.find(options.board, options.size).budget
    used = Cost(lut=figures["lut"], ff=figures["ff"], bram=figures["bram"])
    return Routed(
        name=part.name,
        lut=used.lut,
        terms=clock_terms(
            used, budget, memory=figures["largest_memory"], pools=has_pools(part.model)
        ),
        fmax_mhz=figures["fmax_mhz"],
    )


@cache
def has_pools(model: str) -> bool:
    """Whether an example has a pool."""
    return any(isinstance(s, PoolStage) for s in cut(load(EXAMPLES / f"{model}.npz").graph))


def fit(chips: Sequence[Routed]) -> Constants:
    """The constants, in ns."""
    period = np.array([1e3 / chip.fmax_mhz for chip in chips])
    table = np.array([chip.terms for chip in chips]) / period[:, None]
    found = np.linalg.lstsq(table, np.ones(len(chips)), rcond=None)[0]
    return tuple(round(constant, 4) for constant in found.tolist())


def errors(chips: Sequence[Routed]) -> list[Error]:
    """Of each chip, by today's constants and by those of the others."""
    return [
        Error(
            chip=chip,
            fitted=chip.error(TODAY),
            left_out=chip.error(fit([other for other in chips if other is not chip])),
        )
        for chip in chips
    ]


def markdown(found: Sequence[Error]) -> str:
    """The table for the manual."""
    lines = ["| chip | LUT | Fmax routed | fitted | left out |", "|---|---|---|---|---|"]
    lines += [
        f"| `{e.chip.name}` | {e.chip.lut:,} | {e.chip.fmax_mhz:.0f} MHz | {e.fitted:+.1%} "
        f"| {e.left_out:+.1%} |"
        for e in found
    ]
    return "\n".join(lines)


def table(found: Sequence[Error]) -> str:
    """The same for a terminal, with a summary."""
    lines = [f"{'chip':30}{'LUT':>8}{'MHz':>7}{'fitted':>9}{'left out':>10}"]
    lines += [
        f"{e.chip.name:30}{e.chip.lut:>8,}{e.chip.fmax_mhz:>7.0f}{e.fitted:>+9.1%}"
        f"{e.left_out:>+10.1%}"
        for e in found
    ]
    fitted, left_out = [abs(e.fitted) for e in found], [abs(e.left_out) for e in found]
    lines += [
        f"{name:45}{pick(fitted):>9.1%}{pick(left_out):>10.1%}"
        for name, pick in (("median", statistics.median), ("worst", max))
    ]
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line, route what was asked for, and print."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--run", metavar="NAME", action="append", default=[],
        help=f"route it first (repeatable): missing, {', '.join(CHIPS)}",
    )  # fmt: skip
    parser.add_argument("--fit", action="store_true", help="print constants for hw.plan.clock")
    parser.add_argument("--markdown", action="store_true", help="print Markdown")
    options = parser.parse_args(arguments)
    names = named(options.run, CHIPS, stored(RESULTS), what="chip")
    run([CHIPS[name] for name in names])
    chips = routed()
    if options.fit:
        for name, value in zip(_NAMES, fit(chips), strict=True):
            print(f"{name} = {value}")
    else:
        print((markdown if options.markdown else table)(errors(chips)))
    return 0


if __name__ == "__main__":
    cli.run(main)
