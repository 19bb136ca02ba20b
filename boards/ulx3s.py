"""Radiona ULX3S with an LFE5U-12F, 25F, 45F or 85F in CABGA381, speed grade 6.

25 MHz oscillator; FT231X to USB (its rates: 3 MHz divided by 1, 1.5, 2 and so on); a second
USB socket, US2, whose lines go to the FPGA;
eight lamps, of which 0 is the heartbeat, 7 the link's activity, and 6 says that a detector
has found something.
"""

from __future__ import annotations

from amaranth_boards.ulx3s import (
    ULX3S_12F_Platform,
    ULX3S_25F_Platform,
    ULX3S_45F_Platform,
    ULX3S_85F_Platform,
)

from boards.board import Board
from boards.ecp5 import BUDGETS, solve_pll
from boards.ecp5_usb import Ecp5UsbClocks
from boards.ftdi import FT231X_BAUDS
from boards.loaders import OPENFPGALOADER

__all__ = ["SIZES"]

OSCILLATOR_MHZ = 25.0

_PLATFORMS = {
    "12F": ULX3S_12F_Platform,
    "25F": ULX3S_25F_Platform,
    "45F": ULX3S_45F_Platform,
    "85F": ULX3S_85F_Platform,
}


def _board(size: str) -> Board:
    return Board(
        name="ulx3s",
        size=size,
        title=f"ULX3S {size}",
        family="ecp5",
        device=f"--{size[:-1]}k --package CABGA381 --speed 6",
        budget=BUDGETS[size],
        platform=_PLATFORMS[size],
        default_clock_mhz=75.0,
        clock_plan=lambda mhz: solve_pll(OSCILLATOR_MHZ, mhz),
        usb_clocks=Ecp5UsbClocks,
        bauds=FT231X_BAUDS,
        heartbeat=("led", 0),
        activity=("led", 7),
        found=("led", 6),
        flash=("openFPGALoader", "--board", "ulx3s"),
        flash_persistent=("openFPGALoader", "--board", "ulx3s", "--write-flash"),
        flash_variable="OPENFPGALOADER",
        flash_install=OPENFPGALOADER,
    )


#: The board in each of its sizes.
SIZES = {size: _board(size) for size in _PLATFORMS}
