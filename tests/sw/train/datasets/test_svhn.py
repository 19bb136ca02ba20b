"""SVHN's .mat files, as MATLAB 5 writes them; damaged ones and those of another kind."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sw.errors import MissingToolError, UserError
from sw.train.datasets import open_dataset

scipy_io = pytest.importorskip("scipy.io")

NAMES = ("train_32x32.mat", "test_32x32.mat")


def write(path: Path, frames: np.ndarray, labels: np.ndarray, *, packed: bool = True) -> None:
    values = {"X": frames.transpose(1, 2, 3, 0), "y": labels[:, None]}
    scipy_io.savemat(path, values, do_compression=packed)


def make(folder: Path, rng: np.random.Generator, *, packed: bool = True) -> list[np.ndarray]:
    """Frames and labels of both splits."""
    made = []
    for name, count in zip(NAMES, (7, 3), strict=True):
        frames = rng.integers(0, 256, (count, 32, 32, 3), np.uint8)
        labels = rng.integers(1, 11, count).astype(np.uint8)
        labels[0] = 10
        write(folder / name, frames, labels, packed=packed)
        made += [frames, labels]
    return made


@pytest.mark.parametrize("packed", [True, False])
def test_reads_what_was_written(tmp_path: Path, rng: np.random.Generator, packed: bool) -> None:
    frames, labels, test_frames, test_labels = make(tmp_path, rng, packed=packed)
    dataset = open_dataset(str(tmp_path))
    np.testing.assert_array_equal(dataset.train_frames[:], frames)
    np.testing.assert_array_equal(dataset.test_frames[:], test_frames)
    # The digit 0 is labelled 10.
    np.testing.assert_array_equal(dataset.train_labels, labels % 10)
    assert dataset.test_labels[0] == 0 == test_labels[0] - 10
    assert dataset.classes == tuple("0123456789")
    assert "non-commercial" in dataset.source


def test_extra_images(tmp_path: Path, rng: np.random.Generator) -> None:
    frames, labels, _, _ = make(tmp_path, rng)
    with pytest.raises(UserError, match=r"lacks 'extra_32x32.mat'"):
        open_dataset(f"{tmp_path}?extra=1")
    write(tmp_path / "extra_32x32.mat", frames[:2] ^ 255, labels[:2])
    dataset = open_dataset(f"{tmp_path}?extra=1")
    assert len(dataset.train_frames) == 9 == len(dataset.train_labels)
    np.testing.assert_array_equal(dataset.train_frames[7:], frames[:2] ^ 255)
    assert dataset.source.endswith("with the extra images")
    with pytest.raises(UserError, match=r"option 'extra=2' .* an integer from 0 to 1"):
        open_dataset(f"{tmp_path}?extra=2")


def test_what_is_wrong(tmp_path: Path, rng: np.random.Generator) -> None:
    frames, labels, _, _ = make(tmp_path, rng)
    path = tmp_path / NAMES[1]
    turned = frames.transpose(1, 2, 3, 0)
    cases = [
        ({"X": turned}, r"lacks 'y'; it holds X"),
        ({"Z": turned}, r"lacks 'X'; it holds Z"),
        ({"X": frames, "y": labels}, r"has shape \(7, 32, 32, 3\); allowed is \(32, 32, 3, N\)"),
        ({"X": turned, "y": labels[:5, None]}, r"'y' of .* has shape \(5, 1\) for 7 images"),
        ({"X": turned / 255, "y": labels[:, None]}, "holds X as float64 and y as uint8"),
        ({"X": turned, "y": labels[:, None] + 9}, r"holds label 1\d; allowed are 0 to 10"),
    ]
    for values, message in cases:
        scipy_io.savemat(path, values)
        with pytest.raises(UserError, match=message) as caught:
            open_dataset(str(tmp_path))
        assert NAMES[1] in str(caught.value)
        assert NAMES[0] in caught.value.remedy
    path.unlink()
    with pytest.raises(UserError, match=r"lacks 'test_32x32.mat'"):
        open_dataset(str(tmp_path))


def test_damaged_files(tmp_path: Path, rng: np.random.Generator) -> None:
    make(tmp_path, rng)
    path = tmp_path / NAMES[0]
    good = path.read_bytes()
    newer = b"MATLAB 7.3 MAT-file".ljust(124) + b"\0\2IM" + good[128:]
    for data in (b"", good[:100], good[:300], good[: len(good) // 2], newer, b"PK\3\4" * 99):
        path.write_bytes(data)
        with pytest.raises(UserError, match=r"is no MATLAB file of version 5|lacks 'y'"):
            open_dataset(str(tmp_path))


def test_without_scipy(
    tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path, rng)
    monkeypatch.setitem(__import__("sys").modules, "scipy.io", None)
    with pytest.raises(MissingToolError, match="reading SVHN needs SciPy") as caught:
        open_dataset(str(tmp_path))
    assert "pip install scipy" in caught.value.remedy
