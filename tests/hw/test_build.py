"""``python -m hw.build``: a real build of a small network, and what ends it early."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hw.flow import manifest
from sim.serve import planned_build
from sw.model import save
from tests.detectors import detector

from .build_case import Command, StandIns, names

OPTIONS = ("--size", "12F", "--clock", 75, "--fps", 1000)


def test_a_real_build(model: Path, tmp_path: Path, command: Command) -> None:
    out = tmp_path / "out"
    status, printed, error = command(model, *OPTIONS, "--out", out, "--json")
    assert status == 0, error
    report = json.loads(printed)
    assert report == json.loads((out / "report.json").read_text())

    # The keys that other tools rely on.
    assert (report["board"], report["size"], report["clock_mhz"]) == ("ulx3s", "12F", 75.0)
    assert report["fits"] is True and isinstance(report["limited_by"], str)
    predicted = report["predicted"]
    assert set(predicted) == {
        "lut", "ff", "bram", "dsp", "spram", "packed", "weights_bram", "weights_packed",
        "weights_packed_at_most", "fmax_mhz", "cycles_per_frame", "frames_per_second"
    }  # fmt: skip
    assert predicted["frames_per_second"] >= 1000
    assert [layer["kind"] for layer in report["layers"]][:1] == ["array"]
    routed = report["routed"]
    assert set(routed) == {"lut", "ff", "bram", "dsp", "spram", "fmax_mhz"}
    assert 200 < routed["lut"] < 5000 and 200 < routed["ff"] < 5000
    assert routed["fmax_mhz"] >= 75 and routed["dsp"] == 0
    frames = report["frames_per_second"]
    assert frames["core"] == pytest.approx(75e6 / predicted["cycles_per_frame"], rel=1e-3)
    # 3 + 3 + 4 bytes, one of COBS and the delimiter there; 4 scores of a byte back.
    assert frames["link"] == pytest.approx(300_000 / 13, rel=1e-3)
    assert set(report["seconds"]) == {"elaborate", "synthesise", "place_and_route", "pack"}
    assert report["model_sha256"] == hashlib.sha256(model.read_bytes()).hexdigest()
    assert set(report["tools"]) == {"yosys", "nextpnr-ecp5", "ecppack"}
    for name in ("lut", "ff"):
        assert report["prediction_error"][name] == pytest.approx(
            predicted[name] / routed[name] - 1, abs=1e-3
        )

    _check_files(out, model, routed)
    assert str(tmp_path) not in (out / "manifest.json").read_text()

    # Again, over itself: from the cache, and the same bytes.
    bitstream, il = (out / "top.bit").read_bytes(), (out / "top.il").read_bytes()
    status, printed, _ = command(model, *OPTIONS, "--out", out, "--json")
    again = json.loads(printed)
    assert status == 0 and again["cached"] is True and again["routed"] == routed
    assert ((out / "top.bit").read_bytes(), (out / "top.il").read_bytes()) == (bitstream, il)
    assert {p.name for p in tmp_path.iterdir()} == {"out", "cache", "model.npz"}


def _check_files(out: Path, model: Path, routed: dict[str, Any]) -> None:
    assert names(out) == {
        "top.bit",
        "top.il",
        "model.npz",
        "plan.json",
        "manifest.json",
        "report.json",
        "report.txt",
        "logs/yosys.log",
        "logs/nextpnr.log",
        "logs/ecppack.log",
    }
    assert b"LFE5U-12F" in (out / "top.bit").read_bytes()[:64]
    assert (out / "model.npz").read_bytes() == model.read_bytes()
    text = (out / "report.txt").read_text()
    assert f"reaches {routed['fmax_mhz']:g} MHz" in text and f"{routed['lut']:,}" in text
    made = manifest.load(out)
    assert (made.board, made.size, made.clock_hz, made.baud) == (
        "ulx3s",
        "12F",
        75_000_000,
        3_000_000,
    )
    assert made.files["top.bit"] == hashlib.sha256((out / "top.bit").read_bytes()).hexdigest()


def test_dry_run_is_the_same_every_time(model: Path, tmp_path: Path, command: Command) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    assert command(model, "--dry-run", "--out", one)[0] == 0
    # Another process has other hashes and addresses.
    subprocess.run(
        [sys.executable, "-m", "hw.build", model, "--dry-run", "--out", two],
        check=True,
        capture_output=True,
        env={**os.environ, "PYTHONHASHSEED": "12345"},
    )
    assert names(one) == {"top.il", "model.npz", "plan.json", "manifest.json"} == names(two)
    for name in names(one):
        assert (one / name).read_bytes() == (two / name).read_bytes(), name
    assert manifest.load(one).tools == {}


def test_default_folder(
    model: Path, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert command(model, "--size", "25f", "--dry-run")[0] == 0
    assert names(tmp_path / "build") == {
        f"ulx3s-25F-tiny/{name}" for name in ("top.il", "model.npz", "plan.json", "manifest.json")
    }


def ended(pid: int) -> bool:
    """Whether a process has been killed; its parent need not have asked for it yet."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return True
    return state == "Z"


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["ctrl-c", "term"]
)
def test_interrupted(
    model: Path,
    tmp_path: Path,
    cache_root: Path,
    stand_ins: StandIns,
    number: signal.Signals,
    status: int,
) -> None:
    # A place and route with a child of its own, which tells its number and waits.
    number_file = tmp_path / "pid"
    stand_ins(nextpnr=f"sleep 600 & echo $! > {number_file}; wait")
    process = subprocess.Popen(
        [sys.executable, "-m", "hw.build", model, "--out", tmp_path / "out"],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    assert any("place and route" in line for line in process.stderr)
    while not (number_file.exists() and number_file.read_text().endswith("\n")):
        assert process.poll() is None
        os.sched_yield()
    child = int(number_file.read_text())
    process.send_signal(number)
    _, error = process.communicate()
    assert process.returncode == status
    assert "Traceback" not in error
    assert {p.name for p in tmp_path.iterdir()} == {"bin", "cache", "pid", "model.npz"}
    assert list(cache_root.iterdir()) == []
    # The signal was sent: let the kernel carry it out.
    assert any(ended(child) or os.sched_yield() for _ in range(100_000))


def test_load_into_a_board(
    model: Path,
    tmp_path: Path,
    command: Command,
    stand_ins: StandIns,
    tools: Callable[[str, str], Path],
) -> None:
    stand_ins(fmax=400.0)
    tools("openFPGALoader", f'pwd > {tmp_path}/asked; echo "$@" >> {tmp_path}/asked')
    status, _, error = command(model, "--size", "25F", "--out", tmp_path / "out", "--flash")
    assert status == 0, error
    asked = (tmp_path / "asked").read_text().splitlines()
    assert asked == [str(tmp_path / "out"), "--board ulx3s top.bit"]


def test_a_detector_has_a_lamp(model: Path, tmp_path: Path, command: Command) -> None:
    """And the folder says with which objectness it was built, so that it is simulated alike."""
    save(detector(2, 3), tmp_path / "detector.npz")
    out, plain = tmp_path / "out", tmp_path / "plain"
    options = ("--dry-run", "--fps", 100, "--size", "12F")
    status, _, error = command(
        tmp_path / "detector.npz", *options, "--objectness", 0.25, "--out", out
    )
    assert status == 0, error
    assert command(model, *options, "--out", plain)[0] == 0
    # The heartbeat's lamp is any design's, the sixth a detector's.
    for folder, expected in ((out, (True, True)), (plain, (True, False))):
        text = (folder / "top.il").read_text()
        assert tuple(f"led_{lamp}__io" in text for lamp in (0, 6)) == expected
    assert manifest.load(out).options["objectness"] == 0.25
    assert manifest.load(out).plan["objectness"] == 0.25
    assert planned_build(out).plan.objectness == 0.25
    assert planned_build(plain).plan.objectness is None


def test_usb_is_the_same_every_time(model: Path, tmp_path: Path, command: Command) -> None:
    options = (model, "--link", "usb", "--size", "12F", "--clock", 75, "--dry-run", "--out")
    one, two = tmp_path / "one", tmp_path / "two"
    status, printed, error = command(*options, one, "--json")
    assert status == 0, error
    report = json.loads(printed)
    assert (report["link"], report["baud"]) == ("usb", None)
    # 24 codes of a bit, 4 scores of a byte: packets of 12 and 13 bytes share the bus.
    assert report["frames_per_second"]["link"] == round(1_216_000 / (12 + 13), 3)
    # In the same process objects have other addresses.
    assert command(*options, two)[0] == 0
    text = (one / "top.il").read_text()
    assert text == (two / "top.il").read_text()
    assert "usb_0__d_p__io" in text and "uart" not in text
    assert planned_build(one).link == "usb"
