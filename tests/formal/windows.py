"""A line buffer between a source and a sink that do as they please, and one word followed."""

from __future__ import annotations

from functools import reduce
from operator import and_, or_

from amaranth.hdl import Assert, Cover, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from hw.blocks.counters import Counter, nest, replicate
from hw.blocks.line_buffer_serial import SerialLineBuffer
from hw.plan.stream import LineBufferConfig
from tests.formal.follow import keeps, within
from tests.formal.one_word import OneWordMemory

__all__ = ["FollowWindows"]


class FollowWindows(wiring.Component):
    """Asserts that every tap of every window is the map's word at its place, or the padding.

    Where the source and the sink are is counted here once more, by the definition of a
    convolution and without regard to memories. A word of the map is chosen at will.

    1. A tap inside the map leaves only when its word has entered.
    2. Where it is the chosen word it has its value: it was read after it was written and
       before it was overwritten; and as the others are any others, nothing else is.
    3. A tap outside the map is the padding.
    4. A beat on offer stays there, unchanged, until it is taken.
    5. With a ready sink, a beat whose whole window has entered leaves within ``wait`` cycles; with
       a ready sink and a valid source a word enters within ``wait`` cycles.

    Frames follow on one another without end. Covered: the chosen word leaves in the frame's last
    window that has it, in a frame after the first, after the source was refused.

    Parameters
    ----------
    dut : SerialLineBuffer
    config : LineBufferConfig
    memories : list of OneWordMemory
        Those of the block, once it has been elaborated: the chosen word lies at the address of one.
    wait : int
    """

    def __init__(
        self,
        dut: SerialLineBuffer,
        *,
        config: LineBufferConfig,
        memories: list[OneWordMemory],
        wait: int,
    ) -> None:
        assert config.mode == "serial"
        self._dut, self._config, self._wait = dut, config, wait
        self._memories = memories
        bits = config.i_lanes * config.lane_bits
        super().__init__({"i_valid": In(1), "i_payload": In(bits), "o_ready": In(1), "mark": In(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self._config
        dut = self._dut
        m.submodules.dut = dut.elaborate(platform)  # now: its memories are asked for below
        i_stream, o_stream = dut.i_stream, dut.o_stream
        enters, leaves = Signal(), Signal()
        m.d.comb += [
            i_stream.valid.eq(self.i_valid),
            i_stream.payload.eq(self.i_payload),
            o_stream.ready.eq(self.o_ready),
            enters.eq(i_stream.valid & i_stream.ready),
            leaves.eq(o_stream.valid & o_stream.ready),
        ]
        keeps(m, o_stream, "o", Assert)

        beats = config.pixel_beats
        into = Counter(config.input_beats, "into")
        nest(m, enters, into)
        word, kx = Counter(beats, "word"), Counter(config.kernel[1], "kx")
        ky, repeat = Counter(config.kernel[0], "ky"), Counter(config.repeats, "repeat")
        group, oy = Counter(config.groups, "group"), Counter(config.output_height, "oy")
        loops = [word, kx, ky, repeat, group, oy]
        nest(m, leaves, *loops)
        starts, ends = Signal(), Signal()  # a frame
        m.d.comb += starts.eq(enters & into.last)
        m.d.comb += ends.eq(leaves & reduce(and_, (loop.last for loop in loops)))
        # Frames that have entered and not left.
        most = config.capacity // config.input_beats + 2
        frames = Signal(signed(most.bit_length() + 1))
        m.d.sync += frames.eq(frames + starts - ends)

        kept, chosen = Signal(len(self.i_payload)), Signal()
        place, turn = Signal(range(config.input_beats)), Signal.like(frames)
        m.d.comb += Assert((frames >= -1) & (frames <= most))
        hit = Signal()
        m.d.comb += hit.eq(reduce(or_, (memory.hit for memory in self._memories)))
        refused, later = Signal(), Signal()
        with m.If(self.i_valid & ~i_stream.ready):
            m.d.sync += refused.eq(1)
        with m.If(ends):
            m.d.sync += [turn.eq(turn - 1), later.eq(1)]
        with m.If(enters & self.mark & ~chosen & hit):
            m.d.sync += [
                chosen.eq(1),
                kept.eq(self.i_payload),
                place.eq(into.value),
                turn.eq(frames - ends),
            ]
        with m.Elif(chosen & (turn < 0)):
            m.d.sync += chosen.eq(0)

        sy, sx = config.stride
        y = oy.value * sy + ky.value - config.top
        last_y = oy.value * sy + config.kernel[0] - 1 - config.top
        pad = replicate(config.pad_code, config.lane_bits, config.i_lanes)
        whole = None
        for column in range(config.columns):
            first = (group.value * config.columns + column) * sx - config.left
            x, last_x = first + kx.value, first + config.kernel[1] - 1
            out = o_stream.payload.word_select(column, len(self.i_payload))
            inside, source = Signal(name=f"inside_{column}"), Signal(signed(12), name=f"s_{column}")
            m.d.comb += [
                inside.eq((y >= 0) & (y < config.height) & (x >= 0) & (x < config.width)),
                source.eq((y * config.width + x) * beats + word.value),
            ]
            entered = (frames > 0) | ((frames == 0) & (source < into.value))
            m.d.comb += Assert(~(leaves & inside & ~entered))
            m.d.comb += Assert(~(leaves & ~inside & (out != pad)))
            with m.If(leaves & inside & chosen & (turn == 0) & (source == place)):
                m.d.comb += Assert(out == kept)
                # The first of a window of one row and column of taps is its last in the frame.
                m.d.comb += Cover(refused & later & (kept == 1) & _first(kx, ky) & repeat.last)
            bottom = Mux(last_y < config.height, last_y, config.height - 1)
            right = Mux(last_x < config.width, last_x, config.width - 1)
            end = (bottom * config.width + right) * beats + beats - 1
            whole = (frames > 0) | ((frames == 0) & (end < into.value))
        assert whole is not None, "a line buffer has a column"
        wait = self._wait
        if wait:
            within(m, wait, "o", due=self.o_ready & whole, happens=leaves)
        if wait:
            within(m, wait, "i", due=self.o_ready & self.i_valid, happens=enters)
        return m


def _first(kx: Counter, ky: Counter) -> Value:
    return (kx.value == 0) & (ky.value == 0)
