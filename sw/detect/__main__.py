"""``python -m sw.detect model.npz picture...``: find boxes on pictures, and draw them."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sw import golden
from sw.cli import atomic_directory, atomic_write, progress, run
from sw.detect.decoding import Found, detection_of, find
from sw.errors import UserError
from sw.model import Model, load
from sw.train.datasets.base import require
from sw.train.datasets.pictures import Fit, Picture, open_picture, picture_size


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m sw.detect",
        description="Find boxes on pictures with a detector. A picture is resized to fit into "
        "the model's frame and centred on grey; boxes are given in the picture's own pixels.",
    )
    parser.add_argument("model", help="model file of a detector, as sw.train writes it")
    parser.add_argument("pictures", nargs="+", metavar="PICTURE", help="JPEG, PNG and the like")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="OUT",
        help="picture to write with the boxes drawn; of several pictures, a new folder",
    )
    parser.add_argument(
        "--threshold", type=float, default=0.5, help="least objectness, 0 to 1 (0.5)"
    )
    parser.add_argument(
        "--port", help="accelerator to run on, as of sw.run; default: the golden model"
    )
    parser.add_argument("--json", action="store_true", help="print the boxes as JSON")
    return parser.parse_args(argv)


def scores_of(model: Model, frames: NDArray[np.uint8], port: str | None) -> NDArray[np.int32]:
    """Scores of ``frames`` by the golden model, or by the accelerator at ``port``."""
    with progress("find boxes", len(frames), "frames") as advance:
        if port is None:
            return golden.scores(model, frames, progress=advance)
        from sw.driver import Accelerator

        with Accelerator(port, model) as accelerator:
            return accelerator.predict(frames, progress=advance)


def in_picture(found: Found, fit: Fit, size: tuple[int, int]) -> Found:
    """Boxes as fractions of the picture of that size, which ``fit`` had put into a frame."""
    left, top, wide, high = fit.place(*size)
    pixels = found.corners * (fit.width, fit.height, fit.width, fit.height)
    corners = (pixels - (left, top, left, top)) / (wide, high, wide, high)
    return Found(corners=np.clip(corners, 0, 1), objectness=found.objectness)


def names_of(pictures: list[Picture]) -> list[str]:
    """File names for drawn pictures.

    Raises
    ------
    UserError
        Two are equal.
    """
    names = [f"{Path(picture.name).stem}.png" for picture in pictures]
    if twice := [name for name in names if names.count(name) > 1]:
        raise UserError(f"two pictures would be written as '{twice[0]}'", "Rename one of them")
    return names


def described(picture: Picture, found: Found) -> dict[str, Any]:
    """A picture's boxes in its own pixels."""
    width, height = picture_size(picture)
    corners = (found.corners * (width, height, width, height)).round(1).tolist()
    boxes = [
        {"corners": box, "objectness": round(float(objectness), 4)}
        for box, objectness in zip(corners, found.objectness, strict=True)
    ]
    return {"picture": picture.name, "width": width, "height": height, "boxes": boxes}


def save(path: Path, picture: Picture, found: Found, label: str) -> None:
    """Write ``picture`` with its boxes drawn.

    Raises
    ------
    UserError
        The name's suffix is of no format that can be written.
    """
    from sw.detect.drawing import draw

    with open_picture(picture) as image:
        drawn = draw(image, found, label)
    try:
        drawn.save(path)
    except ValueError:
        raise UserError(
            f"'{path.suffix}' is no format of pictures", "Give a name that ends in .png or .jpg"
        ) from None


def report(as_json: bool, label: str, results: list[dict[str, Any]]) -> None:
    """Print the boxes of every picture."""
    if as_json:
        print(json.dumps(results))
        return
    for result in results:
        boxes = result["boxes"]
        print(f"{result['picture']}: {len(boxes)} {label}{'' if len(boxes) == 1 else 's'}")
        for box in boxes:
            left, top, right, bottom = box["corners"]
            print(f"  {box['objectness']:.2f}  x {left} to {right}, y {top} to {bottom}")


def results_of(args: argparse.Namespace, model: Model, pictures: list[Picture]) -> list[Found]:
    """Boxes on each of ``pictures``, as fractions of it."""
    height, width, channels = model.graph.input.type.shape
    if channels not in (1, 3):
        raise UserError(
            f"model '{model.name}' takes frames of {channels} channels; pictures have 1 or 3",
            "Give a model that was trained on pictures",
        )
    fit = Fit(height=height, width=width, channels=channels, how="pad")
    frames = np.stack([fit.apply(picture) for picture in pictures])
    found = find(model, scores_of(model, frames, args.port), args.threshold)
    return [
        in_picture(boxes, fit, picture_size(picture))
        for picture, boxes in zip(pictures, found, strict=True)
    ]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    args = arguments(argv)
    model = load(args.model)
    label = detection_of(model).classes[0]
    require("PIL", "Pillow", "reading pictures")
    pictures = [Picture(name, path=name) for name in args.pictures]
    with contextlib.ExitStack() as outputs:
        # Found out before the work: that the output can be written.
        targets: list[Path] = []
        if args.output and len(pictures) > 1:
            names = names_of(pictures)
            folder = outputs.enter_context(atomic_directory(args.output))
            targets = [folder / name for name in names]
        elif args.output:
            targets = [outputs.enter_context(atomic_write(args.output))]
        results = results_of(args, model, pictures)
        if targets:
            for path, picture, found in zip(targets, pictures, results, strict=True):
                save(path, picture, found, label)
    report(args.json, label, [described(*pair) for pair in zip(pictures, results, strict=True)])
    return 0


if __name__ == "__main__":
    run(lambda: main(sys.argv[1:]))
