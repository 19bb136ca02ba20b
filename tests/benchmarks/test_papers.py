"""The papers' benchmark: its runs, its verdicts, its tables, and the tables of the docs."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from benchmarks import papers, papers_runs
from benchmarks.papers import verdict
from benchmarks.papers_runs import PARTS, Run
from benchmarks.stored import put, stored
from sw.errors import UserError
from sw.train.options import arguments, choose


def every_run(seeds: int = 1) -> Iterator[Run]:
    for part in PARTS.values():
        yield from part.runs(seeds)


def entry(part: str, method: str, seed: int, value: float, **changes: Any) -> dict[str, Any]:
    made = {
        "part": part,
        "method": method,
        "seed": seed,
        "budget": PARTS[part].budget,
        "on": "a CPU",
        "data": "[50000, 32, 32, 3] CIFAR-10, JPEG pictures of quality 75, re-encoded",
        "figures": {
            **dict.fromkeys(PARTS[part].metrics, value),
            "test_frames": 10000,
            "binary_weights": 1000,
            "other_weights": 10,
        },
    }
    return made | changes


def test_every_run_is_one_that_the_training_command_takes() -> None:
    for run in every_run():
        recipe, _ = choose(arguments([*run.arguments(), "-o", "model.npz"]))
        assert (recipe.epochs, recipe.batch) == (run.part.epochs, run.part.batch)


def test_claims_are_about_methods_that_there_are() -> None:
    for part in PARTS.values():
        for claim in part.claims:
            assert {claim.method, claim.other} <= part.methods.keys()
        assert {claim.paper for claim in part.claims} <= set("ABCD")
    assert {claim.paper for claim in PARTS["fashion"].claims} == set("ABCD")


def test_names_are_unlike_and_tell_budgets_apart() -> None:
    names = [run.name for run in every_run(3)]
    assert len(set(names)) == len(names)
    files = {papers_runs.file_of(run, ".npz").name for run in every_run(3)}
    assert len(files) == len(names)
    parts = papers.parts_of(papers.arguments(["--epochs", "2"]))
    other = {run.name for run in parts["fashion"].runs(3)}
    assert not other & set(names)


def test_verdicts() -> None:
    assert verdict({1: 0.9, 2: 0.92}, {1: 0.8, 2: 0.84}) == ("+9.00 ± 1.41 %", "yes")
    assert verdict({1: 0.9, 2: 0.8}, {1: 0.7, 2: 0.81}) == ("+9.50 ± 14.85 %", "on average")
    assert verdict({1: 0.7, 2: 0.8}, {1: 0.8, 2: 0.7}) == ("+0.00 ± 14.14 %", "no")
    assert verdict({1: 0.7}, {1: 0.71}) == ("-1.00 %", "no")
    # Only seeds that both have.
    assert verdict({1: 0.7, 2: 0.1}, {1: 0.6, 3: 0.9}) == ("+10.00 %", "yes, of one seed")
    assert verdict({1: 0.7}, {2: 0.6}) == (papers.MISSING, papers.MISSING)


def test_tables_mark_frames_that_are_not_the_original_ones() -> None:
    results = {
        f"{method}{seed}": entry("cifar", method, seed, value)
        for method, seed, value in (
            ("B", 1, 0.7),
            ("B", 2, 0.72),
            ("ste", 1, 0.6),
            ("ste", 2, 0.61),
        )
    }
    lines = papers.markdown(results).splitlines()
    method, claim = [line for line in lines if "trained scales" in line and "JPEG" in line]
    assert method.split(" | ")[2:] == [
        "1,000",
        "10",
        "71.00 ± 1.41 % (JPEG 75)",
        "2",
        "a CPU |",
    ]
    assert claim.endswith("| +10.50 ± 0.71 % (JPEG 75) | yes |")
    assert "CIFAR-10, JPEG pictures of quality 75, re-encoded" in lines
    # Every figure of these frames, and no other.
    shown = [line for line in lines if "±" in line]
    assert len(shown) == 3
    assert all("(JPEG 75)" in line for line in shown)


def test_budgets_are_not_mixed() -> None:
    short = PARTS["cifar"].budget | {"epochs": 1}
    results = {
        "a": entry("cifar", "B", 1, 0.7),
        "b": entry("cifar", "ste", 1, 0.6, budget=short),
    }
    made = [table for table in papers.tables(results) if table.title.startswith("CIFAR-10")]
    assert [table.title.split(",")[0] for table in made] == [
        "CIFAR-10: 4 epochs",
        "CIFAR-10: what the papers claim",
        "CIFAR-10: 1 epochs",
        "CIFAR-10: what the papers claim",
    ]
    for table in (made[1], made[3]):
        assert all(row[3] == papers.MISSING for row in table.rows)


def test_chosen(tmp_path: Path) -> None:
    parts = papers.parts_of(papers.arguments([]))
    names = [
        f"{run.part.name}/{run.method}/{run.seed}" for run in papers.chosen(["missing"], parts, 2)
    ]
    assert "fashion/A/2" in names and "plates/A/1" in names
    assert not [name for name in names if name.startswith(("cifar", "photographs"))]
    (one,) = papers.chosen(["fashion/B/7", "fashion/B/7"], parts, 1)
    assert (one.method, one.seed) == ("B", 7)
    assert [run.seed for run in papers.chosen(["fashion/B"], parts, 3)] == [1, 2, 3]
    for name in ("fashion/Z", "fashion/B/0", "fashion/B/1/2", "nothing", ""):
        with pytest.raises(UserError, match=f"nothing to run called '{name}'"):
            papers.chosen([name], parts, 3)
    with pytest.raises(UserError, match="part 'cifar' needs data") as caught:
        papers.chosen(["cifar"], parts, 3)
    assert caught.value.remedy == "Say with --cifar where they are"
    given = papers.arguments(["--cifar", str(tmp_path / "c.npz"), "--plates", str(tmp_path)])
    runs = papers.chosen(["missing"], papers.parts_of(given), 1)
    assert [run.arguments()[-1] for run in runs if run.part.name == "cifar"] == [
        str(tmp_path / "c.npz")
    ] * len(PARTS["cifar"].methods)
    assert f"{tmp_path}?tile=112" in runs[-6].arguments()
    assert not [run for run in runs if str(tmp_path) in run.name]


def test_order_and_runs_that_are_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(papers_runs, "BUILD", tmp_path / "build")
    trained = []

    def measure(run: Run, *, threads: int) -> dict[str, Any]:
        trained.append(run.name)
        return entry(run.part.name, run.method, run.seed, 0.5)

    monkeypatch.setattr(papers, "measure", measure)
    path = tmp_path / "papers.json"
    runs = PARTS["fashion"].runs(2)
    papers.train(runs[::-1], path, threads=1)
    assert sorted(trained) == sorted(stored(path))
    methods = [(e["method"], e["seed"]) for e in stored(path).values()]
    assert methods == [(method, seed) for method in PARTS["fashion"].methods for seed in (1, 2)]
    papers.train(runs, path, threads=1)
    assert len(trained) == len(runs)
    papers.train(runs[:1], path, threads=1, again=True)
    assert len(trained) == len(runs) + 1
    left = [line for line in capsys.readouterr().err.splitlines() if "min left" in line]
    minutes = [int(line.split("about ")[1].split()[0]) for line in left[: len(runs)]]
    assert minutes[0] > 60
    assert all(later <= earlier for earlier, later in pairwise(minutes[1:]))


def test_runs_of_another_process_are_left_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(papers_runs, "BUILD", tmp_path / "build")
    (run,) = (run for run in PARTS["plates"].runs(1) if run.method == "A")
    with papers_runs.alone(run) as ours:
        assert ours
        papers.train([run], tmp_path / "papers.json", threads=1)
    assert "under way in another process" in capsys.readouterr().err
    with papers_runs.alone(run) as ours:
        assert ours


def test_docs_have_the_tables() -> None:
    assert papers.markdown(stored(papers.RESULTS)) in papers.DOCS.read_text(encoding="utf-8")


def test_writing_the_docs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(papers, "DOCS", tmp_path / "papers.md")
    papers.DOCS.write_text("\n".join(["before", *papers.MARKS, "after"]))
    results = tmp_path / "papers.json"
    for value in (0.5, 0.75):
        put(results, "a", entry("fashion", "B", 1, value), order=["a"])
        papers.main(["--results", str(results), "--docs", "--json"])
        text = papers.DOCS.read_text()
        assert text.startswith("before\n<!-- tables") and text.endswith("the tables -->\nafter")
        assert papers.markdown(stored(results)) in text
        assert text.count("**Fashion-MNIST: 4 epochs") == 1
