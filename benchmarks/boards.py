"""Examples on boards, built as a user builds them: from the model to the bitstream.

``python -m benchmarks.boards`` prints what is stored in ``tests/baselines/boards.json``, which
docs/boards.md has as a table; ``--run NAME`` (or ``all``, ``missing``) builds first. `SMALLEST`
is built for every size of every board and with every kind of link, `MORE` for the boards whose
devices are small; what fills an ECP5 is in `benchmarks.fill_the_chip`. Every design has `FPS`
frames/s or more, `fashion` on a Tang Nano 9K half as many, with the least area; one placement.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boards
from benchmarks.command import run_command
from boards.ethernet import PHYS
from sw import cli
from sw.errors import ToolError

__all__ = ["CASES", "PATH", "Case", "main", "measure", "rows"]

ROOT = Path(__file__).parents[1]
PATH = ROOT / "tests" / "baselines" / "boards.json"

FPS = 1000

#: The example that fits every board.
SMALLEST = "tiny"

#: Of boards with small devices, other examples that fit.
MORE = {
    "icebreaker": ("tfc_mnist", "tfc_mnist_1w2a", "larq_mnist", "wide"),
    "tang_nano_9k": ("tfc_mnist", "tfc_mnist_1w2a", "larq_mnist", "fashion"),
    "tang_nano_20k": ("tfc_mnist", "tfc_mnist_1w2a", "larq_mnist", "fashion"),
}


@dataclass(frozen=True, kw_only=True)
class Case:
    """An example on a size of a board, and how the host talks to it.

    Parameters
    ----------
    board : boards.Board
    model : str
        An example.
    link : str
        As ``--link`` takes it.
    fps : int
        Frames/s of the core that are asked for.
    """

    board: boards.Board
    model: str = SMALLEST
    link: str = "uart"
    fps: int = FPS

    @property
    def name(self) -> str:
        model = "" if self.model == SMALLEST else f"-{self.model}"
        link = "" if self.link == "uart" else f"-{self.link}"
        return f"{self.board.name}-{self.board.size}{model}{link}"

    @property
    def arguments(self) -> tuple[str, ...]:
        """Of ``python -m hw.build``."""
        board = self.board
        words = (f"examples/{self.model}.npz", "--board", board.name, "--size", str(board.size))
        link = () if self.link == "uart" else ("--link", self.link)
        return (*words, *link, "--fps", str(self.fps))


def _cases() -> Iterator[Case]:
    """See above; of links other than the UART the smallest size."""
    for sizes in boards.BOARDS.values():
        first, *_ = sizes.values()
        for board in sizes.values():
            yield Case(board=board)
        for model in MORE.get(first.name, ()):
            slow = first.name == "tang_nano_9k" and model == "fashion"
            yield Case(board=first, model=model, fps=FPS // 2 if slow else FPS)
        if first.usb_clocks is not None:
            yield Case(board=first, link="usb")
        if first.name in PHYS:
            yield Case(board=first, link="ethernet")


#: Every design by its name.
CASES: dict[str, Case] = {case.name: case for case in _cases()}


def measure(name: str) -> dict[str, Any]:
    """Build; the report's figures, and the bitstream's bytes.

    Raises
    ------
    ToolError
        The build failed; its last lines say why.
    """
    case = CASES[name]
    # YoWASP's programs do not see the system's temporary folder.
    (ROOT / "build").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="boards-", dir=ROOT / "build") as parent:
        out = Path(parent, "out")
        command = [sys.executable, "-m", "hw.build", *case.arguments, "--json", "--out", str(out)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            last = "; ".join(done.stderr.strip().splitlines()[-2:])
            raise ToolError(f"{name} was not built: {last}", "Build it alone to see all")
        report = json.loads(done.stdout)
        (bitstream,) = (file for file in out.iterdir() if file.suffix in (".bit", ".bin", ".fs"))
        size = bitstream.stat().st_size
    keys = ("clock_mhz", "baud", "routed", "predicted", "frames_per_second", "tools")
    return {
        "command": f"python -m hw.build {' '.join(case.arguments)}",
        "bitstream_bytes": size,
        **{key: report[key] for key in keys},
    }


def rows(known: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """The table; what was predicted is in parentheses."""
    yield (
        "board", "example, link", "LUT", "flip-flops", "block RAM", "clock, reached (MHz)",
        "frames/s of core", "of link",
    )  # fmt: skip
    for name, case in CASES.items():
        if name not in known:
            continue
        entry = known[name]
        routed, planned = entry["routed"], entry["predicted"]
        rate = entry["frames_per_second"]
        yield (
            f"{case.board.name} {case.board.size}",
            f"{case.model}, {case.link}",
            *(f"{routed[key]:,} ({planned[key]:,})" for key in ("lut", "ff", "bram")),
            f"{entry['clock_mhz']:.1f}, {routed['fmax_mhz']:.0f}",
            f"{rate['core']:,.0f}",
            f"{rate['link']:,.0f}",
        )


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line, build what was asked for, and print."""
    run_command(
        arguments,
        prog="python -m benchmarks.boards",
        about=__doc__,
        path=PATH,
        cases=CASES,
        measure=measure,
        step="build",
        rows=rows,
    )
    return 0


if __name__ == "__main__":
    cli.run(main)
