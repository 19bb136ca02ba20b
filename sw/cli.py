"""What every command shares: exit statuses, whole outputs, frames and progress."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import signal
import sys
import time
import tokenize
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.markup import escape

from sw.errors import ModelError, UserError

if TYPE_CHECKING:  # sw.model writes its files with this module
    from sw.model.model import Model

__all__ = [
    "atomic_directory",
    "atomic_write",
    "console",
    "load_frames",
    "load_labels",
    "progress",
    "run",
    "step",
]

#: Everything that is not the result itself goes to standard error.
console = Console(stderr=True, highlight=False, soft_wrap=True)

#: What reading a damaged .npy file raises.
DAMAGE = (
    EOFError,
    KeyError,
    MemoryError,
    OverflowError,
    RecursionError,
    SyntaxError,
    TypeError,
    ValueError,
    tokenize.TokenError,
)

#: Seconds between two progress lines where standard error is no terminal.
LINE_INTERVAL = 5.0


def run(main: Callable[[], int | None]) -> NoReturn:
    """Run a command's ``main`` and exit with its status.

    0 (or what ``main`` returns) on success; 1 where the user gave something
    unusable, 3 where a tool failed, each with one line on standard error; 2 on
    wrong usage, from argparse; 130 on Ctrl-C and 143 when terminated, with
    temporary files removed; 141 where the reader of standard output has gone.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        status = main() or 0
        sys.stdout.flush()
    except UserError as error:
        status = _fail(str(error), error.exit_status)
    except BrokenPipeError:
        # Python flushes standard output once more on its way out.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        status = 141
    except OSError as error:
        status = _fail(f"{_describe(error)}. Check the path, its permissions and the free space.")
    except MemoryError:
        status = _fail("out of memory. Give fewer frames at once, or use a larger machine.")
    except KeyboardInterrupt:
        status = _fail("interrupted", 130)
    sys.exit(status)


def _fail(text: str, status: int = 1) -> int:
    line = " ".join(text.split())
    console.print(f"[bold red]error:[/] {escape(line)}")
    return status


def _describe(error: OSError) -> str:
    reason = error.strerror or str(error)
    return f"'{error.filename}': {reason}" if error.filename else reason


def _cannot_write(path: Path, error: OSError) -> UserError:
    return UserError(
        f"cannot write '{path}': {error.strerror or error}",
        "Give a path in a folder that exists, that you may write to and that has room",
    )


def _failed_to_write(error: OSError, path: Path) -> bool:
    """Whether an error is about ``path`` or a file in it, and not about another file or port.

    A write that fails names no file, but only a file system lacks space.
    """
    if error.filename is None:
        return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
    return Path(os.fsdecode(error.filename)).is_relative_to(path)


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Path to write instead of ``path``, which it becomes on leaving without an error.

    The temporary file lies in the same folder and keeps the suffix; it is
    removed on an error. A device or a pipe is handed out as it is.

    Raises
    ------
    UserError
        The folder or the file cannot be written.
    """
    shown = Path(path)
    target = Path(os.path.realpath(shown))
    if target.is_dir():
        raise UserError(f"cannot write '{shown}': it is a folder", "Give the path of a file")
    if target.exists() and not target.is_file():
        yield target
        return
    temporary = target.with_name(f".{target.stem}.{os.getpid()}.tmp{target.suffix}")
    try:
        # Found out before the work is done, not after.
        temporary.touch()
    except OSError as error:
        raise _cannot_write(shown, error) from None
    try:
        yield temporary
        os.replace(temporary, target)
    except OSError as error:
        if _failed_to_write(error, temporary):
            raise _cannot_write(shown, error) from None
        raise
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_directory(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Folder to fill instead of ``path``, which it becomes on leaving without an error.

    Raises
    ------
    UserError
        ``path`` exists and is not an empty folder, or cannot be written.
    """
    shown = Path(path)
    target = Path(os.path.realpath(shown))
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UserError(
            f"cannot write '{shown}': it exists and is not an empty folder",
            "Give the name of a new folder, or empty this one",
        )
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        temporary.mkdir()
    except OSError as error:
        raise _cannot_write(shown, error) from None
    try:
        yield temporary
        os.replace(temporary, target)
    except OSError as error:
        if _failed_to_write(error, temporary):
            raise _cannot_write(shown, error) from None
        raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def load_array(path: str | os.PathLike[str], what: str) -> NDArray:
    """The array of a .npy file, mapped and not read; never unpickled.

    Raises
    ------
    ModelError
        There is no such file, or it is no whole .npy file of plain numbers.
    """
    remedy = f"Give {what} as a .npy file written by numpy.save"
    try:
        with open(path, "rb") as file:
            magic = file.read(6)
        if magic != b"\x93NUMPY":
            raise ModelError(f"'{path}' is not a .npy file", remedy)
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise ModelError(f"there is no file '{path}'", remedy) from None
    except OSError as error:
        raise ModelError(f"cannot read '{path}': {error.strerror or error}", remedy) from None
    except DAMAGE as error:
        pickled = "pickle" in str(error) or "Python objects" in str(error)
        reason = "it holds pickled objects" if pickled else "it is damaged"
        raise ModelError(f"cannot read '{path}': {reason}", remedy) from None


