"""iCE40: what to tell Yosys, nextpnr-ice40 and icepack, and how to read what they answer.

See `hw.flow.ecp5`, whose functions these are.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hw.flow.reading import achieved_mhz, load_json, progress_note
from hw.flow.result import Counts, Routed

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

#: The file of pins and clocks, and that of the bitstream: iceprog takes any name.
CONSTRAINTS = "top.pcf"
BITSTREAM = "top.bit"

#: Options of synth_ice40.
SYNTHESIS_FLAGS = ""


def synthesis_script(top: str = "top", *, flags: str = SYNTHESIS_FLAGS) -> str:
    """Yosys commands from ``top.il`` to ``top.json`` and cell counts in ``cells.json``.

    Memories are mapped before the design is made flat, as on ECP5. There is no memory of LUTs:
    what was to be one becomes block RAM, or flip-flops where it is small, as
    `hw.plan.fabric` says.
    """
    return (
        f"read_rtlil {top}.il\n"
        f"hierarchy -top {top}\n"
        "proc\n"
        "opt_expr\n"
        "opt_clean\n"
        "opt_dff\n"
        "opt_clean\n"
        "setattr -unset ram_style m:* a:ram_style=distributed %i\n"
        "memory -nomap\n"
        f"synth_ice40 {flags} -top {top} -run map_ram:map_ffram\n"
        f"synth_ice40 {flags} -top {top} -json {top}.json\n"
        "tee -q -o cells.json stat -json\n"
    )


def count_cells(path: Path) -> Counts:
    """Resources of a synthesised design, from ``cells.json`` and ``top.json`` beside it.

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
        bit in driven and users[bit] == 1 for cell in registers for bit in cell["connections"]["D"]
    )
    return Counts(
        lut=luts + len(registers) - paired,
        ff=len(registers),
        bram=sum(cell["type"].startswith("SB_RAM40_4K") for cell in cells),
        dsp=sum(cell["type"] == "SB_MAC16" for cell in cells),
        spram=sum(cell["type"] == "SB_SPRAM256KA" for cell in cells),
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
    """Arguments of nextpnr-ice40: ``top.json`` to ``top.config`` and ``routed.json``.

    See `hw.flow.ecp5.place_arguments`. The clock has to be named: behind the gate
    (`boards.ice40`) nextpnr no longer derives it from the oscillator's.
    """
    arguments = device.split()
    arguments += ["--json", "top.json", "--report", "routed.json", "--asc", "top.config"]
    arguments += ["--pcf", CONSTRAINTS] if constrained else ["--pcf-allow-unconstrained"]
    arguments += place_options(fill) if options is None else options
    arguments += ["--freq", f"{clock_mhz:g}"]
    return [*arguments, "--seed", str(seed), "--timing-allow-fail"]


def pack_arguments(device: str) -> list[str]:
    """Arguments of icepack: ``top.config`` to ``top.bit``; ``device`` is in the former."""
    del device
    return ["top.config", BITSTREAM]


def read_routed(path: Path, clock_mhz: float) -> Routed:
    """Resources and clock of a routed design, from ``routed.json``.

    nextpnr-ice40 counts logic cells only: flip-flops are those of ``top.json`` beside it.
    """
    report = load_json(path, "nextpnr-ice40")
    used = {name: int(entry["used"]) for name, entry in report["utilization"].items()}
    return Routed(
        lut=used["ICESTORM_LC"],
        ff=count_cells(path.with_name("cells.json")).ff,
        bram=used["ICESTORM_RAM"],
        dsp=used.get("ICESTORM_DSP", 0),
        spram=used.get("ICESTORM_SPRAM", 0),
        fmax_mhz=achieved_mhz(report, clock_mhz, path, "nextpnr-ice40"),
    )


def route_note(line: str) -> str | None:
    """What a line of nextpnr's log says of the progress, or None."""
    return progress_note(line)
