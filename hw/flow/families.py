"""The families of devices that the flow knows, by the name that boards have for them."""

from __future__ import annotations

from hw.flow.ecp5 import Ecp5
from hw.flow.family import Family
from hw.flow.gowin import Gowin
from hw.flow.ice40 import Ice40

__all__ = ["FAMILIES"]

FAMILIES: dict[str, Family] = {"ecp5": Ecp5(), "ice40": Ice40(), "gowin": Gowin()}
