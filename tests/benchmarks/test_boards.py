"""Examples on boards: the list, what is stored, and the table of the docs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import boards
from benchmarks.boards import CASES, MORE, PATH, Case, main, measure
from sw.driver.accelerator import BAUDS
from sw.errors import ToolError

ROOT = Path(__file__).parents[2]


def test_every_size_of_every_board_and_every_link_is_there() -> None:
    sizes = {(name, size) for name, sizes in boards.BOARDS.items() for size in sizes}
    smallest = [case for case in CASES.values() if case.model == "tiny" and case.link == "uart"]
    assert {(case.board.name, case.board.size) for case in smallest} == sizes
    others = {name for name, case in CASES.items() if case.link != "uart"}
    assert others == {
        "ulx3s-12F-usb",
        "orangecrab-25F-usb",
        "icepi_zero-25F-usb",
        "ecpix5-45F-ethernet",
        "colorlight_i5-25F-ethernet",
        "colorlight_i9-45F-ethernet",
    }
    assert MORE.keys() <= boards.BOARDS.keys()


def test_stored() -> None:
    """All were built: a bitstream, at the clock, and as many frames/s as were asked for."""
    known = json.loads(PATH.read_text(encoding="utf-8"))
    assert list(known) == list(CASES)
    assert {entry["baud"] for entry in known.values()} <= {None, *BAUDS}, "auto finds them all"
    for name, entry in known.items():
        assert entry["command"] == f"python -m hw.build {' '.join(CASES[name].arguments)}"
        assert entry["bitstream_bytes"] > 0
        assert entry["routed"]["fmax_mhz"] >= entry["clock_mhz"]
        assert entry["frames_per_second"]["core"] >= CASES[name].fps
        # A memory whose words are all alike somewhere takes less; none takes more.
        assert entry["routed"]["bram"] <= entry["predicted"]["bram"], name


def test_docs_have_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--markdown"])
    assert capsys.readouterr().out in (ROOT / "docs" / "boards.md").read_text(encoding="utf-8")


def test_a_build_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    board = boards.find("icebreaker")
    monkeypatch.setitem(CASES, "too-large", Case(board=board, model="lfc_mnist"))
    with pytest.raises(ToolError, match=r"^too-large was not built: .*does not fit icebreaker"):
        measure("too-large")
