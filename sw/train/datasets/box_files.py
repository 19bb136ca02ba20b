"""Files of boxes: YOLO's .txt and .csv."""

from __future__ import annotations

import csv
import io
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from sw.errors import UserError
from sw.train.datasets.files import read_file

__all__ = ["boxes_of_csv", "boxes_of_text", "csv_files", "text_of"]

#: Corners (n, 4) and labels (n,) of one picture.
Found = tuple[NDArray[np.float64], NDArray[np.int64]]

CORNERS = ("xmin", "ymin", "xmax", "ymax")

#: Largest file of boxes, in bytes, and most boxes and classes.
MAX_BYTES = 1 << 26
MAX_CLASSES = 10_000

TEXT_REMEDY = (
    "Write a line 'class x y width height' for each box: the class's number, and the centre and "
    "size as fractions of the picture"
)
CSV_REMEDY = (
    "Write a header line with file, xmin, ymin, xmax, ymax and, as you like, class; and a line "
    "for each box, in pixels"
)


def text_of(folder: Path, name: PurePosixPath) -> Path | None:
    """The .txt of a picture: beside it, or with the last folder 'images' read as 'labels'."""
    parts = list(name.with_suffix(".txt").parts)
    places = [parts]
    if "images" in parts[:-1]:
        last = len(parts) - 2 - parts[:-1][::-1].index("images")
        places.insert(0, [*parts[:last], "labels", *parts[last + 1 :]])
    paths = [folder.joinpath(*place) for place in places]
    return next((path for path in paths if path.is_file()), None)


def boxes_of_text(path: Path | None) -> Found:
    """Corners as fractions and labels of a YOLO file; none without a file.

    Raises
    ------
    UserError
        A line is not of that form.
    """
    corners, labels = [], []
    text = read_file(path, MAX_BYTES).decode(errors="replace") if path else ""
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words:
            continue
        where = f"line {number} of '{path}'"
        try:
            label, x, y, width, height = int(words[0]), *map(float, words[1:])
        except ValueError:
            raise UserError(f"{where} is '{line[:60]}'", TEXT_REMEDY) from None
        legal = 0 <= label < MAX_CLASSES and 0 <= x <= 1 and 0 <= y <= 1
        if not legal or not (0 < width <= 1 and 0 < height <= 1):
            raise UserError(
                f"{where} is '{line[:60]}'; allowed are classes from 0 and fractions from 0 to 1",
                TEXT_REMEDY,
            )
        corners.append((x - width / 2, y - height / 2, x + width / 2, y + height / 2))
        labels.append(label)
    return np.array(corners, np.float64).reshape(-1, 4), np.array(labels, np.int64)


def csv_files(folder: Path) -> list[Path]:
    """The .csv files in ``folder`` whose header has the columns of boxes."""
    found = []
    for path in sorted(folder.glob("*.csv")):
        first = read_file(path, MAX_BYTES).split(b"\n", 1)[0].decode(errors="replace")
        if {"file", *CORNERS} <= {word.strip() for word in first.split(",")}:
            found.append(path)
    return found


def boxes_of_csv(path: Path) -> tuple[dict[PurePosixPath, Found], tuple[str, ...]]:
    """Corners in pixels and labels by picture, and the names of the classes, sorted.

    Without a column 'class' there is one class, named 'object'.

    Raises
    ------
    UserError
        The header lacks a column, or a line is not of that form.
    """
    text = read_file(path, MAX_BYTES).decode("utf-8-sig", errors="replace")
    reader = csv.DictReader(io.StringIO(text, newline=""), skipinitialspace=True)
    rows: list[tuple[PurePosixPath, list[float], str]] = []
    try:
        columns = [name.strip() for name in reader.fieldnames or ()]
        if missing := [name for name in ("file", *CORNERS) if name not in columns]:
            raise UserError(
                f"'{path}' lacks the column '{missing[0]}'; it has {', '.join(columns)[:80]}",
                CSV_REMEDY,
            )
        for row in reader:
            where = f"line {reader.line_num} of '{path}'"
            rows.append(_row(row, where))
    except csv.Error as error:
        raise UserError(f"'{path}' is no .csv: {error}", CSV_REMEDY) from None
    if not rows:
        raise UserError(f"'{path}' holds no boxes", CSV_REMEDY)
    classes = tuple(sorted({name for _, _, name in rows}))
    numbers = {name: number for number, name in enumerate(classes)}
    grouped: dict[PurePosixPath, list[tuple[list[float], int]]] = {}
    for name, box, kind in rows:
        grouped.setdefault(name, []).append((box, numbers[kind]))
    return {
        name: (
            np.array([box for box, _ in boxes], np.float64),
            np.array([label for _, label in boxes], np.int64),
        )
        for name, boxes in grouped.items()
    }, classes


def _row(row: dict[str, str | None], where: str) -> tuple[PurePosixPath, list[float], str]:
    try:
        box = [float(row[name] or "") for name in CORNERS]
    except ValueError:
        shown = ", ".join(f"{name}={row[name]}" for name in CORNERS)
        raise UserError(f"{where} has {shown[:100]}: not four numbers", CSV_REMEDY) from None
    if not (np.isfinite(box).all() and box[0] < box[2] and box[1] < box[3]):
        raise UserError(f"{where} has a box {box} without an area", CSV_REMEDY)
    name = PurePosixPath((row["file"] or "").strip())
    if not name.parts or name.is_absolute() or ".." in name.parts:
        raise UserError(
            f"{where} names the picture '{str(name)[:80]}'; allowed is a path in the folder of "
            "the .csv",
            CSV_REMEDY,
        )
    return name, box, (row.get("class") or "").strip() or "object"
