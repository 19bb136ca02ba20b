"""A frame: a generated background, plates on it, and what light and camera do to both."""

from __future__ import annotations

import math
import string

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from sw.train.plates.plate import BLACK, Colour, choose, draw_line, draw_plate
from sw.train.plates.view import paste, rotated, seen

__all__ = ["make_frame"]

#: Chance of 0, 1, 2 and 3 plates.
COUNTS = (0.1, 0.65, 0.2, 0.05)

#: Width of a plate as a fraction of the frame's side; log-uniform in between.
WIDTHS = 0.13, 0.6

#: Largest turn about the vertical, the horizontal and the line of sight, in degrees.
YAW, PITCH, ROLL = 38, 25, 12

#: Places tried for a plate before it is left out.
TRIALS = 20


def _colour(rng: np.random.Generator) -> Colour:
    """Mostly greyish: a common brightness and a smaller deviation of each channel."""
    deviation = rng.normal(0, rng.choice([6, 40]), 3)
    red, green, blue = np.clip(rng.uniform(15, 240) + deviation, 0, 255).astype(int).tolist()
    return red, green, blue


def _field(rng: np.random.Generator, side: int, cells: int) -> NDArray[np.float32]:
    """Smooth noise (side, side, 1) of mean 0 and deviation about 1: few random values, resized."""
    grid = Image.fromarray(rng.normal(0, 1, (cells, cells)).astype(np.float32))
    smooth = grid.resize((side, side), Image.Resampling.BICUBIC)
    return np.asarray(smooth, np.float32)[..., None]


def _ground(rng: np.random.Generator, side: int) -> NDArray[np.float32]:
    """A gradient between two colours with noise of several sizes, and perhaps stripes."""
    y, x = np.mgrid[0:side, 0:side].astype(np.float32) / side - 0.5
    angle = rng.uniform(0, 2 * math.pi)
    along = (x * math.cos(angle) + y * math.sin(angle) + 0.5)[..., None]
    first, second = (np.array(_colour(rng), np.float32) for _ in range(2))
    frame = first + (second - first) * np.clip(along, 0, 1)
    for cells in (4, 11, 37):
        frame = frame + _field(rng, side, cells) * np.float32(rng.uniform(0, 14))
    if rng.random() < 0.3:
        pitch, turn = rng.uniform(4, side / 8), rng.uniform(0, math.pi)
        phase = (x * math.cos(turn) + y * math.sin(turn))[..., None] * side / pitch
        stripes = np.sign(np.sin(2 * math.pi * phase)) if rng.random() < 0.5 else np.sin(phase * 6)
        frame = frame + stripes.astype(np.float32) * np.float32(rng.uniform(3, 25))
    return frame.astype(np.float32)


def _shapes(rng: np.random.Generator, draw: ImageDraw.ImageDraw, side: int) -> None:
    """Rectangles, ellipses, triangles and lines: bodies, lamps, signs, poles."""
    for _ in range(int(rng.integers(2, 12))):
        x, y = rng.uniform(-0.1, 1, 2) * side
        wide, high = rng.uniform(0.04, 0.7, 2) * side
        box, colour = (x, y, x + wide, y + high), _colour(rng)
        kind = rng.integers(5)
        if kind == 0:
            draw.rectangle(box, colour)
        elif kind == 1:
            draw.rounded_rectangle(box, min(wide, high) / 4, colour, _colour(rng), 2)
        elif kind == 2:
            draw.ellipse(box, colour)
        elif kind == 3:
            draw.polygon([(x, y), (x + wide, y + high / 3), (x + wide / 3, y + high)], colour)
        else:
            draw.line(
                (x, y, x + wide, y + rng.uniform(-1, 1) * high), colour, int(rng.integers(1, 6))
            )


def _writing(rng: np.random.Generator, draw: ImageDraw.ImageDraw, side: int) -> None:
    """Words and numbers with no plate around them."""
    letters = string.ascii_letters + string.digits
    for _ in range(int(rng.integers(0, 4))):
        word = "".join(choose(rng, letters) for _ in range(int(rng.integers(1, 9))))
        x, y = rng.uniform(0, 0.8, 2) * side
        wide, high = rng.uniform(0.1, 0.5) * side, rng.uniform(0.04, 0.14) * side
        draw_line(draw, word, (x, y, x + wide, y + high), _colour(rng), 0)