def load_frames(path: str | os.PathLike[str], model: Model) -> NDArray[np.uint8]:
    """Frames (N, H, W, C) of a .npy file, checked against what ``model`` takes.

    Raises
    ------
    ModelError
        The file is missing, damaged or pickled, or holds frames of another
        shape, dtype or range.
    """
    frames = load_array(path, "frames")
    try:
        return model.as_frames(frames)
    except ModelError as error:
        raise ModelError(f"'{path}': {error.message}", error.remedy) from None


def load_labels(path: str | os.PathLike[str], count: int, classes: int) -> NDArray[np.int64]:
    """Labels (count,) of a .npy file, each the index of one of ``classes`` classes.

    Raises
    ------
    ModelError
        The file is missing, damaged or pickled, or holds other than that.
    """
    labels = load_array(path, "labels")
    remedy = f"Give {count} integer labels, each 0 to {classes - 1}, one for each frame"
    if labels.dtype.kind not in "iu":
        raise ModelError(f"'{path}': labels are {labels.dtype}, not integers", remedy)
    if labels.shape != (count,):
        raise ModelError(f"'{path}': labels have shape {labels.shape}, not ({count},)", remedy)
    if count and (labels.min() < 0 or labels.max() >= classes):
        raise ModelError(
            f"'{path}': labels from {labels.min()} to {labels.max()}, not 0 to {classes - 1}",
            remedy,
        )
    return labels.astype(np.int64)


@contextlib.contextmanager
def progress(description: str, total: int, unit: str = "") -> Iterator[Callable[[int], None]]:
    """Show how far a long step is; call the yielded function with each advance.

    A bar on a terminal, which vanishes at the end; elsewhere a line every five
    seconds, so that a short step prints nothing.
    """
    if console.is_terminal:
        from rich.progress import Progress

        with Progress(console=console, transient=True) as bar:
            task = bar.add_task(escape(description), total=total)
            yield lambda count: bar.update(task, advance=count)
        return

    done, printed = 0, time.monotonic()

    def advance(count: int) -> None:
        nonlocal done, printed
        done += count
        if time.monotonic() - printed >= LINE_INTERVAL:
            printed = time.monotonic()
            console.print(escape(f"{description}: {done} of {total} {unit}".rstrip()))

    yield advance


@contextlib.contextmanager
def step(description: str) -> Iterator[Callable[[str], None]]:
    """Show that a step of unknown length goes on, and how long it took.

    Call the yielded function with a note to show beside the elapsed time. A
    terminal shows a running clock; elsewhere a line is printed at the start and,
    where the step took two seconds or more, at the end.
    """
    start = time.monotonic()

    def finish() -> None:
        seconds = time.monotonic() - start
        if seconds >= 2:
            console.print(escape(f"{description}: {seconds:.0f} s"))

    if console.is_terminal:
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        with Progress(*columns, console=console, transient=True) as bar:
            task = bar.add_task(escape(description), total=None)
            yield lambda note: bar.update(task, description=escape(f"{description}: {note}"))
        finish()
        return

    console.print(escape(f"{description} ..."))
    yield lambda note: None
    finish()
