"""Config of thresholds on a stream, where no array's own are at hand."""

from __future__ import annotations

from dataclasses import dataclass

from hw.plan.channels import ChannelConfig

__all__ = ["StreamThresholdConfig"]


@dataclass(frozen=True, kw_only=True)
class StreamThresholdConfig(ChannelConfig):
    """Per channel the number of levels that a lane reaches: ``lanes`` channels a beat.

    Parameters and errors are those of `ChannelConfig`; ``levels`` is the number L of a
    channel's levels, and the code that leaves is 0 to L.
    """

    what = "thresholds"

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
    def latency_cycles(self) -> int:
        """Levels are read; the comparisons have a register, and the count of several."""
        return self.read_cycles + 1 + (self.levels > 1)
