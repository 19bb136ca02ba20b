"""``python -m hw.build``: a real build of a small network, and all that can go wrong."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from hw import build
from hw.flow import manifest
from sw import cli
from sw.errors import LinkError
from sw.golden import make_vectors
from sw.model import Model, Preprocessing, save
from sw.model.ir import BIPOLAR, Dense, Graph, Head, Input, Op, TensorType, Threshold

StandIns = Callable[..., None]


def dense_model(widths: tuple[int, ...], rng: np.random.Generator, name: str = "tiny") -> Model:
    """Dense layers of the given widths, the first that of the input: a row of +-1."""
    type_ = TensorType(height=1, width=1, channels=widths[0], range=BIPOLAR)
    ops: list[Op] = [Input(name="input", type=type_)]
    for i, (fan_in, outputs) in enumerate(pairwise(widths)):
        weights = rng.choice(np.array([-1, 1], np.int8), (outputs, fan_in))
        ops.append(Dense(name=f"dense{i}", source=ops[-1].name, weights=weights))
        if i < len(widths) - 2:
            ops.append(
                Threshold(
                    name=f"sign{i}",
                    source=f"dense{i}",
                    levels=np.zeros((outputs, 1), np.int32),
                    inverted=np.zeros(outputs, bool),
                )
            )
    zeros = np.zeros(widths[-1], np.float32)
    head = Head(
        name="head",
        source=ops[-1].name,
        bias=np.zeros(widths[-1], np.int32),
        scale=zeros + 1,
        offset=zeros,
    )
    graph = Graph(ops=(*ops, head))
    preprocessing = Preprocessing(
        table=np.where(np.arange(256) < 128, -1, 1).astype(np.int16)[None]
    )
    frames = rng.integers(0, 256, (2, 1, 1, widths[0]), dtype=np.uint8)
    return Model(
        name=name,
        graph=graph,
        preprocessing=preprocessing,
        vectors=make_vectors(graph, preprocessing, frames),
    )


@pytest.fixture
def model(tmp_path: Path, rng: np.random.Generator) -> Path:
    """A file with a small model."""
    path = tmp_path / "model.npz"
    save(dense_model((24, 16, 4), rng), path)
    return path


@pytest.fixture
def command(
    cache_root: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Runs the command: gives its exit status, standard output and last line of error."""

    def run(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as caught:
            cli.run(lambda: build.main([str(a) for a in arguments]))
        captured = capsys.readouterr()
        status = caught.value.code
        assert isinstance(status, int)
        return status, captured.out, (captured.err.strip().splitlines() or [""])[-1]

    return run


Command = Callable[..., tuple[int, str, str]]


def names(folder: Path) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}


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
    assert list(predicted)[:5] == ["lut", "ff", "bram", "dsp", "fmax_mhz"]
    assert list(predicted)[5:] == ["cycles_per_frame", "frames_per_second"]
    assert predicted["frames_per_second"] >= 1000
    assert [layer["kind"] for layer in report["layers"]][:1] == ["array"]
    routed = report["routed"]
    assert set(routed) == {"lut", "ff", "bram", "dsp", "fmax_mhz"}
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
    assert str(tmp_path) not in (out / "manifest.json").read_text()

    # Again, over itself: from the cache, and the same bytes.
    bitstream, il = (out / "top.bit").read_bytes(), (out / "top.il").read_bytes()
    status, printed, _ = command(model, *OPTIONS, "--out", out, "--json")
    again = json.loads(printed)
    assert status == 0 and again["cached"] is True and again["routed"] == routed
    assert ((out / "top.bit").read_bytes(), (out / "top.il").read_bytes()) == (bitstream, il)
    assert {p.name for p in tmp_path.iterdir()} == {"out", "cache", "model.npz"}


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


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            ["--board", "de10"],
            "error: There is no board 'de10': the boards are ulx3s. Give --board one of them, or "
            "add it as docs/boards.md says.",
        ),
        (
            ["--size", "13F"],
            "error: The ulx3s has no size '13F': its sizes are 12F, 25F, 45F, 85F. Give --size "
            "one of them, or leave it out for the largest.",
        ),
        (
            ["--clock", "500"],
            "error: A clock of 500 MHz is out of the PLL's reach: it makes 3.125 to 400 MHz. Ask "
            "for a --clock in that range.",
        ),
        (
            ["--clock", "0"],
            "error: A clock of 0 MHz is out of the PLL's reach: it makes 3.125 to 400 MHz. Ask "
            "for a --clock in that range.",
        ),
    ],
)
def test_unknown_board_size_or_clock(
    model: Path, tmp_path: Path, command: Command, arguments: list[str], line: str
) -> None:
    status, printed, error = command(model, *arguments, "--out", tmp_path / "out")
    assert (status, printed, error) == (1, "", line)
    assert not (tmp_path / "out").exists()


