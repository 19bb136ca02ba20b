"""Rates of FTDI's bridges between USB and a UART, best first."""

from __future__ import annotations

__all__ = ["FT231X_BAUDS", "FT2232H_BAUDS"]

#: Rates of an FT231X: 3 MHz divided by 1, 1.5, 2 and in eighths from there, of which these are
#: whole. FTDI's application note AN_120.
FT231X_BAUDS = (3_000_000, 2_000_000, 1_500_000, 1_000_000, 750_000, 500_000, 115_200)

#: Rates of an FT2232H or FT232H: 12 MHz divided by 1, 1.5, 2 and in eighths from there, of which
#: these are whole. The same note.
FT2232H_BAUDS = (
    12_000_000,
    8_000_000,
    6_000_000,
    4_000_000,
    3_000_000,
    2_000_000,
    1_500_000,
    1_000_000,
    750_000,
    500_000,
    115_200,
)
