"""`open_dataset`: finds out what lies at a path, and reads it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal, overload

from sw.errors import UserError
from sw.train.datasets.archive import open_npz
from sw.train.datasets.base import Dataset, DetectionDataset
from sw.train.datasets.cifar import find_cifar, open_cifar
from sw.train.datasets.idx import is_idx_folder, open_idx

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


def _split_options(spec: str) -> tuple[Path, dict[str, str]]:
    """Path and options of ``PATH?key=value,key=value``."""
    if Path(spec).exists() or "?" not in spec:
        return Path(spec), {}
    path, _, text = spec.rpartition("?")
    return Path(path), parse_options(text, spec)


def parse_options(text: str, spec: str) -> dict[str, str]:
    """The options ``key=value,key=value``.

    Raises
    ------
    UserError
        One is not of that form, or is given twice.
    """
    options: dict[str, str] = {}
    for part in filter(None, text.split(",")):
        if not (match := re.fullmatch(r"([a-z]+)=([^=]+)", part)):
            raise UserError(f"'{part}' of '{spec}' is no option", "Write options as key=value,...")
        if match[1] in options:
            raise UserError(f"'{match[1]}' is given twice in '{spec}'", "Give it once")
        options[match[1]] = match[2]
    return options


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
    path, options = (None, {}) if spec is None else _split_options(spec)
    if task == "detect" or options:
        raise _nothing_known(Path(spec or "."), task)
    if path is None or is_idx_folder(path):
        return open_idx(path)
    if path.suffix == ".npz":
        return open_npz(path)
    if (found := find_cifar(path)) is not None:
        return open_cifar(found)
    raise _nothing_known(path, task)
