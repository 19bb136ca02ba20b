"""tinyVision UPduino v3: iCE40 UP5K in SG48.

The 12 MHz oscillator reaches pin 20 through the jumper OSC, which must be soldered: the device's
own oscillator is up to 10 % off, which no UART bears. The FT232H to USB has one channel, whose
lines it shares with the flash: pin 15 hears the host, 14 speaks, and 16, the flash's select, is
held high, as public pin files of the board have it (``serial_rxd 15``, ``serial_txd 14``,
``spi_cs 16``). So the FPGA cannot read the flash while the host may speak, and the UP5K's memories
of 256 Kbit, which would be loaded from there, are not used.
"""

from __future__ import annotations

from dataclasses import replace

from amaranth.build import Attrs, PinsN, Resource
from amaranth_boards.resources import LEDResources, UARTResource
from amaranth_boards.upduino_v3 import UpduinoV3Platform

from boards.board import Board
from boards.ftdi import FT2232H_BAUDS
from boards.ice40 import BUDGETS, solve_pll
from boards.iceprog import ICEPROG

__all__ = ["SIZES"]

OSCILLATOR_MHZ = 12.0

_LEVELS = Attrs(IO_STANDARD="SB_LVCMOS")


class _Platform(UpduinoV3Platform):
    default_clk = "clk12"


def _platform() -> _Platform:
    platform = _Platform()
    platform.add_resources(
        [
            # Green, red and blue of the one lamp.
            *LEDResources(pins="39 41 40", invert=True, attrs=_LEVELS),
            UARTResource(0, rx="15", tx="14", attrs=_LEVELS),
            Resource("flash_select", 0, PinsN("16", dir="o"), _LEVELS),
        ]
    )
    return platform


#: The board in its only size.
SIZES = {
    "UP5K": Board(
        name="upduino",
        size="UP5K",
        title="UPduino v3",
        family="ice40",
        device="--up5k --package sg48",
        budget=replace(BUDGETS["UP5K"], spram=0),
        platform=_platform,
        default_clock_mhz=24.0,
        clock_plan=lambda mhz: solve_pll(OSCILLATOR_MHZ, mhz, input="core"),
        bauds=FT2232H_BAUDS,
        heartbeat=("led", 0),
        activity=("led", 1),
        found=("led", 2),
        idle=(("flash_select", 0),),
        **ICEPROG,
    )
}
