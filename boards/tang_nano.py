"""Sipeed Tang Nano 9K (GW1NR-9) and 20K (GW2AR-18), both in QN88.

27 MHz oscillator; a BL702 or BL616 to USB; six lamps, of which 0 is the heartbeat, 5 the link's
activity, and 4 says that a detector has found something.

Rates: 3 Mbaud through the 9K's BL702 is what a user has measured to be clean
(sipeed/TangNano-9K-example, issue 7). For the 20K's BL616 nothing as fast is on record, so
2 Mbaud is the most that is used.

Pins of the 20K are those of two public files that agree: sipeed_tang_nano_20k.py of
litex-boards and tangnano20k.cst of Apycula.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from amaranth.build import Attrs, Clock, Pins, Platform, Resource
from amaranth.vendor import GowinPlatform
from amaranth_boards.resources import LEDResources, UARTResource
from amaranth_boards.tang_nano_9k import TangNano9kPlatform

from boards.board import Board
from boards.gowin import BUDGETS, LIMITS, solve_pll
from boards.loaders import OPENFPGALOADER

__all__ = ["TANG_NANO_9K", "TANG_NANO_20K", "TangNano20kPlatform"]

OSCILLATOR_MHZ = 27.0

_BAUDS = (3_000_000, 2_000_000, 1_500_000, 1_000_000, 750_000, 500_000, 115_200)
_LEVELS = Attrs(IO_TYPE="LVCMOS33")


class TangNano20kPlatform(GowinPlatform):
    """The board's oscillator, lamps and UART; amaranth-boards has none of this board."""

    part = "GW2AR-LV18QN88C8/I7"
    family = "GW2AR-18C"
    default_clk = "clk27"
    resources: ClassVar[list[Resource]] = [
        Resource("clk27", 0, Pins("4", dir="i"), Clock(27e6), _LEVELS),
        *LEDResources(pins="15 16 17 18 19 20", invert=True, attrs=_LEVELS),
        UARTResource(0, rx="70", tx="69", attrs=Attrs(PULL_MODE="UP", IO_TYPE="LVCMOS33")),
    ]
    connectors: ClassVar[list] = []


def _board(
    name: str,
    title: str,
    chip: str,
    device: str,
    platform: Callable[[], Platform],
    bauds: tuple[int, ...],
) -> Board:
    loader = ("openFPGALoader", "--board", name.replace("_", ""))
    return Board(
        name=name,
        size=chip,
        title=title,
        family="gowin",
        device=device,
        budget=BUDGETS[chip],
        platform=platform,
        default_clock_mhz=48.0,
        clock_plan=lambda mhz: solve_pll(LIMITS[chip], OSCILLATOR_MHZ, mhz),
        bauds=bauds,
        heartbeat=("led", 0),
        activity=("led", 5),
        found=("led", 4),
        flash=loader,
        flash_persistent=(*loader, "--write-flash"),
        flash_variable="OPENFPGALOADER",
        flash_install=OPENFPGALOADER,
    )


#: The 9K in its only size.
TANG_NANO_9K = {
    "GW1NR-9": _board(
        "tang_nano_9k",
        "Tang Nano 9K",
        "GW1NR-9",
        "--device GW1NR-LV9QN88PC6/I5 --vopt family=GW1N-9C",
        TangNano9kPlatform,
        _BAUDS,
    )
}

#: The 20K in its only size.
TANG_NANO_20K = {
    "GW2AR-18": _board(
        "tang_nano_20k",
        "Tang Nano 20K",
        "GW2AR-18",
        "--device GW2AR-LV18QN88C8/I7 --vopt family=GW2A-18C",
        TangNano20kPlatform,
        _BAUDS[1:],
    )
}