def test_usage(model: Path, command: Command) -> None:
    for arguments in (["--seed", "-1"], ["--seed", "x"], ["--dry-run", "--flash"], ["--no-such"]):
        assert command(model, *arguments)[0] == 2
    assert command()[0] == 2
    assert command("--help")[0] == 0


def test_model_that_is_not_there(tmp_path: Path, command: Command) -> None:
    status, _, error = command(tmp_path / "no.npz", "--out", tmp_path / "out")
    assert status == 1 and "no.npz" in error
    assert not (tmp_path / "out").exists()


def test_network_that_cannot_fit(
    tmp_path: Path, command: Command, rng: np.random.Generator
) -> None:
    # 2,048 x 1,024 weights are 2 Mbit; the 12F has 1 Mbit of block RAM.
    save(dense_model((2048, 1024, 4), rng, "large"), tmp_path / "large.npz")
    status, _, error = command(tmp_path / "large.npz", "--size", "12F", "--out", tmp_path / "out")
    assert status == 1
    assert error.startswith("error: 'large' does not fit ulx3s 12F: it needs ")
    assert "block RAMs" in error and "Take ulx3s 85F" in error
    assert not (tmp_path / "out").exists()


def test_synthesised_design_that_does_not_fit(
    model: Path, tmp_path: Path, command: Command, stand_ins: StandIns
) -> None:
    stand_ins(lut=30_000)
    status, _, error = command(model, "--size", "12F", "--out", tmp_path / "out")
    assert (status, error) == (
        1,
        "error: The synthesised design does not fit the ULX3S 12F: it needs 30,000 lut, 5,712 "
        "more than the 24,288 there are. Take --size 45F, or ask for fewer frames/s with --fps "
        "or a smaller --share.",
    )
    assert not (tmp_path / "out").exists()


def test_clock_that_is_not_met(
    model: Path, tmp_path: Path, command: Command, stand_ins: StandIns
) -> None:
    stand_ins(fmax=61.5, clock=90)
    out = tmp_path / "out"
    status, printed, error = command(model, "--clock", 90, "--out", out)
    assert (status, printed, error) == (
        1,
        "",
        "error: The clock is not met: 90 MHz was asked for, and the routed design reaches "
        "61.5 MHz. Ask for --clock 61, or try another placement with --seed 2.",
    )
    assert not out.exists()
    # An earlier build stays as it was.
    assert command(model, "--dry-run", "--out", out)[0] == 0
    before = {name: (out / name).read_bytes() for name in names(out)}
    assert command(model, "--clock", 90, "--out", out)[0] == 1
    assert {name: (out / name).read_bytes() for name in names(out)} == before


