"""Configs of pools of any window, stride and padding: maxima and sums.

A window's rows and columns are reduced one axis after the other: what is left of a row
goes, column by column, into the reduction of rows. An axis is the same problem both
times, and `AxisConfig` its solution: positions 0 to ``length - 1`` come in order, each
of ``inner`` beats, and window k covers positions ``k * stride - before`` to
``k * stride - before + size - 1``, of which those outside take no part.

1. Window k ends at ``end(k) = min(k * stride - before + size, length) - 1``. With less
   padding behind than the stride, no two windows end at one position: so an axis emits
   at most one result a beat, as late as its last element, and takes a beat every cycle.
2. A window that has begun and not ended is kept as its result so far, a word for each of
   the ``inner`` beats. Window k + ceil((size - 1) / stride) begins where k ends or later:
   so that many *slots* do, window k in slot k modulo their number. Where one ends and the
   next begins at the same position, the slot is read for the one and written for the other.
3. Which slots begin anew and which window ends at a position follows from
   ``position mod (stride * slots)``, the *phase*; the first position and the last
   need a look of their own: there all windows begin that began outside, or the last one
   ends that ends outside.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from hw.plan.line_buffer import at_least, lut_or_block
from sw.errors import PlanError

__all__ = ["AxisConfig", "WindowPoolConfig"]


@dataclass(frozen=True, kw_only=True)
class AxisConfig:
    """Windows along one axis, see the module; made by `WindowPoolConfig`, which checks.

    Parameters
    ----------
    kind : "max" or "sum"
    length : positions, and ``inner`` : beats of each
    size, stride : of the windows
    before, after : padding
    lanes : lanes of a beat
    i_bits, o_bits : bits of a lane, in and out
    """

    kind: Literal["max", "sum"]
    length: int
    inner: int
    size: int
    stride: int
    before: int
    after: int
    lanes: int
    i_bits: int
    o_bits: int

    @property
    def outputs(self) -> int:
        """Windows."""
        return (self.length + self.before + self.after - self.size) // self.stride + 1

    @property
    def passes(self) -> bool:
        """Whether there is nothing to do."""
        return self.size == self.stride == 1

    @property
    def slots(self) -> int:
        """Windows that are kept from one position to the next; 0 where each is one position."""
        return -(-(self.size - 1) // self.stride)

    @property
    def period(self) -> int:
        """Positions after which windows fall alike, and into the same slots."""
        return self.stride * max(1, self.slots)

    @property
    def first_end(self) -> int:
        """Position at which the first window ends."""
        return min(self.size - self.before, self.length) - 1

    @property
    def ends_outside(self) -> bool:
        """Whether the last window ends behind the last position."""
        return self._last_start + self.size > self.length

    @property
    def ends_alone(self) -> bool:
        """Whether the last window, which ends outside, holds the last position only."""
        return self._last_start == self.length - 1

    @property
    def last_slot(self) -> int:
        """Slot of the last window."""
        return (self.outputs - 1) % max(1, self.slots)

    @property
    def beginning_phases(self) -> tuple[int, ...]:
        """For each slot, the phase in which its windows begin."""
        slots = range(max(1, self.slots))
        return tuple((slot * self.stride - self.before) % self.period for slot in slots)

    @property
    def ending_phases(self) -> dict[int, int]:
        """For each phase in which a window ends inside, its slot."""
        begins = enumerate(self.beginning_phases)
        return {(phase + self.size - 1) % self.period: slot for slot, phase in begins}

    @property
    def _last_start(self) -> int:
        return (self.outputs - 1) * self.stride - self.before

    @property
    def word_bits(self) -> int:
        """Bits of a word of the memory: a beat's results of all slots."""
        return self.slots * self.lanes * self.o_bits

    @property
    def memory(self) -> Literal["none", "lut", "block"]:
        """What the results so far are kept in: a register where a position is one beat."""
        if not self.slots or self.inner == 1:
            return "none"
        # Block RAM's word is there two cycles later, and wanted again `inner` beats later.
        return lut_or_block(self.inner, self.word_bits) if self.inner > 2 else "lut"

    @property
    def read_cycles(self) -> int:
        """From a beat to the word of its windows."""
        return {"none": 0, "lut": 1, "block": 2}[self.memory]

    @property
    def latency_cycles(self) -> int:
        if self.passes:
            return 0
        return self.first_end * self.inner + self.read_cycles + 1


