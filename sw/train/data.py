"""Data sets in the idx format of MNIST, plain or gzipped; needs no PyTorch."""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sw.errors import UserError

__all__ = ["FASHION_CLASSES", "FASHION_FOLDER", "Dataset", "load_idx_dataset", "read_idx"]

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

#: idx type byte of unsigned bytes; images and labels use no other.
UINT8 = 0x08

_REMEDY = (
    "Install Debian's package 'dataset-fashion-mnist', or download the four idx files of "
    "Fashion-MNIST again and name their folder with --data"
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Dataset:
    """Frames and labels, split into train and test.

    Parameters
    ----------
    train_frames, test_frames : uint8 arrays (N, H, W, C)
    train_labels, test_labels : int64 arrays (N,), 0 to ``len(classes) - 1``
    classes : tuple of str
    """

    train_frames: NDArray[np.uint8] = field(repr=False)
    train_labels: NDArray[np.int64] = field(repr=False)
    test_frames: NDArray[np.uint8] = field(repr=False)
    test_labels: NDArray[np.int64] = field(repr=False)
    classes: tuple[str, ...]


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
    try:
        data = path.read_bytes()
        if path.suffix == ".gz":
            data = gzip.decompress(data)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise UserError(f"'{path}' is a damaged gzip file: {error}", _REMEDY) from None
    except OSError as error:
        raise UserError(f"cannot read '{path}': {error.strerror or error}", _REMEDY) from None
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
    shape = tuple(int(n) for n in np.frombuffer(data, ">u4", dimensions, offset=4))
    size = int(np.prod(shape, dtype=np.int64))
    if len(data) - header != size:
        raise UserError(
            f"'{path}' holds {len(data) - header} bytes; its header says {shape}, that is {size}",
            _REMEDY,
        )
    return np.frombuffer(data, np.uint8, offset=header).reshape(shape)


def _find(folder: Path, stem: str) -> Path:
    for name in (f"{stem}.gz", stem, stem.replace("-idx", ".idx")):
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
    if labels.max() >= classes:
        raise UserError(
            f"'{label_path}' holds label {labels.max()}; allowed are 0 to {classes - 1}", _REMEDY
        )
    return images[..., None], labels.astype(np.int64)


def load_idx_dataset(
    folder: Path | None = None, classes: tuple[str, ...] = FASHION_CLASSES
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
    )
