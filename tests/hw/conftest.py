"""Stand-in tools, small shell programs on a PATH of their own; the command ``hw.build``."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hw import build
from hw.flow import toolchain
from sw import cli
from sw.model import save

from .build_case import dense_model


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Path]:
    """Puts shell programs on PATH, of which nothing else of the tools is there.

    Call it with a name and the body of a shell script.
    """
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}/usr/bin{os.pathsep}/bin")
    for program in toolchain.PROGRAMS.values():
        monkeypatch.delenv(program.variable, raising=False)
    # Whatever this machine has in /usr/bin does not count.
    found = toolchain.shutil.which
    names = {p.name for p in toolchain.PROGRAMS.values()}

    def which(name: str) -> str | None:
        return found(name, path=str(folder)) if name in names else found(name)

    monkeypatch.setattr(toolchain.shutil, "which", which)

    def add(name: str, script: str) -> Path:
        path = folder / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return path

    return add


@pytest.fixture
def cache_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty build cache."""
    root = tmp_path / "cache"
    monkeypatch.setenv("BINARRAY_CACHE", str(root))
    return root


@pytest.fixture
def stand_ins(tools: Callable[[str, str], Path]) -> Callable[..., None]:
    """Puts all three tools on PATH, which answer as told and write what is read of them.

    ``lut`` and ``bram`` are counted by Yosys; ``fmax`` is reached by nextpnr against
    ``clock``; ``yosys``, ``nextpnr`` and ``ecppack`` are shell commands run first.
    """

    def put(
        *,
        lut: int = 100,
        bram: int = 2,
        fmax: float = 80.0,
        clock: float = 75.0,
        yosys: str = "",
        nextpnr: str = "",
        ecppack: str = "",
    ) -> None:
        cells = json.dumps(
            {"design": {"num_cells_by_type": {"LUT4": lut, "TRELLIS_FF": 50, "DP16KD": bram}}}
        )
        used = {"TRELLIS_COMB": lut + 5, "TRELLIS_FF": 50, "DP16KD": bram, "MULT18X18D": 0}
        routed = json.dumps(
            {
                "utilization": {name: {"used": n, "available": 0} for name, n in used.items()},
                "fmax": {"clk": {"achieved": fmax, "constraint": clock}},
            }
        )

        def script(version: str, before: str, write: str, text: str) -> str:
            return (
                f'case "$1" in -V|--version) echo "{version}"; exit 0;; esac\n'
                f"{before}\nprintf '%s' '{text}' > {write}"
            )

        empty = json.dumps({"modules": {"top": {"cells": {}, "ports": {}}}})
        synthesise = f"{yosys}\nprintf '%s' '{empty}' > top.json"
        tools("yosys", script("Yosys 0.60", synthesise, "cells.json", cells))
        tools("nextpnr-ecp5", script("Version nextpnr-0.8", nextpnr, "routed.json", routed))
        tools("ecppack", script("Version 1.4", ecppack, "top.bit", "bits"))

    return put


@pytest.fixture
def model(tmp_path: Path, rng: np.random.Generator) -> Path:
    """A file with a small model."""
    path = tmp_path / "model.npz"
    save(dense_model((24, 16, 4), rng), path)
    return path


@pytest.fixture
def command(
    cache_root: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Runs the command: gives its exit status, standard output and last line of error."""

    def run(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as caught:
            cli.run(lambda: build.main([str(a) for a in arguments]))
        captured = capsys.readouterr()
        status = caught.value.code
        assert isinstance(status, int)
        return status, captured.out, (captured.err.strip().splitlines() or [""])[-1]

    return run
