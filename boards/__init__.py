"""The boards: device budgets, clocks, pins and loaders, a small file each.

`BOARDS` maps a name to its sizes; `find` looks one up and explains a miss.
"""

from __future__ import annotations

from boards import (
    colorlight,
    ecpix5,
    ice40_hx8k,
    icebreaker,
    icepi_zero,
    orangecrab,
    tang_nano,
    ulx3s,
    upduino,
)
from boards.board import Board, ClockPlan, DeviceBudget, Lamp
from boards.refused import REFUSED
from sw.errors import PlanError

__all__ = ["BOARDS", "REFUSED", "Board", "ClockPlan", "DeviceBudget", "Lamp", "find"]

#: Every board by name, then by size; the last size is the default.
BOARDS: dict[str, dict[str, Board]] = {
    "ulx3s": ulx3s.SIZES,
    "icebreaker": icebreaker.SIZES,
    "tang_nano_9k": tang_nano.TANG_NANO_9K,
    "tang_nano_20k": tang_nano.TANG_NANO_20K,
    "orangecrab": orangecrab.SIZES,
    "ecpix5": ecpix5.SIZES,
    "colorlight_i5": colorlight.SIZES_I5,
    "colorlight_i9": colorlight.SIZES_I9,
    "icepi_zero": icepi_zero.SIZES,
    "upduino": upduino.SIZES,
    "ice40_hx8k": ice40_hx8k.SIZES,
}


def find(name: str, size: str | None = None) -> Board:
    """The board of a name and a size; upper and lower case are alike.

    Parameters
    ----------
    name : str
        A key of `BOARDS`.
    size : str, optional
        A size of it; the largest when not given.

    Raises
    ------
    PlanError
        There is no such board or size; the message lists those there are.
    """
    sizes = BOARDS.get(name.lower())
    if name.lower() in REFUSED:
        raise PlanError(*REFUSED[name.lower()])
    if sizes is None:
        raise PlanError(
            f"There is no board {name!r}: the boards are {', '.join(BOARDS)}",
            "Give --board one of them, or add it as docs/boards.md says",
        )
    if size is None:
        return list(sizes.values())[-1]
    board = sizes.get(size.upper())
    if board is None:
        raise PlanError(
            f"The {name.lower()} has no size {size!r}: its sizes are {', '.join(sizes)}",
            "Give --size one of them, or leave it out for the largest",
        )
    return board
