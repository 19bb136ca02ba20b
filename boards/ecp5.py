"""Lattice ECP5: what the devices hold, and clocks from the EHXPLLL.

Limits of the PLL are those of the ECP5 Family Data Sheet FPGA-DS-02012, table
"sysCLOCK PLL Timing", and the divider ranges of the guide FPGA-TN-02200.
"""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import (
    ClockDomain,
    ClockSignal,
    Const,
    Elaboratable,
    Instance,
    Module,
    Signal,
    Value,
)
from amaranth.lib import io
from amaranth.lib.cdc import FFSynchronizer

from boards.board import DeviceBudget
from boards.pll import Setting, nearest

__all__ = ["BUDGETS", "Ecp5Clock", "PllPlan", "pll", "solve_pll"]


def _budget(lut: int, bram: int, dsp: int) -> DeviceBudget:
    # One flip-flop beside each LUT; a DP16KD is 1,024 words of 18 bits.
    return DeviceBudget(lut=lut, ff=lut, bram=bram, bram_bits=18 * 1024, dsp=dsp)


#: Counts as nextpnr-ecp5 reports them (TRELLIS_COMB, DP16KD, MULT18X18D). The 12F is
#: the 25F's die, and the open tools open all of it.
BUDGETS = {
    "12F": _budget(24_288, 56, 28),
    "25F": _budget(24_288, 56, 28),
    "45F": _budget(43_848, 108, 72),
    "85F": _budget(83_640, 208, 156),
}

# MHz
PFD_RANGE = (10.0, 400.0)
VCO_RANGE = (400.0, 800.0)
OUTPUT_RANGE = (3.125, 400.0)
DIVIDERS = range(1, 129)


@dataclass(frozen=True, kw_only=True)
class PllPlan(Setting):
    """Dividers of an EHXPLLL whose feedback comes from CLKOP and whose clock is CLKOS.

    1. The phase detector runs at ``pfd = input / reference_divider``.
    2. It makes CLKOP equal ``pfd * feedback_divider``.
    3. CLKOP is ``vco / loop_divider``, so ``vco = pfd * feedback_divider * loop_divider``.
    4. The clock is ``output = vco / output_divider``.

    Parameters
    ----------
    input_mhz : float
        The board's oscillator.
    reference_divider, feedback_divider, loop_divider, output_divider : int
        CLKI_DIV, CLKFB_DIV, CLKOP_DIV and CLKOS_DIV, each 1 to 128.
    """

    feedback_divider: int
    loop_divider: int
    output_divider: int

    @property
    def loop_mhz(self) -> float:
        """Frequency of CLKOP."""
        return self.pfd_mhz * self.feedback_divider

    @property
    def vco_mhz(self) -> float:
        return self.loop_mhz * self.loop_divider

    @property
    def output_mhz(self) -> float:
        return self.vco_mhz / self.output_divider

    def generator(self) -> Ecp5Clock:
        """The PLL with these dividers, and the gate after it."""
        return Ecp5Clock(self)


def solve_pll(input_mhz: float, output_mhz: float) -> PllPlan:
    """Dividers for the clock nearest to ``output_mhz`` within the data sheet's limits.

    Among equally near ones: the fastest phase detector, then the VCO nearest to the
    middle of its range, then the smallest dividers; so the answer is unique.

    Parameters
    ----------
    input_mhz, output_mhz : float
        MHz; the output from 3.125 to 400.

    Raises
    ------
    PlanError
        The clock is out of range, or more than 1 % from any that the PLL makes.
    """
    return nearest(
        lambda: _candidates(input_mhz, output_mhz),
        input_mhz=input_mhz,
        output_mhz=output_mhz,
        reach=OUTPUT_RANGE,
        order=lambda p: (abs(p.vco_mhz - sum(VCO_RANGE) / 2), p.loop_divider),
    )


def _candidates(input_mhz: float, output_mhz: float) -> list[PllPlan]:
    """Every legal setting with the output divider that suits it best."""
    plans = []
    for reference in DIVIDERS:
        pfd = input_mhz / reference
        if not PFD_RANGE[0] <= pfd <= PFD_RANGE[1]:
            continue
        for multiple in range(1, int(VCO_RANGE[1] / pfd) + 1):
            vco = pfd * multiple
            if vco < VCO_RANGE[0]:
                continue
            # The product of feedback and loop dividers is what counts: of its factors
            # take the largest feedback divider that leaves CLKOP within its range.
            feedback = next(
                (f for f in reversed(DIVIDERS) if multiple % f == 0 and _legal_loop(pfd, f, vco)),
                None,
            )
            if feedback is None:
                continue
            near = max(1, min(DIVIDERS[-1], int(vco / output_mhz)))
            for output in (near, min(near + 1, DIVIDERS[-1])):
                if OUTPUT_RANGE[0] <= vco / output <= OUTPUT_RANGE[1]:
                    plans.append(
                        PllPlan(
                            input_mhz=input_mhz,
                            reference_divider=reference,
                            feedback_divider=feedback,
                            loop_divider=multiple // feedback,
                            output_divider=output,
                        )
                    )
    return plans


