"""SVHN, cropped digits: train_32x32.mat and test_32x32.mat, MATLAB files of version 5."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sw.errors import UserError
from sw.train.datasets.base import Dataset, check_labels, require
from sw.train.datasets.idx import DIGITS
from sw.train.datasets.options import Options

__all__ = ["is_svhn_folder", "open_svhn"]

SOURCE = (
    "SVHN, cropped digits (Netzer et al. 2011, ufldl.stanford.edu/housenumbers; for "
    "non-commercial use only)"
)

TRAIN, TEST, EXTRA = "train_32x32.mat", "test_32x32.mat", "extra_32x32.mat"

#: Most images that a file may declare; extra_32x32.mat holds 531,131.
MAX_IMAGES = 1 << 20

REMEDY = f"Download {TRAIN} and {TEST} again, and name their folder"

#: What scipy raises at damaged files, besides its own MatReadError, which is a plain Exception.
DAMAGE = (
    AssertionError,
    EOFError,
    IndexError,
    KeyError,
    MemoryError,
    NotImplementedError,
    OSError,
    OverflowError,
    TypeError,
    ValueError,
    zlib.error,
)


def is_svhn_folder(folder: Path) -> bool:
    """Whether ``folder`` holds at least one of the files."""
    return any((folder / name).is_file() for name in (TRAIN, TEST))


def _read(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    if not path.is_file():
        raise UserError(f"'{path.parent}' lacks '{path.name}'", REMEDY)
    io = require("scipy.io", "SciPy", "reading SVHN")
    damage = (*DAMAGE, io.matlab.MatReadError)
    try:
        # What there is, before any of it is read.
        shapes = {name: shape for name, shape, _ in io.whosmat(path)}
        if missing := {"X", "y"} - shapes.keys():
            held = ", ".join(sorted(shapes)) or "nothing"
            raise UserError(f"'{path}' lacks '{min(missing)}'; it holds {held}", REMEDY)
        count = shapes["X"][-1]
        if shapes["X"] != (32, 32, 3, count) or not 1 <= count <= MAX_IMAGES:
            raise UserError(
                f"'X' of '{path}' has shape {shapes['X']}; allowed is (32, 32, 3, N), N from 1 "
                f"to {MAX_IMAGES}",
                REMEDY,
            )
        if shapes["y"] != (count, 1):
            raise UserError(f"'y' of '{path}' has shape {shapes['y']} for {count} images", REMEDY)
        arrays = io.loadmat(path, variable_names=("X", "y"))
    except damage as error:
        reason = " ".join(str(error).split())[:100]
        raise UserError(f"'{path}' is no MATLAB file of version 5: {reason}", REMEDY) from None
    images, labels = arrays["X"], arrays["y"].ravel()
    if images.dtype != np.uint8 or labels.dtype.kind not in "iuf":
        raise UserError(
            f"'{path}' holds X as {images.dtype} and y as {labels.dtype}; allowed are bytes and "
            "numbers",
            REMEDY,
        )
    digits = labels.astype(np.int64)
    check_labels(digits, len(DIGITS) + 1, f"'{path}'", REMEDY)
    # The digit 0 is labelled 10.
    return np.ascontiguousarray(images.transpose(3, 0, 1, 2)), digits % len(DIGITS)


def open_svhn(folder: Path, options: Options) -> Dataset:
    """SVHN's cropped digits; with option ``extra=1`` the extra images join the training split.

    Raises
    ------
    UserError
        A file is missing or damaged.
    """
    extra = options.integer("extra", 0, 0, 1)
    options.end()
    frames, labels = _read(folder / TRAIN)
    if extra:
        more, their = _read(folder / EXTRA)
        frames, labels = np.concatenate([frames, more]), np.concatenate([labels, their])
    test_frames, test_labels = _read(folder / TEST)
    return Dataset(
        train_frames=frames,
        train_labels=labels,
        test_frames=test_frames,
        test_labels=test_labels,
        classes=DIGITS,
        source=SOURCE + (", with the extra images" if extra else ""),
    )
