"""Max pool on codes, minimum in chosen channels."""

from __future__ import annotations

import numpy as np
from amaranth.hdl import Cat, Const, Elaboratable, Module, Mux, Signal, Value, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from numpy.typing import ArrayLike

from hw.blocks.counters import Counter, make_memory, nest
from hw.plan.stream import PoolConfig
from sw.errors import PlanError

__all__ = ["Pool"]


class Pool(wiring.Component):
    """Maximum of each whole window, a beat of input a cycle.

    1. Codes are ordered as values are, so the maximum is one of unsigned codes. A
       minimum is the inverted maximum of inverted codes: the channels so marked
       are inverted on the way in and on the way out.
    2. A row memory holds the maximum so far of each window of the present row of
       windows, a word for each beat of an output pixel. Its word is read one cycle
       ahead, combined with the input and written back; where a pixel is one beat
       the next beat may want the word just written, which a register then supplies.
    3. Trailing rows and columns that fill no window are taken and dropped.

    Parameters
    ----------
    config : PoolConfig
    minimum : bool array (channels,)
        Channels whose minimum is wanted.

    Members
    -------
    i_stream, o_stream : stream, payload unsigned(lanes * lane_bits)
        Maps in raster order, channel fastest.

    Raises
    ------
    PlanError
        If ``minimum`` has not one element for each channel.
    """

    def __init__(self, *, config: PoolConfig, minimum: ArrayLike) -> None:
        marks = np.asarray(minimum, bool)
        if marks.shape != (config.channels,):
            raise PlanError(
                f"pool: minimum has shape {marks.shape}, must be ({config.channels},)",
                "Give one mark for each channel",
            )
        self.config = config
        self.minimum = marks
        beat = stream.Signature(unsigned(config.lanes * config.lane_bits))
        super().__init__({"i_stream": In(beat), "o_stream": Out(beat)})

    def elaborate(self, platform: object) -> Elaboratable:
        config = self.config
        m = Module()
        (ph, pw), beats = config.size, config.pixel_beats
        word, px, py = Counter(beats, "word"), Counter(pw, "px"), Counter(ph, "py")
        accept, next_row = Signal(), Signal()
        whole, dropped = self._walk(m, accept, word, px, py, next_row)

        flip = self._mask(word.value)
        best, earlier = Signal.like(self.i_stream.payload), Signal.like(self.i_stream.payload)
        first = Signal()
        m.d.comb += [
            first.eq((px.value == 0) & (py.value == 0)),
            best.eq(self._greater(self.i_stream.payload ^ flip, earlier, first)),
            self.i_stream.ready.eq(~self.o_stream.valid | self.o_stream.ready),
            accept.eq(self.i_stream.valid & self.i_stream.ready),
        ]
        if pw == 1 and ph == 1:
            m.d.comb += earlier.eq(0)
        else:
            keep = accept & ~dropped
            self._remember(m, accept, keep, best, earlier, (word, px), next_row)
        with m.If(self.i_stream.ready):
            m.d.sync += [
                self.o_stream.valid.eq(self.i_stream.valid & whole & px.last & py.last),
                self.o_stream.payload.eq(best ^ flip),
            ]
        return m

    def _walk(
        self,
        m: Module,
        accept: Value,
        word: Counter,
        px: Counter,
        py: Counter,
        next_row: Signal,
    ) -> tuple[Value, Value]:
        """Advance the counters; returns whether the beat's window is whole, and
        whether its column is left over."""
        config = self.config
        (ph, pw), (rows, columns) = config.size, (config.output_height, config.output_width)
        # Windows along a row, one more where columns are left over.
        spare_x, spare_y = config.width - columns * pw, config.height - rows * ph
        ox = Counter(columns + bool(spare_x), "ox")
        oy = Counter(rows + bool(spare_y), "oy")
        over_x = ox.last if spare_x else Const(0)
        over_y = oy.last if spare_y else Const(0)
        x_end, y_end = Signal(), Signal()
        m.d.comb += [
            x_end.eq(Mux(over_x, px.value == spare_x - 1, px.last) if spare_x else px.last),
            y_end.eq(Mux(over_y, py.value == spare_y - 1, py.last) if spare_y else py.last),
        ]
        nest(m, accept, word)
        pixel = accept & word.last
        m.d.comb += next_row.eq(pixel & x_end & ox.last)
        _advance(m, pixel, px, x_end)
        nest(m, pixel & x_end, ox)
        _advance(m, next_row, py, y_end)
        nest(m, next_row & y_end, oy)
        return ~(over_x | over_y), over_x

    def _mask(self, word: Value) -> Value:
        """All ones in the lanes to invert, for each beat of a pixel."""
        config = self.config
        ones = (1 << config.lane_bits) - 1
        table = [
            sum(ones << lane * config.lane_bits for lane, mark in enumerate(marks) if mark)
            for marks in self.minimum.reshape(config.pixel_beats, config.lanes)
        ]
        width = config.lanes * config.lane_bits
        if len(set(table)) == 1:
            return Const(table[0], width)
        # Lane by lane, so that lanes that are never inverted cost nothing.
        bits = []
        for i in range(width):
            column = sum((mask >> i & 1) << beat for beat, mask in enumerate(table))
            whole = column in (0, (1 << len(table)) - 1)
            bits.append(
                Const(column & 1) if whole else Const(column, len(table)).bit_select(word, 1)
            )
        return Cat(*bits)

    def _greater(self, new: Value, old: Value, first: Value) -> Value:
        """Lane by lane the greater code; the new one at a window's first pixel."""
        bits = self.config.lane_bits
        if bits == 1:
            return new | (old & ~first.replicate(len(old)))
        lanes = []
        for lane in range(self.config.lanes):
            a, b = new[lane * bits :][:bits], old[lane * bits :][:bits]
            lanes.append(Mux(first | (a > b), a, b))
        return Cat(*lanes)

    def _remember(
        self,
        m: Module,
        accept: Value,
        keep: Value,
        best: Signal,
        earlier: Signal,
        inner: tuple[Counter, Counter],
        next_row: Value,
    ) -> None:
        """The row memory: `earlier` is what the present beat's window holds."""
        config = self.config
        word, px = inner
        beats, depth = config.pixel_beats, config.depth
        latest = Signal.like(best)
        with m.If(keep):
            m.d.sync += latest.eq(best)
        if depth == 1 or (config.size[0] == 1 and beats == 1):
            # A window's beats come one after the other.
            m.d.comb += earlier.eq(latest)
            return
        m.submodules.memory = memory = make_memory(len(best), depth, config.memory)
        write, read = memory.write_port(), memory.read_port()
        address, following = Signal(range(depth)), Signal(range(depth))
        # Through the words of a pixel, back to the first of them for the next pixel
        # of the same window, and to the start for the next row or, where nothing is
        # written, for the columns left over.
        m.d.comb += following.eq(Mux(address == depth - 1, 0, address + 1))
        with m.If(word.last & ~px.last):
            m.d.comb += following.eq(address - (beats - 1))
        with m.If(next_row):
            m.d.comb += following.eq(0)
        with m.If(accept):
            m.d.sync += address.eq(following)
        m.d.comb += [
            write.en.eq(keep),
            write.addr.eq(address),
            write.data.eq(best),
            read.en.eq(accept),
            read.addr.eq(following),
            earlier.eq(read.data if beats > 1 else Mux(px.value == 0, read.data, latest)),
        ]


def _advance(m: Module, step: Value, counter: Counter, end: Value) -> None:
    """Advance a counter that returns to 0 at ``end`` instead of at its last value."""
    if isinstance(counter.value, Signal):
        with m.If(step):
            m.d.sync += counter.value.eq(Mux(end, 0, counter.value + 1))
