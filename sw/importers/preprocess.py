"""What stands between a byte and the float that a foreign network was trained on.

A network file does not say how its images were scaled; the user does, in a formula.
"""

from __future__ import annotations

import re

from sw.errors import ModelError
from sw.model.float_ir import Step

__all__ = ["ALIASES", "HELP", "parse"]

ALIASES = {"unit": "pixel/255", "signed": "pixel/127.5-1", "raw": "pixel"}

HELP = (
    "what a pixel (0 to 255) is turned into before the network's first op: 'unit' (pixel/255, "
    "the default), 'signed' (pixel/127.5-1), 'raw' (pixel), 'pixel>N' (1 above N, else 0), or "
    "a formula 'pixel*A+B', 'pixel/A-B' with numbers A, B"
)

_NUMBER = r"\d+(?:\.\d+)?(?:[eE][-+]?\d+)?"
_GREATER = re.compile(rf"pixel>({_NUMBER})")
_AFFINE = re.compile(rf"pixel(?:([*/])({_NUMBER}))?(?:([-+])({_NUMBER}))?")


def parse(text: str) -> tuple[Step, ...]:
    """Steps of a formula, evaluated left to right in float32.

    Raises
    ------
    ModelError
        The formula is none of those in `HELP`.
    """
    formula = ALIASES.get(text, text).replace(" ", "")
    if match := _GREATER.fullmatch(formula):
        return (Step.greater(float(match[1])),)
    match = _AFFINE.fullmatch(formula)
    if not match or (match[2] and float(match[2]) == 0):
        raise ModelError(
            f"'{text}' is no preprocessing; allowed are unit, signed, raw, 'pixel>N', "
            "'pixel*A+B' and 'pixel/A-B'",
            "Say how the network's training scaled its pixels, such as --preprocess 'pixel/255'",
        )
    steps = []
    if match[1]:
        steps.append((Step.mul if match[1] == "*" else Step.div)(float(match[2])))
    if match[3]:
        steps.append((Step.add if match[3] == "+" else Step.sub)(float(match[4])))
    return tuple(steps)
