"""What a step of a build uses: CPU seconds and peak memory.

CPU time hardly depends on what else the machine does, wall-clock time does.
"""

from __future__ import annotations

import os
import pickle
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from sw.errors import UserError

__all__ = ["apart", "serve"]

_Result = TypeVar("_Result")
_WHO = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)


def apart(
    work: Callable[..., _Result], /, *arguments: Any, **options: Any
) -> tuple[_Result, dict[str, float]]:
    """Do ``work`` in a process of its own; its result and what it used.

    Parameters
    ----------
    work : callable
        Of a module that can be imported; like what it takes and returns, it is pickled.

    Returns
    -------
    tuple
        What ``work`` returns, and a dict: "cpu_s", CPU seconds of the process and of those
        it started; "peak_mb", the most memory that one of them held, in MB.

    Raises
    ------
    UserError
        As ``work`` did.
    """
    assert work.__module__ != "__main__", "the other process cannot import it"
    # A peak is that of a process's whole life, so each step needs a new one; and of
    # multiprocessing's, those that do not inherit a peak run the main module again.
    with tempfile.TemporaryDirectory(prefix="apart-") as name:
        folder = Path(name)
        (folder / "work").write_bytes(pickle.dumps((work, arguments, options)))
        code = f"from {__name__} import serve; serve({name!r})"
        path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
        subprocess.run(
            [sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": path}
        )
        result, used = pickle.loads((folder / "result").read_bytes())
    if isinstance(result, UserError):
        raise result
    return result, used


def serve(name: str) -> None:
    """Do the work in a folder, for `apart` in another process."""
    folder = Path(name)
    work, arguments, options = pickle.loads((folder / "work").read_bytes())
    before = _cpu_seconds()
    try:
        result = work(*arguments, **options)
    except UserError as error:
        result = error
    peak = max(resource.getrusage(who).ru_maxrss for who in _WHO)
    used = {
        "cpu_s": round(_cpu_seconds() - before, 2),
        "peak_mb": round(peak * 1024 / 1e6),  # Linux counts in KiB
    }
    (folder / "result").write_bytes(pickle.dumps((result, used)))


def _cpu_seconds() -> float:
    """Of this process and of those it has waited for."""
    usages = [resource.getrusage(who) for who in _WHO]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)
