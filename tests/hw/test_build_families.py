"""Real builds of a small network for a board of each family beside ECP5, and their refusals."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import boards
from hw.flow.families import FAMILIES
from hw.flow.limits import check_fit
from hw.flow.result import Counts, Routed
from sw.errors import PlanError

from .build_case import Command, names

GOWIN, ICE40 = FAMILIES["gowin"], FAMILIES["ice40"]


@pytest.mark.parametrize(
    ("board", "size", "bitstream", "first", "tools"),
    [
        # What icepack and gowin_pack begin a bitstream with.
        ("icebreaker", "UP5K", "top.bit", b"\xff\x00\x00\xff", {"nextpnr-ice40", "icepack"}),
        ("tang_nano_9k", "GW1NR-9", "top.fs", b"11111111", {"nextpnr-himbaechel", "gowin_pack"}),
    ],
)
def test_a_real_build(
    board: str,
    size: str,
    bitstream: str,
    first: bytes,
    tools: set[str],
    model: Path,
    tmp_path: Path,
    command: Command,
) -> None:
    out = tmp_path / "out"
    asked = ("--board", board, "--clock", 24, "--fps", 1000)
    status, printed, error = command(model, *asked, "--out", out, "--json")
    assert status == 0, error
    report = json.loads(printed)
    assert (report["board"], report["size"], report["clock_mhz"]) == (board, size, 24.0)
    routed, predicted = report["routed"], report["predicted"]
    assert routed["fmax_mhz"] >= 24
    assert routed["bram"] == predicted["bram"], "block RAM is counted"
    assert 200 < routed["ff"] < routed["lut"] < 5000
    assert set(report["tools"]) == {"yosys", *tools}
    assert {bitstream, "top.il", "manifest.json", "logs/nextpnr.log"} <= names(out)
    assert (out / bitstream).read_bytes().startswith(first)
    assert json.loads((out / "manifest.json").read_text())["files"].keys() >= {bitstream}


def test_arguments_name_clock_and_constraints() -> None:
    placed = ICE40.place_arguments("--up5k --package sg48", fill=0.5, seed=3, clock_mhz=24.0)
    assert placed[:3] == ["--up5k", "--package", "sg48"]
    assert placed[placed.index("--pcf") + 1] == ICE40.CONSTRAINTS == "top.pcf"
    assert placed[placed.index("--freq") + 1] == "24"
    device = boards.find("tang_nano_9k").device
    placed = GOWIN.place_arguments(device, fill=0.5, seed=3, clock_mhz=48.6)
    assert placed[:4] == ["--device", "GW1NR-LV9QN88PC6/I5", "--vopt", "family=GW1N-9C"]
    assert "cst=top.cst" in placed and placed[placed.index("--freq") + 1] == "48.6"
    assert GOWIN.pack_arguments(device) == ["-d", "GW1N-9C", "-o", "top.fs", "top.config"]


def test_gowin_counts_adders_and_memories_as_luts(tmp_path: Path) -> None:
    cells = {"LUT1": 1, "LUT4": 10, "ALU": 5, "RAM16SDP4": 2, "DFFE": 7, "DFF": 1}
    cells |= {"SPX9": 1, "SDPB": 2, "IBUF": 3, "VCC": 1}
    path = tmp_path / "cells.json"
    path.write_text(json.dumps({"design": {"num_cells_by_type": cells}}))
    assert GOWIN.count_cells(path) == Counts(lut=1 + 10 + 5 + 8, ff=8, bram=3, dsp=0)
    used = {"LUT4": 20, "ALU": 5, "RAM16SDP4": 2, "DFF": 8, "BSRAM": 3}
    report = {
        "utilization": {name: {"used": n, "available": 0} for name, n in used.items()},
        "fmax": {"clk": {"achieved": 99.5, "constraint": 48.0}},
    }
    path.write_text(json.dumps(report))
    assert GOWIN.read_routed(path, 48.0) == Routed(lut=33, ff=8, bram=3, dsp=0, fmax_mhz=99.5)


def test_gowin_counts_multipliers_of_18_bits_and_knows_no_delay_of_them(tmp_path: Path) -> None:
    cells = {"MULT18X18": 2, "MULT9X9": 3, "MULT36X36": 1, "LUT4": 1}
    path = tmp_path / "cells.json"
    path.write_text(json.dumps({"design": {"num_cells_by_type": cells}}))
    assert GOWIN.count_cells(path).dsp == 2 + 2 + 4
    used = {"LUT4": 1, "DFF": 1, "BSRAM": 0, "MULT18X18": 2, "MULT9X9": 1}
    utilization = {name: {"used": n, "available": 0} for name, n in used.items()}
    for reached, expected in ((300.0, 75.0), (60.0, 60.0)):
        clocks = {"clk": {"achieved": reached, "constraint": 48.0}}
        path.write_text(json.dumps({"utilization": utilization, "fmax": clocks}))
        found = GOWIN.read_routed(path, 48.0)
        assert (found.dsp, found.fmax_mhz) == (3, expected)


def test_ice40_pairs_a_lut_with_the_flip_flop_behind_it(tmp_path: Path) -> None:
    def cell(kind: str, **ports: tuple[str, int]) -> dict:
        return {
            "type": kind,
            "connections": {name: [bit] for name, (_, bit) in ports.items()},
            "port_directions": {name: way for name, (way, _) in ports.items()},
        }

    cells = {
        # One LUT is before a flip-flop, another before one and a LUT; a third flip-flop is alone.
        "a": cell("SB_LUT4", I0=("input", 2), O=("output", 3)),
        "b": cell("SB_DFF", C=("input", 9), D=("input", 3), Q=("output", 4)),
        "c": cell("SB_LUT4", I0=("input", 4), O=("output", 5)),
        "d": cell("SB_DFFE", C=("input", 9), D=("input", 5), Q=("output", 6)),
        "e": cell("SB_LUT4", I0=("input", 5), O=("output", 7)),
        "f": cell("SB_DFFSR", C=("input", 9), D=("input", 6), Q=("output", 8)),
        "g": cell("SB_RAM40_4K", RDATA=("output", 10)),
    }
    (tmp_path / "top.json").write_text(json.dumps({"modules": {"top": {"cells": cells}}}))
    assert ICE40.count_cells(tmp_path / "cells.json") == Counts(lut=3 + 3 - 1, ff=3, bram=1, dsp=0)


def test_what_does_not_fit_is_refused_before_placing() -> None:
    with pytest.raises(PlanError) as caught:
        check_fit(Counts(lut=5_000, ff=2_000, bram=31, dsp=0), boards.find("icebreaker"))
    assert str(caught.value) == (
        "The synthesised design does not fit the iCEBreaker: it needs 31 bram, 1 more than the "
        "30 there are. Ask for fewer frames/s with --fps or a smaller --share."
    )
