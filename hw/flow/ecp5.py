"""ECP5: what to tell Yosys, nextpnr-ecp5 and ecppack, and how to read what they answer.

Another family is another module of these functions, entered in `hw.flow.run`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from hw.flow.result import Counts, Routed
from sw.errors import PlanError, ToolError

__all__ = [
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

#: The file of pins and clocks.
CONSTRAINTS = "top.lpf"

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
    stat = _load(path, "Yosys")
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
    arguments += place_options(fill) if options is None else options
    # A missed clock is ours to report, with the frequency that was reached.
    return [*arguments, "--seed", str(seed), "--timing-allow-fail"]


def pack_arguments() -> list[str]:
    """Arguments of ecppack: ``top.config`` to ``top.bit``."""
    return ["--compress", "--input", "top.config", "--bit", "top.bit"]


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
        Another domain, as of USB, misses its own clock.
    """
    report = _load(path, "nextpnr-ecp5")
    used = {name: int(entry["used"]) for name, entry in report["utilization"].items()}
    clocks = list(report["fmax"].values())
    ours = [c for c in clocks if abs(c["constraint"] - clock_mhz) <= 0.01 * clock_mhz] or clocks
    if not ours:
        raise ToolError(
            f"nextpnr-ecp5 reports no clock in the routed design: {path}",
            "Report this as a bug of Binarray, with the design",
        )
    for name, clock in report["fmax"].items():
        if clock not in ours and clock["achieved"] < clock["constraint"]:
            raise PlanError(
                f"The clock of '{name}' is not met: it is {clock['constraint']:g} MHz, and the "
                f"routed design reaches {clock['achieved']:.2f} MHz",
                "Try another placement with --seed",
            )
    return Routed(
        lut=used["TRELLIS_COMB"],
        ff=used["TRELLIS_FF"],
        bram=used["DP16KD"],
        dsp=used["MULT18X18D"],
        fmax_mhz=round(min(c["achieved"] for c in ours), 2),
    )


def route_note(line: str) -> str | None:
    """What a line of nextpnr's log says of the progress, or None."""
    if found := re.search(r"Max frequency for clock\s+'[^']*':\s*([\d.]+) MHz", line):
        return f"about {float(found[1]):.0f} MHz"
    if found := re.search(r"at iteration #(\d+).*?(?:wirelen = (\d+))", line):
        return f"placing, wire length {int(found[2]):,}"
    if found := re.search(r"iter=(\d+).*overused=(\d+)", line):
        return f"routing, pass {found[1]}, {int(found[2]):,} conflicts"
    if found := re.search(r"^Info:\s+(\d+) \|\s+\d+\s+\d+ \|\s+\d+\s+\d+ \|\s+(\d+)", line):
        return f"routing, {int(found[2]):,} arcs to go"
    return None


def _load(path: Path, tool: str) -> dict:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ToolError(
            f"{tool} ended well but left no readable {path.name}: {error}",
            f"Update {tool}, or use the packaged one",
        ) from error
