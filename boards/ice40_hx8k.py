"""Lattice iCE40-HX8K breakout board (ICE40HX8K-B-EVN): HX8K in CT256.

12 MHz oscillator; FT2232H to USB, whose second channel is the UART; eight lamps, of which 0 is
the heartbeat, 7 the link's activity, and 6 says that a detector has found something.
"""

from __future__ import annotations

from amaranth_boards.ice40_hx8k_b_evn import ICE40HX8KBEVNPlatform

from boards.board import Board
from boards.ftdi import FT2232H_BAUDS
from boards.ice40 import BUDGETS, solve_pll
from boards.iceprog import ICEPROG

__all__ = ["SIZES"]

OSCILLATOR_MHZ = 12.0

#: The board in its only size.
SIZES = {
    "HX8K": Board(
        name="ice40_hx8k",
        size="HX8K",
        title="iCE40-HX8K breakout board",
        family="ice40",
        device="--hx8k --package ct256",
        budget=BUDGETS["HX8K"],
        platform=ICE40HX8KBEVNPlatform,
        default_clock_mhz=48.0,
        clock_plan=lambda mhz: solve_pll(OSCILLATOR_MHZ, mhz, input="core"),
        bauds=FT2232H_BAUDS,
        heartbeat=("led", 0),
        activity=("led", 7),
        found=("led", 6),
        **ICEPROG,
    )
}
