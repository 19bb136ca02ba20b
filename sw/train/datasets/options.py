"""Options behind a data set's name: ``key=value,key=value``."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

from sw.errors import UserError

__all__ = ["Options"]

T = TypeVar("T")

#: Longest side of a frame, in pixels.
MAX_SIDE = 4096


class Options:
    """Options by name; each reader takes its own, and `end` refuses what is left.

    Parameters
    ----------
    text : str
        ``key=value,key=value``, or empty.
    spec : str
        What the user wrote, for messages.

    Raises
    ------
    UserError
        A part is not of that form, or a key is given twice.
    """

    def __init__(self, text: str, spec: str) -> None:
        self.spec = spec
        self.given: dict[str, str] = {}
        self.known: list[str] = []
        for part in filter(None, text.split(",")):
            if not (match := re.fullmatch(r"([a-z]+)=([^=]+)", part)):
                raise UserError(
                    f"'{part}' of '{spec}' is no option", "Write options as key=value,key=value"
                )
            if match[1] in self.given:
                raise UserError(f"'{match[1]}' is given twice in '{spec}'", "Give it once")
            self.given[match[1]] = match[2]

    def take(self, name: str, default: T, read: Callable[[str], T | None], allowed: str) -> T:
        """The option ``name`` as ``read`` makes it of its text; None from it is refused."""
        self.known.append(name)
        if name not in self.given:
            return default
        text = self.given.pop(name)
        value = read(text)
        if value is None:
            raise UserError(
                f"option '{name}={text}' of '{self.spec}' is not allowed; allowed: {allowed}",
                f"Give {name} in that form",
            )
        return value

    def integer(self, name: str, default: int, low: int, high: int) -> int:
        """An integer from ``low`` to ``high``."""

        def read(text: str) -> int | None:
            if not re.fullmatch(r"[0-9]{1,15}", text) or not low <= int(text) <= high:
                return None
            return int(text)

        return self.take(name, default, read, f"an integer from {low} to {high}")

    def fraction(self, name: str, default: float) -> float:
        """A number between 0 and 1, neither of them."""

        def read(text: str) -> float | None:
            return float(text) if re.fullmatch(r"0?\.[0-9]*[1-9][0-9]*", text) else None

        return self.take(name, default, read, "a fraction between 0 and 1, such as 0.2")

    def size(self, name: str) -> tuple[int, int] | None:
        """Height and width of a frame, from ``64`` or ``320x180`` (width x height)."""

        def read(text: str) -> tuple[int, int] | None:
            if not (match := re.fullmatch(r"([0-9]{1,4})(?:x([0-9]{1,4}))?", text)):
                return None
            width, height = int(match[1]), int(match[2] or match[1])
            return (
                (height, width)
                if 1 <= min(width, height) <= MAX_SIDE >= max(width, height)
                else None
            )

        allowed = f"SIDE or WIDTHxHEIGHT in pixels, each 1 to {MAX_SIDE}"
        return self.take(name, None, read, allowed)

    def end(self) -> None:
        """Refuse what no reader has taken.

        Raises
        ------
        UserError
        """
        if self.given:
            allowed = ", ".join(self.known) or "none"
            raise UserError(
                f"'{next(iter(self.given))}' is no option of '{self.spec}'; allowed: {allowed}",
                "Leave it out",
            )
