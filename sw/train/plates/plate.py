"""One plate, seen straight on: Korean formats, old and new, and a Latin one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from sw.train.plates.hangul import draw_syllable, is_syllable

__all__ = ["KINDS", "Kind", "draw_line", "draw_plate"]

Colour = tuple[int, int, int]

#: Letters of private and commercial vehicles, and regions of the old format.
LETTERS = "가나다라마거너더러머버서어저고노도로모보소오조구누두루무부수우주"
COMMERCIAL = "바사아자하허호"
REGIONS = (
    "서울",
    "부산",
    "대구",
    "인천",
    "대전",
    "울산",
    "경기",
    "충북",
    "충남",
    "전북",
    "전남",
    "경북",
)
LATIN = "ABCDEFGHJKLMNPRSTUVWXYZ"

WHITE, BLACK = (235, 235, 230), (20, 20, 25)


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A format of plates.

    Parameters
    ----------
    size : (width, height) in millimetres
    ground, ink : colours
    rows : int
        Rows of text, 1 or 2.
    script : {"new", "old", "latin"}
    weight : float
        How often it is drawn, relative to the others.
    """

    size: tuple[int, int]
    ground: Colour
    ink: Colour
    rows: int = 1
    script: str = "new"
    weight: float = 1.0


#: Formats by name; sizes are those of the Korean and European regulations.
KINDS = {
    "long": Kind(size=(520, 110), ground=WHITE, ink=BLACK, weight=3),
    "short": Kind(size=(335, 155), ground=WHITE, ink=BLACK),
    "electric": Kind(size=(520, 110), ground=(150, 195, 225), ink=BLACK, weight=0.5),
    "green": Kind(size=(335, 170), ground=(20, 95, 60), ink=WHITE, rows=2, script="old", weight=2),
    "yellow": Kind(size=(335, 170), ground=(235, 185, 30), ink=BLACK, rows=2, script="old"),
    "latin": Kind(size=(520, 110), ground=WHITE, ink=BLACK, script="latin", weight=1.5),
}


@lru_cache(maxsize=64)
def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's built-in font, Aileron (CC0)."""
    return ImageFont.load_default(size)


def digits(rng: np.random.Generator, count: int) -> str:
    return "".join(str(digit) for digit in rng.integers(0, 10, count))


def choose(rng: np.random.Generator, letters: Sequence[str]) -> str:
    return letters[int(rng.integers(len(letters)))]


def texts(rng: np.random.Generator, kind: Kind, name: str) -> list[str]:
    """What a plate says, row by row."""
    if kind.script == "latin":
        county = "".join(choose(rng, LATIN) for _ in range(int(rng.integers(1, 3))))
        letters = "".join(choose(rng, LATIN) for _ in range(3))
        return [f"{county} {digits(rng, int(rng.integers(2, 4)))} {letters}"]
    letter = choose(rng, COMMERCIAL if name == "yellow" else LETTERS)
    if kind.script == "old":
        top = f"{choose(rng, REGIONS)} {digits(rng, int(rng.integers(1, 3)))}"
        return [top, f"{letter} {digits(rng, 4)}"]
    front = digits(rng, int(rng.integers(2, 4)) if name == "long" else 2)
    return [f"{front}{letter} {digits(rng, 4)}"]


def _advance(letter: str, size: int) -> float:
    """Width of a letter whose digits are ``0.7 * size`` pixels high."""
    if letter == " ":
        return 0.3 * size
    if is_syllable(letter):
        return 0.85 * size
    return float(font(size).getlength(letter)) * 1.06


def draw_line(
    draw: ImageDraw.ImageDraw,
    text: str,
    box: tuple[float, float, float, float],
    ink: Colour,
    bold: float = 0.05,
) -> None:
    """Draw a row of text as large as fits into ``box``, in its middle.

    ``bold`` is the width that strokes grow by on each side, relative to the letters.
    """
    high, wide = box[3] - box[1], box[2] - box[0]
    size = max(6, int(high / 0.72))
    length = sum(_advance(letter, size) for letter in text)
    if length > wide:
        size = max(6, int(size * wide / length))
        length = sum(_advance(letter, size) for letter in text)
    x, middle = box[0] + (wide - length) / 2, (box[1] + box[3]) / 2
    stroke = max(0, round(size * bold))
    for letter in text:
        advance = _advance(letter, size)
        if is_syllable(letter):
            half, width = 0.38 * size, max(1, round(size * (0.07 + bold)))
            place = x + 0.06 * size, middle - half, x + advance - 0.06 * size, middle + half
            draw_syllable(draw, letter, place, ink, width)
        elif letter != " ":
            at = (x + advance / 2, middle)
            draw.text(at, letter, fill=ink, font=font(size), anchor="mm", stroke_width=stroke)
        x += advance


def draw_plate(rng: np.random.Generator, height: int) -> Image.Image:
    """A plate of some kind, ``height`` pixels high, filling the RGB picture."""
    weights = np.array([kind.weight for kind in KINDS.values()])
    name = str(rng.choice(list(KINDS), p=weights / weights.sum()))
    kind = KINDS[name]
    width = round(height * kind.size[0] / kind.size[1])
    shade = rng.uniform(0.8, 1.05)
    ground = tuple(int(min(255, channel * shade)) for channel in kind.ground)
    plate = Image.new("RGB", (width, height), ground)
    draw = ImageDraw.Draw(plate)
    rim = max(1, height // 28)
    if rng.random() < 0.8:
        inset = int(rng.integers(0, 2)) * rim
        draw.rectangle((inset, inset, width - 1 - inset, height - 1 - inset), None, kind.ink, rim)
    left = 0.05 * width
    if kind.script == "latin" or (name == "long" and rng.random() < 0.3):
        band = round(0.075 * width)
        draw.rectangle((rim, rim, band, height - 1 - rim), (25, 60, 150))
        left += band
    lines, right, bold = texts(rng, kind, name), 0.95 * width, float(rng.uniform(0.02, 0.06))
    if kind.rows == 1:
        draw_line(draw, lines[0], (left, 0.2 * height, right, 0.8 * height), kind.ink, bold)
    else:
        top = 0.25 * width, 0.08 * height, 0.75 * width, 0.34 * height
        draw_line(draw, lines[0], top, kind.ink, bold)
        draw_line(draw, lines[1], (left, 0.42 * height, right, 0.9 * height), kind.ink, bold)
    return plate
