"""Data sets in .npz files: arrays, JPEG streams, and what is wrong with either."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sw.errors import UserError
from sw.train.datasets import open_dataset
from sw.train.datasets.cifar import CIFAR10_CLASSES

Image = pytest.importorskip("PIL.Image")


def arrays(rng: np.random.Generator, *shape: int) -> dict[str, Any]:
    return {
        "train_frames": rng.integers(0, 256, (6, *shape), np.uint8),
        "train_labels": np.array([0, 1, 2, 0, 1, 2]),
        "test_frames": rng.integers(0, 256, (3, *shape), np.uint8),
        "test_labels": np.array([2, 1, 0], np.uint8),
    }


def jpegs(frames: np.ndarray, quality: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A stream of JPEG pictures, their offsets, and what a decoder makes of them."""
    stream, offsets, decoded = b"", [0], []
    for frame in frames:
        file = io.BytesIO()
        Image.fromarray(frame).save(file, "jpeg", quality=quality)
        stream += file.getvalue()
        offsets.append(len(stream))
        decoded.append(np.asarray(Image.open(io.BytesIO(file.getvalue()))))
    return np.frombuffer(stream, np.uint8), np.array(offsets), np.stack(decoded)


def test_frames_as_arrays(tmp_path: Path, rng: np.random.Generator) -> None:
    path = tmp_path / "set.npz"
    for shape in ((5, 4, 3), (5, 4)):
        given = arrays(rng, *shape)
        np.savez(path, **given)
        dataset = open_dataset(str(path))
        assert dataset.train_frames.shape == (6, 5, 4, 3 if len(shape) == 3 else 1)
        np.testing.assert_array_equal(
            dataset.test_frames[:].reshape(3, *shape), given["test_frames"]
        )
        np.testing.assert_array_equal(dataset.test_labels, [2, 1, 0])
        assert dataset.test_labels.dtype == np.int64
        assert dataset.classes == ("0", "1", "2")
        assert dataset.source == "set.npz"
    keras = dict(zip(("x_train", "y_train", "x_test", "y_test"), given.values(), strict=True))
    keras["y_train"] = keras["y_train"][:, None]
    np.savez(path, **keras, classes=np.array(["a", "b", "c"]), source=np.array("Mine, CC0"))
    dataset = open_dataset(str(path))
    assert dataset.classes == ("a", "b", "c")
    assert dataset.source == "Mine, CC0, from set.npz"
    np.testing.assert_array_equal(dataset.train_labels, given["train_labels"])


@pytest.mark.parametrize("quality", [75, 30])
def test_jpeg_streams_and_their_note(
    tmp_path: Path, rng: np.random.Generator, quality: int
) -> None:
    path = tmp_path / "cifar10_jpeg.npz"
    given: dict[str, Any] = {}
    decoded = {}
    for split, count in (("train", 5), ("test", 2)):
        frames = rng.integers(0, 256, (count, 32, 32, 3), np.uint8)
        stream, offsets, decoded[split] = jpegs(frames, quality)
        given |= {f"{split}_jpeg": stream, f"{split}_offsets": offsets}
        given[f"{split}_labels"] = np.arange(count, dtype=np.uint8)
    np.savez(path, **given)
    dataset = open_dataset(str(path))
    np.testing.assert_array_equal(dataset.train_frames[:], decoded["train"])
    np.testing.assert_array_equal(dataset.test_frames[:], decoded["test"])
    assert dataset.classes == CIFAR10_CLASSES
    assert f"JPEG pictures of quality {quality}, re-encoded and lossy" in dataset.source
    given["train_offsets"] = given["train_offsets"].copy()
    given["train_offsets"][2] = given["train_offsets"][1]
    np.savez(path, **given)
    with pytest.raises(UserError, match=r"'train_offsets' of .* do not ascend from 0 to"):
        open_dataset(str(path))
    del given["train_offsets"]
    np.savez(path, **given)
    with pytest.raises(UserError, match=r"lacks 'train_offsets', a list of N \+ 1 integers"):
        open_dataset(str(path))


def test_damaged_picture_in_a_stream(tmp_path: Path, rng: np.random.Generator) -> None:
    given = arrays(rng, 8, 8, 3)
    stream, offsets, _ = jpegs(given.pop("train_frames"), 75)
    stream = stream.copy()
    stream[offsets[3] : offsets[4]] = 7
    np.savez(tmp_path / "a.npz", train_jpeg=stream, train_offsets=offsets, **given)
    with pytest.raises(UserError, match=r"'a.npz:train\[3\]' is no picture or a damaged one"):
        open_dataset(str(tmp_path / "a.npz"))


def test_what_is_wrong_with_arrays(tmp_path: Path, rng: np.random.Generator) -> None:
    good = arrays(rng, 5, 4, 3)
    floats, labels = good["train_frames"] / 255, good["train_labels"]
    cases: list[tuple[dict[str, Any], str]] = [
        ({"train_frames": floats}, r"is float64 of shape \(6, 5, 4, 3\); allowed is uint8"),
        ({"train_frames": good["train_frames"][:, 0, 0]}, r"uint8 of shape \(6, 3\); allowed is"),
        ({"train_labels": labels[:5]}, r"has shape \(5,\) for 6 frames"),
        ({"train_labels": labels / 2}, "'train_labels' of .* is float64, not integers"),
        ({"train_labels": None}, "'train_labels' of .* is missing"),
        ({"test_frames": None}, r"lacks 'test_frames'; it holds test_labels, train_frames"),
        ({"train_labels": labels - 1}, "train split of .* holds label -1; allowed are 0 to 2"),
        ({"classes": np.array(["a", "b"])}, "holds label 2; allowed are 0 to 1"),
        (arrays(rng, 4, 4, 3) | {"train_frames": good["train_frames"]}, "and test frames of"),
        ({"train_frames": good["train_frames"][:0], "train_labels": labels[:0]}, "no images"),
    ]
    for change, message in cases:
        given = {key: value for key, value in (good | change).items() if value is not None}
        np.savez(tmp_path / "a.npz", **given)
        with pytest.raises(UserError, match=message) as caught:
            open_dataset(str(tmp_path / "a.npz"))
        assert "a.npz" in str(caught.value)
        assert "train_frames" in caught.value.remedy


def test_damaged_and_pickled_files(tmp_path: Path, rng: np.random.Generator) -> None:
    path = tmp_path / "a.npz"
    with pytest.raises(UserError, match=r"there is nothing at '.*a.npz'"):
        open_dataset(str(path))
    np.savez(path, **arrays(rng, 5, 4, 3))
    good = path.read_bytes()
    for data in (good[:200], good[:-40], b"", b"PK\3\4"):
        path.write_bytes(data)
        with pytest.raises(UserError, match=r"is no .npz archive or a damaged one"):
            open_dataset(str(path))
    np.savez(path, train_frames=np.array([{}], object), allow_pickle=True)
    with pytest.raises(UserError, match=r"damaged one: .*allow_pickle=False"):
        open_dataset(str(path))
