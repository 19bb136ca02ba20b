"""Loading a bitstream into a board."""

from __future__ import annotations

import os
import shlex
import shutil
from pathlib import Path

from boards import Board
from hw.flow.run import FAMILIES
from hw.flow.toolchain import Tool
from sw import cli
from sw.errors import MissingToolError

__all__ = ["find_loader", "load_bitstream"]


def find_loader(board: Board) -> Tool:
    """The program that loads a bitstream into ``board``.

    Raises
    ------
    MissingToolError
        It is not installed.
    """
    override = os.environ.get(board.flash_variable, "").strip()
    program, *arguments = board.flash
    words = shlex.split(override) if override else [program]
    found = shutil.which(words[0])
    if found is None:
        raise MissingToolError(
            f"{words[0]}, which loads the {board.title}, is not installed",
            f"{board.flash_install}, or set {board.flash_variable} to its path",
        )
    argv = (str(Path(found).absolute()), *words[1:], *arguments)
    return Tool(
        name=program,
        argv=argv,
        version="",
        kind="override" if override else "native",
    )


def load_bitstream(board: Board, loader: Tool, folder: Path) -> None:
    """Load the bitstream of a build folder into a board that is plugged in.

    openFPGALoader writes the device itself, and the design stays until the power goes; iceprog
    writes the board's flash memory.

    Raises
    ------
    ToolError
        The program failed; for instance no board is plugged in.
    """
    with cli.step(f"load the {board.title}, {loader.name}"):
        loader.run([FAMILIES[board.family].BITSTREAM], cwd=folder, log=folder / "logs" / "load.log")
