"""What boards with an FTDI chip in high-speed mode share: its rates, and iceprog."""

from __future__ import annotations

from typing import TypedDict

from boards.loaders import ICEPROG as INSTALL

__all__ = ["ICEPROG", "Loader"]


class Loader(TypedDict):
    """The fields of a `Board` that say how it is loaded."""

    flash: tuple[str, ...]
    flash_persistent: tuple[str, ...]
    flash_variable: str
    flash_install: str


#: Writes the board's flash, from which the device then starts.
ICEPROG = Loader(
    flash=("iceprog",),
    flash_persistent=("iceprog",),
    flash_variable="ICEPROG",
    flash_install=INSTALL,
)
