"""What a step uses: its own process's CPU time and memory, and those of what it starts."""

from __future__ import annotations

import subprocess
import sys

from benchmarks.used import apart


def _allocate(megabytes: int) -> int:
    return len(bytearray(b"x" * (megabytes * 1_000_000)))


def _start(program: str) -> int:
    return subprocess.run([sys.executable, "-c", program], check=True).returncode


def test_the_peak_is_that_of_one_step() -> None:
    length, large = apart(_allocate, 200)
    _, small = apart(_allocate, megabytes=1)
    assert length == 200_000_000
    assert large["peak_mb"] > 200 > small["peak_mb"]


def test_processes_that_it_starts_count() -> None:
    _, used = apart(_start, "b'x' * 300_000_000; sum(range(5_000_000))")
    assert used["cpu_s"] > 0.05
    assert used["peak_mb"] > 300
