"""Refusals of a design: it exceeds its device, or misses its clock."""

from __future__ import annotations

from boards import BOARDS, Board
from hw.flow.result import Counts, Routed
from sw.errors import ClockError, PlanError, UserError

__all__ = ["check_clock", "check_fit", "reachable_clock"]


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
