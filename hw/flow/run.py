"""From RTLIL to a bitstream: synthesis, a check that it fits, place and route, packing.

The tools work in a folder of the build cache; nothing is written anywhere else. A
design that was built before, with the same options and tools, is not built again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from boards import BOARDS, Board
from hw.flow import ecp5, gowin, ice40
from hw.flow.cache import Cache, content_key
from hw.flow.netlist import improve
from hw.flow.result import Counts, Implementation, Routed
from hw.flow.toolchain import Tool, find_nextpnr, find_packer, find_yosys
from hw.spram.image import WeightImage
from sw import cli
from sw.errors import ClockError, PlanError, ToolError, UserError

__all__ = [
    "Sources",
    "Synthesis",
    "flow_identity",
    "implement",
    "route",
    "route_board",
    "synthesise",
]

#: What a family's module must have: see `hw.flow.ecp5`.
FAMILIES = {"ecp5": ecp5, "ice40": ice40, "gowin": gowin}

#: Enters every cache key: raise it when a change here changes what the tools make.
FLOW_VERSION = "4"

#: CPU seconds of place and route for each LUT, for the estimate on the progress line.
_SECONDS_PER_LUT = 0.015


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
    script = steps.synthesis_script(flags=steps.SYNTHESIS_FLAGS if flags is None else flags)
    (folder / "synthesise.ys").write_text(script, encoding="utf-8")
    start = time.monotonic()
    with _step("synthesise", tool) as note:
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
    """Place and route what `synthesise` left in ``folder``, as ``top.config``.

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
    with _step(
        f"place and route {synthesis.counts.lut:,} LUTs, seed {seed} "
        f"(about {_duration(expected)} of CPU time)",
        tool,
    ) as note:
        tool.run(
            arguments,
            cwd=folder,
            log=folder / "nextpnr.log",
            on_line=lambda line: note(said) if (said := steps.route_note(line)) else None,
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
    with _step("pack", packer):
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


def check_fit(counts: Counts, board: Board) -> None:
    """Refuse a synthesised design that exceeds its device: nextpnr would go on placing.

    Raises
    ------
    PlanError
        Names the resource, by how much it is exceeded, and a size that would do.
    """
    over = [
        (used / have if have else float("inf"), name, used, have)
        for name, used in counts.summary().items()
        if used > (have := getattr(board.budget, name))
    ]
    if not over:
        return
    _, name, used, have = max(over)
    larger = [
        other.size
        for other in BOARDS.get(board.name, {}).values()
        if all(used <= getattr(other.budget, n) for n, used in counts.summary().items())
    ]
    better = f"take --size {larger[0]}, or " if larger else ""
    ask = f"{better}ask for fewer frames/s with --fps or a smaller --share"
    raise PlanError(
        f"The synthesised design does not fit the {board.title}: it needs {used:,} {name}, "
        f"{used - have:,} more than the {have:,} there are",
        ask[0].upper() + ask[1:],
    )


def check_clock(routed: Routed, board: Board, *, clock_mhz: float, seed: int) -> None:
    """Refuse a routed design that is slower than its clock.

    Raises
    ------
    ClockError
        Says what was asked for, what was reached, and a clock to ask for.
    """
    # nextpnr counts in picoseconds: a clock just met may read 0.01 MHz short.
    if routed.fmax_mhz >= clock_mhz * 0.9995:
        return
    slower = reachable_clock(board, routed.fmax_mhz)
    ask = f"Ask for --clock {slower:g}, or try " if slower else "Try "
    raise ClockError(
        f"The clock is not met: {clock_mhz:g} MHz was asked for, and the routed design "
        f"reaches {routed.fmax_mhz:g} MHz",
        f"{ask}another placement with --seed {seed + 1}",
        fmax_mhz=routed.fmax_mhz,
    )


def reachable_clock(board: Board, most_mhz: float) -> float | None:
    """The greatest whole MHz up to ``most_mhz`` for which PLL and UART have a setting."""
    for mhz in range(int(most_mhz), 0, -1):
        try:
            plan = board.clock_plan(mhz)
            board.baud(plan.hz)
        except UserError:
            continue
        if plan.hz <= most_mhz * 1e6:
            return mhz
    return None


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


@contextmanager
def _step(description: str, tool: Tool) -> Iterator[Callable[[str], None]]:
    """A progress line that says when a tool has first to be compiled."""
    remark = f" ({tool.first_use})" if tool.first_use else ""
    with cli.step(f"{description}, {tool.name} {tool.version}{remark}") as note:
        yield note


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
