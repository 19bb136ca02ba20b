"""Boxes drawn on pictures; needs Pillow."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from sw.detect.decoding import Found

__all__ = ["COLOUR", "draw"]

#: Of the boxes: a colour that few photographs hold.
COLOUR = (255, 32, 96)


def draw(picture: Image.Image | NDArray[np.uint8], found: Found, label: str = "") -> Image.Image:
    """A copy of ``picture`` in RGB with a frame and the objectness at each box.

    Parameters
    ----------
    picture : Image or uint8 array (H, W, C), of 1 or 3 channels
    found : Found
    label : str
        Written before the objectness.
    """
    if isinstance(picture, np.ndarray):
        picture = Image.fromarray(picture[..., 0] if picture.shape[2] == 1 else picture)
    copy = picture.convert("RGB")
    pen = ImageDraw.Draw(copy)
    width, height = copy.size
    thick = max(1, round(min(width, height) / 150))
    size = max(9, round(min(width, height) / 24))
    font = ImageFont.load_default(size)
    for corners, objectness in zip(found.corners, found.objectness, strict=True):
        left, top, right, bottom = (corners * (width, height, width, height)).tolist()
        pen.rectangle((left, top, max(left, right - 1), max(top, bottom - 1)), None, COLOUR, thick)
        # Above the box, and below its upper edge where there is no room.
        y = top - size - thick if top > size + thick else top + thick
        pen.text((left, y), f"{label} {objectness:.2f}".strip(), COLOUR, font)
    return copy
