"""Data sets in one .npz file: frames and labels of both splits, as arrays or as JPEG streams."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sw.cli import DAMAGE, progress
from sw.errors import UserError
from sw.train.datasets.base import Dataset, check_labels
from sw.train.datasets.cifar import CIFAR10_CLASSES, CIFAR10_SOURCE
from sw.train.datasets.pictures import Fit, ImageFrames, Picture, jpeg_quality, open_picture

__all__ = ["open_npz"]

#: Keys of a split's frames and labels; the second are those of Keras's mnist.npz.
KEYS = {
    "train": (("train_frames", "train_labels"), ("x_train", "y_train")),
    "test": (("test_frames", "test_labels"), ("x_test", "y_test")),
}

#: Largest sum of the arrays' sizes, in bytes.
MAX_BYTES = 1 << 33
MAX_CLASSES = 1 << 16

REMEDY = (
    "Give an .npz of 'train_frames' and 'test_frames' (uint8, N H W C or N H W), 'train_labels' "
    "and 'test_labels'; or 'train_jpeg', 'train_offsets' and so on in place of frames; and, as "
    "you like, 'classes' and 'source'"
)


def _load(path: Path) -> dict[str, NDArray]:
    """Every array of an archive; never unpickled."""
    try:
        with zipfile.ZipFile(path) as archive:
            total = sum(info.file_size for info in archive.infolist())
        if total > MAX_BYTES:
            raise UserError(f"'{path}' unpacks to {total} bytes; allowed are {MAX_BYTES}", REMEDY)
        with np.load(path, allow_pickle=False) as arrays:
            return {key: arrays[key] for key in arrays.files}
    except (*DAMAGE, zipfile.BadZipFile, zlib.error, NotImplementedError) as error:
        reason = " ".join(str(error).split())[:100]
        raise UserError(f"'{path}' is no .npz archive or a damaged one: {reason}", REMEDY) from None
    except OSError as error:
        raise UserError(f"cannot read '{path}': {error.strerror or error}", REMEDY) from None


def _jpeg_frames(arrays: dict[str, NDArray], split: str, path: Path) -> tuple[NDArray, int | None]:
    """Decoded frames of a split, and the quality of its first picture."""
    stream, offsets = arrays[f"{split}_jpeg"], arrays.get(f"{split}_offsets")
    where = f"'{split}_jpeg' of '{path}'"
    if stream.dtype != np.uint8 or stream.ndim != 1:
        raise UserError(f"{where} is {stream.dtype} of shape {stream.shape}, not bytes", REMEDY)
    if offsets is None or offsets.ndim != 1 or offsets.dtype.kind not in "iu" or len(offsets) < 2:
        raise UserError(f"{where} lacks '{split}_offsets', a list of N + 1 integers", REMEDY)
    bounds = offsets.astype(np.int64)
    if bounds[0] < 0 or bounds[-1] > len(stream) or (np.diff(bounds) <= 0).any():
        raise UserError(
            f"'{split}_offsets' of '{path}' do not ascend from 0 to {len(stream)}", REMEDY
        )
    view = memoryview(stream.tobytes())
    pictures = [
        Picture(f"{path.name}:{split}[{index}]", data=view[bounds[index] : bounds[index + 1]])
        for index in range(len(bounds) - 1)
    ]
    with open_picture(pictures[0]) as first:
        channels = 1 if first.mode == "L" else 3
        fit = Fit(height=first.height, width=first.width, channels=channels, how="exact")
    frames = ImageFrames(pictures, fit)
    if frames.nbytes > MAX_BYTES:
        raise UserError(f"{where} decodes to {frames.nbytes} bytes, over {MAX_BYTES}", REMEDY)
    with progress(f"decode {path.name}, {split}", len(frames), "pictures") as advance:
        return frames.read(np.arange(len(frames)), advance), jpeg_quality(pictures[0])


def _frames(array: NDArray, key: str, path: Path) -> NDArray[np.uint8]:
    if array.dtype != np.uint8 or array.ndim not in (3, 4) or 0 in array.shape[1:]:
        raise UserError(
            f"'{key}' of '{path}' is {array.dtype} of shape {array.shape}; allowed is uint8 of "
            "(N, H, W, C) or (N, H, W)",
            REMEDY,
        )
    return array if array.ndim == 4 else array[..., None]


def _split(
    arrays: dict[str, NDArray], split: str, path: Path
) -> tuple[NDArray[np.uint8], NDArray, str]:
    """Frames, labels as they are, and a note on what has been done to the frames."""
    note = ""
    if f"{split}_jpeg" in arrays:
        frames, quality = _jpeg_frames(arrays, split, path)
        label_key = f"{split}_labels"
        note = f"JPEG pictures of quality {quality}" if quality else "JPEG pictures"
    else:
        pairs = [pair for pair in KEYS[split] if pair[0] in arrays]
        if not pairs:
            held = ", ".join(sorted(arrays)[:20]) or "nothing"
            raise UserError(f"'{path}' lacks '{split}_frames'; it holds {held}", REMEDY)
        frame_key, label_key = pairs[0]
        frames = _frames(arrays[frame_key], frame_key, path)
    labels = arrays.get(label_key)
    if labels is None or labels.dtype.kind not in "iu":
        kind = "is missing" if labels is None else f"is {labels.dtype}, not integers"
        raise UserError(f"'{label_key}' of '{path}' {kind}", REMEDY)
    labels = labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
    if labels.shape != (len(frames),):
        raise UserError(
            f"'{label_key}' of '{path}' has shape {labels.shape} for {len(frames)} frames", REMEDY
        )
    return frames, labels, note


def _classes(arrays: dict[str, NDArray], labels: list[NDArray], cifar: bool) -> tuple[str, ...]:
    if "classes" in arrays:
        return tuple(str(name) for name in np.atleast_1d(arrays["classes"]))
    if cifar:
        return CIFAR10_CLASSES
    count = max((int(part.max()) + 1 for part in labels if len(part)), default=0)
    return tuple(str(label) for label in range(min(max(count, 0), MAX_CLASSES)))


def open_npz(path: Path) -> Dataset:
    """The data set in an .npz file.

    Frames that were JPEG pictures are no longer the originals: the source says so, with the
    quality that the pictures' tables stand for. A file with 'cifar10' in its name, 32 x 32
    frames of three channels and no 'classes' is taken as CIFAR-10.

    Raises
    ------
    UserError
        The file is missing or damaged, or lacks or misstates an array.
    """
    arrays = _load(path)
    train_frames, train_labels, note = _split(arrays, "train", path)
    test_frames, test_labels, _ = _split(arrays, "test", path)
    if train_frames.shape[1:] != test_frames.shape[1:]:
        raise UserError(
            f"'{path}' holds training frames of shape {train_frames.shape[1:]} and test frames "
            f"of {test_frames.shape[1:]}",
            REMEDY,
        )
    named = "cifar10" in path.name.lower().replace("-", "").replace("_", "")
    cifar = named and train_frames.shape[1:] == (32, 32, 3)
    classes = _classes(arrays, [train_labels, test_labels], cifar)
    source = str(arrays["source"]) if "source" in arrays else CIFAR10_SOURCE if cifar else ""
    source = f"{source}, from {path.name}" if source else path.name
    if note:
        source += f": {note}, re-encoded and lossy, not the original pixels"
    where = f"'{path}'"
    return Dataset(
        train_frames=train_frames,
        train_labels=check_labels(
            train_labels, len(classes), f"the train split of {where}", REMEDY
        ),
        test_frames=test_frames,
        test_labels=check_labels(test_labels, len(classes), f"the test split of {where}", REMEDY),
        classes=classes,
        source=source,
    )
