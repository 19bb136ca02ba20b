"""Hangul syllables drawn with strokes of our own: no font with Hangul is needed.

A syllable is a lead consonant, a vowel and perhaps a tail, which Unicode numbers as
``0xAC00 + (lead * 21 + vowel) * 28 + tail``. Letters are named by their romanisation.
"""

from __future__ import annotations

import math

from PIL import ImageDraw

__all__ = ["draw_syllable", "is_syllable"]

Point = tuple[float, float]
Box = tuple[float, float, float, float]

#: Numbers of those letters that appear on plates.
LEADS = {0: "g", 2: "n", 3: "d", 5: "r", 6: "m", 7: "b", 9: "s", 11: "x", 12: "j", 14: "ch"}
LEADS[18] = "h"
VOWELS = {0: "a", 1: "ae", 4: "eo", 6: "yeo", 8: "o", 13: "u", 18: "eu", 20: "i"}
TAILS = {0: "", 1: "g", 4: "n", 8: "r", 16: "m", 17: "b", 21: "x"}

#: Corner points of a circle in the unit square.
CIRCLE = [
    (0.5 + 0.5 * math.cos(math.pi * k / 8), 0.5 + 0.5 * math.sin(math.pi * k / 8))
    for k in range(17)
]

#: Strokes in the unit square, x to the right and y downwards.
STROKES: dict[str, list[list[Point]]] = {
    "g": [[(0, 0), (1, 0), (0.9, 1)]],
    "n": [[(0, 0), (0, 1), (1, 1)]],
    "d": [[(1, 0), (0, 0), (0, 1), (1, 1)]],
    "r": [[(0, 0), (1, 0), (1, 0.5), (0, 0.5), (0, 1), (1, 1)]],
    "m": [[(0, 0), (1, 0), (1, 1), (0, 1), (0, 0)]],
    "b": [[(0, 0), (0, 1), (1, 1), (1, 0)], [(0, 0.5), (1, 0.5)]],
    "s": [[(0.5, 0), (0, 1)], [(0.5, 0), (1, 1)]],
    "x": [CIRCLE],
    "j": [[(0, 0), (1, 0)], [(0.5, 0), (0, 1)], [(0.5, 0), (1, 1)]],
    "ch": [[(0.3, 0), (0.7, 0)], [(0, 0.25), (1, 0.25), (0.5, 0.3), (0, 1)], [(0.5, 0.3), (1, 1)]],
    "h": [[(0.3, 0), (0.7, 0)], [(0, 0.2), (1, 0.2)], [(x, 0.4 + 0.6 * y) for x, y in CIRCLE]],
    "a": [[(0.3, 0), (0.3, 1)], [(0.3, 0.5), (1, 0.5)]],
    "ae": [[(0.2, 0), (0.2, 1)], [(0.2, 0.5), (0.8, 0.5)], [(0.8, 0), (0.8, 1)]],
    "eo": [[(0.8, 0), (0.8, 1)], [(0, 0.5), (0.8, 0.5)]],
    "yeo": [[(0.8, 0), (0.8, 1)], [(0, 0.35), (0.8, 0.35)], [(0, 0.65), (0.8, 0.65)]],
    "i": [[(0.6, 0), (0.6, 1)]],
    "o": [[(0, 1), (1, 1)], [(0.5, 0), (0.5, 1)]],
    "u": [[(0, 0.2), (1, 0.2)], [(0.5, 0.2), (0.5, 1)]],
    "eu": [[(0, 0.5), (1, 0.5)]],
}

#: Vowels that stand to the right of the lead; the others stand below it.
UPRIGHT = {"a", "ae", "eo", "yeo", "i"}

#: Boxes of lead, vowel and tail, by whether the vowel is upright and there is a tail.
LAYOUT: dict[tuple[bool, bool], tuple[Box, Box, Box]] = {
    (True, False): ((0.02, 0.15, 0.5, 0.85), (0.58, 0, 0.98, 1), (0, 0, 0, 0)),
    (True, True): ((0.05, 0.02, 0.5, 0.46), (0.6, 0, 0.95, 0.58), (0.2, 0.68, 0.9, 1)),
    (False, False): ((0.18, 0.02, 0.82, 0.45), (0, 0.6, 1, 0.98), (0, 0, 0, 0)),
    (False, True): ((0.22, 0, 0.78, 0.28), (0, 0.36, 1, 0.6), (0.2, 0.7, 0.8, 1)),
}


def is_syllable(letter: str) -> bool:
    """Whether ``letter`` is a Hangul syllable."""
    return 0xAC00 <= ord(letter) <= 0xD7A3


def draw_syllable(
    draw: ImageDraw.ImageDraw, letter: str, box: Box, ink: tuple[int, int, int], width: int
) -> None:
    """Draw a syllable.

    Parameters
    ----------
    draw : ImageDraw
    letter : str
        Of lead, vowel and tail in `LEADS`, `VOWELS` and `TAILS`.
    box : xmin, ymin, xmax, ymax
    ink : red, green, blue
    width : int
        Of the strokes, in pixels.
    """
    number = ord(letter) - 0xAC00
    lead, vowel = LEADS[number // 588], VOWELS[number % 588 // 28]
    tail = TAILS[number % 28]
    places = LAYOUT[vowel in UPRIGHT, tail != ""]
    for jamo, place in zip((lead, vowel, tail), places, strict=True):
        left = box[0] + place[0] * (box[2] - box[0])
        top = box[1] + place[1] * (box[3] - box[1])
        wide = (place[2] - place[0]) * (box[2] - box[0])
        high = (place[3] - place[1]) * (box[3] - box[1])
        for stroke in STROKES.get(jamo, ()):
            points = [(left + x * wide, top + y * high) for x, y in stroke]
            draw.line(points, fill=ink, width=width, joint="curve")
