"""iCE40: Yosys, nextpnr-ice40 and icepack."""

from __future__ import annotations

from pathlib import Path

from hw.flow.family import Family
from hw.flow.reading import load_json
from hw.flow.result import Counts

__all__ = ["Ice40"]


class Ice40(Family):
    """See `Family`."""

    CONSTRAINTS = "top.pcf"
    SYNTHESIS = "synth_ice40"
    NEXTPNR = "nextpnr-ice40"
    # There is no memory of LUTs: what was to be one becomes block RAM, or flip-flops where it is
    # small, as `hw.plan.fabric` says.
    BEFORE_MEMORY = "setattr -unset ram_style m:* a:ram_style=distributed %i\n"

    def count_cells(self, path: Path) -> Counts:
        """Of ``top.json`` beside ``cells.json``.

        "lut" are logic cells, a LUT and a flip-flop each. A flip-flop shares one with the LUT in
        front of it that has no other user; any other flip-flop has a cell to itself. It is a lower
        bound: carries without a LUT take cells too.
        """
        module = load_json(path.with_name("top.json"), "Yosys")["modules"]["top"]
        cells = module["cells"].values()
        users: dict[int | str, int] = {}
        driven: set[int | str] = set()
        for cell in cells:
            for port, bits in cell["connections"].items():
                for bit in bits:
                    if cell["port_directions"][port] == "output":
                        if cell["type"] == "SB_LUT4":
                            driven.add(bit)
                    else:
                        users[bit] = users.get(bit, 0) + 1
        registers = [cell for cell in cells if cell["type"].startswith("SB_DFF")]
        luts = sum(cell["type"] == "SB_LUT4" for cell in cells)
        paired = sum(
            bit in driven and users[bit] == 1
            for cell in registers
            for bit in cell["connections"]["D"]
        )
        return Counts(
            lut=luts + len(registers) - paired,
            ff=len(registers),
            bram=sum(cell["type"].startswith("SB_RAM40_4K") for cell in cells),
            dsp=sum(cell["type"] == "SB_MAC16" for cell in cells),
            spram=sum(cell["type"] == "SB_SPRAM256KA" for cell in cells),
        )

    def place_files(self, *, clock_mhz: float, constrained: bool) -> list[str]:
        pins = ["--pcf", self.CONSTRAINTS] if constrained else ["--pcf-allow-unconstrained"]
        # The clock has to be named: behind the gate (`boards.ice40`) nextpnr no longer derives
        # it from the oscillator's.
        return ["--asc", "top.config", *pins, "--freq", f"{clock_mhz:g}"]

    def pack_arguments(self, device: str) -> list[str]:
        # The device is in top.config; iceprog takes a file of any name.
        return ["top.config", self.BITSTREAM]

    def used(self, sites: dict[str, int], folder: Path) -> Counts:
        return Counts(
            lut=sites["ICESTORM_LC"],
            # nextpnr counts logic cells only.
            ff=self.count_cells(folder / "cells.json").ff,
            bram=sites["ICESTORM_RAM"],
            dsp=sites.get("ICESTORM_DSP", 0),
            spram=sites.get("ICESTORM_SPRAM", 0),
        )
