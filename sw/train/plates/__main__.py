"""``python -m sw.train.plates -o DIR``: generated plates as pictures with YOLO's .txt files."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from sw.cli import atomic_directory, atomic_write, progress, run
from sw.errors import UserError
from sw.train.datasets.base import Boxes, require

#: Smallest and largest side of a frame, and most frames; as `sw.train.plates` has them.
SIDES = 32, 1024

#: Columns and rows of a sheet.
SHEET = 6, 3


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m sw.train.plates",
        description="Draw licence plates on generated backgrounds and write a folder of pictures "
        "with YOLO's .txt files, in train/ and test/. The same seed gives the same frames.",
    )
    parser.add_argument("-o", "--output", type=Path, metavar="DIR", help="new folder")
    parser.add_argument(
        "--sheet", type=Path, metavar="PICTURE", help="write the first frames as one picture"
    )
    parser.add_argument("--count", type=int, default=4000, help="frames of both splits (4000)")
    parser.add_argument("--seed", type=int, default=1, help="0 to 4294967295 (1)")
    parser.add_argument("--size", type=int, default=208, help="side of a frame in pixels (208)")
    parser.add_argument("--test", type=float, default=0.1, help="share of test frames (0.1)")
    parser.add_argument("--grey", action="store_true", help="grey pictures, not colour")
    args = parser.parse_args(argv)
    if not args.output and not args.sheet:
        parser.error("give -o DIR, or --sheet PICTURE")
    return args


def check(args: argparse.Namespace) -> None:
    """Refuse options out of range.

    Raises
    ------
    UserError
    """
    limits = {"count": (2, 1_000_000), "seed": (0, (1 << 32) - 1), "size": SIDES}
    for name, (low, high) in limits.items():
        value = getattr(args, name)
        if not low <= value <= high:
            raise UserError(
                f"--{name} is {value}; allowed are {low} to {high}", "Give one of these"
            )
    if not 0 < args.test < 1:
        raise UserError(f"--test is {args.test}; allowed is between 0 and 1", "Give such as 0.1")


def text(boxes: Boxes) -> str:
    """Lines of YOLO's file: class, centre, size."""
    return "".join(
        f"{label} {x:.7f} {y:.7f} {width:.7f} {height:.7f}\n"
        for label, (x, y, width, height) in zip(boxes.labels, boxes.xywh.tolist(), strict=True)
    )


def write_folder(args: argparse.Namespace) -> None:
    """Write the pictures and their boxes, whole or not at all."""
    image = require("PIL.Image", "Pillow", "drawing plates")
    from sw.train import plates

    counts, total = plates.split_counts(args.count, args.test), 0
    with (
        atomic_directory(args.output) as folder,
        progress("draw plates", args.count, "frames") as advance,
    ):
        (folder / "classes.txt").write_text("\n".join(plates.CLASSES) + "\n")
        (folder / "source.txt").write_text(plates.source(args.seed, args.size) + "\n")
        for split, (name, count) in enumerate(zip(plates.SPLITS, counts, strict=True)):
            images, labels = (folder / name / kind for kind in ("images", "labels"))
            images.mkdir(parents=True)
            labels.mkdir()
            for index in range(count):
                frame, boxes = plates.make_plates(
                    args.seed, split, index, args.size, channels(args)
                )
                picture = image.fromarray(frame[..., 0] if args.grey else frame)
                picture.save(images / f"{index:06}.png", compress_level=1)
                (labels / f"{index:06}.txt").write_text(text(boxes))
                total += len(boxes)
                advance(1)
    print(f"{args.output}: {counts[0]} training and {counts[1]} test frames, {total} plates")


def write_sheet(args: argparse.Namespace) -> None:
    """Write the first training frames, with their boxes, as one picture."""
    image = require("PIL.Image", "Pillow", "drawing plates")
    from PIL import ImageDraw

    from sw.train import plates

    columns, rows = SHEET
    side = args.size
    with atomic_write(args.sheet) as path:
        sheet = image.new("RGB", (columns * side, rows * side))
        for index in range(columns * rows):
            frame, boxes = plates.make_plates(args.seed, 0, index, side, channels(args))
            picture = image.fromarray(frame[..., 0] if args.grey else frame).convert("RGB")
            draw = ImageDraw.Draw(picture)
            for corners in (boxes.corners * side).tolist():
                draw.rectangle(corners, outline=(255, 32, 96))
            sheet.paste(picture, (index % columns * side, index // columns * side))
        try:
            sheet.save(path, quality=85)
        except ValueError:
            raise UserError(
                f"'{path.suffix}' is no format of pictures", "Give a name that ends in .png or .jpg"
            ) from None


def channels(args: argparse.Namespace) -> int:
    return 1 if args.grey else 3


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    args = arguments(argv)
    check(args)
    if args.sheet:
        write_sheet(args)
    if args.output:
        write_folder(args)
    return 0


if __name__ == "__main__":
    run(lambda: main(sys.argv[1:]))
