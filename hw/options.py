"""The options that every command about a plan shares, and the plan they ask for."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import boards
from hw.plan.clock import CLOCK_SHARE
from hw.plan.link import LinkConfig
from hw.plan.objectness import DEFAULT_OBJECTNESS
from hw.plan.plan import Candidate, Clock, Plan, make_plan
from sw.model import Model

__all__ = ["Planned", "add_plan_arguments", "bound", "planned"]


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A model's plan for a board, and the clock and link that the board gives it."""

    model: Model
    plan: Plan
    board: boards.Board
    clock_hz: int
    baud: int

    @property
    def link_frames_per_second(self) -> float:
        """Frames per second that the link carries."""
        link = LinkConfig.of(self.model, score_bits=self.plan.head.score_bits)
        return link.frames_per_second(self.baud)

    @property
    def bound(self) -> str:
        """The slower of the two, link or core; see `bound`."""
        return bound(core=self.plan.frames_per_second, link=self.link_frames_per_second)


def bound(*, core: float, link: float) -> str:
    """What bounds frames per second: "the link" or "the core"."""
    return "the link" if link < core else "the core"


def add_plan_arguments(parser: argparse.ArgumentParser) -> None:
    """Add ``--board``, ``--size``, ``--clock``, ``--fps``, ``--share`` and ``--objectness``."""
    names = ", ".join(boards.BOARDS)
    parser.add_argument("--board", default="ulx3s", help=f"one of {names} (default ulx3s)")
    parser.add_argument("--size", help="size of the board's FPGA (default: its largest)")
    parser.add_argument(
        "--clock",
        type=_clock,
        metavar="MHZ",
        help="clock to reach, or auto: the fastest of the board's that the plan's predicted Fmax "
        f"leaves {100 - 100 * CLOCK_SHARE:.0f} %% of room (default auto)",
    )
    parser.add_argument(
        "--fps",
        type=float,
        metavar="N",
        help="reach N frames/s with the least area (default: the most frames/s that fit)",
    )
    parser.add_argument(
        "--share",
        type=float,
        metavar="X",
        help="part of the FPGA's LUTs and flip-flops to fill at most, 0 to 1 "
        "(default 0.6 and 0.75; of an 85F 0.5 and 0.62)",
    )
    parser.add_argument(
        "--objectness",
        type=float,
        metavar="P",
        help="of a detector: objectness from which on the hardware marks a box, above 0 and "
        f"below 1 (default {DEFAULT_OBJECTNESS})",
    )


def _clock(text: str) -> float | None:
    return None if text == "auto" else float(text)


def planned(options: argparse.Namespace, model: Model) -> Planned:
    """The plan that a parsed command line asks for.

    Raises
    ------
    PlanError
        Unknown board or size, unreachable clock, a network that cannot fit, or an objectness
        of what is no detector.
    """
    board = boards.find(options.board, options.size)
    clock: Clock = board.fastest_clock_mhz
    if options.clock is not None:
        clock = board.clock_plan(options.clock).hz / 1e6
    plan = make_plan(
        model,
        board=board.name,
        size=board.size,
        budget=board.budget,
        clock=clock,
        fps=options.fps,
        share=options.share,
        objectness=options.objectness,
        candidates=[
            Candidate(board=other.name, size=other.size, budget=other.budget)
            for sizes in boards.BOARDS.values()
            for other in sizes.values()
        ],
    )
    clock_hz = round(plan.clock_mhz * 1e6)
    return Planned(
        model=model, plan=plan, board=board, clock_hz=clock_hz, baud=board.baud(clock_hz)
    )
