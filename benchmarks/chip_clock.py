"""The clock that whole chips reach, and how far off the model of it is.

``python -m benchmarks.chip_clock`` compares `hw.plan.clock` with designs that were placed and
routed whole, on a board's device with link and pins. They are of different networks, sizes,
devices and foldings: those of `CHIPS`, one seed each, stored in ``tests/baselines/chips.json``,
and the networks of `benchmarks.fill_the_chip`, the median of three seeds.

``--run NAME`` routes a chip again and stores it; ``--run missing`` each that has no figures.
``--markdown`` prints the table as docs/planner.md has it.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.routed_chip import plan_options, route_chip
from benchmarks.stored import put, stored, tools
from benchmarks.throughput import EXAMPLES
from hw.options import planned
from sw import cli
from sw.errors import UserError
from sw.model import load

__all__ = ["CHIPS", "RESULTS", "Chip", "measure"]

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
    summary = made.plan.summary()
    return {
        "clock_mhz": made.plan.clock_mhz,
        "device_lut": made.board.budget.lut,
        "predicted": summary["predicted"],
        "foldings": [
            {key: layer[key] for key in ("rows", "simd", "columns", "weight_memory")}
            for layer in summary["layers"]
            if "rows" in layer
        ],
        **route_chip(made, seeds=(SEED,)),
    }


def run(chips: Sequence[Chip], path: Path = RESULTS) -> None:
    """Route ``chips`` and store each as soon as it is known."""
    with_tools = tools()
    for chip in chips:
        cli.console.print(chip.name, markup=False)
        figures = measure(chip)
        entry = {"command": f"{COMMAND} --run {chip.name}", "tools": with_tools, "figures": figures}
        put(path, chip.name, entry, order=CHIPS)


def chosen(names: Sequence[str], results: dict[str, Any]) -> list[Chip]:
    """The chips that ``--run`` names.

    Raises
    ------
    UserError
        There is no such chip.
    """
    chips: list[Chip] = []
    for name in names:
        if name == "missing":
            chips += [chip for chip in CHIPS.values() if chip.name not in results]
        elif name in CHIPS:
            chips.append(CHIPS[name])
        else:
            raise UserError(
                f"there is no chip {name!r}: the chips are {', '.join(CHIPS)}",
                "Name one of them, or missing for those without figures",
            )
    return chips


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line, route what was asked for, and print the table."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--run", metavar="NAME", action="append", default=[],
        help=f"route it first (repeatable): missing, {', '.join(CHIPS)}",
    )  # fmt: skip
    options = parser.parse_args(arguments)
    run(chosen(options.run, stored(RESULTS)))
    return 0


if __name__ == "__main__":
    cli.run(main)
