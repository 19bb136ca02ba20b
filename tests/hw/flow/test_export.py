"""``hw.build --target verilog`` and ``rtlil``: the core's ports, its files, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hw.axi import AxiConfig
from hw.flow import manifest
from hw.flow.export import GENERIC, TOP
from sw import golden
from sw.detect import objects
from sw.model import Model, load, save
from tests.cocotb_runner import run_verilog
from tests.detectors import random_detector
from tests.hw.build_case import Command, names

COMMON = {"model.npz", "plan.json", "frames.hex", "scores.hex", "README.md", "manifest.json"}
REPORTS = {"report.json", "report.txt"}


def axi_of(out: Path, model: Model) -> AxiConfig:
    """The ports as report and plan say."""
    ports = json.loads((out / "report.json").read_text())["ports"]
    type_ = model.graph.input.type
    return AxiConfig(
        lanes=type_.size // ports["beats_per_frame"],
        code_bits=type_.range.bits,
        i_beats=ports["beats_per_frame"],
        o_beats=ports["scores_per_frame"],
        score_bits=ports["m_axis_tdata"],
        marks=model.detection is not None,
    )


def test_verilog_is_exact(tmp_path: Path, command: Command, rng: np.random.Generator) -> None:
    """Under cocotb and Verilator, between the stream models of cocotbext-axi."""
    save(random_detector(rng, 4, 6, bits=2), tmp_path / "m.npz")
    out = tmp_path / "out"
    options = ("--budget", "20000,40,10", "--clock", 100, "--fps", 100_000)
    status, _, error = command(tmp_path / "m.npz", "--target", "verilog", *options, "--out", out)
    assert status == 0, error
    assert names(out) == {*COMMON, *REPORTS, "core.v", "logs/yosys.log"}
    assert set(manifest.load(out).tools) == {"yosys"}
    model = load(out / "model.npz")
    axi = axi_of(out, model)
    # Three lanes of two bits leave two bits of the byte over.
    assert (axi.i_bits, axi.i_width, axi.marks) == (6, 8, True)
    text = (out / "core.v").read_text()
    assert 'ram_style = "block"' in text and "src =" not in text and "TRELLIS" not in text

    type_ = model.graph.input.type
    shape = (5, type_.height, type_.width, type_.channels)
    frames = model.preprocessing.apply(rng.integers(0, 256, shape, dtype=np.uint8))
    codes = type_.range.encode(frames)
    cut = rng.integers(1, axi.i_beats, len(frames))
    short = codes.reshape(len(codes), axi.i_beats, -1).copy()
    for beats, kept in zip(short, cut, strict=True):
        beats[kept:] = 0

    def scores(codes: np.ndarray) -> np.ndarray:
        values = type_.range.decode(codes.reshape(shape))
        return golden.run(model.graph, values)[model.graph.head.name]

    marks = np.zeros((len(frames), axi.o_beats), np.uint8)
    marks[:, 4::5] = objects(model, scores(codes), 0.5).reshape(len(frames), -1)
    assert 0 < marks.sum() < marks[:, 4::5].size
    run_verilog(
        out / "core.v",
        TOP,
        "tests.hw.flow.axi_bench",
        tmp_path,
        data={
            "frames": axi.frame_beats(codes).reshape(len(frames), axi.i_beats, -1),
            "scores": axi.score_beats(scores(codes)).reshape(len(frames), axi.o_beats, -1),
            "short": axi.score_beats(scores(short)).reshape(len(frames), axi.o_beats, -1),
            "cut": cut,
            "marks": marks,
        },
        seed=int(rng.integers(2**31)),
    )


def test_rtlil(model: Path, tmp_path: Path, command: Command) -> None:
    """No tool is run; files, ports, vectors and plan say the same."""
    out = tmp_path / "out"
    status, printed, error = command(model, "--target", "rtlil", "--fps", 1000, "--out", out)
    assert (status, error) == (0, f"written: {out}")
    assert "frames/s          core " in printed and "link" not in printed
    assert names(out) == {*COMMON, *REPORTS, "core.il"}
    made, loaded = manifest.load(out), load(model)
    axi = axi_of(out, loaded)
    assert (made.board, made.size, made.baud, made.tools) == ("generic", "", None, {})
    assert made.options["target"] == "rtlil" and made.clock_hz % 1_000_000 == 0
    assert set(made.files) == {*COMMON - {"manifest.json"}, "core.il"}
    text = (out / "core.il").read_text()
    assert f"module \\{TOP}\n" in text and "$_" not in text and "TRELLIS" not in text
    for port, width in (("s_axis_tdata", axi.i_width), ("m_axis_tdata", axi.o_width)):
        assert f"wire width {width} " in text and f"\\{port}\n" in text
        assert f"`{port}[{width - 1}:0]`" in (out / "README.md").read_text()
    # A line a beat, the most significant byte first.
    lines = (out / "frames.hex").read_text().split()
    assert len(lines) == 2 * axi.i_beats
    codes = loaded.graph.input.type.range.encode(
        loaded.preprocessing.apply(loaded.vectors.frames)
    ).ravel()
    beats = codes.reshape(-1, axi.lanes) @ (1 << np.arange(axi.lanes))
    assert [int(line, 16) for line in lines] == beats.tolist()
    bits = 4 * len((out / "scores.hex").read_text().split()[0])
    assert bits == axi.o_width
    scores = [int(line, 16) for line in (out / "scores.hex").read_text().split()]
    assert scores == [int(s) % 2**bits for s in loaded.vectors.scores.ravel()]


def test_same_bytes(model: Path, tmp_path: Path, command: Command) -> None:
    """And over an earlier build, in the place that is the default."""
    for _ in range(2):
        out = tmp_path / "out"
        arguments = ("--target", "rtlil", "--board", "icepi_zero", "--clock", 33.3, "--fps", 100)
        assert command(model, *arguments, "--out", out)[0] == 0
        digests = manifest.load(out).files
        assert manifest.load(out).board == "icepi_zero" and manifest.load(out).size == "25F"
        assert manifest.load(out).clock_hz == 33_300_000
        (tmp_path / "first").mkdir(exist_ok=True)
        first = tmp_path / "first" / "files.json"
        if first.exists():
            assert json.loads(first.read_text()) == digests
        first.write_text(json.dumps(digests))


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--budget", "20000"), "'20000' is not LUTS,BRAMS or LUTS,BRAMS,DSPS, for instance"),
        (("--budget", "a,b"), "'a,b' is not LUTS,BRAMS"),
        (("--budget", "1,2,3,4"), "'1,2,3,4' is not LUTS,BRAMS"),
        (("--budget", "9,9", "--board", "ulx3s"), "--budget: not allowed with argument --board"),
        (("--flash",), "argument --flash: not allowed with argument --target verilog"),
        (("--dry-run",), "argument --dry-run: not allowed with argument --target verilog"),
    ],
)
def test_usage(model: Path, command: Command, arguments: tuple[str, ...], text: str) -> None:
    status, _, error = command(model, "--target", "verilog", *arguments)
    assert status == 2 and text in error


def test_usage_without_a_target(model: Path, command: Command) -> None:
    status, _, error = command(model, "--budget", "9,9")
    assert status == 2
    assert "argument --budget: only with argument --target verilog or rtlil" in error
    assert command(model, "--target", "vhdl")[0] == 2


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            ("--size", "12F"),
            "error: --size 12F is of no board. Give --board as well, or --budget instead of both.",
        ),
        (
            ("--clock", "0"),
            "error: A clock of 0 MHz cannot be planned for: allowed are more than 0 and up to "
            "1000 MHz. Give --clock the frequency of aclk.",
        ),
        (
            ("--clock", "nan"),
            "error: A clock of nan MHz cannot be planned for: allowed are more than 0 and up to "
            "1000 MHz. Give --clock the frequency of aclk.",
        ),
    ],
)
def test_refusals(
    model: Path, tmp_path: Path, command: Command, arguments: tuple[str, ...], line: str
) -> None:
    out = tmp_path / "out"
    assert command(model, "--target", "rtlil", *arguments, "--out", out) == (1, "", line)
    assert not out.exists()


def test_too_large_for_the_budget(model: Path, tmp_path: Path, command: Command) -> None:
    out = tmp_path / "out"
    arguments = ("--target", "rtlil", "--budget", "100,1", "--out", out)
    status, _, error = command(model, *arguments)
    assert status == 1 and error.startswith("error: 'tiny' does not fit generic: it needs ")
    assert not out.exists()
    assert GENERIC.bram_bits == 18 * 1024


def test_a_folder_that_is_no_build(model: Path, tmp_path: Path, command: Command) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.txt").write_text("all of it")
    status, _, error = command(model, "--target", "rtlil", "--out", out)
    assert (status, names(out)) == (1, {"thesis.txt"})
    assert error.startswith(f"error: '{out}' exists and is not an earlier build.")


def test_yosys_that_fails(
    model: Path, tmp_path: Path, command: Command, tools: Callable[[str, str], Path]
) -> None:
    """Nothing is left of a core that could not be written."""
    tools("yosys", 'case "$1" in -V) echo "Yosys 0.60"; exit 0;; esac\necho ERROR: no; exit 1')
    out = tmp_path / "out"
    status, _, error = command(model, "--target", "verilog", "--fps", 1000, "--out", out)
    assert status == 3 and "failed with status 1: ERROR: no" in error
    assert not out.exists()
