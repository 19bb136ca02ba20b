"""What the flow knows of a board: a `Board` is one row of a table, no more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from amaranth.build import Platform
from amaranth.hdl import Elaboratable

from sw.errors import PlanError
from sw.protocol import UART_BIT_CYCLES, UART_ERROR

__all__ = [
    "Board",
    "ClockPlan",
    "DeviceBudget",
    "Lamp",
]

#: A resource of the platform, its number, and of a lamp of several colours the one that is meant.
Lamp = tuple[str, int] | tuple[str, int, str]

#: Part of the clock that a design may reach that is given up for a faster link.
LINK_SHARE = 0.8


@dataclass(frozen=True, kw_only=True)
class DeviceBudget:
    """How much of each resource a device has.

    Parameters
    ----------
    fabric : str
        What it is built of, as the planner knows it: a key of `hw.plan.fabric.FABRICS`.
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
    spram : int
        Memories of 256 Kbit that are loaded after configuration: of an iCE40 UP5K, on a board
        where the FPGA can read its flash memory then.
    """

    lut: int
    ff: int
    bram: int
    bram_bits: int
    dsp: int
    spram: int = 0
    fabric: str = "ecp5"


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
    heartbeat, activity, found : Lamp or None
        Lamps: alive, bytes on the link, and a detector found something. None where a board
        has too few.
    idle : tuple of (resource, number)
        Outputs that are held inactive, such as the select of a chip that shares pins.
    spi_flash : (resource, number), optional
        The flash memory that the FPGA is configured from, where its pins are free afterwards: with
        ``cs``, ``clk``, ``copi`` and ``cipo``, and any others, which are held inactive.
        There come weights from that no bitstream can hold.
    usb_clocks : callable, optional
        Where the platform has USB lines as its resource "usb": from the generator of the
        ``sync`` clock to what drives the domains ``usb_io``, 48 MHz, and ``usb``, 12 MHz.
    flash : tuple of str
        Command line that loads a bitstream, whose name is appended. The first word is
        the program, which `flash_variable` overrides.
    flash_variable : str
        Environment variable that names another loader.
    flash_install : str
        How to get the program, as an instruction.
    flash_persistent : tuple of str or None
        The same, into the board's flash memory, so that it stays without power. Equal to
        `flash` where the loader knows no other way; None where it has no such way.
    flash_prepare : tuple of tuple of str
        Command lines to run before on a copy of the bitstream, whose name is appended.
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
    heartbeat: Lamp | None
    flash: tuple[str, ...]
    flash_variable: str
    flash_install: str
    activity: Lamp | None = None
    found: Lamp | None = None
    flash_persistent: tuple[str, ...] | None = None
    flash_prepare: tuple[tuple[str, ...], ...] = ()
    idle: tuple[tuple[str, int], ...] = ()
    spi_flash: tuple[str, int] | None = None
    usb_clocks: Callable[[Any], Elaboratable] | None = None

    def fastest_clock_mhz(self, limit_mhz: float, *, uart: bool = True) -> float:
        """The clock up to a limit with which the UART is fastest; of several the fastest.

        Clocks of whole MHz count, as near as the board makes them, from `LINK_SHARE` of the
        limit on: with few cycles a bit, a slightly slower one may have a much faster link.
        Where the link is no ``uart``, the fastest of all.
        """
        best = (0, 0)
        for mhz in range(int(limit_mhz), 0, -1):
            if best[1] and (not uart or mhz < LINK_SHARE * limit_mhz):
                break
            try:
                clock_hz = self.clock_plan(mhz).hz
                baud = self.baud(clock_hz) if uart else 0
            except PlanError:
                continue  # between two settings of the PLL or of the UART, or out of reach
            if clock_hz <= limit_mhz * 1e6:
                best = max(best, (baud, clock_hz))
        if best[1]:
            return best[1] / 1e6
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
            if divisor < UART_BIT_CYCLES:
                continue
            if abs(clock_hz / divisor - baud) <= UART_ERROR * baud:
                return baud
        raise PlanError(
            f"A clock of {clock_hz / 1e6:g} MHz divides to none of the rates of the "
            f"{self.title}'s UART ({', '.join(map(str, self.bauds))} baud) within "
            f"{UART_ERROR:.0%}",
            f"Ask for a multiple of 3 MHz, for instance --clock {self.default_clock_mhz:g}",
        )
