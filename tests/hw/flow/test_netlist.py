"""What `improve` changes in a netlist, and what it leaves alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hw.flow.netlist import Improvements, improve
from sw.errors import ToolError

Cells = dict[str, dict[str, Any]]


def cell(kind: str, outputs: str, parameters: dict[str, str], **connections: Any) -> dict:
    """A cell; ports whose names start with one of ``outputs`` are outputs."""
    return {
        "type": kind,
        "parameters": parameters,
        "port_directions": {
            port: "output" if port.startswith(tuple(outputs.split())) else "input"
            for port in connections
        },
        "connections": {port: [bit] for port, bit in connections.items()},
    }


def flip_flop(data: int, output: int, *, clock: Any = 2, **changed: Any) -> dict:
    parameters = {"CLKMUX": "CLK", "CEMUX": "1", "LSRMUX": "LSR", "REGSET": "RESET"}
    parameters |= {k: v for k, v in changed.items() if k in parameters}
    ports = {"CLK": clock, "DI": data, "LSR": changed.get("LSR", "0"), "Q": output}
    if "CE" in changed:
        ports["CE"] = changed["CE"]
    return cell("TRELLIS_FF", "Q", parameters, **ports)


def block_ram(outputs: dict[str, int], *, a: int = 18, b: int = 18, **changed: Any) -> dict:
    parameters = {"DATA_WIDTH_A": f"{a:032b}", "DATA_WIDTH_B": f"{b:032b}"}
    parameters |= {"REGMODE_A": "NOREG", "REGMODE_B": "NOREG", "CLKAMUX": "CLKA", "CLKBMUX": "CLKB"}
    ports = {"CLKA": 2, "CLKB": 2, "OCEA": "0", "OCEB": "1", "RSTA": "0", "RSTB": "0"}
    return cell("DP16KD", "DO", parameters, **(ports | changed), **outputs)


def lut(a: int, z: int) -> dict:
    return cell("LUT4", "Z", {"INIT": "01" * 8}, A=a, Z=z)


def run(tmp_path: Path, cells: Cells, outputs: tuple[int, ...] = ()) -> tuple[Improvements, Cells]:
    ports = {
        "clk": {"direction": "input", "bits": [2]},
        "o": {"direction": "output", "bits": list(outputs)},
    }
    path = tmp_path / "top.json"
    path.write_text(json.dumps({"modules": {"top": {"ports": ports, "cells": cells}}}))
    made = improve(path, "ecp5")
    return made, json.loads(path.read_text())["modules"]["top"]["cells"]


def test_registers_behind_a_wide_rom(tmp_path: Path) -> None:
    cells = {
        "ram": block_ram({"DOA0": 10, "DOB17": 11, "DOB3": 12}, a=36, b=36, CLKA="0"),
        "f0": flip_flop(10, 20),
        "f1": flip_flop(11, 21),
        "other": flip_flop(20, 30),
    }
    made, after = run(tmp_path, cells, (21, 30))
    assert made == Improvements(output_registers=1, flip_flops=2)
    assert set(after) == {"ram", "other"}
    ram = after["ram"]
    assert (ram["connections"]["DOA0"], ram["connections"]["DOB17"]) == ([20], [21])
    assert ram["connections"]["DOB3"] == [12]
    # Half A is clocked and enabled too, whichever of them its output register takes.
    assert [ram["connections"][p] for p in ("CLKA", "OCEA", "OCEB")] == [[2], ["1"], ["1"]]
    assert ram["parameters"]["REGMODE_A"] == ram["parameters"]["REGMODE_B"] == "OUTREG"
    assert made.note().startswith("2 flip-flops merged into 1 block RAM ports, 0 ends")


def test_ports_are_judged_one_by_one(tmp_path: Path) -> None:
    cells = {
        "ram": block_ram({"DOA0": 10, "DOB0": 11}),
        "a": flip_flop(10, 20),
        "b": lut(11, 21),
    }
    made, after = run(tmp_path, cells, (20, 21))
    assert made == Improvements(output_registers=1, flip_flops=1)
    assert after["ram"]["parameters"]["REGMODE_A"] == "OUTREG"
    assert after["ram"]["parameters"]["REGMODE_B"] == "NOREG"
    assert after["ram"]["connections"]["OCEA"] == ["1"]


@pytest.mark.parametrize("inverted", [False, True])
def test_an_enable_becomes_that_of_the_output(tmp_path: Path, inverted: bool) -> None:
    mux = "INV" if inverted else "CE"
    cells = {
        "ram": block_ram({"DOB0": 10, "DOB1": 11}),
        "f0": flip_flop(10, 20, CE=5, CEMUX=mux),
        "f1": flip_flop(11, 21, CE=5, CEMUX=mux),
    }
    made, after = run(tmp_path, cells, (20, 21))
    assert made.flip_flops == 2
    assert after["ram"]["connections"]["OCEB"] == [5]
    assert after["ram"]["parameters"]["OCEBMUX"] == ("INV" if inverted else "OCEB")


REFUSED: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "reset": ({}, {"LSR": 7}),
    "starts as 1": ({}, {"REGSET": "SET"}),
    "another clock": ({}, {"clock": 3}),
    "another edge": ({}, {"CLKMUX": "INV"}),
    "another enable": ({}, {"CE": 6, "CEMUX": "CE"}),
    "never enabled": ({}, {"CE": "0", "CEMUX": "CE"}),
    "the port has a reset": ({"RSTB": 9}, {}),
}


@pytest.mark.parametrize("name", REFUSED)
def test_registers_that_stay(tmp_path: Path, name: str) -> None:
    ram, register = REFUSED[name]
    cells = {
        "ram": block_ram({"DOB0": 10, "DOB1": 11}, **ram),
        "f0": flip_flop(10, 20),
        "f1": flip_flop(11, 21, **register),
    }
    assert run(tmp_path, cells, (20, 21)) == (Improvements(), cells)


def test_a_bit_with_other_users_stays(tmp_path: Path) -> None:
    ram = block_ram({"DOB0": 10})
    cells = {"ram": ram, "f": flip_flop(10, 20)}
    assert run(tmp_path, cells, (10, 20)) == (Improvements(), cells)
    cells = {"ram": ram, "f": flip_flop(10, 20), "l": lut(10, 21)}
    assert run(tmp_path, cells, (20, 21)) == (Improvements(), cells)
    # A wide port whose halves may have two clocks.
    cells = {
        "ram": block_ram({"DOA0": 10}, a=36, b=36, CLKA=3),
        "f": flip_flop(10, 20),
    }
    assert run(tmp_path, cells, (20,)) == (Improvements(), cells)


def carry(init: int, cin: Any, cout: int, s0: int = 40, **inputs: Any) -> dict:
    ports = dict(A0=50, B0=51, C0="0", D0="1") | inputs
    return cell("CCU2C", "S COUT", {"INIT0": f"{init:016b}"}, CIN=cin, COUT=cout, S0=s0, **ports)


def test_ends_of_carry_chains(tmp_path: Path) -> None:
    def ends(*cells: dict, outputs: tuple[int, ...] = ()) -> tuple[int, list[tuple]]:
        made, after = run(tmp_path, {str(i): c for i, c in enumerate(cells)}, outputs)
        found = [(c["connections"]["CIN"][0], c["connections"]["COUT"][0]) for c in after.values()]
        return made.carry_ends, found

    # A gap: with C = 0 and D = 1, INIT 0x0006 is 0 for all A and B.
    assert ends(carry(0x0006, "0", 60), carry(0x6996, 60, 61)) == (2, [("x", 60), (60, "x")])
    # The carry out is used, by a cell or from outside.
    assert ends(carry(0x0006, "1", 60), outputs=(60,)) == (1, [("x", 60)])
    # The sum of the first site is used.
    assert ends(carry(0x0006, "0", 60), outputs=(40,)) == (1, [("0", "x")])
    # It would hand the carry on: with D = 0, or a D that may be 0, P is A ^ B.
    assert ends(carry(0x0006, "0", 60, D0="0")) == (1, [("0", "x")])
    assert ends(carry(0x0006, "0", 60, D0=52)) == (1, [("0", "x")])
    # A carry that comes from elsewhere is not an end.
    assert ends(carry(0x0006, 70, 60)) == (1, [(70, "x")])


def test_files_stay_whole(tmp_path: Path) -> None:
    path = tmp_path / "top.json"
    for text, said in [("{", "left no readable top.json"), ("{}", "'modules'")]:
        path.write_text(text)
        with pytest.raises(ToolError, match=said):
            improve(path, "ecp5")
        assert path.read_text() == text
    assert improve(path, "ice40") == Improvements()
    assert [p.name for p in tmp_path.iterdir()] == ["top.json"]
