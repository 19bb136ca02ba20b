"""CIFAR-10 in both versions, as a folder and as published; damaged and hostile pickles."""

from __future__ import annotations

import contextlib
import os
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sw.errors import UserError
from sw.train.datasets import open_dataset
from sw.train.datasets.cifar import CIFAR10_CLASSES
from sw.train.datasets.cifar_pickle import unpickle
from tests.cifar import batches, planes_of, python_batch, write_tar


def write(folder: Path, files: dict[str, bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("binary", [False, True])
def test_reads_what_was_written(
    tmp_path: Path, rng: np.random.Generator, binary: bool, packed: bool
) -> None:
    files, frames, labels = batches(rng, binary=binary)
    inner = "cifar-10-batches-bin" if binary else "cifar-10-batches-py"
    path = tmp_path
    if packed:
        path = tmp_path / ("cifar-10-binary.tar.gz" if binary else "cifar-10-python.tar.gz")
        write_tar(path, {f"{inner}/{name}": data for name, data in files.items()})
    else:
        write(tmp_path / inner, files)
    dataset = open_dataset(str(path))
    np.testing.assert_array_equal(dataset.train_frames[:], frames[:15])
    np.testing.assert_array_equal(dataset.test_frames[:], frames[15:])
    np.testing.assert_array_equal(dataset.train_labels, labels[:15])
    np.testing.assert_array_equal(dataset.test_labels, labels[15:])
    assert dataset.classes == CIFAR10_CLASSES
    assert dataset.source.startswith("CIFAR-10 (Krizhevsky 2009")
    if not packed:
        np.testing.assert_array_equal(open_dataset(str(path / inner)).test_labels, labels[15:])


@pytest.mark.parametrize("protocol", range(2, 6))
def test_pickles_of_today(rng: np.random.Generator, protocol: int) -> None:
    planes = planes_of(rng.integers(0, 256, (4, 32, 32, 3), np.uint8))
    for array in (planes, np.asfortranarray(planes)):
        data = pickle.dumps({b"data": array, "labels": [1, 2, 3, 9]}, protocol)
        batch = unpickle(data, "it")
        np.testing.assert_array_equal(batch["data"], planes)
        assert batch["labels"] == [1, 2, 3, 9]


class Call:
    """Pickles to a call of ``function``."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


def hostile() -> dict[str, tuple[bytes, str]]:
    """Pickles that do more than hold arrays, and what is said of each."""
    nested = b"\x80\2)q\0" + b"".join(b"h\0h\0\x86q\0" for _ in range(60))
    long = b"\x80\2c_codecs\nencode\nX\0\x10\0\0" + b"a" * 4096 + b"X\6\0\0\0latin1\x86q\0"
    objects = pickle.dumps({"data": np.array([{}], object)}, 2)
    return {
        "system": (pickle.dumps(Call(os.system, "exit 1")), "it names posix.system"),
        "eval": (pickle.dumps({"data": Call(eval, "1")}), "it names builtins.eval"),
        "numpy": (pickle.dumps(Call(np.load, "x")), "it names numpy.load"),
        "dotted": (b"\x80\4\x8c\5numpy\x8c\x0bndarray.dot\x93.", "it names numpy.ndarray.dot"),
        "codec": (pickle.dumps(Call(__import__("_codecs").encode, "a", "zip")), "it calls encode"),
        "objects": (objects, "an array of dtype 'O8'"),
        "key": (
            nested + b"}h\0Ns.",
            "it holds a tuple where a text belongs|sets an item of what is no dict",
        ),
        "dtype": (b"\x80\2cnumpy\ndtype\n" + nested[2:] + b"R.", "it calls an object"),
        "bomb": (long + b"R0c_codecs\nencode\nh\0R.", "opcode POP"),
        "bombs": (long + b"R" + b"c_codecs\nencode\nh\0R" * 3 + b".", "it calls encode"),
        "class": (b"\x80\2cnumpy\nndarray\n)R.", "it calls numpy.ndarray"),
        "called": (b"\x80\2K\1)R.", "it calls an object"),
        "new": (b"\x80\2cnumpy\ndtype\n)\x81.", "it holds the opcode NEWOBJ"),
        "state": (b"\x80\2]}b.", "it holds an object with a state"),
        "huge": (b"\x80\5\x96" + struct.pack("<Q", 1 << 40) + b".", "expected 1099511627776 bytes"),
        "extension": (b"\x80\2\x82\1.", "it holds the opcode EXT1"),
        "persistent": (b"\x80\2K\1Q.", "it holds the opcode BINPERSID"),
        "instance": (b"(iposix\nsystem\n.", "it holds the opcode INST"),
        "under": (b"\x80\2" + b"]" * 10 + b"a" * 20 + b".", "is no batch of CIFAR-10"),
        "list": (pickle.dumps([1]), "holds a list, not a dict"),
        "empty": (b"", "is no batch of CIFAR-10"),
        "text": (b"not a pickle at all", "is no batch of CIFAR-10"),
    }


@pytest.mark.parametrize("case", sorted(hostile()))
def test_hostile_pickles(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data, message = hostile()[case]
    monkeypatch.setattr(os, "system", lambda *_: pytest.fail("a pickle ran a command"))
    with pytest.raises(UserError, match=message) as caught:
        unpickle(data, "'data_batch_1'")
    assert caught.value.message.startswith("'data_batch_1'")
    assert "SHA-256" in caught.value.remedy


def test_every_cut_and_many_flips_are_refused_or_read(rng: np.random.Generator) -> None:
    """No damage ends in anything but a `UserError`."""
    good = python_batch(np.zeros((1, 12), np.uint8), [3])
    for length in range(len(good)):
        with pytest.raises(UserError):
            unpickle(good[:length], "it")
    for place in range(len(good)):
        bad = bytearray(good)
        bad[place] ^= int(rng.integers(1, 256))
        with contextlib.suppress(UserError):
            unpickle(bytes(bad), "it")


def test_batches_that_are_not_cifars(tmp_path: Path, rng: np.random.Generator) -> None:
    files, _, _ = batches(rng, binary=False)
    write(tmp_path, files)
    good = np.zeros((2, 3072), np.uint8)
    cases: list[tuple[dict, str]] = [
        ({"labels": [1]}, "lacks 'data', an array of bytes"),
        ({"data": good.astype(np.int64), "labels": [1, 1]}, "lacks 'data'"),
        ({"data": good[:, :9], "labels": [1, 1]}, "holds frames of 9 bytes, not 3072"),
        ({"data": good}, "lacks 'labels', a list of integers"),
        ({"data": good, "labels": [1, "2"]}, "lacks 'labels', a list of integers"),
        ({"data": good, "labels": [1]}, "holds 2 images and 1 labels"),
        ({"data": good, "labels": [1, 10]}, "holds label 10; allowed are 0 to 9"),
        ({"data": good, "labels": [-1, 1 << 70]}, "holds label 1180591620717411303424"),
        ({"data": good[:0], "labels": []}, "holds no images"),
    ]
    for value, message in cases:
        (tmp_path / "data_batch_3").write_bytes(pickle.dumps(value, 2))
        with pytest.raises(UserError, match=message) as caught:
            open_dataset(str(tmp_path))
        assert "data_batch_3" in str(caught.value)
        assert "cifar-10-python.tar.gz" in caught.value.remedy


def test_missing_and_short_batches(tmp_path: Path, rng: np.random.Generator) -> None:
    files, _, _ = batches(rng, binary=True)
    write(tmp_path, files)
    (tmp_path / "test_batch.bin").write_bytes(files["test_batch.bin"][:-1])
    with pytest.raises(UserError, match="has 9218 bytes, not a multiple of 3073"):
        open_dataset(str(tmp_path))
    (tmp_path / "test_batch.bin").unlink()
    with pytest.raises(UserError, match=r"lacks 'test_batch.bin'; it holds data_batch_1.bin, "):
        open_dataset(str(tmp_path))


def test_damaged_archives(tmp_path: Path, rng: np.random.Generator) -> None:
    path = tmp_path / "cifar-10-python.tar.gz"
    files, _, _ = batches(rng, binary=False)
    write_tar(path, files)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(UserError, match="is a damaged archive"):
        open_dataset(str(path))
    path.write_bytes(b"no archive")
    with pytest.raises(UserError, match="is a damaged archive"):
        open_dataset(str(path))
    write_tar(path, {"readme.txt": b"x"})
    with pytest.raises(UserError, match=r"lacks 'data_batch_1.bin'; it holds none of CIFAR-10's"):
        open_dataset(str(path))
