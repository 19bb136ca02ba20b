"""From RTLIL to a bitstream: synthesis, a check that it fits, place and route, packing.

The tools work in a folder of the build cache; nothing is written anywhere else. A
design that was built before, with the same options and tools, is not built again.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from boards import Board
from hw.flow.cache import Cache, content_key
from hw.flow.families import FAMILIES
from hw.flow.limits import check_clock, check_fit
from hw.flow.progress import tool_step
from hw.flow.result import Counts, Implementation, Routed
from hw.flow.routing import route_board
from hw.flow.synthesis import synthesise
from hw.flow.toolchain import Tool, find_nextpnr, find_packer, find_yosys
from hw.spram.image import WeightImage
from sw import cli
from sw.errors import ToolError

__all__ = ["Sources", "flow_identity", "implement"]

#: Enters every cache key: raise it when a change here changes what the tools make.
FLOW_VERSION = "4"


@dataclass(frozen=True, kw_only=True)
class Sources:
    """What the tools start from.

    Parameters
    ----------
    rtlil : bytes
        The design, whose top module is ``top``.
    constraints : bytes or None
        Pins and clocks in the family's format; None for a block on its own.
    image : WeightImage or None
        Weights that the board's flash memory must hold behind the bitstream.
    """

    rtlil: bytes
    constraints: bytes | None
    image: WeightImage | None = None


def flow_identity(family: str) -> tuple[str, ...]:
    """Everything but the design and the options that a synthesised and routed design hangs on.

    Part of the keys under which such are kept.
    """
    return (
        FLOW_VERSION,
        FAMILIES[family].synthesis_script(),
        find_yosys().identity,
        find_nextpnr(family).identity,
    )


def implement(
    sources: Sources,
    board: Board,
    *,
    clock_mhz: float,
    seed: int = 1,
    cache: Cache | None = None,
) -> Implementation:
    """Make a bitstream, or fetch it from the cache.

    Parameters
    ----------
    sources : Sources
        Design and constraints.
    board : Board
        Names the device, and its budget.
    clock_mhz : float
        The clock the design must reach.
    seed : int
        Of the placer.
    cache : Cache, optional
        The user's when not given.

    Raises
    ------
    PlanError
        The synthesised design exceeds the device.
    ClockError
        The routed design misses the clock.
    ToolError
        A tool is missing or failed; its log is kept.
    """
    cache = cache or Cache()
    tools = (find_yosys(), find_nextpnr(board.family), find_packer(board.family))
    for tool in tools:
        if tool.note:
            cli.console.print(f"note: {tool.name}: {tool.note}", markup=False)
    key = content_key(
        *flow_identity(board.family),
        tools[2].identity,
        sources.rtlil,
        sources.constraints or b"",
        board.family,
        board.device,
        f"{clock_mhz:.6f}",
        str(seed),
    )
    entry = cache.lookup(key)
    if entry is not None:
        cached = _restore(entry, board.family, cached=True)
        if cached is not None:
            cli.console.print(f"bitstream found in the build cache ({key})", markup=False)
            return cached
    with cache.work(key) as folder:
        _run_tools(sources, board, tools, clock_mhz=clock_mhz, seed=seed, folder=folder)
        made = _restore(cache.keep(folder, key), board.family, cached=False)
    assert made is not None, "the entry just written is readable"
    return made


def _run_tools(
    sources: Sources,
    board: Board,
    tools: tuple[Tool, Tool, Tool],
    *,
    clock_mhz: float,
    seed: int,
    folder: Path,
) -> None:
    """Fill ``folder`` with the bitstream, ``result.json`` and logs, and nothing else."""
    steps = FAMILIES[board.family]
    yosys, nextpnr, packer = tools
    synthesis = synthesise(sources.rtlil, family=board.family, folder=folder, yosys=yosys)
    check_fit(synthesis.counts, board)
    start = time.monotonic()
    routed = route_board(
        synthesis,
        board,
        clock_mhz=clock_mhz,
        seed=seed,
        folder=folder,
        constraints=sources.constraints,
        nextpnr=nextpnr,
    )
    placed = time.monotonic()
    check_clock(routed, board, clock_mhz=clock_mhz, seed=seed)
    with tool_step("pack", packer):
        log = folder / f"{packer.name}.log"
        packer.run(steps.pack_arguments(board.device), cwd=folder, log=log)
    if not (folder / steps.BITSTREAM).is_file():
        raise ToolError(
            f"{packer.name} ended well but left no {steps.BITSTREAM}", f"Read its log in {log}"
        )
    result = {
        "routed": asdict(routed),
        "synthesised": asdict(synthesis.counts),
        "netlist": synthesis.note,
        "seconds": {
            "synthesise": synthesis.seconds,
            "place_and_route": round(placed - start, 2),
            "pack": round(time.monotonic() - placed, 2),
        },
        "tools": {tool.name: f"{tool.version} ({tool.kind})" for tool in tools},
    }
    (folder / "result.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    for name in ("top.il", "top.json", "top.config", "synthesise.ys", steps.CONSTRAINTS):
        (folder / name).unlink(missing_ok=True)


def _restore(entry: Path, family: str, *, cached: bool) -> Implementation | None:
    """What a cache entry says; None when it is damaged."""
    bitstream = FAMILIES[family].BITSTREAM
    if not (entry / bitstream).is_file():
        return None
    try:
        result = json.loads((entry / "result.json").read_text(encoding="utf-8"))
        return Implementation(
            folder=entry,
            bitstream=bitstream,
            routed=Routed(**result["routed"]),
            synthesised=Counts(**result["synthesised"]),
            netlist=str(result["netlist"]),
            seconds=dict(result["seconds"]),
            tools=dict(result["tools"]),
            cached=cached,
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
