"""The command ``python -m sw.golden``: its outputs, and every kind of bad input."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sw import cli, golden
from sw.golden.__main__ import main
from sw.model import Vectors, save
from tests.graphs import random_frames
from tests.sw.model.small import small_model

FRAMES = 7


@pytest.fixture
def folder(tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a model, frames and labels."""
    model = small_model()
    frames = random_frames(rng, model.graph, FRAMES)
    save(model, tmp_path / "model.npz")
    np.save(tmp_path / "frames.npy", frames)
    np.save(tmp_path / "labels.npy", model.classify(golden.scores(model, frames)))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> int:
    """Exit status of the command, in this process."""
    with pytest.raises(SystemExit) as caught:
        cli.run(lambda: main(arguments))
    return caught.value.code  # type: ignore[return-value]


def test_scores(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("model.npz", "frames.npy", "-o", "scores.npy") == 0
    scores = np.load("scores.npy")
    assert scores.dtype == np.int32
    assert (scores == golden.scores(small_model(), np.load("frames.npy"))).all()
    out, err = capsys.readouterr()
    assert out.startswith("7 frames, ")
    assert out.endswith(" frames/s; scores.npy\n")
    assert err == ""


def test_tensors(folder: Path) -> None:
    arguments = ("model.npz", "frames.npy", "-o", "scores.npy", "--tensors", "tensors")
    assert run(*arguments) == 0
    model, frames = small_model(), np.load("frames.npy")
    expected = golden.run(model.graph, model.preprocessing.apply(frames))
    assert sorted(os.listdir("tensors")) == sorted(f"{name}.npy" for name in expected)
    for name, values in expected.items():
        got = np.load(f"tensors/{name}.npy")
        assert got.dtype == values.dtype
        assert got.shape == values.shape
        assert (got == values).all()
    assert (np.load("scores.npy") == expected["head"][:, 0, 0]).all()


def test_json_and_labels(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels = np.load("labels.npy")
    labels[0] = (labels[0] + 1) % 3
    np.save("labels.npy", labels)
    arguments = ["model.npz", "frames.npy", "-o", "scores.npy", "--labels", "labels.npy"]
    assert run(*arguments, "--json") == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["frames"] == FRAMES
    assert figures["correct"] == FRAMES - 1
    assert figures["accuracy"] == (FRAMES - 1) / FRAMES
    assert len(figures["model_sha256"]) == 64
    assert run(*arguments) == 0
    assert capsys.readouterr().out.endswith("accuracy 85.71% (6 of 7)\n")


def test_as_a_program(folder: Path) -> None:
    """The real thing: module, exit statuses, one line of error and no traceback."""
    root = Path(__file__).resolve().parents[3]
    environment = {**os.environ, "PYTHONPATH": str(root)}

    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "sw.golden", *arguments]
        return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)

    done = call("model.npz", "frames.npy", "-o", "scores.npy")
    assert (done.returncode, done.stderr) == (0, "")
    done = call("none.npz", "frames.npy", "-o", "scores.npy")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "error: there is no file 'none.npz'. Give a model file, as sw.convert and sw.train write "
        "it.\n"
    )
    done = call("model.npz", "frames.npy")
    assert done.returncode == 2
    assert "the following arguments are required: -o/--output" in done.stderr
    assert call("--help").returncode == 0


GIVE = "Give frames as a .npy file written by numpy.save."
SHAPE = "Give frames as a uint8 array of shape (N, 4, 4, 3), each pixel 0 to 255."


def save_pickled() -> None:
    np.save("bad.npy", np.array([{}, None], object), allow_pickle=True)


def save_truncated() -> None:
    np.save("bad.npy", np.zeros((2, 4, 4, 3), np.uint8))
    os.truncate("bad.npy", 150)


def save_with_absurd_shape() -> None:
    data = Path("frames.npy").read_bytes()
    shape = f"({FRAMES}, 4, 4, 3)".encode()
    Path("bad.npy").write_bytes(data.replace(shape, b"(7777777, 44, 4, 3)"[: len(shape)]))


