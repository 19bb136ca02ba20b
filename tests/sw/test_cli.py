"""Exit statuses, whole outputs and progress, as every command has them."""

from __future__ import annotations

import errno
import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from sw import cli
from sw.errors import ModelError, ToolError, UserError

ROOT = Path(__file__).resolve().parents[2]


def raising(error: BaseException) -> Callable[[], int | None]:
    def main() -> None:
        raise error

    return main


CASES: dict[str, tuple[Callable[[], int | None], int, str]] = {
    "success": (lambda: None, 0, ""),
    "own status": (lambda: 4, 4, ""),
    "user": (raising(ModelError("it is [bold]odd", "Mend it")), 1, "it is [bold]odd. Mend it."),
    "lines": (raising(ModelError("one\ntwo", "Three")), 1, "one two. Three."),
    "tool": (raising(ToolError("yosys failed", "Read the log")), 3, "yosys failed. Read the log."),
    "interrupt": (raising(KeyboardInterrupt()), 130, "interrupted"),
    "memory": (
        raising(MemoryError()),
        1,
        "out of memory. Give fewer frames at once, or use a larger machine.",
    ),
    "disk": (
        raising(OSError(errno.ENOSPC, "No space left on device", "/x/y")),
        1,
        "'/x/y': No space left on device. Check the path, its permissions and the free space.",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_status(case: str, capsys: pytest.CaptureFixture[str]) -> None:
    main, status, line = CASES[case]
    with pytest.raises(SystemExit) as caught:
        cli.run(main)
    assert caught.value.code == status
    assert capsys.readouterr().err == (f"error: {line}\n" if line else "")


def test_our_bugs_are_shown() -> None:
    with pytest.raises(AssertionError):
        cli.run(raising(AssertionError("a bug")))


def program(text: str) -> list[str]:
    return [sys.executable, "-c", f"from sw import cli\n{text}"]


def test_broken_pipe() -> None:
    text = "cli.run(lambda: [print('x' * 99) for _ in range(99999)] and 0)"
    with subprocess.Popen(
        program(text), stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT
    ) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_stopped(number: int, status: int, tmp_path: Path) -> None:
    """A command that is stopped leaves no temporary file behind."""
    text = """
def main():
    with cli.atomic_write("out.txt"), cli.atomic_directory("folder"):
        print("ready", flush=True)
        input()
cli.run(main)
"""
    with subprocess.Popen(
        program(text),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == b"ready\n"
        assert len(os.listdir(tmp_path)) == 2
        process.send_signal(number)
        process.wait()
    assert process.returncode == status
    assert os.listdir(tmp_path) == []


def test_atomic_write(tmp_path: Path) -> None:
    target = tmp_path / "out.npy"
    target.write_text("old")
    with cli.atomic_write(target) as temporary:
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".npy"
        temporary.write_text("new")
        assert target.read_text() == "old"
    assert target.read_text() == "new"
    assert os.listdir(tmp_path) == ["out.npy"]


def test_atomic_write_failing(tmp_path: Path) -> None:
    target = tmp_path / "out.npy"
    target.write_text("old")

    def fail() -> None:
        with cli.atomic_write(target) as temporary:
            temporary.write_text("half")
            raise ModelError("bad", "Mend it")

    with pytest.raises(ModelError):
        fail()
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["out.npy"]


ROOM = "Give a path in a folder that exists, that you may write to and that has room."


def test_atomic_write_full_disk(tmp_path: Path) -> None:
    """/dev/full answers every write as a full disk does."""

    def fail() -> None:
        with cli.atomic_write(tmp_path / "out") as temporary:
            temporary.write_text("half")
            with open("/dev/full", "wb", buffering=0) as full:
                full.write(b"x")

    with pytest.raises(UserError) as caught:
        fail()
    assert str(caught.value) == (f"cannot write '{tmp_path}/out': No space left on device. {ROOM}")
    assert os.listdir(tmp_path) == []


def test_atomic_write_other_errors(tmp_path: Path) -> None:
    """The error of another file or port keeps its own words."""
    for error in (OSError(errno.EIO, "I/O error"), FileNotFoundError(2, "No such file", "/a/b")):
        with pytest.raises(OSError, match=str(error.strerror)) as caught:
            with cli.atomic_write(tmp_path / "out"):
                raise error
        assert caught.value is error


def test_atomic_write_to_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught, cli.atomic_write(tmp_path):
        pass
    assert str(caught.value) == (
        f"cannot write '{tmp_path}': it is a folder. Give the path of a file."
    )


def test_atomic_write_in_no_folder(tmp_path: Path) -> None:
    path = tmp_path / "none" / "out"
    with pytest.raises(UserError) as caught, cli.atomic_write(path):
        pass
    assert str(caught.value) == f"cannot write '{path}': No such file or directory. {ROOM}"


def test_atomic_write_device() -> None:
    """A device is written to, not replaced."""
    with cli.atomic_write("/dev/null") as path:
        assert path == Path("/dev/null")
    assert Path("/dev/null").is_char_device()


def test_atomic_write_link(tmp_path: Path) -> None:
    """A link stays a link; what it points at is replaced."""
    (tmp_path / "link").symlink_to("file")
    with cli.atomic_write(tmp_path / "link") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_text() == "new"


def test_atomic_directory(tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.mkdir()
    with cli.atomic_directory(target) as temporary:
        (temporary / "a").write_text("a")
        assert os.listdir(target) == []
    assert os.listdir(target) == ["a"]
    assert os.listdir(tmp_path) == ["out"]


def test_atomic_directory_failing(tmp_path: Path) -> None:

    def fail() -> None:
        with cli.atomic_directory(tmp_path / "out") as temporary:
            (temporary / "a").write_text("a")
            raise ModelError("bad", "Mend it")

    with pytest.raises(ModelError):
        fail()
    assert os.listdir(tmp_path) == []


def test_atomic_directory_in_no_folder(tmp_path: Path) -> None:
    path = tmp_path / "none" / "out"
    with pytest.raises(UserError) as caught, cli.atomic_directory(path):
        pass
    assert str(caught.value) == f"cannot write '{path}': No such file or directory. {ROOM}"


def test_progress_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a terminal, a line every five seconds; a short step prints none."""
    out, now = io.StringIO(), [0.0]
    monkeypatch.setattr(cli, "console", Console(file=out, highlight=False))
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    with cli.progress("[scores]", 10, "frames") as advance:
        advance(1)
        now[0] = 5.5
        advance(3)
        now[0] = 9
        advance(3)
        now[0] = 11
        advance(3)
    assert out.getvalue() == "[scores]: 4 of 10 frames\n[scores]: 10 of 10 frames\n"


def test_progress_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal, a bar that vanishes."""
    out = io.StringIO()
    monkeypatch.setattr(cli, "console", Console(file=out, force_terminal=True, width=80))
    with cli.progress("scores", 4) as advance:
        advance(2)
        advance(2)
    assert "scores" in out.getvalue()
    assert "100%" in out.getvalue()