def test_missing_tool(
    model: Path, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEXTPNR_ECP5", "/no/nextpnr")
    status, _, error = command(model, "--out", tmp_path / "out")
    assert (status, error) == (
        1,
        "error: NEXTPNR_ECP5 is '/no/nextpnr', which is not a program that can be run. Set "
        "NEXTPNR_ECP5 to the path of nextpnr-ecp5, or unset it to have an installed one found.",
    )
    assert not (tmp_path / "out").exists()


def test_failing_tool(model: Path, tmp_path: Path, command: Command, stand_ins: StandIns) -> None:
    stand_ins(nextpnr="echo 'ERROR: Unable to place cell.'; exit 1")
    status, _, error = command(model, "--out", tmp_path / "out")
    assert status == 3
    start = "error: nextpnr-ecp5 0.8 failed with status 1: ERROR: Unable to place cell. Read its"
    assert error.startswith(start)
    log = Path(error.removesuffix(".").rsplit(" ", 1)[1])
    assert log.read_text() == "ERROR: Unable to place cell.\n"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("target", ["file/out", "file"])
def test_output_that_cannot_be_written(
    model: Path, tmp_path: Path, command: Command, target: str
) -> None:
    (tmp_path / "file").write_text("mine")
    status, _, error = command(model, "--dry-run", "--out", tmp_path / target)
    assert status == 1
    if target == "file":
        said = f"error: '{tmp_path / target}' exists and is not an earlier build. Give --out a"
    else:
        said = f"error: cannot write '{tmp_path / target}': Not a directory. Make room and allow"
    assert error.startswith(said)
    assert (tmp_path / "file").read_text() == "mine"


def test_output_that_is_something_else(model: Path, tmp_path: Path, command: Command) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.tex").write_text("mine")
    status, _, error = command(model, "--dry-run", "--out", tmp_path / "thesis")
    assert (status, error) == (
        1,
        f"error: '{tmp_path / 'thesis'}' exists and is not an earlier build. Give --out a new "
        "folder, or empty this one.",
    )
    assert names(tmp_path / "thesis") == {"chapter1.tex"}


def test_full_disk(
    model: Path, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    status, _, error = command(model, "--dry-run", "--out", tmp_path / "out")
    assert (status, error) == (
        1,
        f"error: cannot write '{tmp_path / 'out'}': No space left on device. Make room and allow "
        "writing there, or give --out another folder.",
    )
    assert {p.name for p in tmp_path.iterdir()} == {"model.npz"}


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
    stand_ins()
    tools("openFPGALoader", f'pwd > {tmp_path}/asked; echo "$@" >> {tmp_path}/asked')
    status, _, error = command(model, "--size", "25F", "--out", tmp_path / "out", "--flash")
    assert status == 0, error
    asked = (tmp_path / "asked").read_text().splitlines()
    assert asked == [str(tmp_path / "out"), "--board ulx3s top.bit"]


def test_load_fails(
    model: Path,
    tmp_path: Path,
    command: Command,
    stand_ins: StandIns,
    tools: Callable[[str, str], Path],
) -> None:
    stand_ins()
    tools("openFPGALoader", "echo 'Error: unable to open ftdi device: -3'; exit 1")
    status, _, error = command(model, "--out", tmp_path / "out", "--flash")
    assert status == 3
    assert error.startswith(
        "error: openFPGALoader failed with status 1: Error: unable to open ftdi device: -3. Read"
    )
    # The build itself is good, and stays.
    assert manifest.load(tmp_path / "out").board == "ulx3s"


def test_loader_is_missing(
    model: Path, tmp_path: Path, command: Command, stand_ins: StandIns
) -> None:
    stand_ins()
    status, _, error = command(model, "--out", tmp_path / "out", "--flash")
    assert (status, error) == (
        1,
        "error: openFPGALoader, which loads the ULX3S 85F, is not installed. Install "
        "openFPGALoader (apt install openfpgaloader, or the Python package openfpgaloader), or "
        "set OPENFPGALOADER to its path.",
    )
    assert not (tmp_path / "out").exists()


def test_manifest_that_is_no_good(model: Path, tmp_path: Path, command: Command) -> None:
    out = tmp_path / "out"
    assert command(model, "--dry-run", "--out", out)[0] == 0
    good = (out / "manifest.json").read_text()

    def refused(text: str) -> str:
        (out / "manifest.json").write_text(text)
        with pytest.raises(LinkError) as caught:
            manifest.load(out)
        (out / "manifest.json").write_text(good)
        return caught.value.message

    assert refused("{").startswith(f"'{out / 'manifest.json'}' cannot be read: ")
    assert refused("[]") == f"'{out / 'manifest.json'}' is not a build's manifest"
    assert "has format 99; this version reads up to 1" in refused('{"format": 99}')
    assert "lacks model, model_sha256" in refused('{"format": 1}')
    manifest.load(out)
    with (out / "model.npz").open("ab") as file:
        file.write(b"x")
    with pytest.raises(LinkError, match="but the build in"):
        manifest.load(out)
    (out / "model.npz").unlink()
    with pytest.raises(LinkError, match=r"There is no model\.npz in"):
        manifest.load(out)
    with pytest.raises(LinkError, match=r"There is no manifest\.json in"):
        manifest.load(tmp_path)
