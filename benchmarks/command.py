"""The command line of a benchmark whose cases are stored one by one: measure, print a table."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.stored import named, put, stored
from sw import cli

__all__ = ["run_command"]


def run_command(
    arguments: Sequence[str] | None,
    *,
    prog: str,
    about: str | None,
    path: Path,
    cases: Collection[str],
    measure: Callable[[str], dict[str, Any]],
    step: str,
    rows: Callable[[dict[str, Any]], Iterable[tuple[str, ...]]],
) -> None:
    """Parse the command line, measure what it names, and print.

    Parameters
    ----------
    arguments : sequence of str or None
        The process's own when None.
    prog : str
        Name of the command.
    about : str or None
        What it does, in its first line.
    path : Path
        Where the figures are stored, by case.
    cases : collection of str
        Names of all, in the order of the file.
    measure : callable
        From a case's name to its figures.
    step : str
        Before a case's name on the progress line.
    rows : callable
        From what is stored to a table, whose first row is its heading.
    """
    parser = argparse.ArgumentParser(prog=prog, description=(about or "").splitlines()[0])
    parser.add_argument(
        "--run",
        action="append",
        default=[],
        metavar="NAME",
        help=f"measure a case again (repeatable): {', '.join(cases)}, 'missing' or 'all'",
    )
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    options = parser.parse_args(arguments)
    wanted = [*cases] if "all" in options.run else options.run
    for name in named(wanted, cases, stored(path), what="case"):
        with cli.step(f"{step} {name}"):
            entry = measure(name)
        put(path, name, entry, order=cases)
    known = stored(path)
    if options.json:
        print(json.dumps(known, indent=2))
        return
    _show(*rows(known), markdown=options.markdown)


def _show(heading: tuple[str, ...], *body: tuple[str, ...], markdown: bool) -> None:
    if markdown:
        lines = [heading, ("---",) + ("--:",) * (len(heading) - 1), *body]
        print("\n".join(f"| {' | '.join(row)} |" for row in lines))
        return
    table = Table(box=None)
    for number, column in enumerate(heading):
        table.add_column(column, justify="right" if number else "left")
    for row in body:
        table.add_row(*row)
    Console(highlight=False).print(table)
