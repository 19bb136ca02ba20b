"""Synthesis: from RTLIL to a netlist of a family's cells, which `hw.flow.netlist` improves."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

from hw.flow.families import FAMILIES
from hw.flow.netlist import improve
from hw.flow.progress import tool_step
from hw.flow.result import Counts
from hw.flow.toolchain import Tool, find_yosys

__all__ = ["Synthesis", "synthesise"]


@dataclass(frozen=True, kw_only=True)
class Synthesis:
    """A synthesised design in a folder, as ``top.json``.

    Parameters
    ----------
    counts : Counts
        What it needs at least.
    seconds : float
        Wall-clock time of Yosys and of what follows it.
    note : str
        What was improved in the netlist.
    """

    counts: Counts
    seconds: float
    note: str = ""


def synthesise(
    rtlil: bytes,
    *,
    family: str,
    folder: Path,
    yosys: Tool | None = None,
    flags: str | None = None,
) -> Synthesis:
    """Synthesise a design in ``folder``, which receives ``top.json`` and ``yosys.log``.

    Also of use for a block on its own, as benchmarks do.

    Parameters
    ----------
    rtlil : bytes
        The design, whose top module is ``top``.
    family : str
        Of devices: "ecp5", "ice40", "gowin".
    folder : Path
        An existing folder.
    yosys : Tool, optional
        The one found by `find_yosys` when not given.
    flags : str, optional
        Of Yosys's synthesis, instead of the family's.

    Raises
    ------
    ToolError
        Yosys is missing or failed.
    """
    steps, tool = FAMILIES[family], yosys or find_yosys()
    (folder / "top.il").write_bytes(rtlil)
    (folder / "synthesise.ys").write_text(steps.synthesis_script(flags), encoding="utf-8")
    start = time.monotonic()
    with tool_step("synthesise", tool) as note:
        tool.run(
            ["-s", "synthesise.ys"],
            cwd=folder,
            log=folder / "yosys.log",
            on_line=lambda line: note(line) if line[:1].isdigit() else None,
        )
    counts = steps.count_cells(folder / "cells.json")
    made = improve(folder / "top.json", family)
    return Synthesis(
        counts=replace(counts, ff=counts.ff - made.flip_flops),
        seconds=round(time.monotonic() - start, 2),
        note=made.note(),
    )
