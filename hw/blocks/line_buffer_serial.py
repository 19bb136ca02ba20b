"""Line buffer, serial mode: one word of ``simd`` lanes in, one out, every cycle."""

from __future__ import annotations

from amaranth.hdl import Elaboratable, Module, Signal, Value, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.blocks.counters import Counter, make_memory, mark_outside, nest, replicate
from hw.plan.stream import LineBufferConfig

__all__ = ["SerialLineBuffer"]


class SerialLineBuffer(wiring.Component):
    """The map goes into one circular memory, and is read tap by tap.

    1. Places are numbered on and on over frames; a place's address in the memory
       is its number's low bits, for the depth is a power of two. The number of a
       tap in padding is what the raster gives, though nothing is stored there: so
       every move of the reader, from word to word, window to window and frame to
       frame, adds one of six constants to `place`.
    2. A word may be read when `place` is below `written`, the writer's number;
       padding needs no word. So reading begins as soon as it can, in the middle
       of a row.
    3. A word may be written when it is less than the depth ahead of `kept`, the
       number of the first word that the present window or a later one may need.
       Windows only move on, and so `kept` is `place` at the window's start; if the
       frame is but one window it is `place` itself in the last repetition.
    4. Numbers are as wide as it takes to tell ahead from behind by the sign of a
       difference (`LineBufferConfig.address_bits`).

    Three registers from place to output, all stopped by one enable when the
    output waits.

    Parameters
    ----------
    config : LineBufferConfig
        Of serial mode.

    Members
    -------
    As `hw.blocks.line_buffer.LineBuffer`.
    """

    def __init__(self, *, config: LineBufferConfig) -> None:
        assert config.mode == "serial"
        self.config = config
        width = config.simd * config.lane_bits
        super().__init__(
            {
                "i_stream": In(stream.Signature(unsigned(width))),
                "o_stream": Out(stream.Signature(unsigned(width))),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        config = self.config
        m = Module()
        m.submodules.memory = memory = make_memory(
            len(self.i_stream.payload), config.depth, config.memory
        )
        write, read = memory.write_port(), memory.read_port()
        places = config.address_bits
        address = len(write.addr)
        origin = int(config.walk.first[0]) % (1 << places)

        # Writer. `i_stream.ready` is a register, hence the two places of margin:
        # one for a beat that goes in meanwhile, one because it comes late.
        written, kept = Signal(places), Signal(places, init=origin)
        used, gap = Signal(places), Signal(places)
        write_now = self.i_stream.valid & self.i_stream.ready
        m.d.comb += [
            used.eq(written - kept),
            write.en.eq(write_now),
            write.addr.eq(written),
            write.data.eq(self.i_stream.payload),
        ]
        crowded = used[1:address].all() | used[address:].any()
        m.d.sync += self.i_stream.ready.eq(used[-1] | ~crowded)
        with m.If(write_now):
            m.d.sync += written.eq(written + 1)

        # Reader: which word comes next, and may it?
        place, next_place = Signal(places, init=origin), Signal(places)
        outside = Signal()
        enable, step = Signal(), Signal()
        m.d.comb += [
            enable.eq(~self.o_stream.valid | self.o_stream.ready),
            gap.eq(place - written),
            step.eq(enable & (outside | gap[-1])),
            read.addr.eq(place),
            read.en.eq(enable),
        ]
        releases = self._walk(m, step, place, next_place, outside)
        with m.If(step):
            m.d.sync += place.eq(next_place)
        with m.If(step & releases):
            m.d.sync += kept.eq(next_place)

        # Memory, then the output register; padding is its reset.
        fetched, blank = Signal(), Signal()
        with m.If(enable):
            m.d.sync += [
                fetched.eq(step),
                blank.eq(outside),
                self.o_stream.valid.eq(fetched),
                self.o_stream.payload.eq(read.data),
            ]
            with m.If(blank):
                pad = replicate(config.pad_code, config.lane_bits, config.simd)
                m.d.sync += self.o_stream.payload.eq(pad)
        return m

    def _walk(
        self, m: Module, step: Value, place: Signal, next_place: Signal, outside: Signal
    ) -> Value:
        """Loops over taps and windows; returns whether a step gives places free."""
        config = self.config
        (kh, kw), (sy, sx) = config.kernel, config.stride
        beats, width = config.pixel_beats, config.output_width
        row = config.width * beats

        columns, rows = config.outside_columns, config.outside_rows
        # Without padding at the sides, a row of the window is one run of words.
        run = [Counter(kw * beats, "run")]
        if columns:
            run = [Counter(beats, "word"), Counter(kw, "kx")]
        ky, repeat = Counter(kh, "ky"), Counter(config.repeats, "repeat")
        ox, oy = Counter(width, "ox"), Counter(config.output_height, "oy")
        nest(m, step, *run, ky, repeat, ox, oy)

        # Distances: back from a window's last word to its first, from a row's last
        # window to its first, and from a frame's last row of windows to its first.
        window = (kh - 1) * row + kw * beats - 1
        line = (width - 1) * sx * beats
        frame = (config.output_height - 1) * sy * row
        run_last = run[0].last & run[-1].last
        window_last = run_last & ky.last
        modulus = 1 << len(place)
        move = Signal.like(place, name="move")
        with m.If(~run_last):
            m.d.comb += move.eq(1)
        with m.Elif(~ky.last):
            m.d.comb += move.eq(row - kw * beats + 1)
        with m.Elif(~repeat.last):
            m.d.comb += move.eq(-window % modulus)
        with m.Elif(~ox.last):
            m.d.comb += move.eq((sx * beats - window) % modulus)
        with m.Elif(~oy.last):
            m.d.comb += move.eq((sy * row - line - window) % modulus)
        with m.Else():
            m.d.comb += move.eq((config.input_beats - frame - line - window) % modulus)
        m.d.comb += next_place.eq(place + move)

        if columns:
            mask = mark_outside(m, ox.value, columns, kw, "outside_x")
            m.d.comb += outside.eq(mask.bit_select(run[1].value, 1))
        if rows:
            mask = mark_outside(m, oy.value, rows, kh, "outside_y")
            with m.If(mask.bit_select(ky.value, 1)):
                m.d.comb += outside.eq(1)
        return repeat.last if config.single else window_last & repeat.last
