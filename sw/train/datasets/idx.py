"""Data sets in the idx format of MNIST, plain or gzipped."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sw.errors import UserError
from sw.train.datasets.base import Dataset, check_labels

__all__ = ["FASHION_CLASSES", "FASHION_FOLDER", "load_idx_dataset", "open_idx", "read_idx"]

#: Where Debian's package `dataset-fashion-mnist` puts its files.
FASHION_FOLDER = Path("/usr/share/datasets/fashion-mnist")

#: Class names of Fashion-MNIST, by label.
FASHION_CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)

FASHION_SOURCE = "Fashion-MNIST, Copyright 2017 Zalando SE, MIT licence"
MNIST_SOURCE = "MNIST (LeCun, Cortes, Burges; no licence stated by its authors)"

DIGITS = tuple("0123456789")

#: First labels of the test split, which tell data sets with the same file names apart.
KNOWN = {
    (9, 2, 1, 1, 6, 1, 4, 6, 5, 7, 4, 5): (FASHION_CLASSES, FASHION_SOURCE),
    (7, 2, 1, 0, 4, 1, 4, 9, 5, 9, 0, 6): (DIGITS, MNIST_SOURCE),
}

#: idx type byte of unsigned bytes; images and labels use no other.
UINT8 = 0x08

#: Most bytes that a file may declare.
MAX_BYTES = 1 << 32

_REMEDY = (
    "Install Debian's package 'dataset-fashion-mnist', or download the four idx files of "
    "Fashion-MNIST or MNIST again and name their folder with --data"
)


def read_idx(path: Path, dimensions: int) -> NDArray[np.uint8]:
    """The array of an idx file: a big-endian header, then bytes in C order.

    Parameters
    ----------
    path : Path
        Read through gzip where the name ends in ``.gz``.
    dimensions : int
        How many the file must have: 3 for images (N, rows, columns), 1 for labels.

    Raises
    ------
    UserError
        The file cannot be read, is no idx file of bytes, has another number of
        dimensions, or is shorter or longer than its header says.
    """
    header = 4 + 4 * dimensions
    try:
        if path.suffix == ".gz":
            # The header says how much there is, so that no more is unpacked.
            with gzip.open(path) as file:
                data = file.read(header)
                data += file.read(_size(data, dimensions, path) + 1)
        else:
            data = path.read_bytes()
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise UserError(f"'{path}' is a damaged gzip file: {error}", _REMEDY) from None
    except OSError as error:
        raise UserError(f"cannot read '{path}': {error.strerror or error}", _REMEDY) from None
    size = _size(data, dimensions, path)
    shape = _shape(data, dimensions)
    if len(data) - header != size:
        beyond = "over " if path.suffix == ".gz" and len(data) - header > size else ""
        held = size if beyond else len(data) - header
        raise UserError(
            f"'{path}' holds {beyond}{held} bytes; its header says {shape}, that is {size}",
            _REMEDY,
        )
    return np.frombuffer(data, np.uint8, offset=header).reshape(shape)


def _shape(data: bytes, dimensions: int) -> tuple[int, ...]:
    return tuple(int(n) for n in np.frombuffer(data, ">u4", dimensions, offset=4))


def _size(data: bytes, dimensions: int, path: Path) -> int:
    """Bytes that the checked header of an idx file declares."""
    header = 4 + 4 * dimensions
    if len(data) < header:
        raise UserError(f"'{path}' has {len(data)} bytes; its header alone takes {header}", _REMEDY)
    if data[:2] != b"\0\0" or data[2] != UINT8:
        raise UserError(
            f"'{path}' starts with {data[:4].hex()}; an idx file of bytes starts with "
            f"0000{UINT8:02x}{dimensions:02x}",
            _REMEDY,
        )
    if data[3] != dimensions:
        raise UserError(f"'{path}' has {data[3]} dimensions; expected are {dimensions}", _REMEDY)
    size = 1
    for length in _shape(data, dimensions):
        size *= length
    if size > MAX_BYTES:
        raise UserError(f"'{path}' declares {size} bytes; allowed are {MAX_BYTES}", _REMEDY)
    return size


def _names(stem: str) -> tuple[str, str, str]:
    return f"{stem}.gz", stem, stem.replace("-idx", ".idx")


def is_idx_folder(folder: Path) -> bool:
    """Whether ``folder`` holds at least one of the four files."""
    stems = [f"{a}-{b}-ubyte" for a in ("train", "t10k") for b in ("images-idx3", "labels-idx1")]
    return any((folder / name).is_file() for stem in stems for name in _names(stem))


def _find(folder: Path, stem: str) -> Path:
    for name in _names(stem):
        if (folder / name).is_file():
            return folder / name
    raise UserError(f"'{folder}' holds neither '{stem}.gz' nor '{stem}'", _REMEDY)


def _split(folder: Path, prefix: str, classes: int) -> tuple[NDArray, NDArray]:
    image_path = _find(folder, f"{prefix}-images-idx3-ubyte")
    label_path = _find(folder, f"{prefix}-labels-idx1-ubyte")
    images, labels = read_idx(image_path, 3), read_idx(label_path, 1)
    if len(images) != len(labels):
        raise UserError(
            f"'{image_path}' holds {len(images)} images and '{label_path}' {len(labels)} labels",
            _REMEDY,
        )
    if not len(images):
        raise UserError(f"'{image_path}' holds no images", _REMEDY)
    return images[..., None], check_labels(labels, classes, f"'{label_path}'", _REMEDY)


def load_idx_dataset(
    folder: Path | None = None,
    classes: tuple[str, ...] = FASHION_CLASSES,
    source: str = FASHION_SOURCE,
) -> Dataset:
    """The data set in ``folder``: train-images-idx3-ubyte, t10k-labels-idx1-ubyte and so on.

    Parameters
    ----------
    folder : Path or None
        None: where Debian's package `dataset-fashion-mnist` puts it.

    Raises
    ------
    UserError
        The folder or a file is missing, or a file is damaged or does not fit the others.
    """
    folder = FASHION_FOLDER if folder is None else folder
    if not folder.is_dir():
        raise UserError(f"there is no folder '{folder}'", _REMEDY)
    train_frames, train_labels = _split(folder, "train", len(classes))
    test_frames, test_labels = _split(folder, "t10k", len(classes))
    if train_frames.shape[1:] != test_frames.shape[1:]:
        raise UserError(
            f"'{folder}' holds training images of {train_frames.shape[1:3]} pixels and test "
            f"images of {test_frames.shape[1:3]}",
            _REMEDY,
        )
    return Dataset(
        train_frames=train_frames,
        train_labels=train_labels,
        test_frames=test_frames,
        test_labels=test_labels,
        classes=classes,
        source=source,
    )


def open_idx(folder: Path | None = None) -> Dataset:
    """As `load_idx_dataset`, with the classes and source of the set that the files hold.

    Fashion-MNIST and MNIST are known by their first test labels; of any other set of the
    format with ten classes the names are the labels.
    """
    folder = FASHION_FOLDER if folder is None else folder
    if not folder.is_dir():
        raise UserError(f"there is no folder '{folder}'", _REMEDY)
    labels = read_idx(_find(folder, "t10k-labels-idx1-ubyte"), 1)
    first = next(iter(KNOWN))
    other = DIGITS, f"idx files in folder '{folder.resolve().name}'"
    classes, source = KNOWN.get(tuple(labels[: len(first)].tolist()), other)
    return load_idx_dataset(folder, classes, source)