BAD_FRAMES = {
    "missing": (lambda: None, f"there is no file 'bad.npy'. {GIVE}"),
    "folder": (
        lambda: os.mkdir("bad.npy"),
        f"cannot read 'bad.npy': Is a directory. {GIVE}",
    ),
    "text": (lambda: Path("bad.npy").write_text("1 2 3"), f"'bad.npy' is not a .npy file. {GIVE}"),
    "archive": (
        lambda: Path("bad.npy").write_bytes(Path("model.npz").read_bytes()),
        f"'bad.npy' is not a .npy file. {GIVE}",
    ),
    "pickled": (save_pickled, f"cannot read 'bad.npy': it holds pickled objects. {GIVE}"),
    "truncated": (save_truncated, f"cannot read 'bad.npy': it is damaged. {GIVE}"),
    "absurd": (save_with_absurd_shape, f"cannot read 'bad.npy': it is damaged. {GIVE}"),
    "damaged": (
        lambda: Path("bad.npy").write_bytes(b"\x93NUMPY\x01\x00\x06\x00{'a':\n"),
        f"cannot read 'bad.npy': it is damaged. {GIVE}",
    ),
    "dtype": (
        lambda: np.save("bad.npy", np.zeros((2, 4, 4, 3), np.float32)),
        f"'bad.npy': frames are float32 with values from 0.0 to 0.0; allowed is uint8. {SHAPE}",
    ),
    "range": (
        lambda: np.save("bad.npy", np.full((2, 4, 4, 3), 256, np.int16)),
        f"'bad.npy': frames are int16 with values from 256 to 256; allowed is uint8. {SHAPE}",
    ),
    "shape": (
        lambda: np.save("bad.npy", np.zeros((2, 3, 4, 4), np.uint8)),
        "'bad.npy': frames have shape (2, 3, 4, 4); model 'small' takes (N, 4, 4, 3). " + SHAPE,
    ),
    "none": (
        lambda: np.save("bad.npy", np.zeros((0, 4, 4, 3), np.uint8)),
        f"'bad.npy': frames have shape (0, 4, 4, 3): there are none. {SHAPE}",
    ),
}


@pytest.mark.parametrize("case", BAD_FRAMES)
def test_bad_frames(case: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make, message = BAD_FRAMES[case]
    make()
    before = sorted(os.listdir())
    assert run("model.npz", "bad.npy", "-o", "scores.npy", "--tensors", "tensors") == 1
    assert capsys.readouterr() == ("", f"error: {message}\n")
    assert sorted(os.listdir()) == before


LABELS = "Give 7 integer labels, each 0 to 2, one for each frame."


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.zeros(7), "labels are float64, not integers"),
        (np.zeros(6, int), "labels have shape (6,), not (7,)"),
        (np.arange(7) - 1, "labels from -1 to 5, not 0 to 2"),
    ],
)
def test_bad_labels(
    labels: np.ndarray, message: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save("labels.npy", labels)
    arguments = ("model.npz", "frames.npy", "-o", "scores.npy", "--labels", "labels.npy")
    assert run(*arguments) == 1
    assert capsys.readouterr().err == f"error: 'labels.npy': {message}. {LABELS}\n"
    assert not Path("scores.npy").exists()


def test_model_that_contradicts_its_vectors(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    vectors = small_model().vectors
    wrong = Vectors(frames=vectors.frames, scores=vectors.scores + np.int32(1))
    save(small_model(vectors=wrong), "model.npz")
    assert run("model.npz", "frames.npy", "-o", "scores.npy") == 1
    assert "error: test vector 0 of model 'small' gives" in capsys.readouterr().err


def test_tensors_exist(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkdir("tensors")
    Path("tensors/mine.txt").write_text("keep")
    Path("scores.npy").write_text("old")
    arguments = ("model.npz", "frames.npy", "-o", "scores.npy", "--tensors", "tensors")
    assert run(*arguments) == 1
    assert capsys.readouterr().err == (
        "error: cannot write 'tensors': it exists and is not an empty folder. Give the name of "
        "a new folder, or empty this one.\n"
    )
    assert os.listdir("tensors") == ["mine.txt"]
    assert Path("scores.npy").read_text() == "old"


def test_full_disk(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The scores are the last thing written; neither they nor the tensors appear."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    arguments = ("model.npz", "frames.npy", "-o", "scores.npy", "--tensors", "tensors")
    assert run(*arguments) == 1
    assert capsys.readouterr().err == (
        "error: cannot write 'tensors': No space left on device. Give a path in a folder that "
        "exists, that you may write to and that has room.\n"
    )
    assert sorted(os.listdir()) == ["frames.npy", "labels.npy", "model.npz"]