def _legal_loop(pfd: float, feedback: int, vco: float) -> bool:
    loop = pfd * feedback
    return OUTPUT_RANGE[0] <= loop <= OUTPUT_RANGE[1] and round(vco / loop) in DIVIDERS


class Ecp5Clock(Elaboratable):
    """Drives the ``sync`` domain, defined above and without a reset, from an oscillator.

    The domain's clock stands still until the PLL has locked: until the first good edge
    every register holds the value that configuration gave it. So there is no reset net,
    which on a large design would be the slowest of all.

    Parameters
    ----------
    plan : PllPlan
        The PLL's setting.

    The oscillator is the platform's ``default_clk``, requested here.

    Attributes
    ----------
    oscillator : Signal
        It, for other PLLs.
    """

    def __init__(self, plan: PllPlan) -> None:
        self.plan = plan
        self.oscillator = Signal()

    def elaborate(self, platform):
        m = Module()
        plan = self.plan
        m.submodules.oscillator = oscillator = io.Buffer(
            "i", platform.request(platform.default_clk, dir="-")
        )
        locked = Signal()
        loop = Signal()
        m.d.comb += self.oscillator.eq(oscillator.i)
        m.domains.free = ClockDomain("free", local=True, reset_less=True)
        running = Signal()
        m.submodules.settle = FFSynchronizer(locked, running, o_domain="free", stages=4)
        # Stops and starts the clock without a short pulse.
        m.submodules.gate = Instance(
            "DCCA", i_CLKI=ClockSignal("free"), i_CE=running, o_CLKO=ClockSignal("sync")
        )
        m.submodules.pll = pll(
            plan, oscillator=oscillator.i, loop=loop, clock=ClockSignal("free"), locked=locked
        )
        return m


def pll(
    plan: PllPlan, *, oscillator: Value, loop: Signal, clock: Value, locked: Signal, **more: object
) -> Instance:
    """The EHXPLLL of a plan, whose CLKOS is ``clock``; ``more`` are parameters and ports."""
    return Instance(
        "EHXPLLL",
        a_FREQUENCY_PIN_CLKI=f"{plan.input_mhz:g}",
        a_FREQUENCY_PIN_CLKOP=f"{plan.loop_mhz:.6f}",
        a_FREQUENCY_PIN_CLKOS=f"{plan.output_mhz:.6f}",
        a_ICP_CURRENT="12",
        a_LPF_RESISTOR="8",
        p_PLLRST_ENA="DISABLED",
        p_INTFB_WAKE="DISABLED",
        p_STDBY_ENABLE="DISABLED",
        p_DPHASE_SOURCE="DISABLED",
        p_OUTDIVIDER_MUXA="DIVA",
        p_OUTDIVIDER_MUXB="DIVB",
        p_FEEDBK_PATH="CLKOP",
        p_CLKI_DIV=plan.reference_divider,
        p_CLKFB_DIV=plan.feedback_divider,
        p_CLKOP_ENABLE="ENABLED",
        p_CLKOP_DIV=plan.loop_divider,
        # Phases are of no account: no signal but the lock crosses from the oscillator.
        p_CLKOP_CPHASE=plan.loop_divider // 2,
        p_CLKOP_FPHASE=0,
        p_CLKOS_ENABLE="ENABLED",
        p_CLKOS_DIV=plan.output_divider,
        p_CLKOS_CPHASE=plan.output_divider // 2,
        p_CLKOS_FPHASE=0,
        i_RST=Const(0),
        i_STDBY=Const(0),
        i_PHASESEL0=Const(0),
        i_PHASESEL1=Const(0),
        i_PHASEDIR=Const(1),
        i_PHASESTEP=Const(1),
        i_PHASELOADREG=Const(1),
        i_PLLWAKESYNC=Const(0),
        i_ENCLKOP=Const(0),
        i_CLKI=oscillator,
        i_CLKFB=loop,
        o_CLKOP=loop,
        o_CLKOS=clock,
        o_LOCK=locked,
        **more,
    )
