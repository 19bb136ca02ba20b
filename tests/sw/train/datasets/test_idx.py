"""idx files: read whole, or refused with a message that says why."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from sw.errors import UserError
from sw.train.datasets import open_dataset
from sw.train.datasets.idx import FASHION_CLASSES, KNOWN, load_idx_dataset, read_idx
from tests.idx import idx_bytes, write_dataset

REMEDY = "name their folder with --data"


@pytest.mark.parametrize("packed", [True, False])
def test_reads_what_was_written(tmp_path: Path, rng: np.random.Generator, packed: bool) -> None:
    array = rng.integers(0, 256, (5, 4, 3), np.uint8)
    path = tmp_path / ("a.gz" if packed else "a")
    path.write_bytes(gzip.compress(idx_bytes(array)) if packed else idx_bytes(array))
    np.testing.assert_array_equal(read_idx(path, 3), array)


@pytest.mark.parametrize("packed", [True, False])
def test_loads_a_folder(tmp_path: Path, rng: np.random.Generator, packed: bool) -> None:
    write_dataset(tmp_path, rng, train=30, test=20, packed=packed)
    dataset = load_idx_dataset(tmp_path)
    assert dataset.train_frames.shape == (30, 8, 8, 1)
    assert dataset.test_frames.shape == (20, 8, 8, 1)
    assert dataset.train_frames.dtype == np.uint8
    np.testing.assert_array_equal(dataset.test_labels, np.arange(20) % 10)
    assert dataset.classes == FASHION_CLASSES


def test_damaged_files(tmp_path: Path) -> None:
    good = idx_bytes(np.zeros((2, 3, 4), np.uint8))
    packed = gzip.compress(good)
    cases = {
        "short": (good[:10], "has 10 bytes; its header alone takes 16"),
        "truncated": (good[:-1], r"holds 23 bytes; its header says \(2, 3, 4\), that is 24"),
        "longer": (good + b"x", r"holds 25 bytes; its header says \(2, 3, 4\), that is 24"),
        "magic": (b"PK\3\4" + good[4:], "starts with 504b0304; an idx file of bytes starts with"),
        "floats": (b"\0\0\x0d\3" + good[4:], "starts with 00000d03"),
        "labels": (b"\0\0\x08\1" + good[4:], "has 1 dimensions; expected are 3"),
        "cut.gz": (packed[:-9], "is a damaged gzip file"),
        "flipped.gz": (packed[:12] + b"\xff\xff\xff" + packed[15:], "is a damaged gzip file"),
        "plain.gz": (good, "is a damaged gzip file"),
    }
    for name, (data, message) in cases.items():
        path = tmp_path / name
        path.write_bytes(data)
        with pytest.raises(UserError, match=message) as caught:
            read_idx(path, 3)
        assert str(path) in str(caught.value)
        assert REMEDY in caught.value.remedy


def test_unreadable_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot read .*: Is a directory"):
        read_idx(tmp_path, 3)


def test_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no folder") as caught:
        load_idx_dataset(tmp_path / "absent")
    assert "dataset-fashion-mnist" in caught.value.remedy


def test_missing_file(tmp_path: Path, rng: np.random.Generator) -> None:
    write_dataset(tmp_path, rng, train=10, test=10)
    (tmp_path / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(UserError, match=r"holds neither 't10k-labels-idx1-ubyte.gz' nor"):
        load_idx_dataset(tmp_path)


def test_files_that_do_not_belong_together(tmp_path: Path, rng: np.random.Generator) -> None:
    write_dataset(tmp_path, rng, train=10, test=10)
    labels = tmp_path / "t10k-labels-idx1-ubyte.gz"
    images = tmp_path / "t10k-images-idx3-ubyte.gz"

    def replace(path: Path, array: np.ndarray) -> None:
        path.write_bytes(gzip.compress(idx_bytes(array.astype(np.uint8))))

    replace(labels, np.zeros(9))
    with pytest.raises(UserError, match=r"holds 10 images and .* 9 labels"):
        load_idx_dataset(tmp_path)
    replace(labels, np.full(10, 10))
    with pytest.raises(UserError, match="holds label 10; allowed are 0 to 9"):
        load_idx_dataset(tmp_path)
    replace(labels, np.zeros(10))
    replace(images, np.zeros((10, 9, 9)))
    with pytest.raises(UserError, match=r"training images of \(8, 8\) pixels and test"):
        load_idx_dataset(tmp_path)
    replace(labels, np.zeros(0))
    replace(images, np.zeros((0, 8, 8)))
    with pytest.raises(UserError, match="holds no images"):
        load_idx_dataset(tmp_path)


def test_enormous_sizes_are_refused_before_they_are_read(tmp_path: Path) -> None:
    header = b"\0\0\x08\3" + b"\xff" * 12
    for name, data in (("a", header), ("a.gz", gzip.compress(header))):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(UserError, match=r"declares \d+ bytes; allowed are 4294967296"):
            read_idx(tmp_path / name, 3)


def test_sets_are_told_apart_by_their_labels(tmp_path: Path, rng: np.random.Generator) -> None:
    write_dataset(tmp_path, rng, train=20, test=20)
    other = open_dataset(str(tmp_path))
    assert other.classes == tuple("0123456789")
    assert other.source == f"idx files in folder '{tmp_path.name}'"
    sources = []
    for first, (classes, source) in KNOWN.items():
        labels = np.array((first * 2)[:20], np.uint8)
        (tmp_path / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx_bytes(labels)))
        known = open_dataset(str(tmp_path))
        assert (known.classes, known.source) == (classes, source)
        sources.append(source)
    assert ["Fashion-MNIST" in sources[0], "MNIST (LeCun" in sources[1]] == [True, True]
