"""From RTLIL to a bitstream: with the real tools once, with stand-ins for all that fails."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

import boards
from hw.flow.cache import Cache, content_key
from hw.flow.ecp5 import Ecp5
from hw.flow.limits import reachable_clock
from hw.flow.progress import progress_note
from hw.flow.result import Counts, Routed
from hw.flow.run import Sources, implement
from hw.flow.top import elaborate
from sw.errors import PlanError, ToolError, UserError

from .echo import Echo

ECP5 = Ecp5()
SMALL = boards.find("ulx3s", "12F")
SOURCES = Sources(rtlil=b"module \\top\nend\n", constraints=b"")


def make(cache_root: Path, *, clock: float = 75.0, seed: int = 1, sources: Sources = SOURCES):
    return implement(sources, SMALL, clock_mhz=clock, seed=seed, cache=Cache(cache_root))


def left_over(cache_root: Path) -> list[str]:
    """Work folders that were not cleared away."""
    return [path.name for path in cache_root.glob(".work-*")]


def test_real_tools_and_the_cache(cache_root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clock = SMALL.clock_plan(60)
    sources = elaborate(SMALL, clock, Echo())
    first = make(cache_root, clock=60, sources=sources)
    bitstream = (first.folder / "top.bit").read_bytes()
    assert b"LFE5U-12F" in bitstream[:64] and len(bitstream) > 50_000
    assert first.routed.fmax_mhz > 60
    assert first.synthesised.ff <= first.routed.ff
    assert first.synthesised.lut <= first.routed.lut < 400
    assert set(first.seconds) == {"synthesise", "place_and_route", "pack"}
    assert set(first.tools) == {"yosys", "nextpnr-ecp5", "ecppack"}
    assert not first.cached and not left_over(cache_root)
    assert {p.name for p in first.folder.iterdir()} == {
        "top.bit",
        "cells.json",
        "routed.json",
        "result.json",
        "yosys.log",
        "nextpnr.log",
        "ecppack.log",
    }

    again = make(cache_root, clock=60, sources=sources)
    assert again.cached and again.folder == first.folder and again.routed == first.routed
    assert "bitstream found in the build cache" in capsys.readouterr().err


def test_elaboration_is_the_same_every_time() -> None:
    first, second = (elaborate(SMALL, SMALL.clock_plan(75), Echo()) for _ in range(2))
    assert first == second
    assert str(Path(__file__).parent).encode() not in first.rtlil
    assert first.rtlil != elaborate(SMALL, SMALL.clock_plan(60), Echo()).rtlil
    assert first.rtlil != elaborate(SMALL, SMALL.clock_plan(75), Echo(width=9)).rtlil


def test_whatever_goes_in_is_in_the_key(cache_root: Path, stand_ins: Callable[..., None]) -> None:
    stand_ins(clock=75)
    made = [
        make(cache_root),
        make(cache_root, seed=2),
        make(cache_root, clock=60),
        make(cache_root, sources=Sources(rtlil=b"module \\top\nend", constraints=b"")),
        make(cache_root, sources=Sources(rtlil=SOURCES.rtlil, constraints=b"#")),
    ]
    assert len({m.folder for m in made}) == len(made) and not any(m.cached for m in made)
    assert make(cache_root).cached


def test_parts_of_a_key_do_not_run_together() -> None:
    assert content_key("ab", "c") != content_key("a", "bc")
    assert content_key("a", b"b") == content_key(b"a", "b")


def test_damaged_entry_is_made_again(cache_root: Path, stand_ins: Callable[..., None]) -> None:
    stand_ins()
    first = make(cache_root)
    (first.folder / "result.json").write_text("{")
    again = make(cache_root)
    assert not again.cached and again.routed == first.routed
    (first.folder / "top.bit").unlink()
    assert not make(cache_root).cached


def test_router_is_chosen_by_the_fill() -> None:
    below = ECP5.place_arguments("--12k", fill=0.29, seed=7, clock_mhz=50.0)
    above = ECP5.place_arguments("--12k", fill=0.31, seed=7, clock_mhz=50.0)
    assert "router1" in below and "router2" in above
    assert above[above.index("--placer-heap-beta") + 1] == "0.6"
    assert "--placer-heap-beta" not in below
    assert below[below.index("--seed") + 1] == "7"
    assert "--timing-allow-fail" in below


@pytest.mark.parametrize(
    ("line", "note"),
    [
        ("Info: Max frequency for clock '$glbnet$clk': 143.78 MHz (PASS)", "about 144 MHz"),
        (
            "Info:     at iteration #5, type ALL: wirelen solved = 1, spread = 2, legal = 3; x",
            None,
        ),
        ("Info:     iter=3 wires=900 overused=1234 overuse=1", "routing, pass 3, 1,234 conflicts"),
        (
            "Info:       1000 |        9        990 |   9   990 |    12345|   0.10       0.10|",
            "routing, 12,345 arcs to go",
        ),
        ("Info: Program finished normally.", None),
    ],
)
def test_progress_notes(line: str, note: str | None) -> None:
    assert progress_note(line) == note


def test_cells_are_counted_in_sites(tmp_path: Path) -> None:
    cells = {"LUT4": 3, "CCU2C": 5, "TRELLIS_DPR16X4": 7, "TRELLIS_FF": 11, "DP16KD": 2}
    path = tmp_path / "cells.json"
    path.write_text(json.dumps({"design": {"num_cells_by_type": cells | {"MULT18X18D": 1}}}))
    assert ECP5.count_cells(path) == Counts(lut=3 + 10 + 28, ff=11, bram=2, dsp=1)


def test_the_clock_asked_for_is_the_one_read(tmp_path: Path) -> None:
    used = {name: {"used": 1} for name in ("TRELLIS_COMB", "TRELLIS_FF", "DP16KD", "MULT18X18D")}
    fmax = {
        "clk25": {"achieved": 50.0, "constraint": 25.0},
        "sync": {"achieved": 81.239, "constraint": 75.002},
    }
    path = tmp_path / "routed.json"
    path.write_text(json.dumps({"utilization": used, "fmax": fmax}))
    assert ECP5.read_routed(path, 75.0) == Routed(lut=1, ff=1, bram=1, dsp=1, fmax_mhz=81.24)
    path.write_text("{")
    with pytest.raises(
        ToolError, match=r"nextpnr-ecp5 ended well but left no readable routed\.json"
    ):
        ECP5.read_routed(path, 75.0)


def test_another_clock_that_is_not_met(tmp_path: Path) -> None:
    used = {name: {"used": 1} for name in ("TRELLIS_COMB", "TRELLIS_FF", "DP16KD", "MULT18X18D")}
    fmax = {
        "usb_clk": {"achieved": 47.0, "constraint": 48.08},
        "clk": {"achieved": 81.2, "constraint": 75.0},
    }
    path = tmp_path / "routed.json"
    path.write_text(json.dumps({"utilization": used, "fmax": fmax}))
    with pytest.raises(PlanError) as caught:
        ECP5.read_routed(path, 75.0)
    assert str(caught.value) == (
        "The clock 'usb_clk' must reach 48.08 MHz, whatever --clock is, and the routed design "
        "reaches 47.00 MHz. Try another placement with --seed, or fill less of the device with "
        "--share."
    )


def test_too_many_luts_are_refused_before_placing(
    cache_root: Path, stand_ins: Callable[..., None]
) -> None:
    stand_ins(lut=26_000, nextpnr="echo not to be run; exit 1")
    with pytest.raises(PlanError) as caught:
        make(cache_root)
    assert str(caught.value) == (
        "The synthesised design does not fit the ULX3S 12F: it needs 26,000 lut, 1,712 more "
        "than the 24,288 there are. Take --size 45F, or ask for fewer frames/s with --fps or a "
        "smaller --share."
    )
    assert not left_over(cache_root)


def test_too_many_block_rams_for_every_size(
    cache_root: Path, stand_ins: Callable[..., None]
) -> None:
    stand_ins(lut=26_000, bram=300)
    with pytest.raises(PlanError) as caught:
        make(cache_root)
    assert "it needs 300 bram, 244 more than the 56 there are" in caught.value.message
    assert caught.value.remedy.startswith("Ask for fewer frames/s with --fps")


def test_clock_not_met(cache_root: Path, stand_ins: Callable[..., None]) -> None:
    stand_ins(fmax=70.91, ecppack="echo not to be run; exit 1")
    with pytest.raises(PlanError) as caught:
        make(cache_root, seed=4)
    assert str(caught.value) == (
        "The clock is not met: 75 MHz was asked for, and the routed design reaches 70.91 MHz. "
        "Ask for --clock 70, or try another placement with --seed 5."
    )
    assert caught.value.exit_status == 1
    assert not left_over(cache_root)


def test_reachable_clock_is_one() -> None:
    for most in range(10, 200, 7):
        mhz = reachable_clock(SMALL, most)
        assert mhz is not None
        clock = SMALL.clock_plan(mhz)
        assert clock.hz <= most * 1e6
        SMALL.baud(clock.hz)
    assert reachable_clock(SMALL, 2.0) is None


@pytest.mark.parametrize("tool", ["yosys", "nextpnr", "ecppack"])
def test_failing_tool_keeps_its_log(
    cache_root: Path, stand_ins: Callable[..., None], tool: str
) -> None:
    stand_ins(**{tool: "echo 'ERROR: the cell exploded'; exit 4"})
    with pytest.raises(ToolError) as caught:
        make(cache_root)
    name = "nextpnr-ecp5" if tool == "nextpnr" else tool
    assert caught.value.message.startswith(f"{name} ")
    assert "failed with status 4: ERROR: the cell exploded" in caught.value.message
    log = Path(caught.value.remedy.removeprefix("Read its whole log in "))
    assert log.read_text() == "ERROR: the cell exploded\n"
    assert log.parent.parent == cache_root / "failed"
    assert not left_over(cache_root)


def test_tools_that_write_nothing(cache_root: Path, stand_ins: Callable[..., None]) -> None:
    stand_ins(yosys="exit 0")
    with pytest.raises(ToolError, match=r"Yosys ended well but left no readable cells\.json"):
        make(cache_root)
    stand_ins(ecppack="exit 0")
    with pytest.raises(ToolError, match=r"ecppack ended well but left no top\.bit"):
        make(cache_root)


def test_interrupted(
    cache_root: Path, stand_ins: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(line: str) -> None:
        raise KeyboardInterrupt

    stand_ins(nextpnr="echo Info: hello; sleep 600")
    monkeypatch.setattr("hw.flow.routing.progress_note", interrupt)
    with pytest.raises(KeyboardInterrupt):
        make(cache_root)
    assert not left_over(cache_root) and not (cache_root / "failed").exists()


def test_cache_that_cannot_be_written(tmp_path: Path, stand_ins: Callable[..., None]) -> None:
    stand_ins()
    (tmp_path / "file").touch()
    with pytest.raises(UserError) as caught:
        make(tmp_path / "file" / "cache")
    assert str(caught.value) == (
        f"cannot write the build cache '{tmp_path / 'file' / 'cache'}': Not a directory. "
        "Make room and allow writing there, or set BINARRAY_CACHE to another folder."
    )


def test_full_disk(
    cache_root: Path, stand_ins: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    stand_ins()
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(UserError) as caught:
        make(cache_root)
    assert str(caught.value) == (
        f"cannot write the build cache '{cache_root}': No space left on device. "
        "Make room and allow writing there, or set BINARRAY_CACHE to another folder."
    )
    assert not left_over(cache_root)


def test_cache_keeps_the_last_used(
    cache_root: Path, stand_ins: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hw.flow.cache.KEEP", 2)
    stand_ins()
    made = [make(cache_root, seed=seed).folder for seed in range(1, 5)]
    assert not made[0].exists() and made[3].exists()
    assert sum(path.is_dir() for path in cache_root.iterdir()) <= 3
