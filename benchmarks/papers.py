"""The papers' methods against their baselines: equal data, equal budget, several seeds.

``python -m benchmarks.papers`` prints the tables of docs/papers.md from the figures that are
stored in ``tests/baselines/papers.json``. ``--run NAME`` trains first: a part (fashion,
plates, photographs, cifar), PART/METHOD, PART/METHOD/SEED or ``missing``, each of its runs
that has no figures yet. A run is stored as soon as it is done, and an interrupted one goes
on from its last epoch. Several of these commands may run side by side; they divide the runs.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table as RichTable

from benchmarks.papers_runs import PARTS, Claim, Part, Run, alone, measure
from benchmarks.stored import put, stored
from sw import cli
from sw.errors import UserError
from sw.train.__main__ import require_torch
from sw.train.options import above_zero, positive

__all__ = ["RESULTS", "main", "markdown", "tables", "verdict"]

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "tests" / "baselines" / "papers.json"
DOCS = ROOT / "docs" / "papers.md"

#: In DOCS, what stands before and behind the tables.
MARKS = "<!-- tables: python -m benchmarks.papers --docs -->", "<!-- end of the tables -->"

#: Shown where there are no figures.
MISSING = "not measured"

#: Of CIFAR-10 on a GPU; nothing of it has been measured yet.
GPU_EPOCHS, GPU_WIDTH = 100, 1.0

Results = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table: its title, what stands below that, headings and rows."""

    title: str
    note: str = ""
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]


# What is compared


def verdict(ours: dict[int, float], theirs: dict[int, float]) -> tuple[str, str]:
    """The difference of two methods, and whether the claim that ours is better holds.

    1. d(s) = ours(s) - theirs(s), for each seed s that both have: mean and standard deviation;
    2. "yes": the least of ours is above the greatest of theirs;
    3. "on average": the mean of d is above 0, but runs of both overlap; else "no".

    Parameters
    ----------
    ours, theirs : dict
        Figures by seed, 0 to 1.
    """
    seeds = sorted(ours.keys() & theirs.keys())
    if not seeds:
        return MISSING, MISSING
    differences = [ours[seed] - theirs[seed] for seed in seeds]
    text = _spread(differences, sign="+")
    if min(ours[seed] for seed in seeds) > max(theirs[seed] for seed in seeds):
        return text, "yes" if len(seeds) > 1 else "yes, of one seed"
    return text, "on average" if statistics.fmean(differences) > 0 else "no"


def _spread(values: Sequence[float], *, sign: str = "") -> str:
    """Mean and standard deviation, in percent."""
    mean = f"{100 * statistics.fmean(values):{sign}.2f}"
    if len(values) < 2:
        return f"{mean} %"
    return f"{mean} ± {100 * statistics.stdev(values):.2f} %"


def _figures(entries: Iterable[Results], method: str, key: str) -> dict[int, float]:
    """A figure by seed."""
    return {e["seed"]: e["figures"][key] for e in entries if e["method"] == method}


def _mark(entries: Sequence[Results]) -> str:
    """What has to stand beside each figure: that the frames are not the original ones."""
    found = {quality for e in entries for quality in re.findall(r"JPEG .*quality (\d+)", e["data"])}
    return f" (JPEG {', '.join(sorted(found))})" if found else ""


# Tables


def tables(results: Results) -> list[Table]:
    """For each part and budget: the methods, then the claims."""
    made = []
    for part in PARTS.values():
        mine = [entry for entry in results.values() if entry["part"] == part.name]
        budgets = {json.dumps(entry["budget"]): entry["budget"] for entry in mine}
        for budget in budgets.values() or [part.budget]:
            entries = [entry for entry in mine if entry["budget"] == budget]
            made += _tables(part.with_budget(budget), entries)
    return made


def _tables(part: Part, entries: Sequence[Results]) -> list[Table]:
    mark = _mark(entries)
    methods = Table(
        title=(
            f"{part.title}: {part.epochs} epochs, batch {part.batch}, width {part.width:g}, "
            f"{_frames(entries) or part.data_name}"
        ),
        note="; ".join(sorted({entry["data"].split("] ", 1)[1] for entry in entries})),
        headings=("method", "network", "binary weights", "others", *part.metrics.values(),
                  "seeds", "on"),
        rows=[_method(part, name, entries, mark) for name in part.methods],
    )  # fmt: skip
    claims = Table(
        title=f"{part.title}: what the papers claim",
        headings=("paper", "claim", f"difference of {_last(part)[1]}", "holds"),
        rows=[_claim(part, claim, entries, mark) for claim in part.claims],
    )
    return [methods, claims]


