"""Config of the line buffer; import it from `hw.plan.stream`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Literal

import numpy as np

from hw.plan.places import Places
from hw.plan.windows import WindowWalk, outside
from sw.errors import PlanError

__all__ = ["LineBufferConfig", "at_least", "lut_or_block"]


def at_least(what: str, low: int, **values: int) -> None:
    """Refuse the first of ``values`` that is below ``low``."""
    for name, value in values.items():
        if value < low:
            raise PlanError(
                f"{what}: {name} is {value}, must be at least {low}",
                f"Give a {name} of {low} or more",
            )


def lut_or_block(depth: int, bits: int) -> Literal["lut", "block"]:
    """What a memory is best made of.

    A DPR16X4, 16 words of 4 bits, takes six LUT sites, and every doubling of the
    depth a multiplexer; a block RAM of 36 bits is taken for what would cost more
    than 160 sites. Devices have some 400 LUTs to a block RAM, but weights need
    block RAMs more.
    """
    pages = -(-depth // 16)
    sites = 6 * pages * -(-bits // 4) + bits * (pages - 1) * 2 // 3
    return "lut" if sites <= 160 * -(-bits // 36) else "block"


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
    columns : windows of neighbouring output pixels that are emitted side by side,
        column j's word at bits ``[j * simd * lane_bits, ...)`` of a beat; must divide
        the output width; more than 1 in serial mode only, at any stride
    prefer : "lut" or "block", what the memories are made of; None: `lut_or_block` says

    Raises
    ------
    PlanError
        If a value is out of range, `simd` divides neither channels nor window, or
        `columns` does not divide the output width.
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
    columns: int = 1
    prefer: Literal["lut", "block"] | None = None

    def __post_init__(self) -> None:
        (kh, kw), (sy, sx) = self.kernel, self.stride
        at_least(
            "line buffer", 1, height=self.height, width=self.width, channels=self.channels,
            lane_bits=self.lane_bits, simd=self.simd, repeats=self.repeats,
            columns=self.columns, kernel_height=kh, kernel_width=kw, stride_y=sy, stride_x=sx,
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
                f"line buffer: simd is {self.simd}, must divide the "
                f"window's {self.fan_in} elements",
                "Choose a divisor of the fan-in",
            )
        if self.output_width % self.columns:
            raise PlanError(
                f"line buffer: columns is {self.columns}, must divide the "
                f"{self.output_width} pixels of an output row",
                "Choose a divisor of the output width",
            )
        if self.columns > 1 and self.channels % self.simd:
            raise PlanError(
                f"line buffer: columns is {self.columns}, but simd {self.simd} does not divide "
                f"the {self.channels} channels, and parallel mode has one column",
                "Use one column, or a simd that divides the channels",
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
        alone = self.repeats == self.columns == 1
        if self.kernel == self.stride == (1, 1) and alone and not padded:
            return "wire"
        return "serial"

    @property
    def i_lanes(self) -> int:
        """Lanes of an input beat."""
        return self.channels if self.mode == "parallel" else self.simd

    @property
    def o_lanes(self) -> int:
        """Lanes of an output beat, of all columns together."""
        return self.columns * self.simd

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
        return self.output_height * self.groups * self.fold

    @property
    def outside_rows(self) -> dict[int, tuple[bool, ...]]:
        """For output rows whose window leaves the map: whether row ky of it is outside."""
        return outside(self.output_height, self.kernel[0], self.stride[0], self.top, self.height)

    @property
    def outside_columns(self) -> dict[int, tuple[bool, ...]]:
        """For output columns whose window leaves the map: whether column kx of it is outside."""
        return outside(self.output_width, self.kernel[1], self.stride[1], self.left, self.width)

    @property
    def groups(self) -> int:
        """Groups of `columns` windows in a row of windows."""
        return self.output_width // self.columns

    @cached_property
    def places(self) -> Places:
        """Serial mode: where words lie."""
        return Places(
            width=self.width,
            beats=self.pixel_beats,
            columns=self.columns,
            kernel_width=self.kernel[1],
            stride=self.stride[1],
            left=self.left,
        )

    @cached_property
    def walk(self) -> WindowWalk:
        """The windows of a frame, or groups of them, as the schedule sees them."""
        (kh, kw), (sy, sx) = self.kernel, self.stride
        oy, group = np.divmod(np.arange(self.output_height * self.groups), self.groups)
        # Of the first window and of the last.
        y, x = oy * sy - self.top, group * self.columns * sx - self.left
        last = x + (self.columns - 1) * sx + kw
        row = self.width * self.pixel_beats
        bottom, right = np.minimum(y + kh, self.height) - 1, np.minimum(last, self.width)
        service = np.full(len(oy), self.fold)
        if self.mode == "parallel":
            # A window's new columns are fetched while its predecessor is emitted.
            first = y * row
            service = np.maximum(service, np.tile(self.fetches, self.output_height))
        else:
            first = y * row + self.places.origin + group * self.columns * self.places.step
        return WindowWalk(
            first=first,
            end=bottom * row + right * self.pixel_beats,
            service=service,
            beats=self.input_beats,
            release=self.window_beats - 1 if self.single and self.mode == "serial" else 0,
        )

    @property
    def window_ends(self) -> list[int]:
        """Parallel mode: the column with which each window of a row is complete.

        Those behind the map are not fetched: the window only moves on.
        """
        return [x * self.stride[1] - self.left + self.kernel[1] - 1
                for x in range(self.output_width)]  # fmt: skip

    @property
    def tail(self) -> int:
        """Parallel mode: columns behind the map that the last window of a row sees."""
        return max(0, self.window_ends[-1] + 1 - self.width)

    @property
    def joined(self) -> bool:
        """Parallel mode: whether the last column of the tail goes by while the first
        of the next row is fetched."""
        return self.tail > 0 and self.window_ends[0] > 0

    @property
    def fetches(self) -> list[int]:
        """Parallel mode: cycles from each window of a row being complete to the next one."""
        ends = self.window_ends
        after = max(0, self.width - 1 - ends[-1])
        first = ends[0] + 1 + after - int(self.joined)
        return [first, *(b - a for a, b in pairwise(ends))]

    @property
    def rests(self) -> bool:
        """Parallel mode: whether the beats of a window outlast its new columns, so that the
        next ones may wait a cycle after the window has moved on, at no cost."""
        return self.fold > max(self.fetches)

    @property
    def single(self) -> bool:
        """Whether a frame is one window, as in a dense layer."""
        return self.output_height == self.output_width == 1

    @property
    def banks(self) -> int:
        """Memories that are read at once: a word of each window of a group, or, in
        parallel mode, a column of the window."""
        return _power_of_two(self.kernel[0]) if self.mode == "parallel" else self.columns

    @cached_property
    def depth(self) -> int:
        """Words of a memory, a power of two; 0 where there is none.

        Serial mode: what the schedule needs, and but for a single window, which
        has room for a frame more anyhow, another row: a producer that is silent
        for a row and then emits one, such as a pool, must not starve the consumer.
        Parallel mode: whole rows, `banks` of them for each in a memory.
        """
        if self.mode == "wire":
            return 0
        if self.mode == "serial":
            slack = 0 if self.single else max(4, self.width * self.pixel_beats)
            depth = 4
            while self.places.capacity(depth) < self.walk.places() + slack:
                depth *= 2
            return depth
        return self.rows // self.banks * _power_of_two(self.width)

    @cached_property
    def rows(self) -> int:
        """Parallel mode: rows of the map that are held, a power of two."""
        return max(_power_of_two(self.walk.rows(self.width)), self.banks)

    @property
    def capacity(self) -> int:
        """Words by which the writer may be ahead of the first one that is needed."""
        if self.mode == "parallel":
            return self.rows * self.width
        return self.places.capacity(self.depth)

    @cached_property
    def waiting(self) -> int:
        """The most groups of windows, in parallel mode columns, that are complete and
        not begun."""
        if self.mode == "parallel":
            return self.capacity + self.kernel[0] * self.width
        return self.walk.waiting(self.capacity)

    @property
    def completing_rows(self) -> list[int]:
        """The row of the map in which each row of windows is completed."""
        row = self.width * self.pixel_beats
        return ((self.walk.end[:: self.groups] - 1) // row).tolist()

    @property
    def completing_columns(self) -> list[int]:
        """Serial mode: the pixel of such a row with which each group is completed."""
        row = self.width * self.pixel_beats
        return ((self.walk.end[: self.groups] - 1) % row // self.pixel_beats).tolist()

    @property
    def completions(self) -> tuple[int, int]:
        """Serial mode: groups completed at once at the end of a row, and of the frame.

        In the padding to the right, windows end in the same pixel; in that below, rows
        of them in the same row, and all but the first of these follow at its end.
        """
        rows, columns = self.completing_rows, self.completing_columns
        at_end = columns.count(columns[-1])
        return at_end, at_end + (rows.count(rows[-1]) - 1) * self.groups

    @property
    def read_cycles(self) -> int:
        """From an address to the word: block RAM has an output register."""
        return 2 if self.memory == "block" else 1

    @property
    def memory_bits(self) -> int:
        """Bits of all memories together."""
        return self.banks * self.depth * self.i_lanes * self.lane_bits

    @property
    def memory(self) -> Literal["lut", "block"]:
        """What the memories are made of."""
        return self.prefer or lut_or_block(self.depth, self.i_lanes * self.lane_bits)

    @property
    def cycles_per_frame(self) -> int:
        return self.walk.period

    @cached_property
    def latency_cycles(self) -> int:
        if self.mode == "wire":
            return self.window_beats - 1
        if self.mode == "parallel":
            return _parallel_latency(self)
        # A group is begun when it is complete: counted, granted, and its first word read
        # three cycles after its last was written. Then the memory and the output register.
        return int(self.walk.end[0]) - 1 + 3 + self.window_beats - 1 + self.read_cycles + 1


def _parallel_latency(config: LineBufferConfig) -> int:
    """From the last column of the first window, fetched three cycles after its last
    pixel was written: the memory, window and holding register."""
    row, end = config.completing_rows[0] * config.width, config.window_ends[0]
    column = min(end, config.width - 1)
    # Columns of the tail follow one a cycle.
    return row + column + 3 + end - column + config.read_cycles + 2 + config.window_beats - 1
