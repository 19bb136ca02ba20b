"""Whole designs: the options of a plan, and the slowest path in nextpnr's report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.routed_chip import plan_options, slowest_path


def _step(kind: str, delay: float, start: str, end: str) -> dict:
    return {"type": kind, "delay": delay, "from": {"cell": start}, "to": {"cell": end}}


def test_options_are_those_of_every_command() -> None:
    options = plan_options(["--size", "12F", "--clock", "100"])
    assert (options.board, options.size, options.clock, options.fps) == (
        "ulx3s",
        "12F",
        100.0,
        None,
    )


def test_the_slowest_path_is_the_one_of_the_period(tmp_path: Path) -> None:
    """A report has a path of each pair of clocks; one into an output pin may be longer."""
    ours = [
        _step("clk-to-q", 0.5, "a", "a"),
        _step("routing", 3.0, "a", "b"),
        _step("logic", 0.25, "b", "b"),
        _step("routing", 4.0, "b", "c"),
        _step("setup", 0.25, "c", "c"),
    ]
    pin = [_step("clk-to-q", 0.5, "a", "a"), _step("routing", 9.5, "a", "pin")]
    report = tmp_path / "routed.json"
    paths = [{"path": []}, {"path": pin}, {"path": ours}]
    report.write_text(json.dumps({"critical_paths": paths}))
    assert slowest_path(report, 125.0) == {
        "from": "a", "to": "c", "logic_ns": pytest.approx(1.0), "route_ns": 7.0,
    }  # fmt: skip
