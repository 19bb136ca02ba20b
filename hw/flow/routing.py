"""Place and route: from what synthesis left in a folder to a routed design and its clock."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from boards import Board
from hw.flow.families import FAMILIES
from hw.flow.progress import progress_note, tool_step
from hw.flow.result import Routed
from hw.flow.synthesis import Synthesis
from hw.flow.toolchain import Tool, find_nextpnr

__all__ = ["route", "route_board"]

#: CPU seconds of place and route for each LUT, for the estimate on the progress line.
_SECONDS_PER_LUT = 0.015


def route(
    synthesis: Synthesis,
    *,
    family: str,
    device: str,
    luts: int,
    clock_mhz: float,
    seed: int,
    folder: Path,
    constraints: bytes | None,
    nextpnr: Tool | None = None,
    options: Sequence[str] | None = None,
) -> Routed:
    """Place and route what `hw.flow.synthesis.synthesise` left in ``folder``, as ``top.config``.

    Also of use for a block on its own: without ``constraints`` the ports are not pins.

    Parameters
    ----------
    device : str
        Options of nextpnr that name the device.
    luts : int
        How many LUTs the device has, by which the router is chosen.
    clock_mhz : float
        The clock asked for.
    options : sequence of str, optional
        Router and density, instead of the family's choice.

    Raises
    ------
    ToolError
        nextpnr is missing or failed.
    """
    steps, tool = FAMILIES[family], nextpnr or find_nextpnr(family)
    arguments = steps.place_arguments(
        device,
        fill=synthesis.counts.lut / luts,
        seed=seed,
        clock_mhz=clock_mhz,
        constrained=constraints is not None,
        options=options,
    )
    if constraints is not None:
        (folder / steps.CONSTRAINTS).write_bytes(constraints)
    expected = 2 + _SECONDS_PER_LUT * synthesis.counts.lut
    with tool_step(
        f"place and route {synthesis.counts.lut:,} LUTs, seed {seed} "
        f"(about {_duration(expected)} of CPU time)",
        tool,
    ) as note:
        tool.run(
            arguments,
            cwd=folder,
            log=folder / "nextpnr.log",
            on_line=lambda line: note(said) if (said := progress_note(line)) else None,
        )
    return steps.read_routed(folder / "routed.json", clock_mhz)


def route_board(
    synthesis: Synthesis,
    board: Board,
    *,
    clock_mhz: float,
    seed: int,
    folder: Path,
    constraints: bytes | None,
    nextpnr: Tool | None = None,
) -> Routed:
    """`route` on a board's device."""
    return route(
        synthesis,
        family=board.family,
        device=board.device,
        luts=board.budget.lut,
        clock_mhz=clock_mhz,
        seed=seed,
        folder=folder,
        constraints=constraints,
        nextpnr=nextpnr,
    )


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
