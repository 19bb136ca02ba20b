"""The command ``python -m sim.run``."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from sim import run as command
from sw.cli import run
from sw.model import save
from tests.detectors import detector

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    with np.load(EXAMPLES / "mnist_frames.npz") as bundle:
        np.save(tmp_path / "frames.npy", bundle["frames"][:8])
    return tmp_path / "frames.npy"


def status_of(*arguments: object) -> int:
    with pytest.raises(SystemExit) as caught:
        run(lambda: command.main([str(argument) for argument in arguments]))
    assert isinstance(caught.value.code, int)
    return caught.value.code


def test_scores_figures_and_tensors(tmp_path, frames, capsys):
    model = EXAMPLES / "larq_mnist.npz"
    scores, tensors = tmp_path / "scores.npy", tmp_path / "tensors"
    assert status_of(model, frames, "-o", scores, "--tensors", tensors, "--json") == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["frames"] == 8
    assert figures["equal_to_golden"] is True
    assert figures["cycles_per_frame"] == figures["predicted_cycles_per_frame"]
    assert figures["latency_cycles"] > figures["cycles_per_frame"]
    assert np.load(scores).shape == (8, 10)
    assert len(list(tensors.glob("*.npy"))) >= 4


@pytest.mark.parametrize(
    ("array", "text"),
    [
        (np.zeros((3, 27, 28), np.uint8), "frames have shape (3, 27, 28)"),
        (np.zeros((3, 28, 28), np.float32), "frames are float32"),
        (np.zeros((0, 28, 28), np.uint8), "there are none"),
    ],
)
def test_unusable_frames_write_nothing(tmp_path, capsys, array, text):
    np.save(tmp_path / "bad.npy", array)
    scores = tmp_path / "scores.npy"
    assert status_of(EXAMPLES / "larq_mnist.npz", tmp_path / "bad.npy", "-o", scores) == 1
    error = capsys.readouterr().err
    assert text in " ".join(error.split())
    assert not scores.exists()


def test_stall_outside_its_range_is_a_usage_error(frames, capsys):
    assert status_of(EXAMPLES / "larq_mnist.npz", frames, "--stall", "1") == 2
    assert "--stall: 1.0 is not at least 0 and below 1" in capsys.readouterr().err


def test_missing_compiler_is_named(frames, capsys, monkeypatch):
    from sim import cxxrtl

    cxxrtl._find_compiler.cache_clear()
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert status_of(EXAMPLES / "larq_mnist.npz", frames) == 1
    cxxrtl._find_compiler.cache_clear()
    assert "no C++ compiler: looked for no-such-compiler" in " ".join(
        capsys.readouterr().err.split()
    )


@pytest.fixture
def detecting(tmp_path: Path) -> tuple[Path, Path]:
    """A detector, and frames in some of which it finds something."""
    save(detector(4, 6), tmp_path / "detector.npz")
    frames = np.full((3, 4, 6, 3), 10, np.uint8)
    frames[1, :2] = 200
    np.save(tmp_path / "pictures.npy", frames)
    return tmp_path / "detector.npz", tmp_path / "pictures.npy"


def test_boxes_are_counted(detecting, capsys):
    assert status_of(*detecting, "--fps", 100, "--json") == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["equal_to_golden"] is True
    assert figures["objects"] == 2 * 12
    assert status_of(*detecting, "--fps", 100, "--objectness", 0.000001, "--json") == 0
    assert json.loads(capsys.readouterr().out)["objects"] == 3 * 4 * 6 * 2


def test_other_marks_than_the_golden_models_are_a_failure(detecting, capsys, monkeypatch):
    monkeypatch.setattr(command, "objects", lambda *_: np.zeros((3, 4, 6, 2), bool))
    assert status_of(*detecting, "--fps", 100, "--json") == 3
    assert json.loads(capsys.readouterr().out)["equal_to_golden"] is False


def test_objectness_of_a_classifier_is_refused(frames, capsys):
    assert status_of(EXAMPLES / "larq_mnist.npz", frames, "--objectness", 0.5) == 1
    assert "is no detector" in " ".join(capsys.readouterr().err.split())
