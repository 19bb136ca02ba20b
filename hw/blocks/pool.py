"""Max pool on codes, minimum in chosen channels."""

from __future__ import annotations

import numpy as np
from amaranth.hdl import Cat, Const, Elaboratable, Module, Mux, Signal, Value, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from numpy.typing import ArrayLike

from hw.blocks.counters import Counter, delay, make_memory, nest, read_registered
from hw.plan.stream import PoolConfig
from sw.errors import PlanError

__all__ = ["Pool"]


class Pool(wiring.Component):
    """Maximum of each whole window, a beat of input a cycle.

    1. Codes are ordered as values are, so the maximum is one of unsigned codes. A
       minimum is the inverted maximum of inverted codes: the channels so marked
       are inverted on the way in and on the way out. Codes of several bits are
       inverted before they wait for their word, since to compare them takes a cycle.
    2. A row memory holds the maximum so far of each window of the present row of
       windows, a word for each beat of an output pixel. A beat's word is read as it
       arrives, and combined and written back when it has been read
       (`PoolConfig.read_cycles`). The same word is wanted again a pixel later at the
       earliest; where that is sooner, a register supplies it. So no word is wanted in
       the cycle in which it is written.
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

        # What is known of a beat as it arrives, and with it when its word has been read.
        enable, now = Signal(), Signal()
        first, emits = (px.value == 0) & (py.value == 0), whole & px.last & py.last
        kept = accept & ~dropped
        m.d.comb += [
            enable.eq(~self.o_stream.valid | self.o_stream.ready),
            self.i_stream.ready.eq(enable),
            accept.eq(self.i_stream.valid & enable),
        ]
        earlier, address = Signal.like(self.i_stream.payload), Signal(range(config.depth))
        best = Signal.like(earlier)
        codes, taken = config.lane_bits > 1, self.i_stream.payload
        mask = self._mask(word.value) if codes else word.value
        beat: list[Value] = [accept, kept, first, emits, px.value == 0, mask, address]
        beat.append(taken ^ mask if codes else taken)
        *flags, payload = delay(m, enable, beat, config.read_cycles)
        accepted, keeps, starts, ends, fresh, marks, place = flags
        flip = marks if codes else self._mask(marks)
        m.d.comb += [
            now.eq(enable & keeps),
            best.eq(self._greater(payload if codes else payload ^ flip, earlier, starts)),
        ]
        latest = Signal.like(best)
        with m.If(now):
            m.d.sync += latest.eq(best)
        if config.read_cycles:
            self._address(m, accept, address, (word, px), next_row)
            m.submodules.memory = memory = make_memory(len(best), config.depth, config.memory)
            write, read = memory.write_port(), memory.read_port(domain="comb")
            m.d.comb += [write.en.eq(now), write.addr.eq(place), write.data.eq(best)]
            word_read = read_registered(m, read, address, enable, config.read_cycles)
            # Where a pixel is one beat, the word may be that of the beat just before.
            one = config.pixel_beats == 1
            m.d.comb += earlier.eq(Mux(fresh, word_read, latest) if one else word_read)
        else:
            m.d.comb += earlier.eq(latest)
        with m.If(enable):
            m.d.sync += [
                self.o_stream.valid.eq(accepted & ends),
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

    def _address(
        self,
        m: Module,
        accept: Value,
        address: Signal,
        inner: tuple[Counter, Counter],
        next_row: Value,
    ) -> None:
        """Through the words of a pixel, back to the first of them for the next pixel of
        the same window, and to the start for the next row or, where nothing is written,
        for the columns left over."""
        word, px = inner
        with m.If(accept):
            m.d.sync += address.eq(Mux(address == self.config.depth - 1, 0, address + 1))
            with m.If(word.last & ~px.last):
                m.d.sync += address.eq(address - (self.config.pixel_beats - 1))
            with m.If(next_row):
                m.d.sync += address.eq(0)


def _advance(m: Module, step: Value, counter: Counter, end: Value) -> None:
    """Advance a counter that returns to 0 at ``end`` instead of at its last value."""
    if isinstance(counter.value, Signal):
        with m.If(step):
            m.d.sync += counter.value.eq(Mux(end, 0, counter.value + 1))
