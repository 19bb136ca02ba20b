"""Loading a bitstream into a board.

What a board wants is in its fields (`boards.Board.flash` and those beside it); this module
knows no board and no loader by name.
"""

from __future__ import annotations

import os
import shlex
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import boards
from boards import Board
from hw.flow import manifest
from hw.flow.families import FAMILIES
from hw.flow.toolchain import Tool
from sw import cli
from sw.errors import LinkError, MissingToolError, PlanError

__all__ = [
    "WITH_WEIGHTS",
    "Loader",
    "bitstream_of",
    "check_target",
    "find_loader",
    "load_bitstream",
]

#: A bitstream and the weights behind it, for the board's flash memory alone.
WITH_WEIGHTS = "top.bin"

#: What a build may have: the files that packers leave, each in the format of its family.
_BITSTREAMS = {*(family.BITSTREAM for family in FAMILIES.values()), WITH_WEIGHTS}


@dataclass(frozen=True, kw_only=True)
class Loader:
    """The programs that load a bitstream into a board.

    Parameters
    ----------
    board : Board
    tool : Tool
        Loads the bitstream whose name is appended.
    prepare : tuple of Tool
        Run before, in turn, on a copy of it, which each may change.
    stays : bool
        It goes into the board's flash memory, and stays without power.
    """

    board: Board
    tool: Tool
    prepare: tuple[Tool, ...]
    stays: bool


def find_loader(board: Board, *, persistent: bool = False) -> Loader:
    """The programs that load a bitstream into ``board``.

    Parameters
    ----------
    persistent : bool
        Into the board's flash memory instead of the FPGA's own.

    Raises
    ------
    MissingToolError
        One is not installed.
    PlanError
        The board's loader does not write its flash memory.
    """
    command = board.flash
    if persistent:
        if board.flash_persistent is None:
            raise PlanError(
                f"{board.flash[0]} does not write the flash memory of the {board.title}",
                "Load it without --persistent: it stays until the power goes",
            )
        command = board.flash_persistent
    override = os.environ.get(board.flash_variable, "").strip()
    return Loader(
        board=board,
        tool=_find(board, command, shlex.split(override)),
        prepare=tuple(_find(board, other) for other in board.flash_prepare),
        stays=command == board.flash_persistent,
    )


def _find(board: Board, command: tuple[str, ...], override: list[str] | None = None) -> Tool:
    program, *arguments = command
    words = override or [program]
    found = shutil.which(words[0])
    if found is None:
        where = "" if override is None else f", or set {board.flash_variable} to its path"
        raise MissingToolError(
            f"{words[0]}, which loads the {board.title}, is not installed",
            f"{board.flash_install}{where}",
        )
    return Tool(
        name=program,
        argv=(str(Path(found).absolute()), *words[1:], *arguments),
        version="",
        kind="override" if override else "native",
    )


def bitstream_of(folder: Path) -> tuple[Board, str]:
    """The board that a build folder is for, and the name of its bitstream, after checking it.

    Raises
    ------
    LinkError
        The folder is no build, or has no bitstream, or not the one that was built.
    PlanError
        It is for a board or a size that there is not.
    """
    made = manifest.load(folder)
    name = next((name for name in _BITSTREAMS if name in made.files), None)
    if name is None:
        raise LinkError(
            f"The build in '{folder}' has no bitstream: it was a dry run, or is for no board",
            "Build it for a board with python -m hw.build --board NAME",
        )
    board = boards.find(made.board, made.size)
    path = folder / name
    if not path.is_file():
        raise LinkError(f"There is no {name} in '{folder}'", "Build it again")
    digest = manifest.sha256_file(path)
    if digest != made.files[name]:
        raise LinkError(
            f"'{path}' has SHA-256 {digest[:16]}..., but {manifest.NAME} says "
            f"{made.files[name][:16]}...: it is not the bitstream that was built",
            "Build it again",
        )
    return board, name


def check_target(loader: Loader, name: str) -> None:
    """Refuse to load what holds weights into the FPGA's own memory, from which none are read.

    Raises
    ------
    PlanError
        The loader was told to.
    """
    # iceprog's option for it, which a user may have set.
    if name != WITH_WEIGHTS or (loader.stays and "-S" not in loader.tool.argv[1:]):
        return
    shown = shlex.join((loader.tool.name, *loader.tool.argv[1:]))
    raise PlanError(
        f"{shown} writes the FPGA's own memory, but the {loader.board.title} reads weights of "
        "this build from its flash memory",
        f"Leave the option out of {loader.board.flash_variable}",
    )


def load_bitstream(loader: Loader, folder: Path) -> None:
    """Load the bitstream of a build folder into a board that is plugged in.

    Raises
    ------
    LinkError, PlanError
        As of `bitstream_of` and `check_target`.
    ToolError
        A program failed; for instance no board is plugged in.
    """
    board, name = bitstream_of(folder)
    assert board == loader.board, "the loader was found for this build"
    check_target(loader, name)
    logs = folder / "logs"
    logs.mkdir(exist_ok=True)
    with cli.step(f"load the {board.title}, {loader.tool.name}"):
        with tempfile.TemporaryDirectory() as copy:
            place = folder
            if loader.prepare:
                place = Path(shutil.copyfile(folder / name, Path(copy) / name)).parent
            for tool in loader.prepare:
                tool.run([name], cwd=place, log=logs / f"{tool.name}.log")
            loader.tool.run([name], cwd=place, log=logs / "load.log")
    until = "in its flash memory, to stay" if loader.stays else "until the power goes"
    cli.console.print(f"loaded: {board.title}, {until}", markup=False)
