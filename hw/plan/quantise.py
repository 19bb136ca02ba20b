"""Config of the block that applies a threshold to the codes of a stream."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["QuantiseConfig"]


@dataclass(frozen=True, kw_only=True)
class QuantiseConfig:
    """Threshold of a quantised tensor, on its codes.

    Parameters
    ----------
    height, width, channels : int
        The map.
    lanes : int
        Elements a beat, a divisor of ``channels``; in and out alike.
    lane_bits : int
        Width of a code that comes in.
    levels : int
        Thresholds per channel; codes 0 .. ``levels`` come out.
    """

    height: int
    width: int
    channels: int
    lanes: int
    lane_bits: int
    levels: int

    def __post_init__(self) -> None:
        assert self.channels % self.lanes == 0, "lanes divide the channels"

    @property
    def out_bits(self) -> int:
        return max(1, self.levels.bit_length())

    @property
    def folds(self) -> int:
        """Beats a pixel."""
        return self.channels // self.lanes

    @property
    def cycles_per_frame(self) -> int:
        """One beat a cycle."""
        return self.height * self.width * self.folds

    @property
    def latency_cycles(self) -> int:
        """From a beat in to its beat out: one register."""
        return 1
