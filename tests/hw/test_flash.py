"""``python -m hw.flash``: what each board's loader is told, and what is refused."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import boards
from hw import flash
from hw.flow import load, manifest
from hw.flow.families import FAMILIES
from sw import cli
from sw.errors import PlanError

from .build_case import names

EVERY = [board for sizes in boards.BOARDS.values() for board in sizes.values()]

Flash = Callable[..., tuple[int, str, str]]

#: What is run for a board and, with --persistent, instead; in order.
TOLD = {
    ("ulx3s", "85F"): (
        ["openFPGALoader --board ulx3s top.bit"],
        ["openFPGALoader --board ulx3s --write-flash top.bit"],
    ),
    ("orangecrab", "25F"): (
        [
            "dfu-suffix --vid 1209 --pid 5af0 --add top.bit",
            "dfu-util --device 1209:5af0 --alt 0 --download top.bit",
        ],
        [
            "dfu-suffix --vid 1209 --pid 5af0 --add top.bit",
            "dfu-util --device 1209:5af0 --alt 0 --download top.bit",
        ],
    ),
    ("ecpix5", "85F"): (
        ["openFPGALoader --board ecpix5 top.bit"],
        ["openFPGALoader --board ecpix5 --write-flash top.bit"],
    ),
    ("colorlight_i5", "25F"): (
        ["openFPGALoader --board colorlight-i5 top.bit"],
        ["openFPGALoader --board colorlight-i5 --write-flash top.bit"],
    ),
    ("colorlight_i9", "45F"): (
        ["openFPGALoader --board colorlight-i9 top.bit"],
        ["openFPGALoader --board colorlight-i9 --write-flash top.bit"],
    ),
    ("icepi_zero", "25F"): (
        ["openFPGALoader --board icepi-zero top.bit"],
        ["openFPGALoader --board icepi-zero --write-flash top.bit"],
    ),
    ("icebreaker", "UP5K"): (["iceprog top.bit"], ["iceprog top.bit"]),
    ("upduino", "UP5K"): (["iceprog top.bit"], ["iceprog top.bit"]),
    ("ice40_hx8k", "HX8K"): (["iceprog top.bit"], ["iceprog top.bit"]),
    ("tang_nano_9k", "GW1NR-9"): (
        ["openFPGALoader --board tangnano9k top.fs"],
        ["openFPGALoader --board tangnano9k --write-flash top.fs"],
    ),
    ("tang_nano_20k", "GW2AR-18"): (
        ["openFPGALoader --board tangnano20k top.fs"],
        ["openFPGALoader --board tangnano20k --write-flash top.fs"],
    ),
}


def ids(board: boards.Board) -> str:
    return f"{board.name}-{board.size}"


def bitstream_of(name: str, size: str) -> str:
    return FAMILIES[boards.find(name, size).family].BITSTREAM


def build(
    folder: Path, name: str = "ulx3s", size: str = "85F", bitstream: str | None = None
) -> Path:
    """A folder like that of a build, of which the tools made little."""
    bitstream = bitstream or bitstream_of(name, size)
    folder.mkdir()
    (folder / "model.npz").write_bytes(b"model")
    (folder / bitstream).write_bytes(b"bits")
    digests = {
        file: hashlib.sha256((folder / file).read_bytes()).hexdigest()
        for file in ("model.npz", bitstream)
    }
    manifest.Manifest(
        model="tiny",
        model_sha256=digests["model.npz"],
        board=name,
        size=size,
        clock_hz=75_000_000,
        baud=3_000_000,
        options={},
        plan={},
        files=digests,
        tools={},
    ).write(folder)
    return folder


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Flash:
    """Runs the command: gives its exit status, standard output and last line of error."""

    def run(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as caught:
            cli.run(lambda: flash.main([str(a) for a in arguments]))
        captured = capsys.readouterr()
        assert isinstance(caught.value.code, int)
        return caught.value.code, captured.out, (captured.err.strip().splitlines() or [""])[-1]

    return run


@pytest.fixture
def loaders(
    tools: Callable[[str, str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], list[str]]:
    """Stand-ins for the loader of every board, which note what they are told; and the notes."""
    notes = tmp_path / "notes"
    for board in EVERY:
        monkeypatch.delenv(board.flash_variable, raising=False)
        for argv in (board.flash, *board.flash_prepare):
            tools(argv[0], f'echo "$(basename $0) $@" >> {notes}')
    return lambda: notes.read_text().splitlines()


@pytest.mark.parametrize(("name", "size"), TOLD, ids=lambda value: str(value))
@pytest.mark.parametrize("persistent", [False, True])
def test_what_a_loader_is_told(
    tmp_path: Path,
    command: Flash,
    loaders: Callable[[], list[str]],
    name: str,
    size: str,
    persistent: bool,
) -> None:
    out = build(tmp_path / "out", name, size)
    bitstream = out / bitstream_of(name, size)
    before = bitstream.read_bytes()
    status, _, error = command(out, *(["--persistent"] if persistent else []))
    assert status == 0, error
    assert loaders() == TOLD[name, size][persistent]
    assert bitstream.read_bytes() == before
    board = boards.find(name, size)
    stays = persistent or board.flash == board.flash_persistent
    end = "in its flash memory, to stay" if stays else "until the power goes"
    assert error == f"loaded: {board.title}, {end}"


@pytest.mark.parametrize("board", EVERY, ids=ids)
def test_every_board_has_a_loader(
    tmp_path: Path, command: Flash, loaders: Callable[[], list[str]], board: boards.Board
) -> None:
    out = build(tmp_path / "out", board.name, board.size)
    status, printed, error = command(out, "--dry-run")
    assert status == 0, error
    told = [*board.flash_prepare, board.flash]
    words = [shlex.split(line) for line in printed.splitlines()]
    bitstream = bitstream_of(board.name, board.size)
    assert [[Path(line[0]).name, *line[1:]] for line in words] == [[*a, bitstream] for a in told]
    assert board.flash_install.startswith("Install ")
    assert not (tmp_path / "notes").exists()


def test_a_prepared_copy(
    tmp_path: Path,
    command: Flash,
    tools: Callable[[str, str], Path],
    loaders: Callable[[], list[str]],
) -> None:
    """What prepares the bitstream changes what is loaded, and not the build."""
    out = build(tmp_path / "out", "orangecrab", "85F")
    tools("dfu-suffix", "for file; do :; done; printf suffix >> $file")
    tools("dfu-util", f"for file; do :; done; cp $file {tmp_path}/loaded; pwd > {tmp_path}/place")
    assert command(out)[0] == 0
    assert (tmp_path / "loaded").read_bytes() == b"bitssuffix"
    assert (out / "top.bit").read_bytes() == b"bits"
    assert not Path((tmp_path / "place").read_text().strip()).exists()
    logs = {"logs/load.log", "logs/dfu-suffix.log"}
    assert names(out) == {"model.npz", "top.bit", "manifest.json", *logs}


def test_variable_with_options(
    tmp_path: Path, command: Flash, tools: Callable[[str, str], Path], monkeypatch
) -> None:
    own = tools("mine", f'echo "$@" > {tmp_path}/asked')
    monkeypatch.setenv("OPENFPGALOADER", f"{own} --ftdi-serial 'D 1'")
    assert command(build(tmp_path / "out"), "--persistent")[0] == 0
    asked = (tmp_path / "asked").read_text()
    assert asked == "--ftdi-serial D 1 --board ulx3s --write-flash top.bit\n"


@pytest.mark.parametrize(
    ("name", "size", "line"),
    [
        (
            "ecpix5",
            "45F",
            "error: openFPGALoader, which loads the ECPIX-5 45F, is not installed. Install "
            "openFPGALoader (apt install openfpgaloader, or the Python package openfpgaloader), "
            "or set OPENFPGALOADER to its path.",
        ),
        (
            "orangecrab",
            "25F",
            "error: dfu-util, which loads the OrangeCrab 25F, is not installed. Install dfu-util "
            "(apt install dfu-util), which dfu-suffix comes with, or set DFU_UTIL to its path.",
        ),
    ],
)
def test_missing_loader(
    tmp_path: Path,
    command: Flash,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    size: str,
    line: str,
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv(boards.find(name, size).flash_variable, raising=False)
    assert command(build(tmp_path / "out", name, size)) == (1, "", line)


def test_missing_helper(
    tmp_path: Path, command: Flash, tools: Callable[[str, str], Path], monkeypatch
) -> None:
    tools("dfu-util", "")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    status, _, error = command(build(tmp_path / "out", "orangecrab", "25F"))
    assert (status, error) == (
        1,
        "error: dfu-suffix, which loads the OrangeCrab 25F, is not installed. Install dfu-util "
        "(apt install dfu-util), which dfu-suffix comes with.",
    )


def test_failing_loader(
    tmp_path: Path, command: Flash, tools: Callable[[str, str], Path], monkeypatch
) -> None:
    monkeypatch.delenv("OPENFPGALOADER", raising=False)
    tools("openFPGALoader", "echo 'unable to open ftdi device: -3'; exit 1")
    out = build(tmp_path / "out")
    status, _, error = command(out)
    assert status == 3
    assert "failed with status 1: unable to open ftdi device: -3" in error
    assert str(out / "logs" / "load.log") in error


def test_no_way_into_the_flash_memory(loaders: Callable[[], list[str]]) -> None:
    board = replace(boards.find("ulx3s"), flash_persistent=None)
    assert not load.find_loader(board).stays
    with pytest.raises(PlanError) as caught:
        load.find_loader(board, persistent=True)
    assert str(caught.value) == (
        "openFPGALoader does not write the flash memory of the ULX3S 85F. "
        "Load it without --persistent: it stays until the power goes."
    )


def test_a_folder_that_is_no_build(tmp_path: Path, command: Flash) -> None:
    assert command(tmp_path) == (
        1,
        "",
        f"error: There is no manifest.json in '{tmp_path}'. Give a folder that hw.build has "
        "written, or build it again.",
    )


def test_a_build_without_a_bitstream(tmp_path: Path, command: Flash) -> None:
    out = build(tmp_path / "out", bitstream="top.il")
    assert command(out) == (
        1,
        "",
        f"error: The build in '{out}' has no bitstream: it was a dry run, or is for no board. "
        "Build it for a board with python -m hw.build --board NAME.",
    )


def test_a_bitstream_that_was_not_built(tmp_path: Path, command: Flash) -> None:
    out = build(tmp_path / "out")
    right = hashlib.sha256(b"bits").hexdigest()[:16]
    (out / "top.bit").write_bytes(b"other bits")
    wrong = hashlib.sha256(b"other bits").hexdigest()[:16]
    assert command(out) == (
        1,
        "",
        f"error: '{out}/top.bit' has SHA-256 {wrong}..., but manifest.json says {right}...: it is "
        "not the bitstream that was built. Build it again.",
    )
    (out / "top.bit").unlink()
    assert command(out) == (1, "", f"error: There is no top.bit in '{out}'. Build it again.")


def test_a_board_of_another_version(tmp_path: Path, command: Flash) -> None:
    status, _, error = command(build(tmp_path / "out", "ulx4s", bitstream="top.bit"))
    assert status == 1
    assert error.startswith("error: There is no board 'ulx4s': the boards are ulx3s, ")


def test_usage(tmp_path: Path, command: Flash) -> None:
    assert command()[0] == 2
    assert command("--help")[0] == 0
