"""Detection data sets: pictures with YOLO .txt files, or with a .csv of boxes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from sw.errors import UserError
from sw.train.datasets.base import Boxes, DetectionDataset
from sw.train.datasets.box_files import boxes_of_csv, boxes_of_text, csv_files, text_of
from sw.train.datasets.files import is_tar, read_file, read_tar, source_note
from sw.train.datasets.folder import TEST_NAMES, TRAIN_NAMES, read_or_wait
from sw.train.datasets.options import Options
from sw.train.datasets.pictures import (
    SUFFIXES,
    Fit,
    ImageFrames,
    Picture,
    open_picture,
    picture_size,
)

__all__ = ["open_boxes"]

#: Data sets known by the name of their file, and where they come from.
KNOWN = {"plates_ro_boxes.csv": "RobertLucian/license-plate-dataset, MIT licence"}

REMEDY = (
    "Give a folder of pictures with a .txt of 'class x y width height' for each, or a .csv of "
    "file, xmin, ymin, xmax and ymax with the pictures or a .tar of them beside it"
)


@dataclass(frozen=True, kw_only=True)
class Item:
    """A picture with its boxes: corners in pixels, or as fractions of the picture."""

    name: PurePosixPath
    picture: Picture
    corners: NDArray[np.float64]
    labels: NDArray[np.int64]
    fractions: bool


def _walk(folder: Path) -> dict[PurePosixPath, Picture]:
    """Pictures in a folder and those below it, by path within it, sorted."""
    found = {}
    for base, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if name.lower().endswith(SUFFIXES) and not name.startswith("."):
                path = os.path.join(base, name)
                found[PurePosixPath(os.path.relpath(path, folder))] = Picture(path, path=path)
    return dict(sorted(found.items()))


def _beside(csv_path: Path) -> dict[PurePosixPath, Picture]:
    """Pictures in the folder of a .csv, or in the one .tar there."""
    folder = csv_path.parent
    if found := _walk(folder):
        return found
    tars = sorted(path for path in folder.iterdir() if is_tar(path))
    if len(tars) != 1:
        held = ", ".join(path.name for path in tars) or "no .tar"
        raise UserError(f"beside '{csv_path}' lie no pictures, and {held}", REMEDY)
    files = read_tar(tars[0], lambda name: name.suffix.lower() in SUFFIXES)
    return {
        PurePosixPath(name): Picture(f"{tars[0].name}:{name}", data=data)
        for name, data in sorted(files.items())
    }


def _from_csv(path: Path) -> tuple[list[Item], tuple[str, ...]]:
    pictures = _beside(path)
    boxes, classes = boxes_of_csv(path)
    if unknown := [name for name in boxes if name not in pictures]:
        raise UserError(
            f"'{path}' has boxes of '{unknown[0]}', and there is no such picture beside it", REMEDY
        )
    nothing = np.zeros((0, 4)), np.zeros(0, np.int64)
    items = []
    for name, picture in pictures.items():
        corners, labels = boxes.get(name, nothing)
        items.append(
            Item(name=name, picture=picture, corners=corners, labels=labels, fractions=False)
        )
    return items, classes


def _from_texts(folder: Path) -> tuple[list[Item], tuple[str, ...]]:
    items, highest, texts = [], -1, 0
    for name, picture in _walk(folder).items():
        path = text_of(folder, name)
        texts += path is not None
        corners, labels = boxes_of_text(path)
        highest = max(highest, *labels.tolist(), -1)
        items.append(
            Item(name=name, picture=picture, corners=corners, labels=labels, fractions=True)
        )
    if not texts:
        what = f"{len(items)} pictures and no .txt of boxes" if items else "no pictures"
        raise UserError(f"folder '{folder}' holds {what}", REMEDY)
    return items, _class_names(folder, highest + 1)


def _class_names(folder: Path, count: int) -> tuple[str, ...]:
    """From classes.txt or obj.names, a name a line; without them the numbers."""
    for name in ("classes.txt", "obj.names"):
        if (folder / name).is_file():
            text = read_file(folder / name, 1 << 20).decode(errors="replace")
            names = tuple(line.strip() for line in text.splitlines() if line.strip())
            if len(names) < count:
                raise UserError(
                    f"'{folder / name}' names {len(names)} classes; the boxes have class "
                    f"{count - 1}",
                    "Name every class, the first line is class 0",
                )
            return names
    return tuple(str(number) for number in range(max(count, 1)))


def _divide(items: list[Item], options: Options, where: str) -> tuple[list[Item], list[Item]]:
    """Training and test items: by the folders they lie in, or a seeded choice."""

    def of(names: Sequence[str]) -> list[Item]:
        return [item for item in items if {part.lower() for part in item.name.parts} & set(names)]

    train = of(TRAIN_NAMES)
    tests = [found for name in TEST_NAMES if (found := of([name]))]
    if train and tests:
        return train, tests[0]
    if train or tests:
        raise UserError(
            f"{where} holds pictures of one split only",
            "Give train/ and test/ (or valid/), or none",
        )
    share, seed = options.fraction("test", 0.2), options.integer("seed", 1, 0, 1 << 32)
    count = max(1, round(len(items) * share))
    if count >= len(items):
        raise UserError(f"{where} holds {len(items)} pictures, too few to split", REMEDY)
    order = np.random.default_rng(seed).permutation(len(items))
    chosen = set(order[:count].tolist())
    first = [item for index, item in enumerate(items) if index not in chosen]
    return first, [item for index, item in enumerate(items) if index in chosen]


def _placed(item: Item, fit: Fit) -> Boxes:
    """Boxes of ``item`` as fractions of the frame.

    1. corners as fractions of the picture: c / (w, h, w, h) where they are in pixels;
    2. the picture lies at (left, top) of the frame, wide x high pixels large;
    3. frame fraction = ((left, top) + c * (wide, high)) / (frame width, frame height).
    """
    width, height = picture_size(item.picture)
    corners = item.corners if item.fractions else item.corners / (width, height, width, height)
    if (corners[:, 2:] <= 0).any() or (corners[:, :2] >= 1).any():
        raise UserError(
            f"a box of '{item.picture.name}' lies outside of its {width} x {height} pixels",
            "Give boxes in pixels of that very picture",
        )
    left, top, wide, high = fit.place(width, height)
    labels = item.labels
    if fit.how == "tile":
        # Of the tiles that share a box, those that hold its centre.
        centres = (corners[:, :2] + corners[:, 2:]) / 2 * (wide, high) + (left, top)
        held = ((centres >= 0) & (centres < (fit.width, fit.height))).all(axis=1)
        corners, labels = corners[held], labels[held]
    placed = (np.array([left, top] * 2) + corners * ([wide, high] * 2)) / (
        [fit.width, fit.height] * 2
    )
    return Boxes.of(placed, labels)


def _tiles(items: list[Item], fit: Fit) -> tuple[list[Item], list[Fit]]:
    """Each item once for each tile of it, evenly spread and as few as cover the picture."""
    every, fits = [], []
    for item in items:
        width, height = picture_size(item.picture)
        across, down = (
            np.linspace(0, max(0, length - side), max(1, -(-length // side))).astype(int).tolist()
            for length, side in ((width, fit.width), (height, fit.height))
        )
        corners = [(x, y) for y in down for x in across]
        every += [item] * len(corners)
        fits += [replace(fit, corner=corner) for corner in corners]
    return every, fits


def open_boxes(path: Path, options: Options) -> DetectionDataset:
    """A box-annotated folder, or a .csv of boxes.

    Options: ``size`` of the frames, in which pictures are centred on grey 128, or side ``tile``
    of the tiles that pictures are cut into, unscaled, overlapping, on grey 128 where they are
    smaller (without both all must have one size); ``grey=1``; and ``test`` share and ``seed``
    where the pictures' paths name no split.

    Raises
    ------
    UserError
        There are no pictures or no boxes, or one of them is damaged.
    """
    csvs = [path] if path.is_file() else csv_files(path)
    if len(csvs) > 1:
        raise UserError(f"folder '{path}' holds {len(csvs)} files of boxes", "Name one of them")
    items, classes = _from_csv(csvs[0]) if csvs else _from_texts(path)
    train, test = _divide(items, options, f"'{path}'")
    with open_picture(train[0].picture) as sample:
        grey, own = sample.mode == "L", (sample.height, sample.width)
    channels = 1 if options.integer("grey", int(grey), 0, 1) else 3
    size, tile = options.size("size"), options.size("tile")
    options.end()
    if size and tile:
        raise UserError(f"'{options.spec}' has both size and tile", "Give one of them")
    height, width = size or tile or own
    how = "pad" if size else "tile" if tile else "exact"
    fit = Fit(height=height, width=width, channels=channels, how=how)
    splits = [_tiles(part, fit) if tile else (part, [fit] * len(part)) for part in (train, test)]
    train_frames, test_frames = read_or_wait(
        [ImageFrames([item.picture for item in part], fits) for part, fits in splits]
    )
    train_boxes, test_boxes = (tuple(map(_placed, *split)) for split in splits)
    name = csvs[0].name if csvs else path.resolve().name
    source = KNOWN.get(name) or source_note(path if path.is_dir() else path.parent)
    return DetectionDataset(
        train_frames=train_frames,
        train_boxes=train_boxes,
        test_frames=test_frames,
        test_boxes=test_boxes,
        classes=classes,
        source=(source or f"boxes and pictures of '{name}'")
        + (f", {'fitted into' if size else 'cut into'} {width} x {height}" if size or tile else ""),
    )
