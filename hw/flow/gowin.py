"""Gowin: what to tell Yosys, nextpnr-himbaechel and gowin_pack, and how to read the answers.

See `hw.flow.ecp5`, whose functions these are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from math import ceil
from pathlib import Path

from hw.flow.reading import achieved_mhz, load_json, progress_note
from hw.flow.result import Counts, Routed
from hw.plan.fabric import GOWIN_DSP_MHZ

__all__ = [
    "BITSTREAM",
    "CONSTRAINTS",
    "SYNTHESIS_FLAGS",
    "count_cells",
    "pack_arguments",
    "place_arguments",
    "place_options",
    "read_routed",
    "route_note",
    "synthesis_script",
]

#: The file of pins, and that of the bitstream: openFPGALoader knows the format by its name.
CONSTRAINTS = "top.cst"
BITSTREAM = "top.fs"

#: Options of synth_gowin. Wide multiplexers are not used: popcounts take up to 2.6 times the LUTs.
SYNTHESIS_FLAGS = "-nowidelut"

#: LUT sites of cells that are not plain LUTs; an adder's cell is one, a memory of 16 x 4 is four.
_LUT = {"ALU": 1, "RAM16SDP4": 4, "RAM16SDP2": 2, "RAM16SDP1": 1, "RAM16S4": 4}
#: Multipliers of 18 x 18 bits that a cell is: one has the place of two of 9 x 9.
_DSP = {"MULT9X9": 0.5, "MULT18X18": 1, "MULT36X36": 4}
_BRAM = re.compile(r"(SP|SPX9|SDPB|SDPX9B|DPB|DPX9B|pROM|pROMX9)$")


def synthesis_script(top: str = "top", *, flags: str = SYNTHESIS_FLAGS) -> str:
    """Yosys commands from ``top.il`` to ``top.json`` and cell counts in ``cells.json``.

    Memories are mapped before the design is made flat, as on ECP5.
    """
    return (
        f"read_rtlil {top}.il\n"
        f"hierarchy -top {top}\n"
        "proc\n"
        "opt_expr\n"
        "opt_clean\n"
        "opt_dff\n"
        "opt_clean\n"
        "memory -nomap\n"
        f"synth_gowin {flags} -top {top} -run map_ram:map_ffram\n"
        f"synth_gowin {flags} -top {top} -json {top}.json\n"
        "tee -q -o cells.json stat -json\n"
    )


def count_cells(path: Path) -> Counts:
    """Resources of a synthesised design, from ``cells.json``."""
    stat = load_json(path, "Yosys")
    cells: dict[str, int] = stat.get("design", {}).get("num_cells_by_type", {})

    def total(pattern: str) -> int:
        return sum(number for cell, number in cells.items() if re.fullmatch(pattern, cell))

    return Counts(
        lut=total(r"LUT[1-4]") + sum(sites * cells.get(cell, 0) for cell, sites in _LUT.items()),
        ff=total(r"DFF.*"),
        bram=sum(number for cell, number in cells.items() if _BRAM.match(cell)),
        dsp=_multipliers(cells),
    )


def place_options(fill: float) -> list[str]:
    """Nothing depends on a part ``fill``, 0 to 1, of the LUTs."""
    del fill
    return []


def place_arguments(
    device: str,
    *,
    fill: float,
    seed: int,
    clock_mhz: float,
    constrained: bool = True,
    options: Sequence[str] | None = None,
) -> list[str]:
    """Arguments of nextpnr-himbaechel: ``top.json`` to ``top.config`` and ``routed.json``.

    See `hw.flow.ecp5.place_arguments`. Constraints name pins only, so the clock is given here.
    """
    arguments = device.split()
    arguments += ["--json", "top.json", "--report", "routed.json", "--write", "top.config"]
    if constrained:
        arguments += ["--vopt", f"cst={CONSTRAINTS}"]
    arguments += place_options(fill) if options is None else options
    arguments += ["--freq", f"{clock_mhz:g}"]
    return [*arguments, "--seed", str(seed), "--timing-allow-fail"]


def pack_arguments(device: str) -> list[str]:
    """Arguments of gowin_pack: ``top.config`` to ``top.fs``.

    The device is nextpnr's family, for instance GW1N-9C: the part's number leaves out the C.
    """
    (family,) = re.findall(r"family=(\S+)", device)
    return ["-d", family, "-o", BITSTREAM, "top.config"]


def read_routed(path: Path, clock_mhz: float) -> Routed:
    """Resources and clock of a routed design, from ``routed.json``.

    An adder's cell is a LUT's site, which nextpnr counts apart. It has no delays of multipliers:
    with some, the clock is at most `hw.plan.fabric.GOWIN_DSP_MHZ`.
    """
    report = load_json(path, "nextpnr-himbaechel")
    used = {name: int(entry["used"]) for name, entry in report["utilization"].items()}
    memories = sum(sites * used.get(cell, 0) for cell, sites in _LUT.items())
    dsp = _multipliers(used)
    fmax = achieved_mhz(report, clock_mhz, path, "nextpnr-himbaechel")
    return Routed(
        lut=used["LUT4"] + memories,
        ff=used["DFF"],
        bram=used["BSRAM"],
        dsp=dsp,
        fmax_mhz=min(fmax, GOWIN_DSP_MHZ) if dsp else fmax,
    )


def _multipliers(cells: Mapping[str, int]) -> int:
    """How many of 18 x 18 bits the cells take, of which there are so many of each type."""
    return ceil(sum(each * cells.get(cell, 0) for cell, each in _DSP.items()))


def route_note(line: str) -> str | None:
    """What a line of nextpnr's log says of the progress, or None."""
    return progress_note(line)
