"""Loading a bitstream into a board."""

from __future__ import annotations

import os
import shlex
import shutil
from pathlib import Path

from boards import Board
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
    """Load ``top.bit`` of a build folder into a board that is plugged in.

    It stays until the power goes: the board's flash memory is not written.

    Raises
    ------
    ToolError
        The program failed; for instance no board is plugged in.
    """
    with cli.step(f"load the {board.title}, {loader.name}"):
        loader.run(["top.bit"], cwd=folder, log=folder / "logs" / "load.log")
