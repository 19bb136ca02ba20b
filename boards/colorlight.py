"""Colorlight i5 v7.0 and i9 v7.2: an LFE5U-25F and 45F in CABGA381, speed grade 6.

Modules of the shape of a DDR2 SODIMM, on the extension board by Muse Lab. Not in
amaranth-boards: pins are those of github.com/wuxx/Colorlight-FPGA-Projects (README.md and
colorlight_i9_v7.2.md), of which only those that a build uses are here. The UART is that of
litex-boards' colorlight_i5.py: module pins 84 and 86, to the DAPLink on the extension board.

25 MHz oscillator; one lamp, the heartbeat. DAPLink's manual lists rates up to 115,200 baud
(docs/USERS-GUIDE.md of github.com/ARMmbed/DAPLink).
"""

from __future__ import annotations

from amaranth.build import Attrs, Clock, Pins, Resource
from amaranth.vendor import LatticeECP5Platform
from amaranth_boards.resources import LEDResources, UARTResource

from boards.board import Board
from boards.ecp5 import BUDGETS, solve_pll
from boards.loaders import OPENFPGALOADER

__all__ = ["SIZES_I5", "SIZES_I9"]

OSCILLATOR_MHZ = 25.0

_LVCMOS = Attrs(IO_TYPE="LVCMOS33")


def _resources(lamp: str) -> list[Resource]:
    """The modules differ in the lamp's ball."""
    return [
        Resource("clk25", 0, Pins("P3", dir="i"), Clock(OSCILLATOR_MHZ * 1e6), _LVCMOS),
        *LEDResources(pins=lamp, invert=True, attrs=_LVCMOS),
        UARTResource(0, rx="H18", tx="J17", attrs=Attrs(IO_TYPE="LVCMOS33", PULLMODE="UP")),
    ]


class _Colorlight(LatticeECP5Platform):
    package = "BG381"
    speed = "6"
    default_clk = "clk25"
    connectors = []


class ColorlightI5Platform(_Colorlight):
    """The i5, version 7.0."""

    device = "LFE5U-25F"
    resources = _resources("U16")


class ColorlightI9Platform(_Colorlight):
    """The i9, version 7.2."""

    device = "LFE5U-45F"
    resources = _resources("L2")


def _board(module: str, size: str, platform: type[_Colorlight]) -> Board:
    loader = ("openFPGALoader", "--board", f"colorlight-{module}")
    return Board(
        name=f"colorlight_{module}",
        size=size,
        title=f"Colorlight {module}",
        family="ecp5",
        device=f"--{size[:-1]}k --package CABGA381 --speed 6",
        budget=BUDGETS[size],
        platform=platform,
        default_clock_mhz=75.0,
        clock_plan=lambda mhz: solve_pll(OSCILLATOR_MHZ, mhz),
        bauds=(115_200,),
        heartbeat=("led", 0),
        flash=loader,
        flash_persistent=(*loader, "--write-flash"),
        flash_variable="OPENFPGALOADER",
        flash_install=OPENFPGALOADER,
    )


#: The boards, each of which there is in one size.
SIZES_I5 = {"25F": _board("i5", "25F", ColorlightI5Platform)}
SIZES_I9 = {"45F": _board("i9", "45F", ColorlightI9Platform)}
