"""The reports that Yosys and all of nextpnr's kinds leave alike, in JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sw.errors import PlanError, ToolError

__all__ = ["achieved_mhz", "load_json"]


def load_json(path: Path, tool: str) -> dict[str, Any]:
    """The contents of a file that ``tool`` has written.

    Raises
    ------
    ToolError
        It cannot be read.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ToolError(
            f"{tool} ended well but left no readable {path.name}: {error}",
            f"Update {tool}, or use the packaged one",
        ) from error


def achieved_mhz(report: dict[str, Any], clock_mhz: float, path: Path, tool: str) -> float:
    """The clock that a routed design reaches, in MHz.

    Of several domains the slowest counts of those that are constrained to ``clock_mhz``.

    Raises
    ------
    ToolError
        There is no clock in the report.
    PlanError
        Another clock, that of a PHY say, misses its own constraint.
    """
    clocks = list(report["fmax"].values())
    ours = [c for c in clocks if abs(c["constraint"] - clock_mhz) <= 0.01 * clock_mhz] or clocks
    if not ours:
        raise ToolError(
            f"{tool} reports no clock in the routed design: {path}",
            "Report this as a bug of Binarray, with the design",
        )
    for name, clock in report["fmax"].items():
        if clock not in ours and clock["achieved"] < 0.9995 * clock["constraint"]:
            raise PlanError(
                f"The clock '{name}' must reach {clock['constraint']:g} MHz, whatever --clock is, "
                f"and the routed design reaches {clock['achieved']:.2f} MHz",
                "Try another placement with --seed, or fill less of the device with --share",
            )
    return round(min(c["achieved"] for c in ours), 2)
