"""A folder of pictures for each class, in train/ and test/ or split here; ImageNet's way too."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sw.cli import progress
from sw.errors import UserError
from sw.train.datasets.base import Dataset, Frames
from sw.train.datasets.files import source_note
from sw.train.datasets.options import Options
from sw.train.datasets.pictures import SUFFIXES, Fit, ImageFrames, Picture, open_picture

__all__ = ["class_folders", "open_folder", "split_folders"]

#: Names of the folders of a split, by precedence.
TRAIN_NAMES = ("train", "training")
TEST_NAMES = ("test", "testing", "val", "valid", "validation")

#: Frames of both splits are decoded at once up to so many bytes, and beyond when asked for.
MEMORY = 1 << 30

#: Class names of ImageNet's folders: offsets of WordNet's nouns.
WORDNET = re.compile(r"n[0-9]{8}")

#: Side of ImageNet's frames, and shorter side of the pictures that they are cut from.
IMAGENET = 224, 256

IMAGENET_NOTE = (
    "classes are WordNet ids as ImageNet's (its images: for non-commercial research and "
    "education only, image-net.org/download)"
)

REMEDY = "Give a folder with a folder of pictures for each class, or those in train/ and test/"


def _children(folder: Path) -> tuple[list[str], list[str]]:
    """Names of the folders and of the pictures in ``folder``, sorted; hidden ones left out."""
    folders, pictures = [], []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir():
                    folders.append(entry.name)
                elif entry.name.lower().endswith(SUFFIXES):
                    pictures.append(entry.name)
    except OSError as error:
        raise UserError(f"cannot read '{folder}': {error.strerror or error}", REMEDY) from None
    return sorted(folders), sorted(pictures)


def split_folders(folder: Path) -> tuple[Path | None, Path | None]:
    """Its folders of the training and the test split, where it has any."""
    names = _children(folder)[0]

    def first(allowed: tuple[str, ...]) -> Path | None:
        found = [name for want in allowed for name in names if name.lower() == want]
        return folder / found[0] if found else None

    return first(TRAIN_NAMES), first(TEST_NAMES)


def class_folders(folder: Path) -> bool:
    """Whether a folder in ``folder``, or in its split folders, holds pictures."""
    train, _ = split_folders(folder)
    base = train or folder
    return any(_children(base / name)[1] for name in _children(base)[0])


def _scan(folder: Path) -> dict[str, list[str]]:
    """Paths of the pictures by class; classes without any are left out."""
    names, loose = _children(folder)
    if loose and not names:
        raise UserError(
            f"'{folder}' holds {len(loose)} pictures such as '{loose[0]}' in no folder of a class",
            "Sort the pictures into a folder for each class",
        )
    found = {}
    for name in names:
        base = folder / name
        if pictures := _children(base)[1]:
            found[name] = [os.path.join(base, picture) for picture in pictures]
    if not found:
        raise UserError(f"'{folder}' holds no folder of pictures", REMEDY)
    return found


def _divide(
    found: dict[str, list[str]], share: float, seed: int
) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Train and test of each class: a seeded choice of ``share`` of its pictures, at least one."""
    rng = np.random.default_rng(seed)
    train, test = {}, {}
    for name, paths in found.items():
        count = max(1, round(len(paths) * share))
        if count >= len(paths):
            raise UserError(
                f"class '{name}' has {len(paths)} pictures, too few for a test share of {share}",
                "Add pictures, or give the test split in a folder test/",
            )
        chosen = set(rng.permutation(len(paths))[:count].tolist())
        train[name] = [path for index, path in enumerate(paths) if index not in chosen]
        test[name] = [path for index, path in enumerate(paths) if index in chosen]
    return train, test


def choose_fit(options: Options, sample: Picture, wordnet: bool) -> Fit:
    """How pictures become frames, by the options ``size``, ``shorter`` and ``grey``."""
    with open_picture(sample) as image:
        grey, (width, height) = image.mode in ("1", "L", "I;16", "I"), image.size
    size = options.size("size") or ((IMAGENET[0], IMAGENET[0]) if wordnet else None)
    channels = 1 if options.integer("grey", int(grey), 0, 1) else 3
    if size is None:
        return Fit(height=height, width=width, channels=channels, how="exact")
    least = min(size)
    shorter = round(least * IMAGENET[1] / IMAGENET[0]) if wordnet else least
    margin = options.integer("shorter", shorter, least, 1 << 14) / least
    return Fit(height=size[0], width=size[1], channels=channels, how="crop", margin=margin)


def read_or_wait(parts: list[ImageFrames]) -> list[Frames]:
    """Arrays of all frames where they fit `MEMORY`, and else the sequences themselves."""
    if sum(part.nbytes for part in parts) > MEMORY:
        return list(parts)
    with progress("decode pictures", sum(map(len, parts)), "pictures") as advance:
        return [part.read(np.arange(len(part)), advance) for part in parts]


def _labels(found: dict[str, list[str]], classes: tuple[str, ...]) -> NDArray[np.int64]:
    counts = [len(found.get(name, ())) for name in classes]
    return np.repeat(np.arange(len(classes)), counts)


def _pictures(found: dict[str, list[str]], classes: tuple[str, ...]) -> list[Picture]:
    return [Picture(path, path=path) for name in classes for path in found.get(name, ())]


def open_folder(folder: Path, options: Options) -> Dataset:
    """Pictures by class; the folders' names, sorted, are the classes.

    Options: ``size`` of the frames (without it all pictures must have one size), ``shorter``
    side that pictures are resized to before a frame is cut from their centre, ``grey=1``;
    ``test`` share and ``seed`` of the split where there are no folders train/ and test/ or
    val/. WordNet ids as classes are taken as ImageNet: size 224 of shorter 256.

    Raises
    ------
    UserError
        There are no pictures, the splits' classes differ, or a picture is damaged. Frames
        beyond `MEMORY` are decoded when asked for, and a damaged picture is found then.
    """
    train_folder, test_folder = split_folders(folder)
    if (train_folder is None) != (test_folder is None):
        lone = train_folder or test_folder
        raise UserError(
            f"'{folder}' holds '{lone.name if lone else ''}' and no other split",
            "Give train/ and test/ (or val/), or only folders of classes",
        )
    if train_folder and test_folder:
        train, test = _scan(train_folder), _scan(test_folder)
    else:
        share, seed = options.fraction("test", 0.2), options.integer("seed", 1, 0, 1 << 32)
        train, test = _divide(_scan(folder), share, seed)
    classes = tuple(train)
    if unknown := sorted(test.keys() - train.keys()):
        raise UserError(
            f"class '{unknown[0]}' of '{test_folder}' has no training pictures; there are "
            f"{', '.join(classes[:10])}",
            "Use the same folder names in both splits",
        )
    wordnet = all(WORDNET.fullmatch(name) for name in classes)
    pictures = _pictures(train, classes), _pictures(test, classes)
    fit = choose_fit(options, pictures[0][0], wordnet)
    options.end()
    train_frames, test_frames = read_or_wait([ImageFrames(part, fit) for part in pictures])
    source = source_note(folder) or f"pictures in folder '{folder.resolve().name}'"
    if wordnet:
        source += f", {IMAGENET_NOTE}"
    if fit.how == "crop":
        source += f", cut to {fit.width} x {fit.height}"
    return Dataset(
        train_frames=train_frames,
        train_labels=_labels(train, classes),
        test_frames=test_frames,
        test_labels=_labels(test, classes),
        classes=classes,
        source=source,
    )
