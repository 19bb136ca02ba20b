"""Figures of benchmarks that take long: a JSON file of named entries, written one at a time.

Several measurements may run at once, each of its own entries. Every write reads the file
again, puts its one entry in and replaces the file, alone: the folder is locked meanwhile.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hw.flow.toolchain import find_nextpnr, find_yosys
from sw import cli
from sw.errors import UserError

__all__ = ["named", "put", "stored", "tools"]


def stored(path: Path) -> dict[str, Any]:
    """Entries by name; empty where there is no file."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def named(
    given: Iterable[str], every: Iterable[str], known: Collection[str], *, what: str
) -> list[str]:
    """The entries that ``--run`` names.

    Parameters
    ----------
    given : iterable of str
        Names, and "missing" for those that ``known`` lacks.
    every : iterable of str
        All names, in the order in which missing ones are measured.
    known : collection of str
        Names that have figures.
    what : str
        What an entry is called, for the error.

    Raises
    ------
    UserError
        There is none of that name.
    """
    names: list[str] = []
    every = list(every)
    for name in given:
        if name == "missing":
            names += [other for other in every if other not in known]
        elif name in every:
            names.append(name)
        else:
            raise UserError(
                f"there is no {what} {name!r}: the {what}s are {', '.join(every)}",
                "Name one of them, or missing for those without figures",
            )
    return names


def put(path: Path, name: str, entry: dict[str, Any], *, order: Iterable[str]) -> None:
    """Store an entry; those of others stay, and those that ``order`` lacks go.

    Parameters
    ----------
    path : Path
        Made where there is none, with its folder.
    name : str
    entry : dict
        Plain JSON.
    order : iterable of str
        Every name that there is, in the order of the file: an entry a line.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _alone(path.parent):
        known = stored(path) | {name: entry}
        lines = ",\n".join(
            f"{json.dumps(name)}: {json.dumps(known[name])}" for name in order if name in known
        )
        with cli.atomic_write(path) as file:
            file.write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")


def tools() -> dict[str, str]:
    """Version and kind of the tools that build, by name."""
    found = (find_yosys(), find_nextpnr("ecp5"))
    return {tool.name: f"{tool.version} ({tool.kind})" for tool in found}


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait until no other process holds ``folder``, and hold it."""
    # A lock on the folder itself, since the file is replaced and leaves its lock behind.
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
