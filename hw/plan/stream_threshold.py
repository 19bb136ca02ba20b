"""Config of thresholds on a stream, where no array's own are at hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hw.plan.line_buffer import at_least
from hw.plan.scale import Encoding, rom_kind
from sw.errors import PlanError

__all__ = ["StreamThresholdConfig"]


@dataclass(frozen=True, kw_only=True)
class StreamThresholdConfig:
    """Per channel the number of levels that a lane reaches: ``lanes`` channels a beat.

    Parameters
    ----------
    channels : channels of the map
    lanes : channels of a beat; must divide ``channels``
    source_bits : bits of a lane of the source
    encoding : "matches", "signed" or "code", as in `hw.plan.scale`
    levels : levels L of a channel; the code that leaves is 0 to L
    y_classes, x_classes : border class of each row and column of the map; the class of a
        pixel is ``y_class * (max(x_classes) + 1) + x_class``
    memory : "lut" or "block", what the levels are kept in; None: `rom_kind` says

    Raises
    ------
    PlanError
        If a value is out of range, or the lanes do not divide the channels.
    """

    channels: int
    lanes: int
    source_bits: int
    encoding: Encoding
    levels: int
    y_classes: tuple[int, ...]
    x_classes: tuple[int, ...]
    memory: Literal["lut", "block"] | None = None

    def __post_init__(self) -> None:
        at_least(
            "thresholds", 1, channels=self.channels, lanes=self.lanes,
            source_bits=self.source_bits, levels=self.levels,
            rows=len(self.y_classes), columns=len(self.x_classes),
        )  # fmt: skip
        at_least("thresholds", 0, class_of_a_row=min(self.y_classes),
                 class_of_a_column=min(self.x_classes))  # fmt: skip
        if self.encoding not in ("matches", "signed", "code"):
            raise PlanError(
                f"thresholds: encoding is {self.encoding!r}, must be 'matches', 'signed' or 'code'",
                "Choose what the source's lanes are",
            )
        if self.memory not in (None, "lut", "block"):
            raise PlanError(
                f"thresholds: memory is {self.memory!r}, must be 'lut' or 'block'",
                "Choose one of the two, or None",
            )
        if self.channels % self.lanes:
            raise PlanError(
                f"thresholds: lanes is {self.lanes}, must divide the {self.channels} channels",
                "Choose a divisor of the channels",
            )

    @property
    def signed(self) -> bool:
        """Whether lanes of the source are two's complement."""
        return self.encoding == "signed"

    @property
    def out_bits(self) -> int:
        """Bits of a code that leaves."""
        return self.levels.bit_length()

    @property
    def folds(self) -> int:
        """Beats of a pixel."""
        return self.channels // self.lanes

    @property
    def classes(self) -> int:
        """Number of border classes."""
        return (max(self.y_classes) + 1) * (max(self.x_classes) + 1)

    @property
    def depth(self) -> int:
        """Words of levels."""
        return self.classes * self.folds

    @property
    def kind(self) -> Literal["lut", "block"]:
        """What the levels are kept in."""
        return self.memory or rom_kind(self.depth)

    @property
    def read_cycles(self) -> int:
        """From an address to the levels: block RAM has two registers."""
        return 2 if self.depth > 1 and self.kind == "block" else 1

    @property
    def level_limits(self) -> tuple[int, int]:
        """A level that is always reached, and one that never is."""
        low = -(1 << self.source_bits >> 1) if self.signed else 0
        return low, low + (1 << self.source_bits)

    @property
    def level_bits(self) -> int:
        """Bits of a level, of which one more than the source's is never reached."""
        return self.source_bits + 1

    @property
    def word_bits(self) -> int:
        """Bits that are kept of a channel: levels, and whether it is inverted."""
        return self.levels * self.level_bits + 1

    @property
    def cycles_per_frame(self) -> int:
        return len(self.y_classes) * len(self.x_classes) * self.folds

    @property
    def latency_cycles(self) -> int:
        """Levels are read; the comparisons have a register, and the count of several."""
        return self.read_cycles + 1 + (self.levels > 1)
