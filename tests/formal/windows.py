"""A line buffer between a source and a sink that do as they please, and one word followed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import and_, or_
from typing import Any
from unittest.mock import patch

from amaranth.hdl import Array, Assert, Const, Cover, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from hw.blocks.counters import Counter, nest, replicate
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

    The block's memories are `OneWordMemory`, and the chosen word lies at the address of one.
    Frames follow on one another without end. Covered: the chosen word leaves in the frame's last
    window that has it, in a frame after the first, after the source was refused.

    Parameters
    ----------
    dut : SerialLineBuffer or ParallelLineBuffer
    config : LineBufferConfig
        In parallel mode of one channel.
    wait : int
    """

    def __init__(
        self,
        dut: Any,
        *,
        config: LineBufferConfig,
        wait: int,
    ) -> None:
        assert config.mode == "serial" or (config.mode == "parallel" and config.channels == 1)
        self._dut, self._config, self._wait = dut, config, wait
        self._memories: list[OneWordMemory] = []
        bits = config.i_lanes * config.lane_bits
        super().__init__({"i_valid": In(1), "i_payload": In(bits), "o_ready": In(1), "mark": In(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self._config
        dut = self._dut
        # Now: its memories are asked for below.
        with patch.dict(type(dut).elaborate.__globals__, make_memory=self._make_memory):
            m.submodules.dut = dut.elaborate(platform)
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
        into, sink = Counter(config.input_beats, "into"), _Sink(config)
        nest(m, enters, into)
        nest(m, leaves, *sink.loops)
        starts, ends = Signal(), Signal()  # a frame
        m.d.comb += starts.eq(enters & into.last)
        m.d.comb += ends.eq(leaves & reduce(and_, (loop.last for loop in sink.loops)))
        # Frames that have entered and not left: in the memories; in parallel mode, behind them too.
        behind = config.read_cycles + 2 if config.mode == "parallel" else 0
        most = (config.capacity + behind) // config.input_beats + 2
        frames = Signal(signed(most.bit_length() + 1))
        m.d.sync += frames.eq(frames + starts - ends)
        m.d.comb += Assert((frames >= -1) & (frames <= most))
        chosen, later = self._choose(m, enters, ends, into, frames)

        def entered(source: Value) -> Value:
            """Whether a word of the frame that leaves is in."""
            return (frames > 0) | ((frames == 0) & (source < into.value))

        pad = replicate(config.pad_code, config.lane_bits, config.i_lanes)
        parts = o_stream.payload.word_select
        for number, tap in enumerate(sink.taps):
            out = parts(number, len(self.i_payload))
            inside, source = Signal(name=f"inside_{number}"), Signal(signed(12), name=f"s_{number}")
            m.d.comb += [
                inside.eq(
                    (tap.y >= 0) & (tap.y < config.height) & (tap.x >= 0) & (tap.x < config.width)
                ),
                source.eq((tap.y * config.width + tap.x) * beats + tap.word),
            ]
            m.d.comb += Assert(~(leaves & inside & ~entered(source)))
            m.d.comb += Assert(~(leaves & ~inside & (out != pad)))
            with m.If(leaves & inside & chosen.here & (source == chosen.place)):
                m.d.comb += Assert(out == chosen.value)
                # The first of a window of one row and column of taps is its last in the frame.
                m.d.comb += Cover(later & (chosen.value == 1) & tap.first & sink.repeat.last)
        wait, end = self._wait, (sink.bottom * config.width + sink.right) * beats + beats - 1
        within(m, wait, "o", due=self.o_ready & entered(end), happens=leaves)
        within(m, wait, "i", due=self.o_ready & self.i_valid, happens=enters)
        return m

    def _make_memory(self, shape: int, depth: int, kind: str) -> OneWordMemory:
        self._memories.append(OneWordMemory(shape, depth, kind))
        return self._memories[-1]

    def _choose(
        self, m: Module, enters: Value, ends: Value, into: Counter, frames: Value
    ) -> tuple[_Chosen, Value]:
        """The chosen word, and whether a frame has left and the source was refused before."""
        marked, hit = Signal(), Signal()
        kept, place = Signal(len(self.i_payload)), Signal(range(self._config.input_beats))
        turn = Signal.like(frames)  # frames before its own
        m.d.comb += hit.eq(reduce(or_, (memory.hit for memory in self._memories)))
        refused, later = Signal(), Signal()
        with m.If(self.i_valid & ~self._dut.i_stream.ready):
            m.d.sync += refused.eq(1)
        with m.If(ends):
            m.d.sync += [turn.eq(turn - 1), later.eq(1)]
        with m.If(enters & self.mark & ~marked & hit):
            m.d.sync += [
                marked.eq(1),
                kept.eq(self.i_payload),
                place.eq(into.value),
                turn.eq(frames - ends),
            ]
        with m.Elif(marked & (turn < 0)):
            m.d.sync += marked.eq(0)
        return _Chosen(here=marked & (turn == 0), value=kept, place=place), refused & later


@dataclass(frozen=True, kw_only=True)
class _Chosen:
    """The chosen word: whether it is of the frame that leaves, its value, its place there."""

    here: Value
    value: Value
    place: Value


@dataclass(frozen=True, kw_only=True)
class _Tap:
    """A word of a beat that leaves: its pixel, which of the pixel's words, whether the first tap
    of its window."""

    y: Value
    x: Value
    word: Value
    first: Value


class _Sink:
    """Where the sink is: its loops, innermost first, the taps of a beat, and the last row and
    column of the map that are in its windows."""

    def __init__(self, config: LineBufferConfig) -> None:
        (kh, kw), (sy, sx) = config.kernel, config.stride
        self.repeat, oy = Counter(config.repeats, "repeat"), Counter(config.output_height, "oy")
        group = Counter(config.groups, "group")
        first_y = oy.value * sy - config.top
        first_x = [
            (group.value * config.columns + column) * sx - config.left
            for column in range(config.columns)
        ]
        if config.mode == "serial":
            word, kx = Counter(config.pixel_beats, "word"), Counter(kw, "kx")
            ky = Counter(kh, "ky")
            inner = [word, kx, ky]
            first = (kx.value == 0) & (ky.value == 0)
            self.taps = [
                _Tap(y=first_y + ky.value, x=x + kx.value, word=word.value, first=first)
                for x in first_x
            ]
        else:
            # A pixel is a lane: tap k of the window is lane k % simd of beat k // simd.
            beat = Counter(config.window_beats, "beat")
            inner = [beat]
            self.taps = []
            for lane in range(config.simd):
                taps = range(lane, config.fan_in, config.simd)
                ky = Array(Const(tap // kw) for tap in taps)[beat.value]
                kx = Array(Const(tap % kw) for tap in taps)[beat.value]
                self.taps.append(
                    _Tap(
                        y=first_y + ky,
                        x=first_x[0] + kx,
                        word=Const(0),
                        first=(ky == 0) & (kx == 0),
                    )
                )
        self.loops = [*inner, self.repeat, group, oy]
        last_y, last_x = first_y + kh - 1, first_x[-1] + kw - 1
        self.bottom = Mux(last_y < config.height, last_y, config.height - 1)
        self.right = Mux(last_x < config.width, last_x, config.width - 1)
