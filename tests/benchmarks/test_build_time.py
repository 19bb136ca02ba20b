"""The benchmark of build times: a real measurement, its fit, and its figures in the docs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import build_time
from benchmarks.size_cases import CASES
from sw.errors import UserError

ROOT = Path(__file__).resolve().parents[2]


def test_one_array_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    (case,) = (case for case in CASES if case.name == "array 1x8")
    stored = []
    found = build_time.measure(case, route=True, store=lambda now: stored.append(list(now)))
    assert found["macs"] == 8
    assert "synthesise" not in stored[0]
    assert stored[0][-1] == "elaborate"
    assert stored[-1] == list(found)
    for step in build_time.STEPS:
        assert found[step]["cpu_s"] > 0
        assert found[step]["peak_mb"] > 20
    runs = found["seeds"].values()
    assert list(found["seeds"]) == ["1", "2", "3"]
    assert found["fmax_mhz"] == sorted(run["fmax_mhz"] for run in runs)[1]
    row = build_time.table([found]).splitlines()[2]
    assert row.startswith(f"| 8 | {found['lut']} |")
    assert row.endswith(f"| {found['fmax_mhz']:.0f} |")


def test_exponent() -> None:
    found = [{"macs": n, "elaborate": {"cpu_s": 3 * n**1.5}} for n in (512, 2048, 8192)]
    assert build_time.exponent(found, "elaborate") == pytest.approx(1.5)
    assert build_time.exponent(found[:1], "elaborate") is None
    assert build_time.exponent(found, "synthesise") is None


def test_unknown_array() -> None:
    with pytest.raises(UserError, match="no array of 100 MAC/cycle"):
        build_time.main(["--macs", "100"])


def test_the_table_of_the_docs_is_the_baselines() -> None:
    found = json.loads(build_time.BASELINE.read_text(encoding="utf-8"))
    assert [entry["name"] for entry in found] == list(build_time.ARRAYS)
    assert build_time.table(found) in (ROOT / "docs" / "build.md").read_text(encoding="utf-8")


def test_synthesis_grows_no_faster_than_the_array() -> None:
    found = json.loads(build_time.BASELINE.read_text(encoding="utf-8"))
    slope = build_time.exponent(found, "synthesise")
    assert slope is not None
    assert slope < 1.1
