"""Builds kept by a hash of all that goes into them.

An entry is a folder named by the hash, written beside its final place and renamed, so
that it is whole or absent; two builds of the same design at once do no harm. The last
`KEEP` used entries stay. Logs of failed runs are kept too, under ``failed/``.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from sw.errors import UserError

__all__ = ["Cache", "content_key"]

#: Entries that stay; one is one to three megabytes.
KEEP = 64
#: Age in seconds at which the remains of a killed build are removed.
_STALE = 24 * 3600


def content_key(*parts: str | bytes) -> str:
    """A hash of ``parts``, of which each one's length counts too."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()[:32]


def default_root() -> Path:
    """``$BINARRAY_CACHE``, or ``binarray`` in the user's cache folder."""
    given = os.environ.get("BINARRAY_CACHE")
    if given:
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "binarray"


class Cache:
    """The cache in a folder, which is made when first needed.

    Parameters
    ----------
    root : Path, optional
        The folder; `default_root` when not given.
    """

    def __init__(self, root: Path | None = None) -> None:
        self.root = (default_root() if root is None else root).absolute()

    def lookup(self, key: str) -> Path | None:
        """The entry of ``key``, or None."""
        entry = self.root / key
        if not (entry / "result.json").is_file():
            return None
        with contextlib.suppress(OSError):
            os.utime(entry)  # its age is that of its last use
        return entry

    @contextlib.contextmanager
    def work(self, key: str) -> Iterator[Path]:
        """A folder for the tools to work in; gone on leaving, whatever happens.

        Call `keep` inside to make an entry of it. On a `UserError` its logs move to
        `failed`, and the error names them there.
        """
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            self._prune()
            folder = Path(tempfile.mkdtemp(prefix=f".work-{key}-", dir=self.root))
        except OSError as error:
            raise self._cannot_write(error) from error
        try:
            yield folder
        except OSError as error:
            # A bare write error has no name, and all that is written here is in this folder.
            if error.filename is None or str(error.filename).startswith(str(folder)):
                raise self._cannot_write(error) from error
            raise
        except UserError as error:
            with contextlib.suppress(OSError):
                self._save_logs(folder, key)
            old, new = str(folder), str(self.failed(key))
            error.message = error.message.replace(old, new)
            error.remedy = error.remedy.replace(old, new)
            raise
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _cannot_write(self, error: OSError) -> UserError:
        return UserError(
            f"cannot write the build cache '{self.root}': {error.strerror or error}",
            "Make room and allow writing there, or set BINARRAY_CACHE to another folder",
        )

    def keep(self, folder: Path, key: str) -> Path:
        """Make the work folder the entry of ``key``, and return that."""
        entry = self.root / key
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(entry)
        try:
            folder.rename(entry)
        except OSError:
            if self.lookup(key) is None:  # not just another build that was first
                raise
        return entry

    def failed(self, key: str) -> Path:
        """Where the logs of a failed run of ``key`` are."""
        return self.root / "failed" / key

    def _save_logs(self, folder: Path, key: str) -> None:
        target = self.failed(key)
        target.mkdir(parents=True, exist_ok=True)
        for log in [*folder.glob("*.log"), *folder.glob("*.json")]:
            if log.name != "top.json":
                shutil.copy(log, target / log.name)

    def _prune(self) -> None:
        """Drop entries beyond the last `KEEP` used, and what killed builds left."""
        entries, now = [], time.time()
        for path in [*self.root.iterdir(), *(self.root / "failed").glob("*")]:
            with contextlib.suppress(OSError):
                used = path.stat().st_mtime
                if path.name.startswith(".work-"):
                    if now - used > _STALE:
                        shutil.rmtree(path, ignore_errors=True)
                elif path.name != "failed":
                    entries.append((used, path))
        for _, path in sorted(entries)[:-KEEP]:
            shutil.rmtree(path, ignore_errors=True)
