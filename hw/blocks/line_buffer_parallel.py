"""Line buffer, parallel mode: a pixel a beat in, several taps a beat out."""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import Cat, Const, Elaboratable, Module, Mux, Signal, Value, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.memory import ReadPort
from amaranth.lib.wiring import In, Out

from hw.blocks.counters import Counter, make_memory, mark_outside, nest, pick, replicate
from hw.plan.stream import LineBufferConfig

__all__ = ["ParallelLineBuffer"]


@dataclass(kw_only=True)
class _Rows:
    """The rows in the banks.

    ``base`` is the number of the window's first row, before which all is free;
    ``ahead`` by how many rows the writer is beyond it, signed; ``column`` where in
    its row the writer is; ``ports`` a read port of each bank.
    """

    base: Signal
    ahead: Signal
    column: Value
    ports: list[ReadPort]


@dataclass(kw_only=True)
class _Step:
    """Column ``x`` is read ``now``; the ``last`` of its window; ``blank``, its rows outside."""

    x: Signal
    now: Signal
    last: Signal
    blank: Value


@dataclass(kw_only=True)
class _Column:
    """A column that has been read, and whether the window is complete with it."""

    valid: Value
    complete: Value
    blank: Value
    pixels: list[Value]


class ParallelLineBuffer(wiring.Component):
    """Rows go into banks, columns of the window come out of all banks at once.

    1. Rows are numbered on and on over frames. Row r is in bank ``r mod banks``, so
       the rows of a window are in different banks, and a column of it is read in
       one cycle. A bank holds ``rows / banks`` of its rows.
    2. A column goes into the shift window. After ``kernel width`` columns at the
       start of a row of outputs, and ``stride`` of them for each later window, it
       is complete and moves to the holding register, from where its beats leave;
       the next columns are fetched meanwhile.
    3. A column may be read when its lowest pixel in the map has been written; all
       of a row's places are given free when the last window that needs it has been
       fetched.

    So an output pixel takes ``max(fold, min(stride, kernel width))`` cycles, the
    first of a row ``max(fold, kernel width)``.

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
        m = Module()
        # Low where a complete window must wait; the registers before it then hold.
        enable = Signal()
        rows = self._write(m)
        column = self._read(m, enable, rows, self._walk(m, enable, rows))
        self._emit(m, enable, column)
        return m

    def _write(self, m: Module) -> _Rows:
        """The banks and their writer."""
        config = self.config
        bits = config.row_bits
        base = Signal(bits, init=-config.top % (1 << bits))
        written, column, ahead = Signal(bits), Counter(config.width, "column"), Signal(bits)
        write_now = self.i_stream.valid & self.i_stream.ready
        capacity = config.rows.bit_length() - 1
        m.d.comb += [
            ahead.eq(written - base),
            self.i_stream.ready.eq(ahead[-1] | ~ahead[capacity:].any()),
        ]
        nest(m, write_now, column)
        with m.If(write_now & column.last):
            m.d.sync += written.eq(written + 1)

        first, slot = self._split(written)
        ports = []
        for bank in range(config.banks):
            m.submodules[f"bank_{bank}"] = memory = make_memory(
                len(self.i_stream.payload), config.depth, config.memory
            )
            port = memory.write_port()
            m.d.comb += [
                port.en.eq(write_now & (first == bank)),
                port.addr.eq(self._address(column.value, slot)),
                port.data.eq(self.i_stream.payload),
            ]
            ports.append(memory.read_port())
        return _Rows(base=base, ahead=ahead, column=column.value, ports=ports)

    def _split(self, row: Signal) -> tuple[Value, Value]:
        """Bank of a row, and which of the bank's rows it is."""
        banks = self.config.banks.bit_length() - 1
        return row[:banks], row[banks : self.config.rows.bit_length() - 1]

    def _address(self, column: Value, slot: Value) -> Value:
        bits = (self.config.width - 1).bit_length()
        return Cat(column[:bits], slot) if bits else slot

    def _walk(self, m: Module, enable: Signal, rows: _Rows) -> _Step:
        """Which column comes next, and may it be read?"""
        config = self.config
        (kh, kw), (sy, sx) = config.kernel, config.stride
        ox, oy = Counter(config.output_width, "ox"), Counter(config.output_height, "oy")
        # The column's place in the map; it is outside where not below the width.
        bits = (config.left + config.width + config.right + max(0, sx - kw)).bit_length()
        x = Signal(bits, init=-config.left % (1 << bits))
        inside = x < config.width if config.left or config.right else Const(1)

        # The lowest row of the window that is in the map must have been written so far.
        below = Signal(range(kh))
        m.d.comb += below.eq(kh - 1)
        with m.Switch(oy.value):
            for position, mask in config.outside_rows.items():
                with m.Case(position):
                    m.d.comb += below.eq(max(k for k in range(kh) if not mask[k]))
        beyond = (rows.ahead.as_signed() - below).as_signed()
        there = (beyond > 0) | ((beyond == 0) & (rows.column > x))

        # Columns that a window shares with the one before it are there already.
        kx, fresh = Signal(range(kw + 1)), min(sx, kw)
        needed = Mux(ox.value == 0, kw, fresh)
        step, last = Signal(), Signal()
        m.d.comb += [step.eq(enable & (~inside | there)), last.eq(kx + 1 == needed)]
        with m.If(step):
            m.d.sync += [x.eq(x + 1), kx.eq(kx + 1)]
            with m.If(last):
                m.d.sync += [kx.eq(0), x.eq(x + 1 + max(0, sx - kw))]
                with m.If(ox.last):
                    rest = config.height - (config.output_height - 1) * sy
                    m.d.sync += x.eq(-config.left)
                    m.d.sync += rows.base.eq(rows.base + Mux(oy.last, rest, sy))
        nest(m, step & last, ox, oy)
        outside = mark_outside(m, oy.value, config.outside_rows, kh, "outside_y")
        blank = outside | (~inside).replicate(kh)
        return _Step(x=x, now=step, last=last, blank=blank)

    def _read(self, m: Module, enable: Signal, rows: _Rows, step: _Step) -> _Column:
        """Read a column out of all banks and put its pixels in order."""
        config = self.config
        kh, banks = config.kernel[0], config.banks
        first, slot = self._split(rows.base)
        for bank, port in enumerate(rows.ports):
            # Banks before the first one hold the window's rows one turn later.
            turn = (slot + (first > bank))[: len(slot)]
            m.d.comb += [port.en.eq(enable), port.addr.eq(self._address(step.x, turn))]

        now: list[Value] = [step.now, step.last, step.blank, first]
        tags = _register(m, enable, now)
        data: list[Value] = [port.data for port in rows.ports]
        if config.memory == "block":
            # Block RAM is slow to its output: a register before the multiplexers.
            tags, data = _register(m, enable, tags), _register(m, enable, data)
        valid, last, blank, rotation = tags
        pixels = [
            pick([data[(ky + turn) % banks] for turn in range(banks)], rotation) for ky in range(kh)
        ]
        return _Column(valid=valid, complete=valid & last, blank=blank, pixels=pixels)

    def _emit(self, m: Module, enable: Signal, column: _Column) -> None:
        """Shift window, holding register and its beats."""
        config = self.config
        kh, kw = config.kernel
        pixel = len(self.i_stream.payload)
        pad = replicate(config.pad_code, config.lane_bits, config.channels)
        window = [[Signal(pixel, name=f"w_{y}_{x}") for x in range(kw)] for y in range(kh)]
        full, held = Signal(), Signal()
        hold = Signal(config.fan_in * config.lane_bits)
        beat, repeat = Counter(config.window_beats, "beat"), Counter(config.repeats, "repeat")
        take, load = Signal(), Signal()
        m.d.comb += [
            take.eq(held & self.o_stream.ready),
            load.eq(full & (~held | (take & beat.last & repeat.last))),
            enable.eq(~full | load),
            self.o_stream.valid.eq(held),
            self.o_stream.payload.eq(hold),
        ]
        with m.If(enable):
            m.d.sync += full.eq(column.complete)
            with m.If(column.valid):
                for ky in range(kh):
                    for left, right in zip(window[ky], window[ky][1:], strict=False):
                        m.d.sync += left.eq(right)
                    m.d.sync += window[ky][-1].eq(column.pixels[ky])
                    with m.If(column.blank[ky]):
                        m.d.sync += window[ky][-1].eq(pad)
        nest(m, take, beat, repeat)
        with m.If(load):
            m.d.sync += [held.eq(1), hold.eq(Cat(*(Cat(*row) for row in window)))]
        with m.Elif(take):
            with m.If(beat.last & repeat.last):
                m.d.sync += held.eq(0)
            if config.window_beats > 1:
                m.d.sync += hold.eq(hold.rotate_right(config.simd * config.lane_bits))


def _register(m: Module, enable: Value, values: list[Value]) -> list[Value]:
    """The values one register later."""
    later = [Signal.like(value) for value in values]
    with m.If(enable):
        m.d.sync += [new.eq(old) for new, old in zip(later, values, strict=True)]
    return list(later)
