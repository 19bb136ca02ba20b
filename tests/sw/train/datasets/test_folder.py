"""Folders of pictures by class: splits, sizes, ImageNet's way, frames decoded when asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sw.errors import UserError
from sw.train.datasets import folder as module
from sw.train.datasets import open_dataset
from sw.train.datasets.pictures import Fit, ImageFrames, Picture

Image = pytest.importorskip("PIL.Image")


def picture(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def fill(
    folder: Path, rng: np.random.Generator, classes: dict[str, int], shape: tuple[int, ...]
) -> dict[str, np.ndarray]:
    """Pictures by class; their pixels by path within the folder."""
    made = {}
    for name, count in classes.items():
        for index in range(count):
            made[f"{name}/{index}.png"] = pixels = rng.integers(0, 256, shape, np.uint8)
            picture(folder / name / f"{index}.png", pixels)
    return made


@pytest.mark.parametrize("names", [("train", "test"), ("train", "val"), ("Train", "Valid")])
def test_splits_as_they_lie(
    tmp_path: Path, rng: np.random.Generator, names: tuple[str, str]
) -> None:
    train = fill(tmp_path / names[0], rng, {"cat": 3, "ant": 2}, (6, 5, 3))
    test = fill(tmp_path / names[1], rng, {"cat": 2}, (6, 5, 3))
    dataset = open_dataset(str(tmp_path))
    assert dataset.classes == ("ant", "cat")
    np.testing.assert_array_equal(dataset.train_labels, [0, 0, 1, 1, 1])
    np.testing.assert_array_equal(dataset.test_labels, [1, 1])
    np.testing.assert_array_equal(dataset.train_frames[2], train["cat/0.png"])
    np.testing.assert_array_equal(dataset.test_frames[1], test["cat/1.png"])
    assert dataset.source == f"pictures in folder '{tmp_path.name}'"
    (tmp_path / "source.txt").write_text("Mine, CC0\nmore\n")
    assert open_dataset(str(tmp_path)).source == "Mine, CC0"


def test_seeded_split(tmp_path: Path, rng: np.random.Generator) -> None:
    made = fill(tmp_path, rng, {"a": 10, "b": 5}, (4, 4))
    first = open_dataset(f"{tmp_path}?seed=3,test=0.4")
    again = open_dataset(f"{tmp_path}?test=.4,seed=3")
    other = open_dataset(f"{tmp_path}?seed=4,test=0.4")
    assert first.train_frames.shape == (9, 4, 4, 1)
    np.testing.assert_array_equal(first.test_labels, [0] * 4 + [1] * 2)
    np.testing.assert_array_equal(first.test_frames[:], again.test_frames[:])
    assert (first.test_frames[:] != other.test_frames[:]).any()
    both = np.concatenate([first.train_frames[:], first.test_frames[:]])[..., 0]
    # Each picture is in one split, once.
    assert {frame.tobytes() for frame in both} == {frame.tobytes() for frame in made.values()}
    assert len(open_dataset(str(tmp_path)).test_frames) == 3


def test_sizes(tmp_path: Path, rng: np.random.Generator) -> None:
    fill(tmp_path, rng, {"a": 3}, (6, 8, 3))
    fill(tmp_path, rng, {"b": 3}, (6, 9, 3))
    with pytest.raises(UserError, match=r"has 9 x 6 pixels and others 8 x 6") as caught:
        open_dataset(str(tmp_path))
    assert "?size=64" in caught.value.remedy
    dataset = open_dataset(f"{tmp_path}?size=5x4")
    assert dataset.train_frames.shape == (4, 4, 5, 3)
    assert dataset.source.endswith("cut to 5 x 4")
    assert open_dataset(f"{tmp_path}?size=4,grey=1").test_frames.shape == (2, 4, 4, 1)


def test_crop_and_pad_are_centred() -> None:
    crop = Fit(height=224, width=224, channels=3, how="crop", margin=256 / 224)
    assert crop.place(500, 375) == (-59, -16, 341, 256)
    assert crop.place(300, 600) == (-16, -144, 256, 512)
    pad = Fit(height=192, width=320, channels=3, how="pad")
    assert pad.place(320, 180) == (0, 6, 320, 180)
    assert pad.place(100, 200) == (112, 0, 96, 192)


def test_pixels_of_crop_and_pad(tmp_path: Path, rng: np.random.Generator) -> None:
    pixels = rng.integers(0, 256, (8, 12, 3), np.uint8)
    picture(tmp_path / "a.png", pixels)
    one = Picture("a.png", path=str(tmp_path / "a.png"))
    crop = Fit(height=8, width=8, channels=3, how="crop").apply(one)
    np.testing.assert_array_equal(crop, pixels[:, 2:10])
    pad = Fit(height=12, width=12, channels=3, how="pad").apply(one)
    np.testing.assert_array_equal(pad[2:10], pixels)
    assert (pad[:2] == 128).all() and (pad[10:] == 128).all()


def test_decoded_when_asked_for(
    tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path, rng, {"a": 6, "b": 6}, (7, 7, 3))
    whole = open_dataset(str(tmp_path))
    monkeypatch.setattr(module, "MEMORY", 12 * 147 - 1)
    dataset = open_dataset(str(tmp_path))
    frames, expected = dataset.train_frames, np.asarray(whole.train_frames)
    assert isinstance(frames, ImageFrames) and isinstance(whole.train_frames, np.ndarray)
    assert frames.shape == expected.shape and len(frames) == len(expected)
    assert frames.dtype == np.uint8 and frames.nbytes == expected.nbytes
    indices = rng.integers(-len(frames), len(frames), 5)
    for index in (3, -1, np.int64(2), slice(1, 7, 2), indices, [4, 4], expected[:, 0, 0, 0] > 99):
        np.testing.assert_array_equal(frames[index], expected[index])
    with pytest.raises(IndexError):
        frames[[99]]
    (tmp_path / "a/0.png").write_bytes(b"no picture")
    (tmp_path / "a/1.png").write_bytes((tmp_path / "a/2.png").read_bytes()[:60])
    both = [Picture(name, path=str(tmp_path / name)) for name in ("a/0.png", "a/1.png")]
    for index, name in enumerate(("a/0.png", "a/1.png")):
        with pytest.raises(UserError, match=f"'{name}' is no picture or a damaged one"):
            ImageFrames(both, frames.fit)[[index]]


def test_imagenet(tmp_path: Path, rng: np.random.Generator) -> None:
    for split in ("train", "val"):
        fill(tmp_path / split, rng, {"n01440764": 2, "n01443537": 2}, (260, 300, 3))
    picture(tmp_path / "train/n01440764/grey.JPEG", rng.integers(0, 256, (300, 280), np.uint8))
    dataset = open_dataset(str(tmp_path))
    assert dataset.train_frames.shape == (5, 224, 224, 3)
    assert dataset.classes == ("n01440764", "n01443537")
    assert "non-commercial research and education only" in dataset.source
    small = open_dataset(f"{tmp_path}?size=32,shorter=40")
    assert small.test_frames.shape == (4, 32, 32, 3)


def test_what_is_wrong(tmp_path: Path, rng: np.random.Generator) -> None:
    def case(name: str) -> Path:
        return tmp_path / name

    fill(case("few"), rng, {"a": 3, "b": 1}, (4, 4))
    fill(case("lone/train"), rng, {"a": 3}, (4, 4))
    fill(case("new/train"), rng, {"a": 3}, (4, 4))
    fill(case("new/test"), rng, {"b": 3}, (4, 4))
    fill(case("flat/train"), rng, {"a": 3}, (4, 4))
    fill(case("flat"), rng, {"val": 3}, (4, 4))
    fill(case("good"), rng, {"a": 3}, (4, 4))
    case("empty").mkdir()
    cases = [
        ("few", "class 'b' has 1 pictures, too few for a test share of 0.2"),
        ("lone", "holds 'train' and no other split"),
        ("new", "class 'b' of .* has no training pictures; there are a"),
        ("flat", r"holds 3 pictures such as '0.png' in no folder of a class"),
        ("empty", "holds nothing; allowed for task 'classify': a folder of idx files"),
        ("absent", "there is nothing at '.*absent'; allowed for task 'classify'"),
        ("good?size=0", "option 'size=0' of .* allowed: SIDE or WIDTHxHEIGHT in pixels"),
        ("good?size=9x9999", "option 'size=9x9999' of .* allowed: SIDE or WIDTHxHEIGHT"),
        ("good?test=1.5", "option 'test=1.5' of .* allowed: a fraction between 0 and 1"),
        ("good?colour=1", "'colour' is no option of .*; allowed: test, seed, size, grey"),
        ("good?seed", "'seed' of .* is no option"),
        ("good?seed=1,seed=2", "'seed' is given twice"),
        ("good?size=9,shorter=8", "option 'shorter=8' of .* an integer from 9 to"),
    ]
    for name, message in cases:
        with pytest.raises(UserError, match=message) as caught:
            open_dataset(str(case(name)))
        assert caught.value.remedy


def test_formats_that_are_not_read(tmp_path: Path, rng: np.random.Generator) -> None:
    """Whatever its name: PostScript, for one, would be run by another program."""
    fill(tmp_path, rng, {"a": 3}, (4, 4, 3))
    Image.open(tmp_path / "a/1.png").save(tmp_path / "a/0.png", "eps")
    with pytest.raises(UserError, match=r"0.png' is no picture or a damaged one: cannot identify"):
        open_dataset(str(tmp_path))
    (tmp_path / "a/0.png").rename(tmp_path / "a/0.eps")
    assert len(open_dataset(f"{tmp_path}?test=0.5").train_frames) == 1


def test_enormous_pictures(tmp_path: Path, rng: np.random.Generator) -> None:
    """A small file whose header claims more pixels than are allowed is not decoded."""
    fill(tmp_path, rng, {"a": 3}, (4, 4))
    path = tmp_path / "a/0.png"
    data = bytearray(path.read_bytes())
    size = (9000).to_bytes(4, "big")
    data[16:24] = size * 2
    data[29:33] = __import__("zlib").crc32(data[12:29]).to_bytes(4, "big")
    path.write_bytes(data)
    with pytest.raises(UserError, match="has 9000 x 9000 pixels; allowed are 1 to 67108864"):
        open_dataset(f"{tmp_path}?seed=1,size=4")
