"""Configs of the stream blocks: line buffer, pool, width converter, head.

Each is validated as it is made and carries what follows from it: widths, depths,
`cycles_per_frame` and `latency_cycles`. These two are declared here and nowhere
else; planner, blocks and tests read them.

``cycles_per_frame``: distance between two frames in steady state, with input
always valid and output always ready. ``latency_cycles``: from the transfer of a
frame's first input beat to that of its first output beat (for the line buffer,
of the last beat of its first window), in a block that was idle before, under the
same conditions.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import lcm
from typing import Literal

from hw.plan.columns import ColumnOrderConfig
from hw.plan.line_buffer import LineBufferConfig, at_least
from sw.errors import PlanError

__all__ = ["ColumnOrderConfig", "HeadConfig", "LineBufferConfig", "PoolConfig", "WidthConfig"]


@dataclass(frozen=True, kw_only=True)
class PoolConfig:
    """Maximum of each ``size`` window of codes; minimum where the block is told so.

    Parameters
    ----------
    height, width, channels : shape of the source map
    lane_bits : bits of a code
    lanes : lanes of a beat, in and out; must divide ``channels``
    size, stride : (rows, columns); equal in hardware so far

    Raises
    ------
    PlanError
        If a value is out of range, or size and stride differ.
    """

    height: int
    width: int
    channels: int
    lane_bits: int
    lanes: int
    size: tuple[int, int]
    stride: tuple[int, int]

    def __post_init__(self) -> None:
        (ph, pw), (sy, sx) = self.size, self.stride
        at_least(
            "pool", 1, height=self.height, width=self.width, channels=self.channels,
            lane_bits=self.lane_bits, lanes=self.lanes, size_y=ph, size_x=pw,
        )  # fmt: skip
        if self.size != self.stride:
            raise PlanError(
                f"pool: size is {ph}x{pw} and stride {sy}x{sx}, hardware pools only with stride "
                "equal to size",
                f"Use a stride of {ph}x{pw}",
            )
        if ph > self.height or pw > self.width:
            raise PlanError(
                f"pool: size is {ph}x{pw}, the map only {self.height}x{self.width}",
                "Use a smaller size",
            )
        if self.channels % self.lanes:
            raise PlanError(
                f"pool: lanes is {self.lanes}, must divide the {self.channels} channels",
                "Choose a divisor of the channels",
            )

    @property
    def output_height(self) -> int:
        return self.height // self.size[0]

    @property
    def output_width(self) -> int:
        return self.width // self.size[1]

    @property
    def pixel_beats(self) -> int:
        """Beats of a pixel."""
        return self.channels // self.lanes

    @property
    def depth(self) -> int:
        """Words of the row memory, one for each beat of an output row."""
        return self.output_width * self.pixel_beats

    @property
    def memory(self) -> Literal["lut", "block"]:
        """What the row memory is made of.

        Block RAM where the row is long, if a pixel's beats leave the time to read it.
        """
        return "block" if self.depth > 256 and self.pixel_beats > 2 else "lut"

    @property
    def read_cycles(self) -> int:
        """From a beat to the word of its window; 0 where a register holds it."""
        if self.depth == 1 or (self.size[0] == 1 and self.pixel_beats == 1):
            return 0
        return 2 if self.memory == "block" else 1

    @property
    def cycles_per_frame(self) -> int:
        return self.height * self.width * self.pixel_beats

    @property
    def latency_cycles(self) -> int:
        ph, pw = self.size
        return ((ph - 1) * self.width + pw - 1) * self.pixel_beats + 1 + self.read_cycles


@dataclass(frozen=True, kw_only=True)
class WidthConfig:
    """Beats of ``i_lanes`` to beats of ``o_lanes``, order kept.

    The elements of the stream are regrouped; a frame's number of elements must be
    a multiple of both lane counts for its beats to be its own, which the planner
    sees to.

    Parameters
    ----------
    i_lanes, o_lanes : lanes of an input and an output beat
    lane_bits : bits of a code

    Raises
    ------
    PlanError
        If a value is below 1.
    """

    i_lanes: int
    o_lanes: int
    lane_bits: int

    def __post_init__(self) -> None:
        at_least(
            "width converter", 1,
            i_lanes=self.i_lanes, o_lanes=self.o_lanes, lane_bits=self.lane_bits,
        )  # fmt: skip

    @property
    def block_lanes(self) -> int:
        """Lanes of the least group that is whole beats on both sides."""
        return lcm(self.i_lanes, self.o_lanes)

    @property
    def i_beats(self) -> int:
        """Input beats of a group."""
        return self.block_lanes // self.i_lanes

    @property
    def o_beats(self) -> int:
        """Output beats of a group."""
        return self.block_lanes // self.o_lanes

    def cycles(self, elements: int) -> int:
        """Cycles for a frame of ``elements``, a multiple of both lane counts."""
        return max(elements // self.i_lanes, elements // self.o_lanes)

    @property
    def latency_cycles(self) -> int:
        if self.i_lanes == self.o_lanes:
            return 0
        collect = self.i_beats if self.i_beats > 1 else 0
        return collect + (1 if self.o_beats > 1 else 0)


@dataclass(frozen=True, kw_only=True)
class HeadConfig:
    """Scores, or the index of the greatest, from the last array's matches.

    ``score[i] = step * A[i] + constant[i]``, the constants being the block's data.

    Parameters
    ----------
    elements : scores of a frame
    lanes : matches of an input beat; must divide ``elements``
    match_bits : bits of a match count, or of an accumulator
    signed : whether that is an accumulator, in two's complement
    step : distance between neighbouring values of the array's source
    kind : "raw" emits every score, "argmax" the index of the greatest (the lowest
        index wins ties)
    score_bits : bits of a score, signed, and of an output beat's data

    Raises
    ------
    PlanError
        If a value is out of range or an index does not fit ``score_bits``.
    """

    elements: int
    lanes: int
    match_bits: int
    signed: bool = False
    step: int
    kind: Literal["raw", "argmax"] = "raw"
    score_bits: int

    def __post_init__(self) -> None:
        at_least(
            "head", 1, elements=self.elements, lanes=self.lanes, match_bits=self.match_bits,
            step=self.step, score_bits=self.score_bits,
        )  # fmt: skip
        if self.kind not in ("raw", "argmax"):
            raise PlanError(
                f"head: kind is {self.kind!r}, must be 'raw' or 'argmax'", "Choose one of the two"
            )
        if self.elements % self.lanes:
            raise PlanError(
                f"head: lanes is {self.lanes}, must divide the {self.elements} elements",
                "Choose a divisor of the elements",
            )
        if self.kind == "argmax" and self.elements > 1 << (self.score_bits - 1):
            raise PlanError(
                f"head: score_bits is {self.score_bits}, too few for the index of "
                f"{self.elements} elements",
                f"Give at least {(self.elements - 1).bit_length() + 1} bits",
            )

    @property
    def output_beats(self) -> int:
        """Output beats of a frame."""
        return self.elements if self.kind == "raw" else 1

    @property
    def cycles_per_frame(self) -> int:
        return self.elements

    @property
    def latency_cycles(self) -> int:
        apart = 1 if self.lanes > 1 else 0
        return apart + (2 if self.kind == "raw" else self.elements + 2)
