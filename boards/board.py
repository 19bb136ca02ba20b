"""What the flow knows of a board: a `Board` is one row of a table, no more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from amaranth.build import Platform
from amaranth.hdl import Elaboratable

from sw.errors import PlanError

__all__ = ["Board", "ClockPlan", "DeviceBudget"]

#: A UART tolerates about 4 % between its two ends; leave half of it to the other end.
BAUD_TOLERANCE = 0.02


@dataclass(frozen=True, kw_only=True)
class DeviceBudget:
    """How much of each resource a device has.

    Parameters
    ----------
    lut : int
        Four-input look-up tables.
    ff : int
        Flip-flops.
    bram : int
        Block RAMs.
    bram_bits : int
        Bits of one block RAM.
    dsp : int
        Multipliers, 18 x 18 bits.
    """

    lut: int
    ff: int
    bram: int
    bram_bits: int
    dsp: int


class ClockPlan(Protocol):
    """A clock that the board can make; a family's own class adds the PLL's dividers."""

    @property
    def hz(self) -> int:
        """Frequency of the ``sync`` domain, to the nearest hertz."""
        ...

    def generator(self) -> Elaboratable:
        """What drives the ``sync`` domain from the board's oscillator.

        The domain has no reset: its clock may run only once it is good.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Board:
    """One size of one board.

    Parameters
    ----------
    name, size : str
        As the command line takes them, for instance "ulx3s" and "85F".
    title : str
        As a person calls it.
    family : str
        Family of devices; selects the tools.
    device : str
        nextpnr's name of the device, package and speed grade, as its options:
        for instance ``"--85k --package CABGA381 --speed 6"``.
    budget : DeviceBudget
        What the device has.
    platform : callable
        Makes the Amaranth platform.
    default_clock_mhz : float
        The clock used when none is asked for; routed designs meet it.
    clock_plan : callable
        From a frequency in MHz to a `ClockPlan`; raises `PlanError` out of reach.
    bauds : tuple of int
        Rates of the board's UART bridge, best first.
    usb_clocks : callable, optional
        Where the platform has USB lines as its resource "usb": from the generator of the
        ``sync`` clock to what drives the domains ``usb_io``, 48 MHz, and ``usb``, 12 MHz.
    heartbeat, activity, found : (resource, number)
        Lamps: alive, bytes on the link, and a detector found something.
    flash : tuple of str
        Command line that loads a bitstream, whose name is appended. The first word is
        the program, which `flash_variable` overrides.
    flash_variable : str
        Environment variable that names another loader.
    flash_install : str
        How to get the program, as an instruction.
    """

    name: str
    size: str
    title: str
    family: str
    device: str
    budget: DeviceBudget
    platform: Callable[[], Platform]
    default_clock_mhz: float
    clock_plan: Callable[[float], ClockPlan]
    bauds: tuple[int, ...]
    heartbeat: tuple[str, int]
    activity: tuple[str, int]
    found: tuple[str, int]
    flash: tuple[str, ...]
    flash_variable: str
    flash_install: str
    usb_clocks: Callable[[Any], Elaboratable] | None = None

    def fastest_clock_mhz(self, limit_mhz: float) -> float:
        """The fastest clock of whole MHz up to a limit, as near as the board makes it."""
        for mhz in range(int(limit_mhz), 0, -1):
            clock_hz = self.clock_plan(mhz).hz
            if clock_hz <= limit_mhz * 1e6:
                return clock_hz / 1e6
        raise PlanError(
            f"The {self.title} makes no clock of {limit_mhz:g} MHz or less",
            "Ask for a faster one with --clock",
        )

    def baud(self, clock_hz: int) -> int:
        """The best rate of the UART bridge that a whole divider of the clock meets.

        A bit lasts ``round(clock_hz / baud)`` cycles; the rate that results is within
        2 % of the nominal one.

        Raises
        ------
        PlanError
            No rate is.
        """
        for baud in self.bauds:
            divisor = round(clock_hz / baud)
            # A receiver needs a few cycles to find the middle of a bit.
            if divisor >= 4 and abs(clock_hz / divisor - baud) <= BAUD_TOLERANCE * baud:
                return baud
        raise PlanError(
            f"A clock of {clock_hz / 1e6:g} MHz divides to none of the rates of the "
            f"{self.title}'s UART ({', '.join(map(str, self.bauds))} baud) within "
            f"{BAUD_TOLERANCE:.0%}",
            f"Ask for a multiple of 3 MHz, for instance --clock {self.default_clock_mhz:g}",
        )
