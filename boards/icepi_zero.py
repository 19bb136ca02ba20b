"""Icepi Zero v1.3 with an LFE5U-25F in CABGA256, speed grade 6.

50 MHz oscillator; FT231X to USB (its rates: 3 MHz divided by 1, 1.5, 2 and so on); five lamps,
of which 0 is the heartbeat, 4 the link's activity, and 3 says that a detector has found
something.
"""

from __future__ import annotations

from amaranth_boards.icepi_zero import IcepiZero1_3Platform

from boards.board import Board
from boards.ecp5 import BUDGETS, solve_pll
from boards.ecp5_usb import Ecp5UsbClocks
from boards.ftdi import FT231X_BAUDS
from boards.loaders import OPENFPGALOADER

__all__ = ["SIZES"]

OSCILLATOR_MHZ = 50.0

#: The board, which there is in one size.
SIZES = {
    "25F": Board(
        name="icepi_zero",
        size="25F",
        title="Icepi Zero",
        family="ecp5",
        device="--25k --package CABGA256 --speed 6",
        budget=BUDGETS["25F"],
        platform=IcepiZero1_3Platform,
        default_clock_mhz=75.0,
        clock_plan=lambda mhz: solve_pll(OSCILLATOR_MHZ, mhz),
        usb_clocks=Ecp5UsbClocks,
        bauds=FT231X_BAUDS,
        heartbeat=("led", 0),
        activity=("led", 4),
        found=("led", 3),
        flash=("openFPGALoader", "--board", "icepi-zero"),
        flash_persistent=("openFPGALoader", "--board", "icepi-zero", "--write-flash"),
        flash_variable="OPENFPGALOADER",
        flash_install=OPENFPGALOADER,
    )
}
