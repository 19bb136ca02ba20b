"""1BitSquared iCEBreaker: iCE40 UP5K in SG48.

12 MHz oscillator at the PLL's own pin; FT2232H to USB, whose second channel is the UART; red and
green lamp. What a detector has found is shown by the green lamp of the break-off section.
"""

from __future__ import annotations

from amaranth_boards.icebreaker import ICEBreakerPlatform

from boards.board import Board
from boards.ftdi import FT2232H_BAUDS
from boards.ice40 import BUDGETS, solve_pll
from boards.iceprog import ICEPROG

__all__ = ["SIZES"]

OSCILLATOR_MHZ = 12.0


def _platform() -> ICEBreakerPlatform:
    platform = ICEBreakerPlatform()
    platform.add_resources(platform.break_off_pmod)
    return platform


#: The board in its only size.
SIZES = {
    "UP5K": Board(
        name="icebreaker",
        size="UP5K",
        title="iCEBreaker",
        family="ice40",
        device="--up5k --package sg48",
        budget=BUDGETS["UP5K"],
        platform=_platform,
        default_clock_mhz=24.0,
        clock_plan=lambda mhz: solve_pll(OSCILLATOR_MHZ, mhz),
        bauds=FT2232H_BAUDS,
        heartbeat=("led_g", 0),
        activity=("led_r", 0),
        found=("led_g", 1),
        spi_flash=("spi_flash_1x", 0),
        **ICEPROG,
    )
}
