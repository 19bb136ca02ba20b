"""What the PLLs of all families share: the choice of the setting nearest to a clock."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from sw.errors import PlanError

__all__ = ["Setting", "nearest", "within"]

#: How far a clock may be from the one asked for, as a part of it.
CLOCK_TOLERANCE = 0.01


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A legal setting of a PLL.

    Parameters
    ----------
    input_mhz : float
        The board's oscillator.
    reference_divider : int
        What the phase detector's clock is of it.
    """

    input_mhz: float
    reference_divider: int

    @property
    def pfd_mhz(self) -> float:
        """The phase detector's clock."""
        return self.input_mhz / self.reference_divider

    @property
    @abstractmethod
    def output_mhz(self) -> float:
        """The clock that results."""

    @property
    def hz(self) -> int:
        """The same in Hz, rounded."""
        return round(self.output_mhz * 1e6)


S = TypeVar("S", bound=Setting)


def nearest(
    settings: Callable[[], Iterable[S]],
    *,
    input_mhz: float,
    output_mhz: float,
    reach: tuple[float, float],
    order: Callable[[S], tuple[float, ...]],
) -> S:
    """The setting whose clock is nearest to ``output_mhz``.

    Among equally near ones: the fastest phase detector, then the first by ``order``.

    Parameters
    ----------
    settings : callable
        Every legal one; called when the clock is within ``reach``.
    input_mhz, output_mhz : float
        The board's oscillator, and the clock asked for.
    reach : (float, float)
        MHz that the PLL can make, least and most.
    order : callable

    Raises
    ------
    PlanError
        The clock is out of reach, or more than 1 % from any that the PLL makes.
    """
    if not within(output_mhz, reach):  # so for NaN too
        raise PlanError(
            f"A clock of {output_mhz:g} MHz is out of the PLL's reach: "
            f"it makes {reach[0]:g} to {reach[1]:g} MHz",
            "Ask for a --clock in that range",
        )
    best = min(
        settings(),
        key=lambda s: (
            round(abs(s.output_mhz - output_mhz), 6),
            s.reference_divider,
            *order(s),
        ),
    )
    if abs(best.output_mhz - output_mhz) > CLOCK_TOLERANCE * output_mhz:
        raise PlanError(
            f"A clock of {output_mhz:g} MHz is more than {CLOCK_TOLERANCE:.0%} from any that "
            f"the PLL makes of the board's {input_mhz:g} MHz",
            f"Ask for the nearest one, --clock {best.output_mhz:g}",
        )
    return best


def within(value: float, limits: tuple[float, float]) -> bool:
    """Whether a value is from the first to the second of ``limits``."""
    return limits[0] <= value <= limits[1]
