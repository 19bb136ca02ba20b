"""`open_dataset`: finds out what lies at a path, and reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, overload

from sw.errors import UserError
from sw.train.datasets.archive import open_npz
from sw.train.datasets.base import Dataset, DetectionDataset, require
from sw.train.datasets.boxes import open_boxes
from sw.train.datasets.cifar import find_cifar, open_cifar
from sw.train.datasets.folder import class_folders, open_folder
from sw.train.datasets.idx import is_idx_folder, open_idx
from sw.train.datasets.options import Options
from sw.train.datasets.svhn import is_svhn_folder, open_svhn

__all__ = ["open_dataset"]

FORMATS = {
    "classify": "a folder of idx files (MNIST, Fashion-MNIST), CIFAR-10's batches or its tar.gz, "
    "SVHN's train_32x32.mat and test_32x32.mat, an .npz, or a folder with a folder of pictures "
    "for each class",
    "detect": "'plates:seed=1,count=4000,size=208', a folder of pictures with YOLO .txt files, "
    "or a .csv of boxes with the pictures or a .tar of them beside it",
}


def _nothing_known(path: Path, task: str) -> UserError:
    if path.is_dir():
        names = sorted(child.name for child in path.iterdir())
        shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if names[5:] else "")
        what = f"folder '{path}' holds {shown or 'nothing'}"
    else:
        what = f"'{path}' is a file of another kind"
    return UserError(f"{what}; allowed for task '{task}': {FORMATS[task]}", "Name one of these")


def _split_options(spec: str) -> tuple[Path, Options]:
    """Path and options of ``PATH?key=value,key=value``."""
    if Path(spec).exists() or "?" not in spec:
        return Path(spec), Options("", spec)
    path, _, text = spec.rpartition("?")
    return Path(path), Options(text, spec)


@overload
def open_dataset(spec: str | None, *, task: Literal["classify"] = "classify") -> Dataset: ...


@overload
def open_dataset(spec: str | None, *, task: Literal["detect"]) -> DetectionDataset: ...


def open_dataset(
    spec: str | None, *, task: Literal["classify", "detect"] = "classify"
) -> Dataset | DetectionDataset:
    """The data set that ``spec`` names; its format is found out from what is there.

    Parameters
    ----------
    spec : str or None
        Path of a folder or file, with options behind a question mark:
        ``pictures?size=64,test=0.2``; or a generated set, ``plates:seed=1,count=4000``.
        None: Fashion-MNIST, where Debian's package puts it.
    task : {"classify", "detect"}

    Raises
    ------
    UserError
        There is nothing at the path, it is of no known format, or it is damaged.
    """
    if spec is None and task == "classify":
        return open_idx(None)
    spec = spec or ""
    if spec == "plates" or spec.startswith("plates:"):
        return _plates(Options(spec.partition(":")[2], spec), task)
    path, options = _split_options(spec)
    if not spec or not path.exists():
        what = f"there is nothing at '{path}'" if spec else "no data set was given"
        raise UserError(f"{what}; allowed for task '{task}': {FORMATS[task]}", "Name one of these")
    if task == "detect":
        return _detection(path, options)
    return _classification(path, options)


def _plates(options: Options, task: str) -> DetectionDataset:
    if task != "detect":
        raise UserError(
            f"'{options.spec}' are pictures with boxes and have no classes",
            "Use them for detection",
        )
    require("PIL", "Pillow", "drawing plates")
    from sw.train.plates import open_plates

    return open_plates(options)


def _detection(path: Path, options: Options) -> DetectionDataset:
    if path.is_dir() or path.suffix == ".csv":
        return open_boxes(path, options)
    raise _nothing_known(path, "detect")


def _classification(path: Path, options: Options) -> Dataset:
    if path.is_dir() and is_svhn_folder(path):
        return open_svhn(path, options)
    if path.is_dir() and not is_idx_folder(path) and not find_cifar(path) and class_folders(path):
        return open_folder(path, options)
    options.end()
    if path.is_dir() and is_idx_folder(path):
        return open_idx(path)
    if path.suffix == ".npz":
        return open_npz(path)
    if (found := find_cifar(path)) is not None:
        return open_cifar(found)
    raise _nothing_known(path, "classify")