def _last(part: Part) -> tuple[str, str]:
    """The metric that decides: its key and name."""
    return list(part.metrics.items())[-1]


def _frames(entries: Sequence[Results]) -> str:
    """How many frames were trained on and tested."""
    counts = {(int(e["data"][1:].split(",")[0]), e["figures"]["test_frames"]) for e in entries}
    return "; ".join(f"{train:,} / {test:,} frames" for train, test in sorted(counts))


def _method(part: Part, name: str, entries: Sequence[Results], mark: str) -> list[str]:
    method = part.methods[name]
    mine = [entry for entry in entries if entry["method"] == name]
    row = [method.what, method.net]
    if not mine:
        return [*row, "", "", *[MISSING] * len(part.metrics), "0", ""]
    figures = mine[0]["figures"]
    row += [f"{figures[f'{kind}_weights']:,}" for kind in ("binary", "other")]
    for key in part.metrics:
        row.append(_spread(list(_figures(mine, name, key).values())) + mark)
    machines = sorted({entry["on"] for entry in mine})
    return [*row, f"{len(mine)}", "; ".join(machines)]


def _claim(part: Part, claim: Claim, entries: Sequence[Results], mark: str) -> list[str]:
    key, _ = _last(part)
    difference, holds = verdict(
        _figures(entries, claim.method, key), _figures(entries, claim.other, key)
    )
    return [claim.paper, claim.what, difference + mark * (holds != MISSING), holds]


def markdown(results: Results) -> str:
    """The tables as docs/papers.md has them."""
    blocks = []
    for table in tables(results):
        lines = [table.headings, ["---"] * len(table.headings), *table.rows]
        text = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        blocks += [f"**{table.title}**", *[table.note] * bool(table.note), text]
    return "\n\n".join(blocks)


def _write_docs(results: Results) -> None:
    """Put the tables into docs/papers.md."""
    before, rest = DOCS.read_text(encoding="utf-8").split(MARKS[0])
    _, after = rest.split(MARKS[1])
    text = f"{before}{MARKS[0]}\n\n{markdown(results)}\n\n{MARKS[1]}{after}"
    with cli.atomic_write(DOCS) as path:
        path.write_text(text, encoding="utf-8")


# Training


def parts_of(options: argparse.Namespace) -> dict[str, Part]:
    """The parts, with the data and the budget that the options ask for."""
    parts = dict(PARTS)
    if options.fashion:
        # Under the same name: the same frames, wherever they lie.
        parts["fashion"] = replace(parts["fashion"], data=str(options.fashion.resolve()))
    if options.plates:
        name = f"{options.plates.resolve().name}?tile=112"
        data = f"{options.plates.resolve()}?tile=112"
        parts["photographs"] = replace(parts["photographs"], data=data, data_name=name)
    if options.cifar:
        path = options.cifar.resolve()
        changes: dict[str, Any] = {"data": str(path), "data_name": path.name}
        if options.run and require_torch().cuda.is_available():
            changes |= {"epochs": GPU_EPOCHS, "width": GPU_WIDTH}
        parts["cifar"] = replace(parts["cifar"], **changes)
    for key in ("epochs", "width"):
        if (value := getattr(options, key)) is not None:
            parts = {name: replace(part, **{key: value}) for name, part in parts.items()}
    return parts


def chosen(names: Sequence[str], parts: dict[str, Part], seeds: int) -> list[Run]:
    """The runs that ``--run`` names.

    Raises
    ------
    UserError
        There is no such run, or its data were not given.
    """
    found: dict[str, Run] = {}
    for name in names:
        part_name, *rest = name.split("/")
        if name == "missing":
            named = [part for part in parts.values() if not part.given or part.data]
        else:
            named = [parts[part_name]] if part_name in parts else []
        # A seed that is asked for may be above --seeds.
        most = max([seeds, *(int(word) for word in rest[1:] if word.isdecimal())])
        runs = [run for part in named for run in part.runs(most)]
        runs = [run for run in runs if rest == [run.method, f"{run.seed}"][: len(rest)]]
        if not runs:
            every = (f"{p.name}/{method}" for p in parts.values() for method in p.methods)
            raise UserError(
                f"there is nothing to run called '{name}': there are {', '.join(parts)} and "
                f"{', '.join(every)}, each with /SEED",
                "Name one of them, or missing for all without figures",
            )
        if lacking := next((part for part in named if part.given and not part.data), None):
            raise UserError(
                f"part '{lacking.name}' needs data, and none were given",
                f"Say with {lacking.given} where they are",
            )
        found |= {run.name: run for run in runs}
    return list(found.values())


