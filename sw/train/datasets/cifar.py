"""CIFAR-10: python batches (pickles) and binary batches, in a folder or as published in a tar.gz.

A pixel plane after the other: 1,024 bytes of red, of green, of blue, each row by row.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sw.errors import UserError
from sw.train.datasets.base import Dataset, check_labels
from sw.train.datasets.cifar_pickle import unpickle
from sw.train.datasets.files import Files, is_tar, read_file, read_tar

__all__ = ["CIFAR10_CLASSES", "CIFAR10_SOURCE", "find_cifar", "open_cifar"]

CIFAR10_CLASSES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)

CIFAR10_SOURCE = "CIFAR-10 (Krizhevsky 2009; no licence stated by its author)"

SIDE = 32
PIXELS = 3 * SIDE * SIDE

TRAIN = tuple(f"data_batch_{number}" for number in range(1, 6))
TEST = "test_batch"
PYTHON = {*TRAIN, TEST}
BINARY = {f"{name}.bin" for name in PYTHON}

#: Folders in the archives as they are published.
FOLDERS = ("cifar-10-batches-py", "cifar-10-batches-bin")

REMEDY = (
    "Download cifar-10-python.tar.gz or cifar-10-binary.tar.gz again, and name it or its folder"
)


def _names(path: Path) -> set[str]:
    return {child.name for child in path.iterdir() if child.is_file()}


def find_cifar(path: Path) -> Path | None:
    """Where ``path`` holds batches: itself, or its folder as the archives name it; or None."""
    if is_tar(path):
        return path if path.name.startswith(("cifar-10-", "cifar10")) else None
    for folder in (path, *(path / name for name in FOLDERS)):
        if folder.is_dir() and _names(folder) & (PYTHON | BINARY):
            return folder
    return None


def _read(path: Path) -> Files:
    """Batches by file name."""
    allowed = PYTHON | BINARY
    if path.is_dir():
        return {name: read_file(path / name) for name in sorted(_names(path) & allowed)}

    def wanted(name: PurePosixPath) -> bool:
        return name.name in allowed

    return {PurePosixPath(name).name: data for name, data in read_tar(path, wanted).items()}


def _frames(planes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(n, 3072) planes as (n, 32, 32, 3)."""
    return np.ascontiguousarray(planes.reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1))


def _python_batch(data: bytes, where: str) -> tuple[NDArray, NDArray]:
    batch = unpickle(data, where)
    planes: Any = batch.get("data")
    labels: Any = batch.get("labels")
    if not isinstance(planes, np.ndarray) or planes.dtype != np.uint8 or planes.ndim != 2:
        raise UserError(f"{where} lacks 'data', an array of bytes (n, {PIXELS})", REMEDY)
    if planes.shape[1] != PIXELS:
        raise UserError(f"{where} holds frames of {planes.shape[1]} bytes, not {PIXELS}", REMEDY)
    if not isinstance(labels, list) or not all(type(label) is int for label in labels):
        raise UserError(f"{where} lacks 'labels', a list of integers", REMEDY)
    if len(labels) != len(planes):
        raise UserError(f"{where} holds {len(planes)} images and {len(labels)} labels", REMEDY)
    # As objects: an integer of any size is then refused by its value.
    return _frames(planes), _checked(np.array(labels, object), where)


def _binary_batch(data: bytes, where: str) -> tuple[NDArray, NDArray]:
    if len(data) % (1 + PIXELS):
        raise UserError(
            f"{where} has {len(data)} bytes, not a multiple of {1 + PIXELS}: a label and "
            f"{PIXELS} bytes for each image",
            REMEDY,
        )
    records = np.frombuffer(data, np.uint8).reshape(-1, 1 + PIXELS)
    return _frames(records[:, 1:]), _checked(records[:, 0], where)


def _checked(labels: NDArray, where: str) -> NDArray[np.int64]:
    return check_labels(labels, len(CIFAR10_CLASSES), where, REMEDY)


def _join(
    files: Files, names: Iterable[str], path: Path
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    parts = []
    for name in names:
        where = f"'{path / name}'"
        read = _binary_batch if name.endswith(".bin") else _python_batch
        parts.append(read(files[name], where))
    frames, labels = zip(*parts, strict=True)
    return np.concatenate(frames), np.concatenate(labels)


def open_cifar(path: Path) -> Dataset:
    """CIFAR-10 from a folder of batches or from a published archive, as `find_cifar` found it.

    Raises
    ------
    UserError
        A batch is missing or damaged, or is a pickle that holds more than arrays.
    """
    files = _read(path)
    suffix = "" if PYTHON & files.keys() else ".bin"
    wanted = [f"{name}{suffix}" for name in (*TRAIN, TEST)]
    if missing := [name for name in wanted if name not in files]:
        found = ", ".join(sorted(files)) or "none of CIFAR-10's files"
        raise UserError(f"'{path}' lacks '{missing[0]}'; it holds {found}", REMEDY)
    train_frames, train_labels = _join(files, wanted[:-1], path)
    test_frames, test_labels = _join(files, wanted[-1:], path)
    return Dataset(
        train_frames=train_frames,
        train_labels=train_labels,
        test_frames=test_frames,
        test_labels=test_labels,
        classes=CIFAR10_CLASSES,
        source=CIFAR10_SOURCE,
    )