@dataclass(frozen=True, kw_only=True)
class WindowPoolConfig:
    """Maximum (minimum in channels the block is told of) or sum over windows of codes.

    Parameters
    ----------
    height, width, channels : shape of the source map
    levels : greatest code of the source
    lanes : lanes of a beat, in and out; must divide ``channels``
    kind : "max", or "sum", whose code is the sum of the window's codes
    size, stride : (rows, columns)
    top, left, bottom, right : padding, which takes no part; none with a sum

    Raises
    ------
    PlanError
        If a value is out of range, a sum is padded, the padding is as wide as the window,
        or that below or to the right as wide as the stride.
    """

    height: int
    width: int
    channels: int
    levels: int
    lanes: int
    kind: Literal["max", "sum"] = "max"
    size: tuple[int, int]
    stride: tuple[int, int]
    top: int = 0
    left: int = 0
    bottom: int = 0
    right: int = 0

    def __post_init__(self) -> None:
        (ph, pw), (sy, sx) = self.size, self.stride
        at_least(
            "pool", 1, height=self.height, width=self.width, channels=self.channels,
            levels=self.levels, lanes=self.lanes, size_y=ph, size_x=pw, stride_y=sy, stride_x=sx,
        )  # fmt: skip
        if self.kind not in ("max", "sum"):
            raise PlanError(
                f"pool: kind is {self.kind!r}, must be 'max' or 'sum'", "Choose one of the two"
            )
        if self.channels % self.lanes:
            raise PlanError(
                f"pool: lanes is {self.lanes}, must divide the {self.channels} channels",
                "Choose a divisor of the channels",
            )
        self._check_padding()
        rows, columns = self.height + self.top + self.bottom, self.width + self.left + self.right
        if ph > rows or pw > columns:
            raise PlanError(
                f"pool: size is {ph}x{pw}, the map with its padding only {rows}x{columns}",
                "Use a smaller size",
            )

    def _check_padding(self) -> None:
        (ph, pw), (sy, sx) = self.size, self.stride
        for side, limit in (("top", ph), ("left", pw), ("bottom", ph), ("right", pw)):
            value = getattr(self, side)
            if not 0 <= value < limit:
                raise PlanError(
                    f"pool: {side} padding is {value}, with windows of {ph}x{pw} it must be "
                    f"0 to {limit - 1}",
                    "Reduce the padding",
                )
            if value and self.kind == "sum":
                raise PlanError(
                    f"pool: {side} padding of a sum is {value}, must be 0",
                    "Pool without padding, or take the maximum",
                )
        for side, stride in (("bottom", sy), ("right", sx)):
            value = getattr(self, side)
            if value >= stride:
                raise PlanError(
                    f"pool: {side} padding is {value} with a stride of {stride}; the hardware "
                    "pools with less padding there than the stride",
                    f"Use a padding of {stride - 1} at most there, or a greater stride",
                )

    @property
    def lane_bits(self) -> int:
        """Bits of a code of the source."""
        return self.levels.bit_length()

    @property
    def out_levels(self) -> int:
        """Greatest code that leaves."""
        return self.levels * (self.size[0] * self.size[1] if self.kind == "sum" else 1)

    @property
    def out_bits(self) -> int:
        """Bits of a code that leaves."""
        return self.out_levels.bit_length()

    @property
    def pixel_beats(self) -> int:
        """Beats of a pixel."""
        return self.channels // self.lanes

    @cached_property
    def columns(self) -> AxisConfig:
        """The reduction along a row, which comes first: `output_width` words are left of it."""
        middle = self.levels * (self.size[1] if self.kind == "sum" else 1)
        return AxisConfig(
            kind=self.kind,
            length=self.width,
            inner=self.pixel_beats,
            size=self.size[1],
            stride=self.stride[1],
            before=self.left,
            after=self.right,
            lanes=self.lanes,
            i_bits=self.lane_bits,
            o_bits=middle.bit_length(),
        )

    @cached_property
    def rows(self) -> AxisConfig:
        """The reduction of what is left of rows."""
        return AxisConfig(
            kind=self.kind,
            length=self.height,
            inner=self.output_width * self.pixel_beats,
            size=self.size[0],
            stride=self.stride[0],
            before=self.top,
            after=self.bottom,
            lanes=self.lanes,
            i_bits=self.columns.o_bits,
            o_bits=self.out_bits,
        )

    @property
    def output_height(self) -> int:
        return (self.height + self.top + self.bottom - self.size[0]) // self.stride[0] + 1

    @property
    def output_width(self) -> int:
        return self.columns.outputs

    @property
    def cycles_per_frame(self) -> int:
        return self.height * self.width * self.pixel_beats

    @property
    def latency_cycles(self) -> int:
        """The beat that ends the first window, and the registers of both axes."""
        beats = (self.rows.first_end * self.width + self.columns.first_end) * self.pixel_beats
        registers = [axis.read_cycles + 1 for axis in (self.columns, self.rows) if not axis.passes]
        return beats + sum(registers)