def train(runs: Sequence[Run], path: Path, *, threads: int, again: bool = False) -> None:
    """Train what has no figures, ``again`` everything, and store each run when it is done."""
    left = [run for run in runs if again or run.name not in stored(path)]
    begun, expected = time.monotonic(), 0.0
    for number, run in enumerate(left, 1):
        with alone(run) as ours:
            if not ours or (not again and run.name in stored(path)):
                cli.console.print(f"{run.name}: done or under way in another process", markup=False)
                continue
            # The estimates are of one idle core; what is done says how this machine compares.
            ratio = (time.monotonic() - begun) / expected if expected else 1.0
            minutes = ratio * sum(each.seconds for each in left[number - 1 :]) / 60
            cli.console.print(
                f"run {number} of {len(left)}, {run.name}: about {minutes:.0f} min left",
                markup=False,
            )
            entry = measure(run, threads=threads)
            put(path, run.name, entry, order=_order(path, run))
            expected += run.seconds


def _order(path: Path, new: Run) -> list[str]:
    """Names of the file's entries and of a new one: by part, method, seed, budget."""
    known = {name: (e["part"], e["method"], e["seed"]) for name, e in stored(path).items()}
    known[new.name] = (new.part.name, new.method, new.seed)

    def place(name: str) -> tuple[int, int, int, str]:
        part, method, seed = known[name]
        return list(PARTS).index(part), list(PARTS[part].methods).index(method), seed, name

    return sorted(known, key=place)


def arguments(argv: list[str] | None) -> argparse.Namespace:
    """The parsed command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.papers", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument(
        "--run", metavar="NAME", action="append", default=[],
        help=f"train first what has no figures (repeatable): missing, {', '.join(PARTS)}, "
        "PART/METHOD or PART/METHOD/SEED",
    )  # fmt: skip
    parser.add_argument("--again", action="store_true", help="what has figures, too")
    parser.add_argument("--seeds", type=positive, default=3, help="1 to so many; default: 3")
    parser.add_argument("--epochs", type=positive, help="of every run; default: the part's")
    parser.add_argument("--width", type=above_zero, help="of every run; default: the part's")
    parser.add_argument("--threads", type=positive, default=1, help="default: 1")
    parser.add_argument(
        "--fashion", type=Path, metavar="FOLDER", help="idx files; default: Debian's package"
    )
    parser.add_argument(
        "--plates", type=Path, metavar="FOLDER", help="photographs with boxes, see docs/data.md"
    )
    parser.add_argument("--cifar", type=Path, metavar="FILE", help="CIFAR-10, see docs/data.md")
    parser.add_argument(
        "--results", type=Path, default=RESULTS, metavar="FILE",
        help="where figures are stored; default: tests/baselines/papers.json",
    )  # fmt: skip
    parser.add_argument("--markdown", action="store_true", help="print Markdown")
    parser.add_argument("--json", action="store_true", help="print what is stored")
    parser.add_argument("--docs", action="store_true", help="write the tables to docs/papers.md")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Parse the command line, train what was asked for, and print the tables."""
    options = arguments(argv)
    runs = chosen(options.run, parts_of(options), options.seeds)
    train(runs, options.results, threads=options.threads, again=options.again)
    results = stored(options.results)
    if options.docs:
        _write_docs(results)
    if options.json:
        print(json.dumps(results, indent=1))
    elif options.markdown:
        print(markdown(results))
    else:
        console = Console(file=sys.stdout, highlight=False, markup=False)
        for table in tables(results):
            shown = RichTable(*table.headings, box=None)
            for row in table.rows:
                shown.add_row(*row)
            console.print(table.title, *[table.note] * bool(table.note), shown, "", sep="\n")
    return 0


if __name__ == "__main__":
    cli.run(main)
