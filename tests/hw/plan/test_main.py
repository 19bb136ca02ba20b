"""``python -m hw.plan``."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sw.model import save
from tests.detectors import detector
from tests.graphs import random_model


@pytest.fixture
def model(tmp_path: Path, rng: np.random.Generator) -> Path:
    path = tmp_path / "net.npz"
    save(random_model(rng, depth=3, max_channels=6), path)
    return path


def command(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hw.plan", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


def test_json(model: Path) -> None:
    done = command(model, "--board", "ulx3s", "--size", "25F", "--clock", "50", "--json")
    assert done.returncode == 0, done.stderr
    plan = json.loads(done.stdout)
    assert (plan["board"], plan["size"], plan["fits"]) == ("ulx3s", "25F", True)
    assert plan["clock_mhz"] == pytest.approx(50, rel=0.01)
    predicted = plan["predicted"]
    assert predicted["frames_per_second"] == pytest.approx(
        plan["clock_mhz"] * 1e6 / predicted["cycles_per_frame"], rel=1e-4
    )
    # The command plans the same way each time.
    again = command(model, "--board", "ulx3s", "--size", "25F", "--clock", "50", "--json")
    assert again.stdout == done.stdout


def test_table(model: Path) -> None:
    done = command(model)
    assert done.returncode == 0, done.stderr
    for text in (
        "on ulx3s 85F",
        "rows x",
        "cycles a frame",
        "limited by",
        "of 83640 LUT",
        "packed",
    ):
        assert text in done.stdout


def test_objectness_is_told(tmp_path: Path) -> None:
    save(detector(2, 3), tmp_path / "detector.npz")
    done = command(tmp_path / "detector.npz", "--size", "12F", "--fps", "100")
    assert done.returncode == 0, done.stderr
    assert "boxes are marked from an objectness of 0.5 on" in done.stdout


def test_user_errors(model: Path) -> None:
    cases = (
        ([model, "--board", "none"], "'none'"),
        ([model, "--size", "7F"], "'7F'"),
        ([model, "--share", "2"], "the share of lut is 2.0"),
        ([model, "--objectness", "0.5"], "is no detector"),
        ([model.with_name("absent.npz")], "absent.npz"),
    )
    for arguments, text in cases:
        done = command(*arguments)
        assert done.returncode == 1, text
        assert text in done.stderr
        assert "Traceback" not in done.stderr
        assert done.stdout == ""


def test_usage() -> None:
    assert command("--help").returncode == 0
    assert command().returncode == 2
