"""What the configs of blocks with numbers for each channel share: thresholds, batch norm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from hw.plan.line_buffer import at_least
from hw.plan.memory import rom_luts
from sw.errors import PlanError

__all__ = ["ChannelConfig", "Encoding", "rom_kind"]

#: What a lane of a stream is: an unsigned match count, a two's complement accumulator, or
#: an unsigned code of a tensor's range.
Encoding = Literal["matches", "signed", "code"]

#: LUT sites for which a block RAM of 36 bits is taken, see `hw.plan.line_buffer.lut_or_block`.
_BLOCK_RAM_SITES = 160


def rom_kind(depth: int) -> Literal["lut", "block"]:
    """What a memory of constants of that depth is best made of."""
    return "lut" if rom_luts(36, depth) <= _BLOCK_RAM_SITES else "block"


@dataclass(frozen=True, kw_only=True)
class ChannelConfig:
    """``lanes`` channels of a map a beat, each with numbers of its own, by border class.

    Parameters
    ----------
    channels : channels of the map
    lanes : channels of a beat; must divide ``channels``
    source_bits : bits of a lane of the source
    encoding : "matches", "signed" or "code", see `Encoding`
    levels : greatest code that leaves
    y_classes, x_classes : border class of each row and column of the map; the class of a
        pixel is ``y_class * (max(x_classes) + 1) + x_class``
    memory : "lut" or "block", what the numbers are kept in; None: `rom_kind` says

    Raises
    ------
    PlanError
        If a value is out of range, or the lanes do not divide the channels.
    """

    #: What errors call the block.
    what: ClassVar[str]

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
            self.what, 1, channels=self.channels, lanes=self.lanes,
            source_bits=self.source_bits, levels=self.levels,
            rows=len(self.y_classes), columns=len(self.x_classes),
        )  # fmt: skip
        at_least(self.what, 0, class_of_a_row=min(self.y_classes),
                 class_of_a_column=min(self.x_classes))  # fmt: skip
        if self.encoding not in ("matches", "signed", "code"):
            raise PlanError(
                f"{self.what}: encoding is {self.encoding!r}, must be 'matches', 'signed' or "
                "'code'",
                "Choose what the source's lanes are",
            )
        if self.memory not in (None, "lut", "block"):
            raise PlanError(
                f"{self.what}: memory is {self.memory!r}, must be 'lut' or 'block'",
                "Choose one of the two, or None",
            )
        if self.channels % self.lanes:
            raise PlanError(
                f"{self.what}: lanes is {self.lanes}, must divide the {self.channels} channels",
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
        """Words of what differs by channel and class."""
        return self.classes * self.folds

    @property
    def kind(self) -> Literal["lut", "block"]:
        """What these are kept in."""
        return self.memory or rom_kind(self.depth)

    @property
    def read_cycles(self) -> int:
        """From a beat to its numbers: block RAM has two registers."""
        return 2 if self.depth > 1 and self.kind == "block" else 1

    @property
    def cycles_per_frame(self) -> int:
        return len(self.y_classes) * len(self.x_classes) * self.folds
