"""What a data set is, and what its readers share; needs no PyTorch."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from sw.errors import MissingToolError, UserError

__all__ = ["Boxes", "Dataset", "DetectionDataset", "Frames", "check_labels", "require"]


class Frames(Protocol):
    """uint8 frames (N, H, W, C): an array, or a sequence that reads them when they are asked for.

    ``frames[i]`` is one frame (H, W, C); ``frames[indices]``, with an integer array, a list or
    a slice, is an array (n, H, W, C).
    """

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def dtype(self) -> np.dtype: ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: Any, /) -> NDArray[np.uint8]: ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Dataset:
    """Frames and labels, split into train and test.

    Parameters
    ----------
    train_frames, test_frames : Frames
        uint8 (N, H, W, C): arrays, or `ImageFrames` where they are too many for the memory.
    train_labels, test_labels : int64 arrays (N,), 0 to ``len(classes) - 1``
    classes : tuple of str
    source : str
        Name, origin and licence, and what has been done to the frames: part of the
        provenance of a model that is trained on them.
    """

    train_frames: Frames = field(repr=False)
    train_labels: NDArray[np.int64] = field(repr=False)
    test_frames: Frames = field(repr=False)
    test_labels: NDArray[np.int64] = field(repr=False)
    classes: tuple[str, ...]
    source: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class Boxes:
    """The boxes of one frame.

    Parameters
    ----------
    xywh : float32 array (n, 4)
        Centre x, centre y, width and height as fractions of the frame's width and height,
        0 to 1; x grows to the right, y downwards. No box reaches out of the frame.
    labels : int64 array (n,)
    """

    xywh: NDArray[np.float32]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.xywh)

    @classmethod
    def of(cls, corners: NDArray, labels: NDArray) -> Boxes:
        """Boxes of corners (n, 4), xmin, ymin, xmax, ymax as fractions, cut at the frame.

        What the cut leaves without an area is left out.
        """
        cut = np.clip(np.asarray(corners, np.float64).reshape(-1, 4), 0, 1)
        low, high = cut[:, :2], cut[:, 2:]
        kept = (high > low).all(axis=1)
        xywh = np.concatenate([(low + high) / 2, high - low], axis=1)[kept]
        return cls(xywh=xywh.astype(np.float32), labels=np.asarray(labels, np.int64)[kept])

    @property
    def corners(self) -> NDArray[np.float32]:
        """xmin, ymin, xmax, ymax as fractions, (n, 4)."""
        half = self.xywh[:, 2:] / 2
        both = np.concatenate([self.xywh[:, :2] - half, self.xywh[:, :2] + half], axis=1)
        return both.astype(np.float32)


@dataclass(frozen=True, kw_only=True, eq=False)
class DetectionDataset:
    """Frames and the boxes on them, split into train and test.

    Parameters
    ----------
    train_frames, test_frames : Frames
    train_boxes, test_boxes : tuples of Boxes, one per frame; a frame may have none
    classes : tuple of str
    source : str
        As a `Dataset`'s.
    """

    train_frames: Frames = field(repr=False)
    train_boxes: tuple[Boxes, ...] = field(repr=False)
    test_frames: Frames = field(repr=False)
    test_boxes: tuple[Boxes, ...] = field(repr=False)
    classes: tuple[str, ...]
    source: str = ""


def check_labels(labels: NDArray, classes: int, where: str, remedy: str) -> NDArray[np.int64]:
    """``labels`` as int64, once each is 0 to ``classes - 1``.

    Raises
    ------
    UserError
        One is not, or there are none.
    """
    if not len(labels):
        raise UserError(f"{where} holds no images", remedy)
    if labels.min() < 0 or labels.max() >= classes:
        wrong = labels.max() if labels.max() >= classes else labels.min()
        raise UserError(f"{where} holds label {wrong}; allowed are 0 to {classes - 1}", remedy)
    return labels.astype(np.int64)


def require(module: str, package: str, purpose: str) -> Any:
    """The module ``module``, which comes with extra 'train'.

    Raises
    ------
    MissingToolError
        It is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingToolError(
            f"{purpose} needs {package}, which cannot be imported ({error})",
            f"Run 'pip install {package.lower()}', or 'make venv-train' for all of training",
        ) from None
