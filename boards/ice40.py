"""Lattice iCE40: what the devices hold, and clocks from the SB_PLL40.

Limits of the PLL are those of the data sheets FPGA-DS-02008 (UltraPlus) and FPGA-DS-02029
(LP/HX), which agree, and divider and filter ranges those of the guide FPGA-TN-02052.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal

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

__all__ = ["BUDGETS", "Ice40Clock", "Input", "PllPlan", "solve_pll"]

#: Counts as nextpnr-ice40 reports them (ICESTORM_LC, ICESTORM_RAM). A logic cell is a LUT and a
#: flip-flop. The UP5K's eight multipliers of 16 x 16 bits are not used.
BUDGETS = {
    "UP5K": DeviceBudget(
        fabric="up5k", lut=5_280, ff=5_280, bram=30, bram_bits=4_096, dsp=0, spram=4
    ),
    "HX8K": DeviceBudget(fabric="hx8k", lut=7_680, ff=7_680, bram=32, bram_bits=4_096, dsp=0),
}

# MHz
PFD_RANGE = (10.0, 133.0)
VCO_RANGE = (533.0, 1066.0)
OUTPUT_RANGE = (16.0, 275.0)
REFERENCE_DIVIDERS = range(1, 17)
FEEDBACK_DIVIDERS = range(1, 129)
OUTPUT_SHIFTS = range(1, 7)

#: FILTER_RANGE by the phase detector's clock: the first whose limit, in MHz, is above it.
FILTERS = ((17.0, 1), (26.0, 2), (44.0, 3), (66.0, 4), (101.0, 5), (133.1, 6))

#: Block RAM reads wrong, and may be written, in the first microseconds after configuration: the
#: clock stands still for so long. Amaranth's own reset for iCE40 waits as long.
SETTLE_SECONDS = 15e-6

#: How the oscillator comes in: "pad" has the pin beside the PLL to itself, "core" is any pin.
Input = Literal["pad", "core"]


@dataclass(frozen=True, kw_only=True)
class PllPlan(Setting):
    """Dividers of an SB_PLL40 with simple feedback.

    1. The phase detector runs at ``pfd = input / reference_divider``.
    2. The VCO runs at ``pfd * feedback_divider``.
    3. The clock is ``output = vco / 2**output_shift``.

    Parameters
    ----------
    input_mhz : float
        The board's oscillator.
    input : "pad" or "core"
        How it reaches the PLL.
    reference_divider : int
        DIVR + 1, 1 to 16.
    feedback_divider : int
        DIVF + 1, 1 to 128.
    output_shift : int
        DIVQ, 1 to 6.
    """

    input: Input
    feedback_divider: int
    output_shift: int

    @property
    def vco_mhz(self) -> float:
        return self.pfd_mhz * self.feedback_divider

    @property
    def output_mhz(self) -> float:
        return self.vco_mhz / 2**self.output_shift

    @property
    def filter_range(self) -> int:
        """FILTER_RANGE of the phase detector's clock."""
        return next(number for limit, number in FILTERS if self.pfd_mhz < limit)

    def generator(self) -> Ice40Clock:
        """The PLL with these dividers, and the gate after it."""
        return Ice40Clock(self)


def solve_pll(input_mhz: float, output_mhz: float, *, input: Input = "pad") -> PllPlan:
    """Dividers for the clock nearest to ``output_mhz`` within the data sheet's limits.

    Among equally near ones: the fastest phase detector, then the slowest VCO; so the answer is
    unique.

    Parameters
    ----------
    input_mhz, output_mhz : float
        MHz; the output from 16 to 275.
    input : "pad" or "core"

    Raises
    ------
    PlanError
        The clock is out of range, or more than 1 % from any that the PLL makes.
    """
    return nearest(
        lambda: _plans(input_mhz, input),
        input_mhz=input_mhz,
        output_mhz=output_mhz,
        reach=OUTPUT_RANGE,
        order=lambda p: (p.vco_mhz,),
    )


@cache
def _plans(input_mhz: float, input: Input) -> tuple[PllPlan, ...]:
    """Every legal setting."""
    plans = [
        PllPlan(
            input_mhz=input_mhz,
            input=input,
            reference_divider=reference,
            feedback_divider=feedback,
            output_shift=shift,
        )
        for reference in REFERENCE_DIVIDERS
        if within(input_mhz / reference, PFD_RANGE)
        for feedback in FEEDBACK_DIVIDERS
        if within(input_mhz / reference * feedback, VCO_RANGE)
        for shift in OUTPUT_SHIFTS
    ]
    return tuple(plan for plan in plans if within(plan.output_mhz, OUTPUT_RANGE))


class Ice40Clock(Elaboratable):
    """Drives the ``sync`` domain, defined above and without a reset, from an oscillator.

    The domain's clock stands still until the PLL has locked and block RAM is good. iCE40 has no
    gate for a clock, so a LUT is one, in front of a global buffer. Its enable changes with
    the falling edge of the clock, while the LUT gives 0 either way: there is no short pulse.

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
        pin = platform.request(platform.default_clk, dir="-")
        locked, clock, free = Signal(), Signal(), Signal()
        if plan.input == "pad":
            kind, source = "SB_PLL40_PAD", {"i_PACKAGEPIN": pin.io}
        else:
            m.submodules.oscillator = oscillator = io.Buffer("i", pin)
            kind, source = "SB_PLL40_CORE", {"i_REFERENCECLK": oscillator.i}
        m.submodules.pll = Instance(
            kind,
            p_FEEDBACK_PATH="SIMPLE",
            p_PLLOUT_SELECT="GENCLK",
            p_DIVR=Const(plan.reference_divider - 1, 4),
            p_DIVF=Const(plan.feedback_divider - 1, 7),
            p_DIVQ=Const(plan.output_shift, 3),
            p_FILTER_RANGE=Const(plan.filter_range, 3),
            i_RESETB=Const(1),
            i_BYPASS=Const(0),
            o_PLLOUTCORE=clock,
            o_PLLOUTGLOBAL=free,
            o_LOCK=locked,
            **source,
        )
        m.domains.free = ClockDomain("free", local=True, reset_less=True)
        m.domains.falling = ClockDomain("falling", local=True, reset_less=True, clk_edge="neg")
        m.d.comb += [ClockSignal("free").eq(free), ClockSignal("falling").eq(free)]
        settled = Signal()
        m.submodules.settle = FFSynchronizer(locked, settled, o_domain="free", stages=4)
        wait = Signal(range(round(SETTLE_SECONDS * plan.hz)))
        good, running = Signal(), Signal()
        with m.If(settled & ~good):
            m.d.free += [wait.eq(wait + 1), good.eq(wait.all())]
        m.d.falling += running.eq(good)
        gated = Signal()
        m.submodules.gate = Instance(
            "SB_LUT4",
            p_LUT_INIT=Const(0x8888, 16),
            i_I0=clock,
            i_I1=running,
            i_I2=Const(0),
            i_I3=Const(0),
            o_O=gated,
        )
        m.submodules.spread = Instance(
            "SB_GB",
            i_USER_SIGNAL_TO_GLOBAL_BUFFER=gated,
            o_GLOBAL_BUFFER_OUTPUT=ClockSignal("sync"),
        )
        return m
