"""What a design takes of devices other than ECP5s.

Costs (`hw.plan.cost`) are counted in ECP5's LUTs and flip-flops, and tell of every memory what
it takes elsewhere. Another fabric's area follows from that:

1. Block RAM is counted, by the fabric's own shapes. iCE40 has no memory of LUTs, so
   memories that are such on ECP5 are block RAM too, or flip-flops where they are small.
2. LUTs and flip-flops are ECP5's times a factor each. Of iCE40 "lut" are logic cells, a LUT and a
   flip-flop each, of which a LUT and a flip-flop that do not belong together take two: so
   flip-flops count for LUTs, too.
3. The period is ECP5's times a factor.

    python -m hw.build examples/tiny.npz --board BOARD --fps 1000     # prints what was predicted
                                                                      # beside what was routed

Each factor is of `tiny` and of `tfc_mnist` routed on a device of the fabric, so plans are near
there and less sure elsewhere. By ``python -m benchmarks.boards`` five examples on a UP5K reach from
as much as is predicted to 21 % more, on a GW1NR-9 from 14 % less to 23 % more; the periods of HX8K
and GW2AR-18 are cautious: up to 71 and 68 % more is reached. The flow checks what has been
synthesised before it is placed, and the clock when it has been routed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil

from hw.plan.block_ram import DP16KD, SB_RAM40, BlockRam
from hw.plan.cost import Budget, Cost

__all__ = ["ECP5", "FABRICS", "GOWIN_DSP_MHZ", "Fabric", "fabric_of"]


@dataclass(frozen=True, kw_only=True)
class Fabric:
    """How a family's area and clock follow from ECP5's.

    Parameters
    ----------
    name : str
    lut, lut_of_ff : float
        LUTs (iCE40: logic cells) for each of ECP5's LUTs and flip-flops.
    ff : float
        Flip-flops for each of ECP5's.
    period : float
        Of ECP5's.
    block_ram : BlockRam
        With iCE40's, there is no memory of LUTs.
    bit_lut : float
        LUTs for each bit of a memory of flip-flops.
    bram_luts : float
        LUTs that a block RAM is worth: about as many as there are for each.
    dsp_mhz : float or None
        The fastest clock of a design with multipliers, where the tools do not know their delay.
    """

    name: str
    lut: float = 1.0
    lut_of_ff: float = 0.0
    ff: float = 1.0
    period: float = 1.0
    block_ram: BlockRam = DP16KD
    bit_lut: float = 0.0
    bram_luts: float = 270.0
    dsp_mhz: float | None = None

    @property
    def small_memories(self) -> bool:
        """Whether there is no memory of LUTs, and block RAMs are iCE40's."""
        return self.block_ram == SB_RAM40

    def cost(self, cost: Cost) -> Cost:
        """What costs so much on ECP5, on this fabric."""
        if self == ECP5:
            return cost
        if not self.small_memories:
            return Cost(
                lut=ceil(self.lut * cost.lut),
                ff=ceil(self.ff * cost.ff),
                bram=cost.bram,
                dsp=cost.dsp,
                spram=cost.spram,
                bram_bits=cost.bram_bits,
            )
        ff = self.ff * cost.ff
        return Cost(
            lut=ceil(
                self.lut * (cost.lut - cost.ram_lut)
                + self.lut_of_ff * ff
                + self.bit_lut * cost.small_ff
            ),
            ff=ceil(ff + cost.small_ff),
            bram=cost.small_bram,
            dsp=cost.dsp,
            spram=cost.spram,
            bram_bits=cost.bram_bits,
            bram_size=self.block_ram.bits,
        )

    def total(self, costs: Iterable[Cost]) -> Cost:
        """Sum of what each of ``costs`` is here."""
        return sum((self.cost(cost) for cost in costs), Cost())


#: nextpnr has no delays of Gowin's multipliers and leaves paths through them out of the clock that
#: it reports. A design with some runs no faster than this, in MHz: 13.3 ns for the routes to a
#: multiplier, the product, and the way to the next register.
GOWIN_DSP_MHZ = 75.0

#: Where costs are counted.
ECP5 = Fabric(name="ecp5")

#: By name, as budgets have it.
FABRICS = {
    fabric.name: fabric
    for fabric in (
        ECP5,
        Fabric(
            name="up5k",
            lut=1.0,
            lut_of_ff=0.45,
            period=3.05,
            block_ram=SB_RAM40,
            bit_lut=1.6,
            bram_luts=170.0,
        ),
        Fabric(
            name="hx8k",
            lut=1.0,
            lut_of_ff=0.45,
            period=1.9,
            block_ram=SB_RAM40,
            bit_lut=1.6,
            bram_luts=240.0,
        ),
        Fabric(name="gw1n", lut=1.26, period=1.2, bram_luts=330.0, dsp_mhz=GOWIN_DSP_MHZ),
        Fabric(name="gw2a", lut=1.26, period=0.9, bram_luts=450.0, dsp_mhz=GOWIN_DSP_MHZ),
    )
}


def fabric_of(budget: Budget) -> Fabric:
    """The fabric of a device; ECP5 where its budget names none."""
    return FABRICS[getattr(budget, "fabric", ECP5.name)]
