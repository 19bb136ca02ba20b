"""Configs of the blocks where streams part and meet: FIFO, sum, concatenation.

A fork has no config: it copies beats, as many a frame as it is given, in no time
(`hw.blocks.fork`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hw.plan.line_buffer import at_least, lut_or_block
from sw.errors import PlanError

__all__ = ["AddConfig", "ConcatConfig", "FifoConfig"]


@dataclass(frozen=True, kw_only=True)
class FifoConfig:
    """A queue of ``depth`` beats, each ``width`` bits.

    Exactly ``depth`` beats go in before the first has left: what a branch must be
    able to hold for the other one not to starve is this number and no more.

    Parameters
    ----------
    width : bits of a beat
    depth : beats that it holds
    memory : "lut" or "block", what it is made of; None: `lut_or_block` says

    Raises
    ------
    PlanError
        If a value is below 1, or the memory none of the two.
    """

    width: int
    depth: int
    memory: Literal["lut", "block"] | None = None

    def __post_init__(self) -> None:
        at_least("stream FIFO", 1, width=self.width, depth=self.depth)
        if self.memory not in (None, "lut", "block"):
            raise PlanError(
                f"stream FIFO: memory is {self.memory!r}, must be 'lut' or 'block'",
                "Choose one of the two, or None",
            )

    @property
    def kind(self) -> Literal["lut", "block"]:
        """What the memory is made of."""
        return self.memory or lut_or_block(self.depth, self.width)

    @property
    def read_cycles(self) -> int:
        """Registers behind the memory: block RAM has two."""
        return 2 if self.kind == "block" else 1

    @property
    def latency_cycles(self) -> int:
        """From a beat's transfer into an empty queue to its transfer out of it."""
        return 1 + self.read_cycles

    @property
    def full_rate_depth(self) -> int:
        """Least depth at which a beat passes every cycle: a place is free for the next
        beat in the cycle after its beat has left."""
        return self.latency_cycles + 1

    def cycles(self, beats: int) -> int:
        """Cycles for a frame of ``beats``; where the queue is too short for full rate,
        a multiple of the depth."""
        return max(beats, beats * self.full_rate_depth // self.depth)


@dataclass(frozen=True, kw_only=True)
class AddConfig:
    """Saturating sum of two streams of codes, lane by lane: a residual stream.

    The code that leaves is
    ``clip(steps[0] * t0 + steps[1] * t1 + constant, 0, levels)`` of the codes t0 and
    t1. For values ``low_i + step_i * t_i`` whose sum saturates to ``low .. high``:
    ``constant = low_0 + low_1 - low`` and ``levels = high - low``.

    Parameters
    ----------
    elements : elements of a frame
    lanes : lanes of a beat, in and out; must divide ``elements``
    source_bits : bits of a code of each source
    steps : distance of neighbouring values of each source
    constant : see above
    levels : greatest code that leaves

    Raises
    ------
    PlanError
        If a value is out of range, or the lanes do not divide the elements.
    """

    elements: int
    lanes: int
    source_bits: tuple[int, int]
    steps: tuple[int, int] = (1, 1)
    constant: int
    levels: int

    def __post_init__(self) -> None:
        (bits, other_bits), (step, other_step) = self.source_bits, self.steps
        at_least(
            "add", 1, elements=self.elements, lanes=self.lanes, source_bits=bits,
            other_source_bits=other_bits, step=step, other_step=other_step, levels=self.levels,
        )  # fmt: skip
        if self.elements % self.lanes:
            raise PlanError(
                f"add: lanes is {self.lanes}, must divide the {self.elements} elements of a frame",
                "Choose a divisor of the elements",
            )

    @property
    def out_bits(self) -> int:
        """Bits of a code that leaves."""
        return self.levels.bit_length()

    @property
    def sum_max(self) -> int:
        """Greatest sum of the codes' multiples, without the constant."""
        return sum(
            step * ((1 << bits) - 1)
            for bits, step in zip(self.source_bits, self.steps, strict=True)
        )

    @property
    def beats(self) -> int:
        """Beats of a frame, of either source and of the result."""
        return self.elements // self.lanes

    @property
    def cycles_per_frame(self) -> int:
        return self.beats

    @property
    def latency_cycles(self) -> int:
        """The sum and its saturation have a register each."""
        return 2


@dataclass(frozen=True, kw_only=True)
class ConcatConfig:
    """The channels of several maps: of each pixel the first source's beats, then the next's.

    Parameters
    ----------
    pixels : pixels of a frame
    channels : channels of each source
    lanes : lanes of a beat of every source and of the result; must divide all channels
    lane_bits : bits of a code

    Raises
    ------
    PlanError
        If a value is out of range, or the lanes do not divide some channels.
    """

    pixels: int
    channels: tuple[int, ...]
    lanes: int
    lane_bits: int

    def __post_init__(self) -> None:
        at_least("concat", 1, pixels=self.pixels, lanes=self.lanes, lane_bits=self.lane_bits)
        at_least("concat", 2, sources=len(self.channels))
        for channels in self.channels:
            at_least("concat", 1, channels=channels)
            if channels % self.lanes:
                raise PlanError(
                    f"concat: lanes is {self.lanes}, must divide the {channels} channels of "
                    "each source",
                    "Choose a common divisor of the channels",
                )

    @property
    def source_beats(self) -> tuple[int, ...]:
        """Beats of a pixel that come from each source."""
        return tuple(channels // self.lanes for channels in self.channels)

    @property
    def pixel_beats(self) -> int:
        """Beats of a pixel that leave."""
        return sum(self.source_beats)

    @property
    def cycles_per_frame(self) -> int:
        return self.pixels * self.pixel_beats

    @property
    def latency_cycles(self) -> int:
        return 1
