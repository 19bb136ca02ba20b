"""Line buffer, parallel mode: a pixel a beat in, several taps a beat out."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Elaboratable, Module, Mux, Signal, Value, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.blocks.counters import Counter, make_memory, mark_outside, nest, pick, replicate
from hw.plan.stream import LineBufferConfig

__all__ = ["ParallelLineBuffer"]


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
        written_row, written_column = self._write(m)
        enable, blank, complete, column = self._fetch(m, written_row, written_column)
        self._emit(m, enable, blank, complete, column)
        return m

    def _write(self, m: Module) -> tuple[Signal, Value]:
        """The banks, and the writer's row number and column."""
        config = self.config
        #: Number of the first row of the window; rows before it are free.
        self.row = Signal(config.row_bits, init=-config.top % (1 << config.row_bits))
        written, column = Signal(config.row_bits), Counter(config.width, "column")
        self.ahead = Signal(config.row_bits)
        write_now = self.i_stream.valid & self.i_stream.ready
        capacity = config.rows.bit_length() - 1
        m.d.comb += [
            self.ahead.eq(written - self.row),
            self.i_stream.ready.eq(self.ahead[-1] | ~self.ahead[capacity:].any()),
        ]
        nest(m, write_now, column)
        with m.If(write_now & column.last):
            m.d.sync += written.eq(written + 1)

        bank_bits = config.banks.bit_length() - 1
        slot_bits = (config.rows // config.banks).bit_length() - 1
        self.banks = []
        for bank in range(config.banks):
            m.submodules[f"bank_{bank}"] = memory = make_memory(
                len(self.i_stream.payload), config.depth, config.memory
            )
            port = memory.write_port()
            slot = written[bank_bits : bank_bits + slot_bits]
            m.d.comb += [
                port.en.eq(write_now & (written[:bank_bits] == bank)),
                port.addr.eq(self._address(column.value, slot)),
                port.data.eq(self.i_stream.payload),
            ]
            self.banks.append(memory.read_port())
        return written, column.value

    def _address(self, column: Value, slot: Value) -> Value:
        bits = (self.config.width - 1).bit_length()
        return Cat(column[:bits], slot) if bits else slot

    def _fetch(
        self, m: Module, written_row: Value, written_column: Value
    ) -> tuple[Signal, Signal, Signal, list[Value]]:
        """Read columns; returns enable, padding flags, last flag and the column."""
        config = self.config
        (kh, kw), (sy, sx) = config.kernel, config.stride
        width, fresh = config.output_width, min(sx, kw)
        ox, oy = Counter(width, "ox"), Counter(config.output_height, "oy")
        # The column's place in the map; it is outside where not below the width.
        span = config.left + config.width + config.right + max(0, sx - kw)
        bits = span.bit_length()
        x = Signal(bits, init=-config.left % (1 << bits))
        kx = Signal(range(kw + 1))
        enable, step, last = Signal(), Signal(), Signal()
        inside = x < config.width if config.left or config.right else Const(1)

        outside_rows = Signal(kh)
        below = Signal(range(kh), init=kh - 1)
        if config.outside_rows:
            table = config.outside_rows
            m.d.comb += outside_rows.eq(mark_outside(m, oy.value, table, kh, "outside_y"))
            m.d.comb += below.eq(kh - 1)
            with m.Switch(oy.value):
                for position, mask in table.items():
                    with m.Case(position):
                        lowest = max(k for k, outside in enumerate(mask) if not outside)
                        m.d.comb += below.eq(lowest)
        else:
            m.d.comb += below.eq(kh - 1)
        behind = (self.ahead.as_signed() - below).as_signed()
        there = (behind > 0) | ((behind == 0) & (written_column > x))

        needed = Mux(ox.value == 0, kw, fresh) if width > 1 and fresh < kw else Const(kw)
        m.d.comb += [
            step.eq(enable & (~inside | there)),
            last.eq(kx + 1 == needed),
        ]
        with m.If(step):
            m.d.sync += [x.eq(x + 1), kx.eq(kx + 1)]
            with m.If(last):
                m.d.sync += kx.eq(0)
                if sx > kw:
                    m.d.sync += x.eq(x + 1 + sx - kw)
                with m.If(ox.last):
                    m.d.sync += x.eq(-config.left)
                    ahead = config.height - (config.output_height - 1) * sy
                    m.d.sync += self.row.eq(self.row + Mux(oy.last, ahead, sy))
        nest(m, step & last, ox, oy)

        bank_bits = config.banks.bit_length() - 1
        slot_bits = (config.rows // config.banks).bit_length() - 1
        first_bank = self.row[:bank_bits]
        slot = self.row[bank_bits : bank_bits + slot_bits]
        rotation, rows_out = Signal(bank_bits), Signal(kh)
        fetched, complete = Signal(), Signal()
        with m.If(enable):
            m.d.sync += [
                fetched.eq(step),
                complete.eq(last),
                rotation.eq(first_bank),
                rows_out.eq(outside_rows | (~inside).replicate(kh)),
            ]
        for bank, port in enumerate(self.banks):
            # Banks before the first one hold the window's rows one turn later.
            turn = (slot + (first_bank > bank))[:slot_bits]
            m.d.comb += [port.en.eq(enable), port.addr.eq(self._address(x, turn))]
        data: list[Value] = [port.data for port in self.banks]
        tags: list[Signal] = [fetched, complete, rotation, rows_out]
        if config.memory == "block":
            # Block RAM is slow to its output: a register before the multiplexers.
            later = [Signal.like(value) for value in (*tags, *data)]
            with m.If(enable):
                m.d.sync += [new.eq(old) for new, old in zip(later, (*tags, *data), strict=True)]
            tags, data = later[: len(tags)], list(later[len(tags) :])
        fetched, complete, rotation, rows_out = tags
        column = [
            pick([data[(ky + r) % config.banks] for r in range(config.banks)], rotation)
            for ky in range(kh)
        ]
        done = Signal()
        m.d.comb += done.eq(fetched & complete)
        self.fetched = fetched
        return enable, rows_out, done, column

    def _emit(
        self, m: Module, enable: Signal, blank: Signal, complete: Signal, column: list[Value]
    ) -> None:
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
            m.d.sync += full.eq(complete)
            with m.If(self.fetched):
                for ky in range(kh):
                    for left, right in zip(window[ky], window[ky][1:], strict=False):
                        m.d.sync += left.eq(right)
                    m.d.sync += window[ky][-1].eq(column[ky])
                    with m.If(blank[ky]):
                        m.d.sync += window[ky][-1].eq(pad)
        nest(m, take, beat, repeat)
        with m.If(load):
            m.d.sync += [held.eq(1), hold.eq(Cat(*(Cat(*row) for row in window)))]
        with m.Elif(take):
            with m.If(beat.last & repeat.last):
                m.d.sync += held.eq(0)
            if config.window_beats > 1:
                m.d.sync += hold.eq(hold.rotate_right(config.simd * config.lane_bits))
