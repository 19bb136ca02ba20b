"""What a step uses: its own process's CPU time and memory, and those of what it starts."""

from __future__ import annotations

import subprocess
import sys

import pytest

from benchmarks.used import apart
from sw.errors import ToolError


def _allocate(megabytes: int) -> int:
    return len(bytearray(b"x" * (megabytes * 1_000_000)))


def _start(program: str) -> int:
    return subprocess.run([sys.executable, "-c", program], check=True).returncode


def _fail(message: str) -> None:
    raise ToolError(message, "Try again")


def test_the_peak_is_that_of_one_step() -> None:
    # A new process begins with the peak of the one that started it: more than pytest holds.
    length, large = apart(_allocate, 800)
    _, small = apart(_allocate, megabytes=1)
    assert length == 800_000_000
    assert large["peak_mb"] > 800 > small["peak_mb"]


def test_processes_that_it_starts_count() -> None:
    _, used = apart(_start, "b'x' * 300_000_000; sum(range(5_000_000))")
    assert used["cpu_s"] > 0.05
    assert used["peak_mb"] > 300


def test_errors_come_back() -> None:
    with pytest.raises(ToolError, match=r"^no luck\. Try again\.$"):
        apart(_fail, "no luck")
