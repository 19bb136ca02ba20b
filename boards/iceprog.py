"""What boards with an FTDI chip in high-speed mode share: its rates, and iceprog."""

from __future__ import annotations

from typing import TypedDict

from boards.loaders import ICEPROG as INSTALL

__all__ = ["FT2232H_BAUDS", "ICEPROG", "Loader"]

#: Rates of an FT2232H or FT232H: 12 MHz divided by 1, 1.5, 2 and in eighths from there, of which
#: these are whole. FTDI's application note AN_120.
FT2232H_BAUDS = (
    12_000_000,
    8_000_000,
    6_000_000,
    4_000_000,
    3_000_000,
    2_000_000,
    1_000_000,
    500_000,
    115_200,
)


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