def _blank(rng: np.random.Generator, height: int) -> Image.Image:
    """A rectangle like a plate's that says nothing: empty, or with a few bars or a lamp."""
    width = round(height * rng.uniform(1.5, 5))
    blank = Image.new("RGB", (width, height), _colour(rng))
    draw = ImageDraw.Draw(blank)
    if rng.random() < 0.5:
        draw.rectangle((0, 0, width - 1, height - 1), None, _colour(rng), max(1, height // 20))
    kind, ink = rng.integers(3), BLACK if rng.random() < 0.5 else _colour(rng)
    if kind == 1:
        for row in range(1, int(rng.integers(2, 6))):
            y = row * height / 6
            draw.line((0.05 * width, y, 0.95 * width, y), ink, max(1, height // 16))
    elif kind == 2:
        draw.ellipse((0.4 * width, 0.2 * height, 0.4 * width + 0.6 * height, 0.8 * height), ink)
    return blank


def _quad(rng: np.random.Generator, aspect: float, side: int, turn: float) -> NDArray[np.float64]:
    """Corners of a plate somewhere in the frame, its box wholly inside."""
    yaw, pitch, roll = (math.radians(rng.uniform(-a, a) * turn) for a in (YAW, PITCH, ROLL))
    quad = rotated(aspect, yaw, pitch, roll)
    width = side * math.exp(rng.uniform(*np.log(WIDTHS)))
    quad *= width * min(1, aspect / 3) / np.ptp(quad[:, 0])
    room = side - np.ptp(quad, axis=0)
    return quad - quad.min(axis=0) + rng.uniform(0, 1, 2) * np.maximum(room, 0)


def _apart(box: NDArray, others: list[NDArray]) -> bool:
    """Whether ``box`` keeps clear of ``others``."""
    return all(
        (box[:2] > other[2:] + 2).any() or (box[2:] < other[:2] - 2).any() for other in others
    )


def _light(rng: np.random.Generator, frame: NDArray[np.float32]) -> NDArray[np.float32]:
    """Uneven light, perhaps a shadow's edge, a colour cast, contrast and gamma."""
    side = len(frame)
    light = 1 + _field(rng, side, 3) * np.float32(rng.uniform(0, 0.22))
    if rng.random() < 0.3:
        y, x = np.mgrid[0:side, 0:side].astype(np.float32) / side - 0.5
        angle, edge = rng.uniform(0, 2 * math.pi), rng.uniform(-0.3, 0.3)
        behind = x * math.cos(angle) + y * math.sin(angle) > edge
        light = light * np.where(behind, np.float32(rng.uniform(0.4, 0.85)), 1)[..., None]
    cast = 1 + rng.normal(0, 0.07, 3).astype(np.float32)
    dimmed = np.clip(frame * light * cast * rng.uniform(0.35, 1.15), 0, 255) / 255
    return (255 * dimmed ** rng.uniform(0.75, 1.35)).astype(np.float32)


def _camera(rng: np.random.Generator, frame: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Blur, of focus or of movement, and noise."""
    kind = rng.random()
    if kind < 0.55:
        image = Image.fromarray(np.clip(frame, 0, 255).astype(np.uint8))
        blurred = image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.2, 1.3))))
        frame = np.asarray(blurred, np.float32)
    elif kind < 0.7:
        steps, axis = int(rng.integers(2, 5)), int(rng.integers(2))
        # Centred, so that what moves stays around its box.
        shifts = range(-(steps // 2), steps - steps // 2)
        frame = np.mean([np.roll(frame, shift, axis) for shift in shifts], axis=0)
    noise = rng.standard_normal(frame.shape, np.float32) * np.float32(rng.uniform(0, 11))
    return np.clip(np.rint(frame + noise), 0, 255).astype(np.uint8)


def _luma(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(frame).convert("L"))[..., None]


def make_frame(
    rng: np.random.Generator, side: int, channels: int
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """A frame (side, side, channels) and the boxes on it.

    Boxes (n, 4) are xmin, ymin, xmax, ymax in pixels, exact: the extent of the plate's four
    projected corners. Plates lie wholly in the frame, do not touch, and nothing covers them.
    """
    frame = _ground(rng, side)
    image = Image.fromarray(np.clip(frame, 0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    _shapes(rng, draw, side)
    _writing(rng, draw, side)
    # What lies under the shapes shows through a little, so that none is of one colour.
    frame = (0.9 * np.asarray(image, np.float32) + 0.1 * frame).astype(np.float32)
    taken: list[NDArray] = []
    plates = int(rng.choice(len(COUNTS), p=COUNTS))
    blanks = int(rng.integers(0, 4))
    boxes = []
    for index in range(plates + blanks):
        height = int(rng.integers(40, 56))
        picture = draw_plate(rng, height) if index < plates else _blank(rng, height)
        for _ in range(TRIALS):
            quad = _quad(rng, picture.width / height, side, rng.uniform(0, 1))
            box = seen(quad)
            if not _apart(box, taken):
                continue
            # Drawn again at about twice the size it is seen at, so that none of it is skipped.
            scale = 2 * np.ptp(quad[:, 0]) / picture.width
            fine = max(1, round(picture.width * scale)), max(1, round(height * scale))
            sized = picture.resize(
                fine, Image.Resampling.BOX if scale < 1 else Image.Resampling.BICUBIC
            )
            paste(frame, sized, quad)
            taken.append(box)
            if index < plates:
                boxes.append(box)
            break
    finished = _camera(rng, _light(rng, frame))
    if channels == 1:
        finished = _luma(finished)
    return finished, np.array(boxes).reshape(-1, 4)
