"""The size benchmark: its baseline, its comparison and a real measurement."""

from __future__ import annotations

import copy
import json
import subprocess
import sys

import pytest

from benchmarks.size import BASELINE, differences, table
from benchmarks.size_cases import CASES


@pytest.fixture(scope="module")
def baseline() -> list[dict]:
    return json.loads(BASELINE.read_text(encoding="utf-8"))


def size(*args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.size", *args]
    return subprocess.run(command, check=False, capture_output=True, text=True)


def test_baseline_is_of_the_cases(baseline):
    """Every case has its figures, of the very config that is built today."""
    assert [entry["name"] for entry in baseline] == [case.name for case in CASES]
    for entry, case in zip(baseline, CASES, strict=True):
        assert entry["config"] == case.plain_config(), entry["name"]


def test_worse_figures_are_named(baseline):
    worse = copy.deepcopy(baseline)
    worse[4]["result"]["comb"] += 100
    worse[5]["result"]["fmax_mhz"] *= 0.8
    found = differences(worse, baseline)
    assert len(found) == 2
    assert found[0].startswith(f"{worse[4]['name']}: comb was ")
    assert found[1].startswith(f"{worse[5]['name']}: fmax_mhz was ")


def test_better_figures_and_noise_pass(baseline):
    better = copy.deepcopy(baseline)
    better[4]["result"]["comb"] -= 100
    better[5]["result"]["comb"] += 4
    assert differences(better, baseline) == []
    assert differences(baseline[:3], baseline) == []


def test_unknown_case(baseline):
    assert differences(baseline, baseline[1:]) == [f"{baseline[0]['name']}: not in the baseline"]
    result = size("--only", "no such block")
    assert result.returncode == 1
    assert "no case contains 'no such block'" in result.stderr
    assert "Traceback" not in result.stderr


def test_table_gives_sites_per_mac(baseline):
    line = next(line for line in table(baseline).splitlines() if line.startswith("array 8x64 "))
    result = next(entry for entry in baseline if entry["name"] == "array 8x64")["result"]
    assert line.split()[-1] == f"{result['comb'] / 512:.2f}"


def test_binary_macs_stay_small(baseline):
    """What the README claims: at most 3.2 sites a MAC from 64 lanes on, above 100 MHz."""
    wide = [e for e in baseline if e["name"] in ("array 4x64", "array 8x64", "array 16x64")]
    assert len(wide) == 3
    for entry in wide:
        config, result = entry["config"], entry["result"]
        assert result["comb"] <= 3.2 * config["rows"] * config["simd"]
        assert result["fmax_mhz"] >= 100


def test_measures_what_the_baseline_says():
    result = size("--only", "array 1x8", "--check", "--json")
    assert result.returncode == 0, result.stderr
    (entry,) = json.loads(result.stdout)
    assert entry["result"]["dp16kd"] == 1
