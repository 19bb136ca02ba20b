"""What a rule of `sw.model.rules` finds, and the comparisons that rules share."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sw.model.ir import IntegerRange

__all__ = [
    "INT32_MAX",
    "MAX_BITS",
    "MAX_DIMENSION",
    "STREAM_BITS",
    "SUM_BITS",
    "Fault",
    "array_fault",
    "integer_fault",
    "is_int",
    "pair_fault",
    "range_fault",
    "shown",
    "width_fault",
]

#: Greatest height, width, channels, kernel or stride.
MAX_DIMENSION = 65535
#: Widest code that an array takes as its source.
MAX_BITS = 8
#: Widest code of a residual stream: of a `Scale` and of an `Add`.
STREAM_BITS = 16
#: Widest code that a pool takes, and widest code of its sums.
SUM_BITS = 24

INT32_MAX = 2**31 - 1

#: What to do about a number that is out of its bounds.
CORRECT = "Correct the value where the graph is made"


class Fault(NamedTuple):
    """What a rule found: the value, what is allowed, and the remedy."""

    value: str
    allowed: str
    remedy: str


def is_int(value: object) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def integer_fault(value: object, what: str, low: int, high: int) -> Fault | None:
    if is_int(value) and low <= int(value) <= high:  # type: ignore[call-overload]
        return None
    return Fault(f"{what} is {shown(value)}", f"an integer from {low} to {high}", CORRECT)


def pair_fault(value: object, what: str) -> Fault | None:
    if not isinstance(value, tuple) or len(value) != 2:
        return Fault(f"{what} is {shown(value)}", "a pair (rows, columns)", "Give two integers")
    for number in value:
        if fault := integer_fault(number, f"{what} {shown(value)}: a member", 1, MAX_DIMENSION):
            return fault
    return None


def array_fault(
    array: object, what: str, dtype: type[np.generic], shape: tuple[int | str, ...]
) -> Fault | None:
    """Compare an array with a dtype and a shape; a string in the shape stands for any size."""
    wanted = f"{np.dtype(dtype)} of shape ({', '.join(map(str, shape))})"
    remedy = "Make the array with that dtype and shape"
    if not isinstance(array, np.ndarray):
        return Fault(f"{what} is {shown(array)}", wanted, remedy)
    fits = array.ndim == len(shape) and all(
        size == want if isinstance(want, int) else size >= 1
        for size, want in zip(array.shape, shape, strict=True)
    )
    if array.dtype != dtype or not fits:
        return Fault(f"{what} is {array.dtype} of shape {array.shape}", wanted, remedy)
    return None


def range_fault(range_: object, what: str, bits: int = MAX_BITS) -> Fault | None:
    """A range that does not fit int16, or whose codes have more than ``bits`` bits."""
    remedy = f"Quantise to at most {bits} bits that fit int16"
    allowed = f"integers low < high in steps that divide high - low, codes of 1 to {bits} bits"
    if not isinstance(range_, IntegerRange):
        return Fault(f"{what} is {shown(range_)}", "an IntegerRange", remedy)
    low, high, step = range_.low, range_.high, range_.step
    text = f"{what} is {shown(low)}..{shown(high)} in steps of {shown(step)}"
    if not all(map(is_int, (low, high, step))):
        return Fault(text, allowed, remedy)
    if not (-(2**15) <= low < high < 2**15) or step < 1 or (high - low) % step:
        return Fault(text, allowed, remedy)
    if range_.bits > bits:
        return Fault(f"{text}, {range_.bits} bits", allowed, remedy)
    return None


def width_fault(range_: IntegerRange, what: str) -> Fault | None:
    """A range of a legal tensor that is too wide for a pool."""
    # Sums of a narrow range may lie far from 0, so the values are bounded too.
    if range_.bits <= SUM_BITS and max(abs(range_.low), abs(range_.high)) < 2**SUM_BITS:
        return None
    return Fault(
        f"{what} is {range_.low}..{range_.high}, {range_.bits} bits",
        f"codes of at most {SUM_BITS} bits, of magnitude below 2**{SUM_BITS}",
        "Pool smaller windows, or put a Threshold or a Scale before the pool",
    )
