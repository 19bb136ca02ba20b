"""Gowin LittleBee and Arora: what the devices hold, and clocks from the rPLL.

Limits of the PLL are those of the data sheets DS117 (GW1NR) and DS226 (GW2AR), which
Apycula's ``gowin_pack`` enforces too, and divider ranges those of the guide UG286.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from amaranth.hdl import (
    ClockDomain,
    ClockSignal,
    Const,
    Elaboratable,
    Instance,
    Module,
    Signal,
)
from amaranth.lib import io
from amaranth.lib.cdc import FFSynchronizer

from boards.board import DeviceBudget
from boards.pll import Setting, nearest, within

__all__ = ["BUDGETS", "LIMITS", "GowinClock", "Limits", "PllPlan", "solve_pll"]

#: Counts of the data sheets, as nextpnr-himbaechel reports them.
BUDGETS = {
    "GW1NR-9": DeviceBudget(fabric="gw1n", lut=8_640, ff=6_480, bram=26, bram_bits=18_432, dsp=20),
    "GW2AR-18": DeviceBudget(
        fabric="gw2a", lut=20_736, ff=15_552, bram=46, bram_bits=18_432, dsp=48
    ),
}


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Least and greatest frequencies, in MHz; ``device`` is the rPLL's name for the device."""

    device: str
    pfd: tuple[float, float]
    vco: tuple[float, float]
    output: tuple[float, float]


#: By device.
LIMITS = {
    "GW1NR-9": Limits(
        device="GW1NR-9C", pfd=(3.0, 400.0), vco=(400.0, 1200.0), output=(3.126, 600.0)
    ),
    "GW2AR-18": Limits(
        device="GW2AR-18C", pfd=(3.0, 500.0), vco=(500.0, 1250.0), output=(3.907, 625.0)
    ),
}

DIVIDERS = range(1, 65)
OUTPUT_DIVIDERS = (2, 4, 8, 16, 32, 48, 64, 80, 96, 112, 128)


@dataclass(frozen=True, kw_only=True)
class PllPlan(Setting):
    """Dividers of an rPLL with internal feedback.

    1. The phase detector runs at ``pfd = input / reference_divider``.
    2. The clock, which feeds back, is ``output = pfd * feedback_divider``.
    3. It is ``vco / output_divider``, so ``vco = output * output_divider``.

    Parameters
    ----------
    limits : Limits
        Of the device.
    input_mhz : float
        The board's oscillator.
    reference_divider, feedback_divider : int
        IDIV_SEL + 1 and FBDIV_SEL + 1, each 1 to 64.
    output_divider : int
        ODIV_SEL, one of `OUTPUT_DIVIDERS`.
    """

    limits: Limits
    feedback_divider: int
    output_divider: int

    @property
    def output_mhz(self) -> float:
        return self.pfd_mhz * self.feedback_divider

    @property
    def vco_mhz(self) -> float:
        return self.output_mhz * self.output_divider

    def generator(self) -> GowinClock:
        """The PLL with these dividers, and the gate after it."""
        return GowinClock(self)


def solve_pll(limits: Limits, input_mhz: float, output_mhz: float) -> PllPlan:
    """Dividers for the clock nearest to ``output_mhz`` within the data sheet's limits.

    Among equally near ones: the fastest phase detector, then the VCO nearest to the middle of
    its range; so the answer is unique.

    Parameters
    ----------
    limits : Limits
        Of the device.
    input_mhz, output_mhz : float
        MHz.

    Raises
    ------
    PlanError
        The clock is out of range, or more than 1 % from any that the PLL makes.
    """
    return nearest(
        lambda: _plans(limits, input_mhz),
        input_mhz=input_mhz,
        output_mhz=output_mhz,
        reach=limits.output,
        order=lambda p: (abs(p.vco_mhz - sum(limits.vco) / 2),),
    )


@cache
def _plans(limits: Limits, input_mhz: float) -> tuple[PllPlan, ...]:
    """Every legal setting."""
    plans = [
        PllPlan(
            limits=limits,
            input_mhz=input_mhz,
            reference_divider=reference,
            feedback_divider=feedback,
            output_divider=divider,
        )
        for reference in DIVIDERS
        if within(input_mhz / reference, limits.pfd)
        for feedback in DIVIDERS
        if within(input_mhz / reference * feedback, limits.output)
        for divider in OUTPUT_DIVIDERS
    ]
    return tuple(plan for plan in plans if within(plan.vco_mhz, limits.vco))


class GowinClock(Elaboratable):
    """Drives the ``sync`` domain, defined above and without a reset, from an oscillator.

    The domain's clock stands still until the PLL has locked: until the first good edge every
    register holds the value that configuration gave it.

    Parameters
    ----------
    plan : PllPlan
        The PLL's setting.

    The oscillator is the platform's ``default_clk``, requested here.
    """

    def __init__(self, plan: PllPlan) -> None:
        self.plan = plan

    def elaborate(self, platform):
        m = Module()
        plan = self.plan
        m.submodules.oscillator = oscillator = io.Buffer(
            "i", platform.request(platform.default_clk, dir="-")
        )
        locked, running = Signal(), Signal()
        m.domains.free = ClockDomain("free", local=True, reset_less=True)
        m.submodules.settle = FFSynchronizer(locked, running, o_domain="free", stages=4)
        # Stops and starts the clock without a short pulse.
        m.submodules.gate = Instance(
            "DQCE", i_CLKIN=ClockSignal("free"), i_CE=running, o_CLKOUT=ClockSignal("sync")
        )
        m.submodules.pll = Instance(
            "rPLL",
            p_DEVICE=plan.limits.device,
            p_FCLKIN=f"{plan.input_mhz:g}",
            p_IDIV_SEL=plan.reference_divider - 1,
            p_FBDIV_SEL=plan.feedback_divider - 1,
            p_ODIV_SEL=plan.output_divider,
            p_DYN_IDIV_SEL="false",
            p_DYN_FBDIV_SEL="false",
            p_DYN_ODIV_SEL="false",
            p_CLKFB_SEL="internal",
            i_CLKIN=oscillator.i,
            i_CLKFB=Const(0),
            i_RESET=Const(0),
            i_RESET_P=Const(0),
            i_FBDSEL=Const(0, 6),
            i_IDSEL=Const(0, 6),
            i_ODSEL=Const(0, 6),
            i_PSDA=Const(0, 4),
            i_DUTYDA=Const(0, 4),
            i_FDLY=Const(0, 4),
            o_CLKOUT=ClockSignal("free"),
            o_LOCK=locked,
        )
        return m
