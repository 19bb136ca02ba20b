"""Clocks of USB full speed on an ECP5, by a PLL of their own."""

from __future__ import annotations

from amaranth.hdl import ClockDomain, ClockSignal, Elaboratable, Instance, Module, Signal
from amaranth.lib.cdc import FFSynchronizer

from boards.ecp5 import DIVIDERS, Ecp5Clock, pll, solve_pll
from sw.errors import PlanError

__all__ = ["Ecp5UsbClocks"]

#: USB 2.0, section 7.1.11: the rate of a full-speed device.
USB_TOLERANCE = 0.0025

_USB_MHZ = 48.0


class Ecp5UsbClocks(Elaboratable):
    """Drives the domains ``usb_io``, 48 MHz, and ``usb``, a quarter of it, defined above.

    Both come of one VCO; neither has a reset, and both stand still until the PLL has locked,
    as `boards.ecp5.Ecp5Clock` has it. From 25 MHz the data sheet's limits leave
    48.077 MHz, 0.16 % more, where USB allows 0.25 %.

    Parameters
    ----------
    clock : Ecp5Clock
        What drives ``sync``, whose oscillator is shared.

    Raises
    ------
    PlanError
        The PLL makes no clock that is near enough of this oscillator.
    """

    def __init__(self, clock: Ecp5Clock) -> None:
        self._clock = clock
        self.plan = solve_pll(clock.plan.input_mhz, _USB_MHZ)
        far = abs(self.plan.output_mhz / _USB_MHZ - 1) > USB_TOLERANCE
        if far or 4 * self.plan.output_divider not in DIVIDERS:
            raise PlanError(
                f"The PLL makes no 48 MHz within {USB_TOLERANCE:.2%} of the board's "
                f"{clock.plan.input_mhz:g} MHz, as USB needs it",
                "Take --link uart",
            )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        plan = self.plan
        loop, locked, slow = Signal(), Signal(), Signal()
        fast = Signal()
        for name, clock in (("usb_io", fast), ("usb", slow)):
            m.domains += ClockDomain(f"free_{name}", local=True, reset_less=True)
            m.d.comb += ClockSignal(f"free_{name}").eq(clock)
            running = Signal(name=f"running_{name}")
            m.submodules[f"settle_{name}"] = FFSynchronizer(
                locked, running, o_domain=f"free_{name}", stages=4
            )
            m.submodules[f"gate_{name}"] = Instance(
                "DCCA", i_CLKI=clock, i_CE=running, o_CLKO=ClockSignal(name)
            )
        m.submodules.pll = pll(
            plan,
            oscillator=self._clock.oscillator,
            loop=loop,
            clock=fast,
            locked=locked,
            a_FREQUENCY_PIN_CLKOS2=f"{plan.output_mhz / 4:.6f}",
            p_OUTDIVIDER_MUXC="DIVC",
            p_CLKOS2_ENABLE="ENABLED",
            p_CLKOS2_DIV=4 * plan.output_divider,
            # Its rising edges are some of those of the fast clock.
            p_CLKOS2_CPHASE=plan.output_divider // 2,
            p_CLKOS2_FPHASE=0,
            i_ENCLKOS2=0,
            o_CLKOS2=slow,
        )
        return m
