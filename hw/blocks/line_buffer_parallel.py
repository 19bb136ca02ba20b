"""Line buffer, parallel mode: a pixel a beat in, several taps a beat out."""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import Cat, Const, Elaboratable, Module, Signal, Value, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.memory import ReadPort
from amaranth.lib.wiring import In, Out

from hw.blocks.counters import (
    Counter,
    Loop,
    delay,
    make_memory,
    nest,
    read_registered,
    replicate,
    rotate,
)
from hw.blocks.grants import Grant, count_grants, grant_next
from hw.plan.stream import LineBufferConfig

__all__ = ["ParallelLineBuffer"]


@dataclass(kw_only=True)
class _Step:
    """The window moves on ``now``, ``fetched`` or not; ``complete``, and then whole.

    ``first`` is the bank of the window's first row, ``blank`` the rows outside the map.
    """

    now: Value
    complete: Value
    fetched: Value
    first: Value
    blank: Value


class ParallelLineBuffer(wiring.Component):
    """Rows go into banks, columns of the window come out of all banks at once.

    1. Rows are numbered on and on over frames. Row r is in bank ``r mod banks``, so
       the rows of a window are in different banks, and a column of it is read in
       one cycle. A bank holds ``rows / banks`` of its rows.
    2. A column of a row of windows may be read when its lowest pixel in the map has
       been written: with each pixel the writer counts the columns that it completes,
       as `hw.blocks.line_buffer_serial` counts windows. A row's places are given free
       when the last window that needs it has been fetched.
    3. Columns go into the shift window, from where it moves, whole, to the holding
       register: there the columns outside the map are put, so that none need be
       fetched. For windows that reach beyond the end of a row the shift window moves on
       as it is; the last such move is also the first of the next row, if its first
       column is there.
    4. What is read was written three cycles before at least, and is not yet free.

    So an output pixel takes the cycles of its beats or of its new columns, whichever
    are more (`LineBufferConfig.fetches`), and a row no more than it has pixels where
    the padding is that of the kernel. Where the beats are more, the shift window waits a
    cycle after it has moved to the holding register (`LineBufferConfig.rests`): its enable
    is then a register, and hangs neither on the consumer nor on the beats.

    Parameters
    ----------
    config : LineBufferConfig
        Of parallel mode.

    Members
    -------
    As `hw.blocks.line_buffer.LineBuffer`.
    """

    def __init__(self, *, config: LineBufferConfig) -> None:
        assert config.mode == "parallel"
        self.config = config
        super().__init__(
            {
                "i_stream": In(stream.Signature(unsigned(config.i_lanes * config.lane_bits))),
                "o_stream": Out(stream.Signature(unsigned(config.simd * config.lane_bits))),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        config = self.config
        m = Module()
        # Low where a complete window must wait; the registers before it then hold.
        enable = Signal()
        bits = (config.capacity + config.walk.lead).bit_length() + 1
        released = Signal(bits, init=-1)
        grant = Grant(complete=Signal(range(-1, self._most()), init=-1))
        ports = self._write(m, released, grant)
        count_grants(m, grant, config.waiting)
        step, x, slot = self._walk(m, enable, released, grant)
        pixels, tags = self._read(m, enable, ports, step, x, slot)
        self._emit(m, enable, pixels, tags)
        return m

    def _most(self) -> int:
        """The most columns that one pixel completes, and one."""
        rows = self.config.completing_rows
        return 2 + (rows.count(rows[-1]) - 1) * self.config.width

    def _write(self, m: Module, released: Signal, grant: Grant) -> list[ReadPort]:
        """The banks and their writer."""
        config = self.config
        room = Signal.like(
            released, name="room", init=config.capacity - 1 + int(config.walk.first[0])
        )
        write_now = Signal()
        m.d.comb += [
            self.i_stream.ready.eq(~room[-1]),
            write_now.eq(self.i_stream.valid & self.i_stream.ready),
        ]
        m.d.sync += room.eq((Cat(1, room) + Cat(~write_now, released))[1:])
        x, y = Loop(config.width, "i_x"), Loop(config.height, "i_y")
        row = Counter(config.rows, "row")
        nest(m, write_now, x, y)
        nest(m, write_now & x.last, row)

        rows = config.completing_rows
        m.d.sync += grant.complete.eq(-1)
        with m.If(write_now & y.at(rows)):
            m.d.sync += grant.complete.eq(0)
            if self._most() > 2:
                with m.If(x.last & y.at([rows[-1]])):
                    m.d.sync += grant.complete.eq(self._most() - 2)

        first, slot = self._split(row.value)
        ports = []
        for bank in range(config.banks):
            m.submodules[f"bank_{bank}"] = memory = make_memory(
                len(self.i_stream.payload), config.depth, config.memory
            )
            port = memory.write_port()
            m.d.comb += [
                port.en.eq(write_now & (first == bank)),
                port.addr.eq(self._address(x.value, slot)),
                port.data.eq(self.i_stream.payload),
            ]
            ports.append(memory.read_port(domain="comb"))
        return ports

    def _split(self, row: Value) -> tuple[Value, Value]:
        """Bank of a row, and which of the bank's rows it is."""
        banks = self.config.banks.bit_length() - 1
        return row[:banks], row[banks : self.config.rows.bit_length() - 1]

    def _address(self, column: Value, slot: Value) -> Value:
        """Of a column, numbered as a `Loop` counts: the low bits differ for all of them."""
        bits = (self.config.width - 1).bit_length()
        return Cat(column[:bits], slot) if bits else slot

    def _walk(
        self, m: Module, enable: Signal, released: Signal, grant: Grant
    ) -> tuple[_Step, Value, Value]:
        """Which column comes next; returns it, the column, and the slot of its first row."""
        config = self.config
        kh, sy, ends = config.kernel[0], config.stride[0], config.window_ends
        x, oy = Loop(config.width, "x"), Loop(config.output_height, "oy")
        base = Signal(range(config.rows), init=-config.top % config.rows)
        rest = config.height - (config.output_height - 1) * sy

        now, fetched, complete = Signal(), Signal(), Signal()
        # Moves without a column that are still to come, at the end of a row.
        left = Signal(range(config.tail + 1))
        begin = (left == 0) | (left == 1) if config.joined else left == 0
        m.d.comb += [
            fetched.eq(enable & grant.open & begin),
            now.eq(fetched | (enable & (left != 0))),
            complete.eq(fetched & x.at([v for v in ends if v < config.width])),
        ]
        nest(m, fetched, x, oy)
        grant_next(m, grant, fetched)
        m.d.sync += released.eq(-1)
        with m.If(fetched & x.last):
            m.d.sync += [base.eq(base + sy), released.eq(sy * config.width - 1)]
            with m.If(oy.last):
                m.d.sync += [base.eq(base + rest), released.eq(rest * config.width - 1)]
        if config.tail:
            seen = [config.width + config.tail - v for v in ends if v >= config.width]
            with m.If(now & (left != 0)):
                m.d.sync += left.eq(left - 1)
                m.d.comb += complete.eq(
                    Const(sum(1 << k for k in seen), 2 << config.tail).bit_select(left, 1)
                )
            with m.If(fetched & x.last):
                m.d.sync += left.eq(config.tail)
        outside = Signal(kh, name="outside_y")
        for ky in range(kh):
            rows = [y for y, mask in config.outside_rows.items() if mask[ky]]
            m.d.comb += outside[ky].eq(oy.at(rows))
        first, slot = self._split(base)
        step = _Step(now=now, complete=complete, fetched=fetched, first=first, blank=outside)
        return step, x.value, slot

    def _read(
        self,
        m: Module,
        enable: Value,
        ports: list[ReadPort],
        step: _Step,
        x: Value,
        slot: Value,
    ) -> tuple[list[Value], list[Value]]:
        """Read a column out of all banks and put its pixels in order."""
        config = self.config
        kh, cycles = config.kernel[0], config.read_cycles
        data = []
        for bank, port in enumerate(ports):
            # Banks before the first one hold the window's rows one turn later.
            turn = (slot + (step.first > bank))[: len(slot)]
            data.append(read_registered(m, port, self._address(x, turn), enable, cycles))
        tags = delay(m, enable, [step.now, step.complete, step.blank, step.first], cycles)
        return rotate(data, tags.pop(), kh), tags

    def _emit(self, m: Module, enable: Signal, pixels: list[Value], tags: list[Value]) -> None:
        """Shift window, holding register and its beats."""
        config = self.config
        kh, kw = config.kernel
        valid, complete, blank = tags
        pixel = len(self.i_stream.payload)
        pad = replicate(config.pad_code, config.lane_bits, config.channels)
        window = [[Signal(pixel, name=f"w_{y}_{x}") for x in range(kw)] for y in range(kh)]
        full, held = Signal(), Signal()
        hold = Signal(config.fan_in * config.lane_bits)
        beat, repeat = Loop(config.window_beats, "beat"), Loop(config.repeats, "repeat")
        ox, take, load = Loop(config.output_width, "ox"), Signal(), Signal()
        m.d.comb += [
            take.eq(held & self.o_stream.ready),
            load.eq(full & (~held | (take & beat.last & repeat.last))),
            enable.eq(~full if config.rests else ~full | load),
            self.o_stream.valid.eq(held),
            self.o_stream.payload.eq(hold),
        ]
        with m.If(load):
            m.d.sync += full.eq(0)
        with m.If(enable):
            m.d.sync += full.eq(complete)
            with m.If(valid):
                for ky in range(kh):
                    for left, right in zip(window[ky], window[ky][1:], strict=False):
                        m.d.sync += left.eq(right)
                    m.d.sync += window[ky][-1].eq(pixels[ky])
        # Outermost, here and below, which makes it the flip-flops' own reset.
        for ky in range(kh):
            with m.If(enable & valid & blank[ky]):
                m.d.sync += window[ky][-1].eq(pad)
        nest(m, take, beat, repeat)
        nest(m, load, ox)
        with m.If(load):
            m.d.sync += [held.eq(1), hold.eq(Cat(*(Cat(*row) for row in window)))]
        with m.Elif(take):
            with m.If(beat.last & repeat.last):
                m.d.sync += held.eq(0)
            if config.window_beats > 1:
                m.d.sync += hold.eq(hold.rotate_right(config.simd * config.lane_bits))
        for kx in range(kw):
            outside = [x for x, mask in config.outside_columns.items() if mask[kx]]
            with m.If(load & ox.at(outside)):
                m.d.sync += [hold.word_select(ky * kw + kx, pixel).eq(pad) for ky in range(kh)]
