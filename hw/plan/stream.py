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
from functools import cached_property
from math import lcm
from typing import Literal

import numpy as np

from hw.plan.windows import WindowWalk, places_needed
from sw.errors import PlanError

__all__ = ["HeadConfig", "LineBufferConfig", "PoolConfig", "WidthConfig"]


def _at_least(what: str, low: int, **values: int) -> None:
    for name, value in values.items():
        if value < low:
            raise PlanError(
                f"{what}: {name} is {value}, must be at least {low}",
                f"Give a {name} of {low} or more",
            )


def _power_of_two(value: int) -> int:
    """The least power of two that is not below ``value``."""
    return 1 << max(0, value - 1).bit_length()


@dataclass(frozen=True, kw_only=True)
class LineBufferConfig:
    """Windows of a feature map, as the systolic array wants them.

    For each output pixel in raster order, ``repeats`` times over, the block emits
    the ``kernel`` window of the source map: elements in (ky, kx, channel) order,
    channel fastest, `simd` a beat, with ``pad_code`` in every lane that lies
    outside the map. A dense layer is a 1x1 map with a 1x1 kernel.

    ``simd`` dividing ``channels`` gives *serial* mode, one tap's lanes a beat;
    the input then has `simd` lanes too. Otherwise `simd` must divide the window,
    and *parallel* mode takes a pixel a beat. Where there is nothing to do (a 1x1
    kernel, no stride, no padding, ``repeats == 1``) the mode is *wire*.

    Parameters
    ----------
    height, width, channels : shape of the source map
    lane_bits : bits of a code
    kernel, stride : (rows, columns)
    top, left, bottom, right : padding; less than the kernel in that direction
    pad_code : the code that stands in it
    simd : lanes of an output beat
    repeats : times each window is emitted, the consumer's neuron folds

    Raises
    ------
    PlanError
        If a value is out of range or `simd` divides neither channels nor window.
    """

    height: int
    width: int
    channels: int
    lane_bits: int
    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    top: int = 0
    left: int = 0
    bottom: int = 0
    right: int = 0
    pad_code: int = 0
    simd: int
    repeats: int = 1

    def __post_init__(self) -> None:
        (kh, kw), (sy, sx) = self.kernel, self.stride
        _at_least(
            "line buffer", 1, height=self.height, width=self.width, channels=self.channels,
            lane_bits=self.lane_bits, simd=self.simd, repeats=self.repeats,
            kernel_height=kh, kernel_width=kw, stride_y=sy, stride_x=sx,
        )  # fmt: skip
        for side, limit in (("top", kh), ("bottom", kh), ("left", kw), ("right", kw)):
            value = getattr(self, side)
            if not 0 <= value < limit:
                raise PlanError(
                    f"line buffer: {side} padding is {value}, with a kernel of {kh}x{kw} it must "
                    f"be 0 to {limit - 1}",
                    "Reduce the padding, which is wider than the kernel sees",
                )
        rows, columns = self.height + self.top + self.bottom, self.width + self.left + self.right
        if kh > rows or kw > columns:
            raise PlanError(
                f"line buffer: the kernel is {kh}x{kw}, the padded map only {rows}x{columns}",
                "Use a smaller kernel or more padding",
            )
        if not 0 <= self.pad_code < 1 << self.lane_bits:
            raise PlanError(
                f"line buffer: pad_code is {self.pad_code}, must be 0 to "
                f"{(1 << self.lane_bits) - 1} in lanes of {self.lane_bits} bits",
                "Give a code that fits a lane",
            )
        if self.fan_in % self.simd:
            raise PlanError(
                f"line buffer: simd is {self.simd}, must divide the window's {self.fan_in} elements",
                "Choose a divisor of the fan-in",
            )

    @property
    def fan_in(self) -> int:
        """Elements of a window, K."""
        return self.kernel[0] * self.kernel[1] * self.channels

    @property
    def mode(self) -> Literal["wire", "serial", "parallel"]:
        if self.channels % self.simd:
            return "parallel"
        padded = self.top or self.left or self.bottom or self.right
        if self.kernel == self.stride == (1, 1) and self.repeats == 1 and not padded:
            return "wire"
        return "serial"

    @property
    def i_lanes(self) -> int:
        """Lanes of an input beat."""
        return self.channels if self.mode == "parallel" else self.simd

    @property
    def output_height(self) -> int:
        padded = self.height + self.top + self.bottom
        return (padded - self.kernel[0]) // self.stride[0] + 1

    @property
    def output_width(self) -> int:
        padded = self.width + self.left + self.right
        return (padded - self.kernel[1]) // self.stride[1] + 1

    @property
    def window_beats(self) -> int:
        """Output beats of one window, once."""
        return self.fan_in // self.simd

    @property
    def fold(self) -> int:
        """Output beats of one window with its repetitions."""
        return self.window_beats * self.repeats

    @property
    def pixel_beats(self) -> int:
        """Input beats of a pixel."""
        return self.channels // self.i_lanes

    @property
    def input_beats(self) -> int:
        """Input beats of a frame."""
        return self.height * self.width * self.pixel_beats

    @property
    def output_beats(self) -> int:
        """Output beats of a frame."""
        return self.output_height * self.output_width * self.fold

    @cached_property
    def walk(self) -> WindowWalk:
        """The windows of a frame as the schedule sees them."""
        (kh, kw), (sy, sx) = self.kernel, self.stride
        oy, ox = np.divmod(np.arange(self.output_height * self.output_width), self.output_width)
        y, x = oy * sy - self.top, ox * sx - self.left
        row = self.width * self.pixel_beats
        bottom, right = np.minimum(y + kh, self.height) - 1, np.minimum(x + kw, self.width)
        service = np.full(len(oy), self.fold)
        if self.mode == "parallel":
            # A window's new columns are fetched while its predecessor is emitted:
            # all of them at the start of a row.
            first = y * row
            service = np.maximum(service, np.where(ox == 0, kw, min(sx, kw)))
        else:
            first = (y * self.width + x) * self.pixel_beats
        return WindowWalk(
            first=first,
            end=bottom * row + right * self.pixel_beats,
            service=service,
            beats=self.input_beats,
            row=row,
        )

    @cached_property
    def rows(self) -> int:
        """Parallel mode: rows of the map that are held, a power of two."""
        held = -(-places_needed(self.walk) // self.width) + 1
        return max(_power_of_two(held), self.banks)

    @property
    def banks(self) -> int:
        """Parallel mode: memories that a column of the window is fetched from at once."""
        return _power_of_two(self.kernel[0])

    @cached_property
    def depth(self) -> int:
        """Words of a memory, a power of two; 0 where there is none."""
        if self.mode == "wire":
            return 0
        if self.mode == "serial":
            return max(2, _power_of_two(places_needed(self.walk)))
        return self.rows // self.banks * _power_of_two(self.width)

    @property
    def memory_bits(self) -> int:
        """Bits of all memories together."""
        banks = self.banks if self.mode == "parallel" else 1
        return banks * self.depth * self.i_lanes * self.lane_bits

    @property
    def memory(self) -> Literal["lut", "block"]:
        """What the memories are made of: block RAM where they are deep."""
        return "block" if self.depth > 32 else "lut"

    @property
    def cycles_per_frame(self) -> int:
        return self.walk.period

    @cached_property
    def latency_cycles(self) -> int:
        if self.mode == "wire":
            return self.window_beats - 1
        if self.mode == "parallel":
            return _parallel_latency(self)
        return _serial_latency(self)


def _serial_latency(config: LineBufferConfig) -> int:
    """Taps in padding are emitted before the frame; the rest wait for their words."""
    time = -1
    for ky in range(config.kernel[0]):
        for kx in range(config.kernel[1]):
            y, x = ky - config.top, kx - config.left
            inside = 0 <= y < config.height and 0 <= x < config.width
            for beat in range(config.pixel_beats):
                time += 1
                if inside:
                    word = (y * config.width + x) * config.pixel_beats + beat
                    # Written in its own cycle, read in the next.
                    time = max(time, word + 1)
                else:
                    time = max(time, 0)
    return time + 2


def _parallel_latency(config: LineBufferConfig) -> int:
    row = min(config.kernel[0] - config.top, config.height) - 1
    column = min(config.kernel[1] - config.left, config.width) - 1
    behind = config.kernel[1] - config.left - 1 - column
    return row * config.width + column + 1 + behind + 3 + config.window_beats - 1


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
        _at_least(
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
        """What the row memory is made of."""
        return "block" if self.depth > 64 else "lut"

    @property
    def cycles_per_frame(self) -> int:
        return self.height * self.width * self.pixel_beats

    @property
    def latency_cycles(self) -> int:
        ph, pw = self.size
        return ((ph - 1) * self.width + pw - 1) * self.pixel_beats + 1


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
        _at_least(
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

    def cycles_per_frame(self, elements: int) -> int:
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
    match_bits : bits of a match count
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
    step: int
    kind: Literal["raw", "argmax"] = "raw"
    score_bits: int

    def __post_init__(self) -> None:
        _at_least(
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
        return 3 if self.kind == "raw" else self.elements + 3
