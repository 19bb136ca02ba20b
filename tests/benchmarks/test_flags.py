"""The benchmark of flags: a real measurement of a small block, and what docs and flow say of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import flags, size
from benchmarks.size_cases import CASES
from hw.flow.ecp5 import Ecp5
from hw.flow.run import Sources
from sw.errors import UserError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def small() -> flags.Design:
    (case,) = (case for case in CASES if case.name == "width 24 to 16, 1 bits")
    sources = Sources(rtlil=size.design_of(case), constraints=None)
    return flags.Design(
        sources=sources, device="--12k --package CABGA381 --speed 6", luts=24_288, clock_mhz=100.0
    )


def test_flags_of_a_small_block(small: flags.Design, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flags, "FLAGS", ("-nowidelut", "-nowidelut -noccu2"))
    found = flags.measure_synthesis(small)
    assert list(found) == list(flags.FLAGS)
    routed = flags.measure_routing(small, flags.FLAGS[:1])
    assert list(routed) == ["-nowidelut"]
    assert routed["-nowidelut"]["lut"] >= found["-nowidelut"]["lut"] > 0
    assert routed["-nowidelut"]["fmax_mhz"] > 0


def test_placings_of_a_small_block(small: flags.Design, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = {"router1, 0.9": flags.PLACINGS["router1, 0.9"]}
    monkeypatch.setattr(flags, "PLACINGS", wanted)
    found = flags.measure_placing(small)
    assert list(found["placings"]) == list(wanted)
    assert 0 < found["fill"] < 0.01


def test_the_rival_makes_another_netlist() -> None:
    found = {name: {"lut": 100, "ff": 10} for name in flags.FLAGS}
    found[flags.FLAGS[2]] = {"lut": 120, "ff": 10}
    found[flags.FLAGS[4]] = {"lut": 110, "ff": 11}
    assert flags.rival(found) == flags.FLAGS[4]


def test_unknown_name() -> None:
    with pytest.raises(UserError, match="there is no measurement 'synthesis-x'"):
        flags.main(["--run", "synthesis-x"])
    with pytest.raises(UserError, match="compares the netlists of synthesis-lines-serial"):
        flags.measure("routing-lines-serial", {})


def test_the_tables_of_the_docs_are_the_baselines() -> None:
    found = json.loads(flags.RESULTS.read_text(encoding="utf-8"))
    docs = (ROOT / "docs" / "build.md").read_text(encoding="utf-8")
    for table in flags.markdown(found).split("\n\n"):
        assert table in docs


def test_no_other_flags_win() -> None:
    """Of no design another netlist is smaller and as fast, but for a part in a hundred."""
    assert flags.FLAGS[0] == Ecp5.SYNTHESIS_FLAGS
    found = json.loads(flags.RESULTS.read_text(encoding="utf-8"))
    for name, entry in found.items():
        if name.startswith("routing-"):
            default, other = entry["figures"].values()
            smaller = other["lut"] < 0.99 * default["lut"]
            assert not (smaller and other["fmax_mhz"] > 0.99 * default["fmax_mhz"]), name
