"""The papers' benchmark end to end on tiny data: trains, stores, goes on, prints."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import papers, papers_runs
from sw.errors import ToolError
from sw.train import __main__ as training
from tests.idx import write_dataset


def test_two_runs_one_of_them_taken_up(
    tmp_path: Path,
    rng: np.random.Generator,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_dataset(tmp_path / "data", rng, train=140)
    monkeypatch.setattr(papers_runs, "BUILD", tmp_path / "build")
    results = tmp_path / "papers.json"
    options = ["--epochs", "1", "--width", "0.125", "--results", str(results), "--json"]
    options += ["--fashion", str(tmp_path / "data"), "--run", "fashion/ste/1"]
    options += ["--run", "fashion/C/4"]
    parts = papers.parts_of(papers.arguments(options))
    (run,) = papers.chosen(["fashion/ste/1"], parts, 1)
    (tmp_path / "build").mkdir()
    # What an interruption behind the last epoch leaves; its export is still to be done.
    begun = ["--threads", "1", "--json", "-o", str(papers_runs.file_of(run, ".npz"))]
    assert training.main([*run.arguments(), *begun]) == 0
    before = json.loads(capsys.readouterr().out)
    assert papers.main(options) == 0
    printed = capsys.readouterr()
    found = json.loads(printed.out)
    assert found == json.loads(results.read_text())
    first, second = found.values()
    assert first["figures"]["test_accuracy"] == before["test_accuracy"]
    assert "cpu_s" not in first["figures"]
    assert second["figures"]["cpu_s"] > 0
    assert [second[key] for key in ("part", "method", "seed")] == ["fashion", "C", 4]
    command = "python -m benchmarks.papers --run fashion/C/4 --epochs 1 --width 0.125"
    assert second["command"] == command
    assert "dual-path --net fashion-dualpath" in second["provenance"]
    for entry in found.values():
        assert entry["figures"]["mismatches"] == 0
        assert entry["data"].startswith("[140, 8, 8, 1]")
        assert "1 of" in entry["on"]
        assert entry["budget"]["epochs"] == 1
        assert set(entry["versions"]) == {"python", "torch", "numpy"}
        assert str(tmp_path) not in json.dumps(entry)
    assert not list((tmp_path / "build").glob("*.pt"))
    assert "run 2 of 2" in printed.err
    # All is stored: nothing is left to train.
    assert papers.main(options) == 0
    again = capsys.readouterr()
    assert (again.out, again.err) == (printed.out, "")


def test_data_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(papers_runs, "BUILD", tmp_path / "build")
    results = tmp_path / "papers.json"
    options = ["--results", str(results), "--fashion", str(tmp_path), "--run", "fashion/ste/1"]
    with pytest.raises(ToolError, match=r"fashion/ste/1 .* ended with status 1, not 0"):
        papers.main(options)
    assert not results.exists()
