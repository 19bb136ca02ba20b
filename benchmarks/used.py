"""What a step of a build uses: CPU seconds and peak memory.

CPU time hardly depends on what else the machine does, wall-clock time does.
"""

from __future__ import annotations

import multiprocessing
import resource
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any, TypeVar

__all__ = ["apart"]

_Result = TypeVar("_Result")
_WHO = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)


def apart(
    work: Callable[..., _Result], /, *arguments: Any, **options: Any
) -> tuple[_Result, dict[str, float]]:
    """Do ``work`` in a process of its own; its result and what it used.

    Returns
    -------
    tuple
        What ``work`` returns, and a dict: "cpu_s", CPU seconds of the process and of those
        it started; "peak_mb", the most memory that one of them held, in MB.
    """
    # A peak is that of a process's whole life, so each step needs a new one.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=1, mp_context=context) as pool:
        return pool.submit(_measured, work, arguments, options).result()


def _measured(
    work: Callable[..., _Result], arguments: tuple[Any, ...], options: dict[str, Any]
) -> tuple[_Result, dict[str, float]]:
    before = _cpu_seconds()
    result = work(*arguments, **options)
    peak = max(resource.getrusage(who).ru_maxrss for who in _WHO)
    return result, {
        "cpu_s": round(_cpu_seconds() - before, 2),
        "peak_mb": round(peak * 1024 / 1e6),  # Linux counts in KiB
    }


def _cpu_seconds() -> float:
    """Of this process and of those it has waited for."""
    usages = [resource.getrusage(who) for who in _WHO]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)
