"""The options that every command about a plan shares, and the plan they ask for."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import boards
from hw.flow.ethernet import phy_of
from hw.link import ethernet, usb
from hw.link.liteeth import DEFAULT_IP, Address
from hw.link.usb import USB_BYTES_PER_SECOND
from hw.plan.clock import CLOCK_SHARE
from hw.plan.cost import Cost
from hw.plan.link import LinkConfig, packet_bytes
from hw.plan.objectness import DEFAULT_OBJECTNESS
from hw.plan.plan import Clock, Plan, make_plan
from hw.plan.refusal import Candidate
from sw.errors import PlanError
from sw.model import Model

__all__ = ["DEFAULT_BOARD", "Planned", "add_plan_arguments", "bound", "candidates", "planned"]

DEFAULT_BOARD = "ulx3s"


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A model's plan for a board, and the clock and link that the board gives it.

    ``address`` is that of a link by Ethernet; one by UART has none.
    """

    model: Model
    plan: Plan
    board: boards.Board
    clock_hz: int
    baud: int | None  #: None without a UART
    link: Literal["uart", "usb", "ethernet"] = "uart"
    address: Address | None = None

    @property
    def link_frames_per_second(self) -> float:
        """Frames per second that the link carries.

        A UART carries both directions at once; those of USB share the bus. On Ethernet each
        packet is taken to have its own datagrams, and the slowest place of the link counts,
        LiteEth's layers.
        """
        link = LinkConfig.of(self.model, score_bits=self.plan.head.score_bits)
        there, back = packet_bytes(link.frame_bytes), packet_bytes(link.result_bytes)
        if self.address is not None:
            return ethernet.packets_per_second(self.clock_hz, max(there, back))
        if self.baud is None:
            return USB_BYTES_PER_SECOND / (there + back)
        return link.frames_per_second(self.baud)

    @property
    def bound(self) -> str:
        """The slower of the two, link or core; see `bound`."""
        return bound(core=self.plan.frames_per_second, link=self.link_frames_per_second)


def bound(*, core: float, link: float) -> str:
    """What bounds frames per second: "the link" or "the core"."""
    return "the link" if link < core else "the core"


def add_plan_arguments(parser: argparse.ArgumentParser) -> None:
    """Add ``--board``, ``--size``, ``--clock``, ``--fps``, ``--share``, ``--link`` and more."""
    names = ", ".join(boards.BOARDS)
    parser.add_argument(
        "--board", default=DEFAULT_BOARD, help=f"one of {names} (default {DEFAULT_BOARD})"
    )
    parser.add_argument("--size", help="size of the board's FPGA (default: its largest)")
    parser.add_argument(
        "--clock",
        type=_clock,
        metavar="MHZ",
        help="clock to reach, or auto: the fastest of the board's that the plan's predicted Fmax "
        f"leaves {100 - 100 * CLOCK_SHARE:.0f} %% of room, or up to a fifth less where the UART is "
        "the faster for it (default auto)",
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
        "(default 0.6 and 0.75; of an 85F 0.5 and 0.62, of an iCE40 0.75 and 0.75)",
    )
    parser.add_argument(
        "--link",
        choices=("uart", "usb", "ethernet"),
        default="uart",
        help="what the host talks through: the board's serial bridge (default), USB full speed at "
        "the FPGA's own pins, or UDP over the board's Ethernet",
    )
    parser.add_argument(
        "--ip",
        default=DEFAULT_IP,
        metavar="ADDRESS",
        help=f"with --link ethernet: the accelerator's IPv4 address (default {DEFAULT_IP})",
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
        Unknown board or size, unreachable clock, a network that cannot fit, an objectness
        of what is no detector, or a link that the board does not have.
    """
    board = boards.find(options.board, options.size)
    beside, address = Cost(), None
    # Those who plan without a link have no such option.
    link: Literal["uart", "usb", "ethernet"] = getattr(options, "link", "uart")
    if link == "usb":
        _check_usb(board)
        beside = usb.AREA
    if link == "ethernet":
        phy_of(board)
        address = Address(ip=options.ip)
        beside = ethernet.AREA
    clock: Clock = partial(board.fastest_clock_mhz, uart=link == "uart")
    if options.clock is not None:
        clock = board.clock_plan(options.clock).hz / 1e6
    plan = make_plan(
        model,
        board=board.name,
        size=board.size,
        budget=board.budget,
        beside=beside,
        clock=clock,
        fps=options.fps,
        share=options.share,
        objectness=options.objectness,
        candidates=candidates(),
    )
    clock_hz = round(plan.clock_mhz * 1e6)
    return Planned(
        model=model,
        plan=plan,
        board=board,
        clock_hz=clock_hz,
        baud=board.baud(clock_hz) if link == "uart" else None,
        link=link,
        address=address,
    )


def _check_usb(board: boards.Board) -> None:
    if board.usb_clocks is None:
        able = [name for name, sizes in boards.BOARDS.items() if _has_usb(sizes)]
        raise PlanError(
            f"The {board.title} has no USB lines at its FPGA; boards that have: {', '.join(able)}",
            "Take --link uart",
        )


def _has_usb(sizes: dict[str, boards.Board]) -> bool:
    return any(board.usb_clocks is not None for board in sizes.values())


def candidates(*, spram: bool = True) -> list[Candidate]:
    """Every size of every board, its SPRAM included or not, for an error to name one."""
    return [
        Candidate(
            board=board.name,
            size=board.size,
            budget=board.budget if spram else replace(board.budget, spram=0),
        )
        for sizes in boards.BOARDS.values()
        for board in sizes.values()
    ]
