"""ECP5: what to tell Yosys, nextpnr-ecp5 and ecppack, and how to read what they answer.

Another family is another module of these functions, entered in `hw.flow.run`.
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

#: The file of pins and clocks, and that of the bitstream.
CONSTRAINTS = "top.lpf"
BITSTREAM = "top.bit"

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


#: Options of synth_ecp5. Wide multiplexers are not used: mapped to PFUMX and L6MUX21, popcounts
#: take up to twice the LUTs. What other flags do to each kind of design is in docs/build.md.
SYNTHESIS_FLAGS = "-nowidelut"


def synthesis_script(top: str = "top", *, flags: str = SYNTHESIS_FLAGS) -> str:
    """Yosys commands from ``top.il`` to ``top.json`` and cell counts in ``cells.json``.

    Memories are mapped module by module, before synth_ecp5 makes the design flat: Yosys's
    passes on memories take long in a large flat design. An enable must be seen as such for
    a register to become a memory's own.
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
        f"synth_ecp5 {flags} -top {top} -run map_ram:map_ffram\n"
        f"synth_ecp5 {flags} -top {top} -json {top}.json\n"
        "tee -q -o cells.json stat -json\n"
    )


def count_cells(path: Path) -> Counts:
    """Resources of a synthesised design, from ``cells.json``.

    The LUTs are a lower bound of what place and route will use: chains need a site to
    enter and to leave.
    """
    stat = load_json(path, "Yosys")
    cells: dict[str, int] = stat.get("design", {}).get("num_cells_by_type", {})

    def total(weights: dict[str, int]) -> int:
        return sum(weight * cells.get(cell, 0) for cell, weight in weights.items())

    return Counts(lut=total(_COMB), ff=total(_FF), bram=total(_BRAM), dsp=total(_DSP))


def place_options(fill: float) -> list[str]:
    """Router and density for a design that takes a part ``fill``, 0 to 1, of the LUTs."""
    if fill >= ROUTER2_FROM:
        return ["--router", "router2", "--placer-heap-beta", f"{SPREAD_DENSITY:g}"]
    return ["--router", "router1"]


def place_arguments(
    device: str,
    *,
    fill: float,
    seed: int,
    clock_mhz: float,
    constrained: bool = True,
    options: Sequence[str] | None = None,
) -> list[str]:
    """Arguments of nextpnr-ecp5: ``top.json`` to ``top.config`` and ``routed.json``.

    Without pins there is no ``top.config``: nextpnr makes none out of context.

    Parameters
    ----------
    device : str
        Options that name device, package and speed grade.
    fill : float
        Part of the LUTs in use, 0 to 1; chooses the options.
    seed : int
        Of the placer.
    clock_mhz : float
        The clock asked for. Of a board it follows from the oscillator's, in ``top.lpf``.
    constrained : bool
        Whether pins are given in ``top.lpf``.
    options : sequence of str, optional
        Instead of those of `place_options`.
    """
    arguments = device.split()
    arguments += ["--json", "top.json", "--report", "routed.json"]
    if constrained:
        arguments += ["--lpf", CONSTRAINTS, "--textcfg", "top.config"]
    else:
        arguments += ["--out-of-context", "--lpf-allow-unconstrained"]
        arguments += ["--freq", f"{clock_mhz:g}"]
    arguments += place_options(fill) if options is None else options
    # A missed clock is ours to report, with the frequency that was reached.
    return [*arguments, "--seed", str(seed), "--timing-allow-fail"]


def pack_arguments(device: str) -> list[str]:
    """Arguments of ecppack: ``top.config`` to ``top.bit``; ``device`` is in the former."""
    del device
    return ["--compress", "--input", "top.config", "--bit", BITSTREAM]


def read_routed(path: Path, clock_mhz: float) -> Routed:
    """Resources and clock of a routed design, from ``routed.json``.

    Parameters
    ----------
    path : Path
        nextpnr's report.
    clock_mhz : float
        The clock asked for: of several domains, the one constrained to it counts.

    Raises
    ------
    PlanError
        Another clock, that of a PHY say, misses its own constraint.
    """
    report = load_json(path, "nextpnr-ecp5")
    used = {name: int(entry["used"]) for name, entry in report["utilization"].items()}
    return Routed(
        lut=used["TRELLIS_COMB"],
        ff=used["TRELLIS_FF"],
        bram=used["DP16KD"],
        dsp=used["MULT18X18D"],
        fmax_mhz=achieved_mhz(report, clock_mhz, path, "nextpnr-ecp5"),
    )


def route_note(line: str) -> str | None:
    """What a line of nextpnr's log says of the progress, or None."""
    return progress_note(line)
