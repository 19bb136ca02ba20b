"""ECP5: Yosys, nextpnr-ecp5 and ecppack."""

from __future__ import annotations

from pathlib import Path

from hw.flow.family import Family, cells_by_type
from hw.flow.result import Counts

__all__ = ["Ecp5"]

#: LUT4 sites of cells that are not plain LUT4s: a CCU2C is two; a TRELLIS_DPR16X4 is
#: four, and its write port takes two more places that nextpnr counts apart.
_COMB = {"LUT4": 1, "CCU2C": 2, "TRELLIS_DPR16X4": 4}
_FF = {"TRELLIS_FF": 1}
_BRAM = {"DP16KD": 1, "PDPW16KD": 1}
_DSP = {"MULT18X18D": 1}

#: Part of the LUTs in use from which router2 is the better: below, router1 gives a
#: faster clock in less time; above, it may not converge.
ROUTER2_FROM = 0.30

#: How full the placer may leave a region, 0 to 1, from there on: at its own 0.9, chains that
#: belong together stand so close that the wires between them do not all find a way.
SPREAD_DENSITY = 0.6


class Ecp5(Family):
    """See `Family`."""

    CONSTRAINTS = "top.lpf"
    SYNTHESIS = "synth_ecp5"
    NEXTPNR = "nextpnr-ecp5"
    # Wide multiplexers are not used: mapped to PFUMX and L6MUX21, popcounts take up to twice the
    # LUTs. What other flags do to each kind of design is in docs/build.md.
    SYNTHESIS_FLAGS = "-nowidelut"

    def count_cells(self, path: Path) -> Counts:
        # The LUTs are a lower bound of what place and route will use: chains need a site to
        # enter and to leave.
        cells = cells_by_type(path)

        def total(weights: dict[str, int]) -> int:
            return sum(weight * cells.get(cell, 0) for cell, weight in weights.items())

        return Counts(lut=total(_COMB), ff=total(_FF), bram=total(_BRAM), dsp=total(_DSP))

    def place_options(self, fill: float) -> list[str]:
        if fill >= ROUTER2_FROM:
            return ["--router", "router2", "--placer-heap-beta", f"{SPREAD_DENSITY:g}"]
        return ["--router", "router1"]

    def place_files(self, *, clock_mhz: float, constrained: bool) -> list[str]:
        if constrained:
            # The clock follows from the oscillator's, which is among the constraints.
            return ["--lpf", self.CONSTRAINTS, "--textcfg", "top.config"]
        # nextpnr makes no top.config out of context.
        return ["--out-of-context", "--lpf-allow-unconstrained", "--freq", f"{clock_mhz:g}"]

    def pack_arguments(self, device: str) -> list[str]:
        # The device is in top.config.
        return ["--compress", "--input", "top.config", "--bit", self.BITSTREAM]

    def used(self, sites: dict[str, int], folder: Path) -> Counts:
        return Counts(
            lut=sites["TRELLIS_COMB"],
            ff=sites["TRELLIS_FF"],
            bram=sites["DP16KD"],
            dsp=sites["MULT18X18D"],
        )
