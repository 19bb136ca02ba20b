"""Files of a data set, in a folder or in a tar archive; nothing is unpacked to disk."""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from sw.errors import UserError

__all__ = ["Files", "is_tar", "read_file"]

#: Contents of a file by its path within the folder or archive.
Files = dict[str, bytes]

#: Largest file, and largest sum of those that are read, in bytes.
MAX_FILE = 1 << 28
MAX_TOTAL = 1 << 32

REMEDY = "Copy or download the data set again"

#: What reading a damaged archive raises; lzma and bz2 raise OSError, EOFError or ValueError.
DAMAGE = (tarfile.TarError, EOFError, ValueError, zlib.error)


def is_tar(path: Path) -> bool:
    """Whether ``path`` is named as a tar archive, compressed or not."""
    return path.is_file() and path.name.endswith((".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz"))


def read_file(path: Path, limit: int = MAX_FILE) -> bytes:
    """The bytes of a file.

    Raises
    ------
    UserError
        It cannot be read, or is larger than ``limit``.
    """
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise UserError(f"cannot read '{path}': {error.strerror or error}", REMEDY) from None
    if len(data) > limit:
        raise UserError(f"'{path}' is larger than {limit} bytes, the limit", REMEDY)
    return data


def read_tar(path: Path, wanted: Callable[[PurePosixPath], bool]) -> Files:
    """Contents of the regular files in an archive whose paths are ``wanted``.

    Raises
    ------
    UserError
        The archive is damaged, or its files are larger than the limits.
    """
    found: Files = {}
    total = 0
    try:
        with tarfile.open(path, "r|*") as archive:
            for member in archive:
                name = PurePosixPath(member.name)
                if not member.isfile() or not wanted(name):
                    continue
                total += member.size
                if member.size > MAX_FILE or total > MAX_TOTAL:
                    raise UserError(
                        f"'{path}' holds '{name}' of {member.size} bytes, {total} with those "
                        f"before it; allowed are {MAX_FILE} and {MAX_TOTAL}",
                        REMEDY,
                    )
                file = archive.extractfile(member)
                assert file is not None, "a regular file has contents"
                found[str(name)] = file.read()
    except DAMAGE as error:
        raise UserError(f"'{path}' is a damaged archive: {error}", REMEDY) from None
    except OSError as error:
        raise UserError(f"cannot read '{path}': {error.strerror or error}", REMEDY) from None
    return found


def source_note(folder: Path) -> str:
    """First line of ``source.txt`` in ``folder``: where the data come from, and their licence."""
    path = folder / "source.txt"
    if not path.is_file():
        return ""
    lines = read_file(path, 1 << 16).decode(errors="replace").strip().splitlines()
    return lines[0].strip()[:400] if lines else ""
