"""LambdaConcept ECPIX-5 R02 with an LFE5UM5G-45F or 85F in CABGA554, speed grade 8.

100 MHz oscillator; FT2232H to USB, up to 12 Mbaud (its rates: 12 and 8 MHz, and 12 MHz divided
by 2, 2.125, 2.25 and so on), as LambdaConcept's manual says
(docs.lambdaconcept.com/ecpix-5/features/debug.html). Four lamps of three colours: green of 0 is
the heartbeat, green of 1 the link's activity, and red of 2 says that a detector has found
something.

R03, with an FT4232H, is another board to the loader: see docs/boards.md.
"""

from __future__ import annotations

from amaranth_boards.ecpix5 import ECPIX545Platform, ECPIX585Platform

from boards.board import Board
from boards.ecp5 import BUDGETS, solve_pll
from boards.ftdi import FT2232H_BAUDS
from boards.loaders import OPENFPGALOADER

__all__ = ["SIZES"]

OSCILLATOR_MHZ = 100.0

_PLATFORMS = {"45F": ECPIX545Platform, "85F": ECPIX585Platform}


def _board(size: str) -> Board:
    return Board(
        name="ecpix5",
        size=size,
        title=f"ECPIX-5 {size}",
        family="ecp5",
        device=f"--um5g-{size[:-1]}k --package CABGA554 --speed 8",
        budget=BUDGETS[size],
        platform=_PLATFORMS[size],
        default_clock_mhz=72.0,
        clock_plan=lambda mhz: solve_pll(OSCILLATOR_MHZ, mhz),
        bauds=FT2232H_BAUDS,
        heartbeat=("rgb_led", 0, "g"),
        activity=("rgb_led", 1, "g"),
        found=("rgb_led", 2, "r"),
        flash=("openFPGALoader", "--board", "ecpix5"),
        flash_persistent=("openFPGALoader", "--board", "ecpix5", "--write-flash"),
        flash_variable="OPENFPGALOADER",
        flash_install=OPENFPGALOADER,
    )


#: The board in each of its sizes.
SIZES = {size: _board(size) for size in _PLATFORMS}
