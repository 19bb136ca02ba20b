"""Pictures with boxes: YOLO's .txt, .csv beside a folder or a .tar, and what is wrong with them."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from sw.errors import UserError
from sw.train.datasets import Boxes, DetectionDataset, open_dataset
from tests.cifar import write_tar

Image = pytest.importorskip("PIL.Image")


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png")
    return file.getvalue()


def put(path: Path, data: bytes | str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)


def detect(spec: object) -> DetectionDataset:
    return open_dataset(str(spec), task="detect")


def assert_boxes(boxes: Boxes, *expected: tuple[float, ...]) -> None:
    np.testing.assert_allclose(boxes.xywh, np.reshape(expected, (-1, 4)), atol=1e-6)
    assert boxes.xywh.dtype == np.float32 and boxes.labels.dtype == np.int64
    assert len(boxes) == len(boxes.labels) == len(expected)


LAYOUTS = {
    "beside": ("{split}/{name}.png", "{split}/{name}.txt"),
    "labels": ("{split}/images/{name}.png", "{split}/labels/{name}.txt"),
    "apart": ("images/{split}/{name}.png", "labels/{split}/{name}.txt"),
}


@pytest.mark.parametrize("layout", sorted(LAYOUTS))
def test_yolo_layouts(tmp_path: Path, rng: np.random.Generator, layout: str) -> None:
    pixels = rng.integers(0, 256, (3, 10, 20, 3), np.uint8)
    texts = ["0 0.5 0.5 0.2 0.4\n1 0.1 0.2 0.1 0.1\n\n", "1 0.95 0.5 0.2 0.5\n", None]
    for index, split in enumerate(("train", "val", "train")):
        image, text = (part.format(split=split, name=index) for part in LAYOUTS[layout])
        put(tmp_path / image, png(pixels[index]))
        if (content := texts[index]) is not None:
            put(tmp_path / text, content)
    dataset = detect(tmp_path)
    np.testing.assert_array_equal(dataset.train_frames[:], pixels[[0, 2]])
    np.testing.assert_array_equal(dataset.test_frames[:], pixels[[1]])
    assert_boxes(dataset.train_boxes[0], (0.5, 0.5, 0.2, 0.4), (0.1, 0.2, 0.1, 0.1))
    assert dataset.train_boxes[0].labels.tolist() == [0, 1]
    assert_boxes(dataset.train_boxes[1])
    # Cut at the frame: from 0.85 to 1.
    assert_boxes(dataset.test_boxes[0], (0.925, 0.5, 0.15, 0.5))
    np.testing.assert_allclose(dataset.test_boxes[0].corners, [[0.85, 0.25, 1, 0.75]], atol=1e-6)
    assert dataset.classes == ("0", "1")
    put(tmp_path / "classes.txt", "car\nplate\n")
    put(tmp_path / "source.txt", "Mine, CC0")
    assert detect(tmp_path).classes == ("car", "plate")
    assert detect(tmp_path).source == "Mine, CC0"
    put(tmp_path / "classes.txt", "car\n")
    with pytest.raises(UserError, match="names 1 classes; the boxes have class 1"):
        detect(tmp_path)


CSV = (
    "file,xmin,ymin,xmax,ymax,class\na.png,2,1,6,5,cat\nb/c.png,0,0,20,10,ant\na.png,1,1,2,2,ant\n"
)


@pytest.mark.parametrize("packed", [False, True])
def test_csv(tmp_path: Path, rng: np.random.Generator, packed: bool) -> None:
    pixels = rng.integers(0, 256, (6, 10, 20), np.uint8)
    names = ("a.png", "b/c.png", *(f"{index}.png" for index in range(4)))
    files = {name: png(frame) for name, frame in zip(names, pixels, strict=True)}
    if packed:
        write_tar(tmp_path / "pictures.tar", files, "w")
    else:
        for name, data in files.items():
            put(tmp_path / name, data)
    put(tmp_path / "boxes.csv", CSV)
    for spec in (tmp_path, tmp_path / "boxes.csv"):
        dataset = detect(f"{spec}?test=0.34,seed=2")
        assert (len(dataset.train_frames), len(dataset.test_frames)) == (4, 2)
        assert dataset.classes == ("ant", "cat")
        found = {}
        for frames, boxes in (
            (dataset.train_frames, dataset.train_boxes),
            (dataset.test_frames, dataset.test_boxes),
        ):
            found |= {frame.tobytes(): those for frame, those in zip(frames[:], boxes, strict=True)}
        assert len(found) == 6
        assert_boxes(found[pixels[0].tobytes()], (0.2, 0.3, 0.2, 0.4), (0.075, 0.15, 0.05, 0.1))
        assert found[pixels[0].tobytes()].labels.tolist() == [1, 0]
        assert_boxes(found[pixels[1].tobytes()], (0.5, 0.5, 1, 1))
        assert_boxes(found[pixels[2].tobytes()])
    assert dataset.source == "boxes and pictures of 'boxes.csv'"


def test_boxes_move_with_the_picture(tmp_path: Path) -> None:
    """A white box on black, padded and resized: its pixels lie where the box says."""
    for name in ("train/a", "test/b"):
        pixels = np.zeros((100, 200, 3), np.uint8)
        pixels[40:80, 20:100] = 255
        put(tmp_path / f"{name}.png", png(pixels))
        put(tmp_path / f"{name}.txt", "0 0.3 0.6 0.4 0.4")
    for size, width, height in (("100", 100, 100), ("400x100", 400, 100), ("300x400", 300, 400)):
        dataset = detect(f"{tmp_path}?size={size}")
        white = dataset.train_frames[0][..., 0] > 200
        assert white.shape == (height, width)
        rows, columns = np.flatnonzero(white.any(1)), np.flatnonzero(white.any(0))
        corners = dataset.train_boxes[0].corners[0] * [width, height, width, height]
        measured = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
        np.testing.assert_allclose(corners, measured, atol=1)
        assert dataset.source.endswith(f"fitted into {width} x {height}")


def test_tiles(tmp_path: Path, rng: np.random.Generator) -> None:
    pixels = rng.integers(0, 256, (10, 25, 3), np.uint8)
    for name in ("train/a", "test/b"):
        put(tmp_path / f"{name}.png", png(pixels))
        put(
            tmp_path / f"{name}.txt",
            "0 0.16 0.5 0.08 0.4\n0 0.48 0.5 0.16 0.2\n0 0.92 0.2 0.08 0.2",
        )
    dataset = detect(f"{tmp_path}?tile=12")
    # Columns 0 to 11, 6 to 17 and 13 to 24; two rows of grey below.
    assert dataset.train_frames.shape == (3, 12, 12, 3)
    for frame, left in zip(dataset.train_frames[:], (0, 6, 13), strict=True):
        np.testing.assert_array_equal(frame[:10], pixels[:, left : left + 12])
        assert (frame[10:] == 128).all()
    # Boxes in pixels: x 3 to 5, 10 to 14 (centre 12), 22 to 24.
    corners = [boxes.corners * 12 for boxes in dataset.train_boxes]
    np.testing.assert_allclose(corners[0], [[3, 3, 5, 7]], atol=1e-5)
    np.testing.assert_allclose(corners[1], [[4, 4, 8, 6]], atol=1e-5)
    np.testing.assert_allclose(corners[2], [[9, 1, 11, 3]], atol=1e-5)
    assert dataset.source.endswith("cut into 12 x 12")
    wide = detect(f"{tmp_path}?tile=18x10")
    assert len(wide.train_frames) == 2 == len(wide.test_boxes)
    # The middle box's centre lies in both tiles.
    assert [len(boxes) for boxes in wide.train_boxes] == [2, 2]
    np.testing.assert_allclose(wide.train_boxes[1].corners[0, ::2] * 18, [3, 7], atol=1e-5)
    with pytest.raises(UserError, match="has both size and tile"):
        detect(f"{tmp_path}?tile=12,size=12")


def test_what_is_wrong_with_texts(tmp_path: Path) -> None:
    for name in ("train/a", "test/b"):
        put(tmp_path / f"{name}.png", png(np.zeros((4, 4), np.uint8)))
        put(tmp_path / f"{name}.txt", "0 0.5 0.5 1 1")
    cases = {
        "0 0.5 0.5 1": "line 1 of .*a.txt' is '0 0.5 0.5 1'",
        "0 0.5 0.5 1 1 1": "line 1 of .*a.txt' is ",
        "\ncar 0.5 0.5 1 1": "line 2 of .*a.txt' is 'car",
        "0 1.5 0.5 1 1": "allowed are classes from 0 and fractions from 0 to 1",
        "0 nan 0.5 1 1": "allowed are classes from 0",
        "0 0.5 0.5 0 1": "allowed are classes from 0",
        "-1 0.5 0.5 1 1": "allowed are classes from 0",
        "99999999 0.5 0.5 1 1": "allowed are classes from 0",
    }
    for text, message in cases.items():
        put(tmp_path / "train/a.txt", text)
        with pytest.raises(UserError, match=message) as caught:
            detect(tmp_path)
        assert "class x y width height" in caught.value.remedy
    (tmp_path / "train/a.txt").unlink()
    (tmp_path / "test/b.txt").unlink()
    with pytest.raises(UserError, match=r"holds 2 pictures and no .txt of boxes"):
        detect(tmp_path)
    put(tmp_path / "train/a.txt", "0 0.5 0.5 1 1")
    (tmp_path / "test/b.png").unlink()
    with pytest.raises(UserError, match="holds pictures of one split only"):
        detect(tmp_path)
    (tmp_path / "train/a.png").unlink()
    with pytest.raises(UserError, match="holds no pictures"):
        detect(tmp_path)


def test_what_is_wrong_with_csv(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        put(tmp_path / f"{name}.png", png(np.zeros((4, 4), np.uint8)))
    head = "file,xmin,ymin,xmax,ymax\n"
    cases = {
        "file,xmin,ymin,xmax\n": "lacks the column 'ymax'; it has file, xmin",
        head: "holds no boxes",
        head + "a.png,0,0,1,x\n": "line 2 of .* has xmin=0, ymin=0, xmax=1, ymax=x: not four",
        head + "a.png,0,0,1\n": "ymax=None: not four numbers",
        head + "a.png,0,0,0,1\n": "line 2 of .* without an area",
        head + "a.png,0,0,inf,1\n": "without an area",
        head + "../a.png,0,0,1,1\n": r"names the picture '../a.png'; allowed is a path in",
        head + "/a.png,0,0,1,1\n": "names the picture '/a.png'",
        head + "d.png,0,0,1,1\n": "has boxes of 'd.png', and there is no such picture",
        head + "a.png,4,0,5,1\n": "lies outside of its 4 x 4 pixels",
    }
    for text, message in cases.items():
        put(tmp_path / "boxes.csv", text)
        with pytest.raises(UserError, match=message) as caught:
            detect(tmp_path / "boxes.csv")
        assert caught.value.remedy
    put(tmp_path / "boxes.csv", head + "a.png,0,0,1,1\n")
    put(tmp_path / "more.csv", head + "a.png,0,0,1,1\n")
    with pytest.raises(UserError, match="holds 2 files of boxes"):
        detect(tmp_path)
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.png").unlink()
    with pytest.raises(UserError, match=r"lie no pictures, and no .tar"):
        detect(tmp_path / "more.csv")


def test_tasks(tmp_path: Path) -> None:
    put(tmp_path / "a.npz", b"")
    with pytest.raises(UserError, match="is a file of another kind; allowed for task 'detect'"):
        detect(tmp_path / "a.npz")
    with pytest.raises(UserError, match="no data set was given; allowed for task 'detect'"):
        open_dataset(None, task="detect")
    with pytest.raises(UserError, match="are pictures with boxes and have no classes"):
        open_dataset("plates:count=10")
