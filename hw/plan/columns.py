"""Config of the block that puts pixels worked on side by side back in order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hw.plan.line_buffer import at_least, lut_or_block

__all__ = ["ColumnOrderConfig"]


@dataclass(frozen=True, kw_only=True)
class ColumnOrderConfig:
    """Beats of several pixels, fold by fold, to beats of one pixel after the other.

    An array with columns emits, for each group of ``columns`` neighbouring pixels,
    one beat a neuron fold that holds the fold's lanes of every pixel. What leaves
    is in raster order: the first pixel's folds, then the second's.

    Parameters
    ----------
    columns : pixels of a group
    lanes : lanes of an output beat, the array's rows; an input beat has
        ``columns`` times as many, the first pixel's lowest
    lane_bits : bits of a code
    neuron_folds : beats of a pixel

    Raises
    ------
    PlanError
        If a value is below 1.
    """

    columns: int
    lanes: int
    lane_bits: int
    neuron_folds: int

    def __post_init__(self) -> None:
        at_least(
            "column order", 1, columns=self.columns, lanes=self.lanes,
            lane_bits=self.lane_bits, neuron_folds=self.neuron_folds,
        )  # fmt: skip

    @property
    def i_lanes(self) -> int:
        """Lanes of an input beat."""
        return self.columns * self.lanes

    @property
    def group_beats(self) -> int:
        """Output beats of a group, and its cycles at full speed."""
        return self.columns * self.neuron_folds

    @property
    def depth(self) -> int:
        """Words of each column's memory, room for two groups; 0 where a register does."""
        if self.columns == 1 or self.neuron_folds == 1:
            return 0
        return 2 << (self.neuron_folds - 1).bit_length()

    @property
    def memory(self) -> Literal["lut", "block"]:
        """What the memories are made of."""
        return lut_or_block(self.depth, self.lanes * self.lane_bits)

    @property
    def read_cycles(self) -> int:
        """Registers of a memory: block RAM has two."""
        return 2 if self.memory == "block" else 0

    def cycles(self, pixels: int) -> int:
        """Cycles for a frame of ``pixels``, a multiple of the columns."""
        return pixels * self.neuron_folds

    @property
    def latency_cycles(self) -> int:
        if self.columns == 1:
            return 0
        return 1 if self.neuron_folds == 1 else 2 + self.read_cycles
