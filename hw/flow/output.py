"""The folder of a build: appears whole, replaces the build before it, or is left alone."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from errno import EACCES, ENOTDIR
from pathlib import Path

from hw.flow.manifest import NAME
from sw.errors import UserError

__all__ = ["default_folder", "output_folder"]


def default_folder(board: str, size: str, model: str) -> Path:
    """``build/<board>-<size>-<model>``, with nothing in it that a path gives a meaning."""
    name = "".join(c if c.isalnum() or c in "-_." else "-" for c in model).strip(".-") or "model"
    return Path("build") / f"{board}-{size}-{name}"


@contextlib.contextmanager
def output_folder(target: Path) -> Iterator[Path]:
    """A new folder to fill, which becomes ``target`` on leaving without an error.

    It lies beside ``target`` meanwhile. A ``target`` that is there already is replaced
    when it is empty or an earlier build.

    Raises
    ------
    UserError
        ``target`` holds something else, or cannot be written. That is found out before
        the time of a build is spent.
    """
    shown, target = target, target.absolute()
    if target.exists() and not _replaceable(target):
        raise UserError(
            f"'{shown}' exists and is not an earlier build",
            "Give --out a new folder, or empty this one",
        )
    try:
        if target.parent.exists() and not target.parent.is_dir():
            raise NotADirectoryError(ENOTDIR, os.strerror(ENOTDIR))
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists() and not os.access(target, os.W_OK):
            raise PermissionError(EACCES, os.strerror(EACCES))
        folder = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        folder.chmod(0o777 & ~_umask())
    except OSError as error:
        raise _cannot_write(shown, error) from error
    try:
        yield folder
        _replace(folder, target)
    except OSError as error:
        # Errors of other files are not ours to rename; a bare write error has no name.
        if error.filename is None or str(error.filename).startswith(str(folder)):
            raise _cannot_write(shown, error) from error
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _replaceable(target: Path) -> bool:
    return target.is_dir() and ((target / NAME).is_file() or not any(target.iterdir()))


def _replace(folder: Path, target: Path) -> None:
    """Put ``folder`` in the place of ``target``; the old one is restored on failure."""
    if not target.exists():
        folder.rename(target)
        return
    old = folder.with_name(f"{folder.name}.old")
    target.rename(old)
    try:
        folder.rename(target)
    except BaseException:
        old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _cannot_write(target: Path, error: OSError) -> UserError:
    return UserError(
        f"cannot write '{target}': {error.strerror or error}",
        "Make room and allow writing there, or give --out another folder",
    )


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
