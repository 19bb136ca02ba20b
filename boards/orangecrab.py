"""OrangeCrab r0.2 with an LFE5U-25F or 85F in csfBGA285, speed grade 8.

48 MHz oscillator. No bridge: USB goes to the FPGA itself. The UART is on the pins of the
Feather header that its shape calls RX (IO_0, ball N17) and TX (IO_1, ball M18), 3.3 V, for an
adapter of the user's; the rates are those of an FT232. One lamp of three colours: green is the
heartbeat, blue the link's activity, and red says that a detector has found something.

The boot loader takes bitstreams by USB (DFU) and keeps them in the flash memory.
"""

from __future__ import annotations

from amaranth.build import Attrs
from amaranth_boards.orangecrab_r0_2 import (
    OrangeCrabR0_2_25FPlatform,
    OrangeCrabR0_2_85FPlatform,
)
from amaranth_boards.resources import UARTResource

from boards.board import Board
from boards.ecp5 import BUDGETS, solve_pll
from boards.ecp5_usb import Ecp5UsbClocks
from boards.ftdi import FT231X_BAUDS
from boards.loaders import DFU_UTIL

__all__ = ["SIZES"]

OSCILLATOR_MHZ = 48.0

#: Vendor and product of the boot loader, pid.codes' 1209:5af0.
VENDOR, PRODUCT = "1209", "5af0"

# Pulled up, so that the line is idle where nothing is plugged in.
_UART = UARTResource(
    0, rx="0", tx="1", conn=("io", 0), attrs=Attrs(IO_TYPE="LVCMOS33", PULLMODE="UP")
)


class _Platform25F(OrangeCrabR0_2_25FPlatform):
    resources = [*OrangeCrabR0_2_25FPlatform.resources, _UART]


class _Platform85F(OrangeCrabR0_2_85FPlatform):
    resources = [*OrangeCrabR0_2_85FPlatform.resources, _UART]


_PLATFORMS = {"25F": _Platform25F, "85F": _Platform85F}
_FLASH = ("dfu-util", "--device", f"{VENDOR}:{PRODUCT}", "--alt", "0", "--download")


def _board(size: str) -> Board:
    return Board(
        name="orangecrab",
        size=size,
        title=f"OrangeCrab {size}",
        family="ecp5",
        device=f"--{size[:-1]}k --package CSFBGA285 --speed 8",
        budget=BUDGETS[size],
        platform=_PLATFORMS[size],
        default_clock_mhz=75.0,
        clock_plan=lambda mhz: solve_pll(OSCILLATOR_MHZ, mhz),
        usb_clocks=Ecp5UsbClocks,
        bauds=FT231X_BAUDS,
        heartbeat=("rgb_led", 0, "g"),
        activity=("rgb_led", 0, "b"),
        found=("rgb_led", 0, "r"),
        flash=_FLASH,
        flash_persistent=_FLASH,
        flash_prepare=(("dfu-suffix", "--vid", VENDOR, "--pid", PRODUCT, "--add"),),
        flash_variable="DFU_UTIL",
        flash_install=DFU_UTIL,
    )


#: The board in each of its sizes.
SIZES = {size: _board(size) for size in _PLATFORMS}
