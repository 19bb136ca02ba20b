"""Gowin: Yosys, nextpnr-himbaechel and gowin_pack."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from math import ceil
from pathlib import Path

from hw.flow.family import Family, cells_by_type
from hw.flow.result import Counts, Routed
from hw.plan.fabric import GOWIN_DSP_MHZ

__all__ = ["Gowin"]

#: LUT sites of cells that are not plain LUTs; an adder's cell is one, a memory of 16 x 4 is four.
_LUT = {"ALU": 1, "RAM16SDP4": 4, "RAM16SDP2": 2, "RAM16SDP1": 1, "RAM16S4": 4}
#: Multipliers of 18 x 18 bits that a cell is: one has the place of two of 9 x 9.
_DSP = {"MULT9X9": 0.5, "MULT18X18": 1, "MULT36X36": 4}
_BRAM = re.compile(r"(SP|SPX9|SDPB|SDPX9B|DPB|DPX9B|pROM|pROMX9)$")


def _sites(cells: dict[str, int]) -> int:
    """LUT sites of cells that are not plain LUTs."""
    return sum(sites * cells.get(cell, 0) for cell, sites in _LUT.items())


class Gowin(Family):
    """See `Family`."""

    CONSTRAINTS = "top.cst"
    BITSTREAM = "top.fs"  # openFPGALoader knows the format by its name
    SYNTHESIS = "synth_gowin"
    NEXTPNR = "nextpnr-himbaechel"
    # Wide multiplexers are not used: popcounts take up to 2.6 times the LUTs.
    SYNTHESIS_FLAGS = "-nowidelut"

    def count_cells(self, path: Path) -> Counts:
        cells = cells_by_type(path)

        def total(pattern: str) -> int:
            return sum(number for cell, number in cells.items() if re.fullmatch(pattern, cell))

        return Counts(
            lut=total(r"LUT[1-4]") + _sites(cells),
            ff=total(r"DFF.*"),
            bram=sum(number for cell, number in cells.items() if _BRAM.match(cell)),
            dsp=_multipliers(cells),
        )

    def place_files(self, *, clock_mhz: float, constrained: bool) -> list[str]:
        pins = ["--vopt", f"cst={self.CONSTRAINTS}"] if constrained else []
        # Constraints name pins only, so the clock is given here.
        return ["--write", "top.config", *pins, "--freq", f"{clock_mhz:g}"]

    def pack_arguments(self, device: str) -> list[str]:
        # nextpnr's family, for instance GW1N-9C: the part's number leaves out the C.
        (family,) = re.findall(r"family=(\S+)", device)
        return ["-d", family, "-o", self.BITSTREAM, "top.config"]

    def used(self, sites: dict[str, int], folder: Path) -> Counts:
        # An adder's cell is a LUT's site, which nextpnr counts apart.
        return Counts(
            lut=sites["LUT4"] + _sites(sites),
            ff=sites["DFF"],
            bram=sites["BSRAM"],
            dsp=_multipliers(sites),
        )

    def read_routed(self, path: Path, clock_mhz: float) -> Routed:
        """As of `Family`. nextpnr has no delays of multipliers, so with some the clock is at most
        `hw.plan.fabric.GOWIN_DSP_MHZ`."""
        routed = super().read_routed(path, clock_mhz)
        if not routed.dsp:
            return routed
        return replace(routed, fmax_mhz=min(routed.fmax_mhz, GOWIN_DSP_MHZ))


def _multipliers(cells: Mapping[str, int]) -> int:
    """How many of 18 x 18 bits the cells take, of which there are so many of each type."""
    return ceil(sum(each * cells.get(cell, 0) for cell, each in _DSP.items()))
