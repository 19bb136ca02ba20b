"""Puts the pixels that an array works on side by side back in order."""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Elaboratable, Module, Signal, Value, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.blocks.counters import Counter, make_memory, nest, read_registered
from hw.blocks.width import WidthConverter
from hw.plan.columns import ColumnOrderConfig
from hw.plan.stream import WidthConfig

__all__ = ["ColumnOrder"]


class ColumnOrder(wiring.Component):
    """Beats of ``columns`` pixels, fold by fold, to beats of one pixel after the other.

    1. Each column has a memory with two halves, a group of pixels in each. An input
       beat is written to all at once; while one half is read, pixel by pixel, the
       next group goes into the other.
    2. The first pixel's folds are read as they come; those of the others are there
       when their turn comes. `there`, the folds that have come and were not read of
       the first pixel, less one, says by its sign whether to wait.
    3. A place is free when the last pixel's fold has been read from it: `room`, the
       free places less one, says by its sign whether the input is ready.
    4. What is read was written at least a cycle before and is not yet free, so it is
       never written in the same cycle.

    Where a pixel is one beat, a `WidthConverter` takes the beats apart.

    Parameters
    ----------
    config : ColumnOrderConfig

    Members
    -------
    i_stream : In(stream), payload unsigned(columns * lanes * lane_bits)
        Column j's lanes at bits ``[j * lanes * lane_bits, ...)``.
    o_stream : Out(stream), payload unsigned(lanes * lane_bits)
    """

    def __init__(self, *, config: ColumnOrderConfig) -> None:
        self.config = config
        super().__init__(
            {
                "i_stream": In(stream.Signature(unsigned(config.i_lanes * config.lane_bits))),
                "o_stream": Out(stream.Signature(unsigned(config.lanes * config.lane_bits))),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        config = self.config
        m = Module()
        if config.depth == 0:
            m.submodules.inner = inner = WidthConverter(
                config=WidthConfig(
                    i_lanes=config.i_lanes, o_lanes=config.lanes, lane_bits=config.lane_bits
                )
            )
            wiring.connect(m, wiring.flipped(self.i_stream), inner.i_stream)
            wiring.connect(m, inner.o_stream, wiring.flipped(self.o_stream))
            return m

        folds = config.neuron_folds
        write_now, enable, step = Signal(), Signal(), Signal()
        i_fold, i_half = Counter(folds, "i_fold"), Counter(2, "i_half")
        nest(m, write_now, i_fold, i_half)
        fold, half = Counter(folds, "fold"), Counter(2, "half")
        column = Counter(config.columns, "column")
        nest(m, step, fold, column, half)

        places = 2 * folds
        room = Signal(range(-1, places), init=places - 1)
        there = Signal(range(-1, places), init=-1)
        first = column.value == 0
        m.d.comb += [
            self.i_stream.ready.eq(~room[-1]),
            write_now.eq(self.i_stream.valid & self.i_stream.ready),
            enable.eq(~self.o_stream.valid | self.o_stream.ready),
            step.eq(enable & ~(first & there[-1])),
        ]
        _count(m, room, up=step & column.last, down=write_now)
        _count(m, there, up=write_now, down=step & first)

        words: list[Value] = []
        for index in range(config.columns):
            m.submodules[f"column_{index}"] = memory = make_memory(
                len(self.o_stream.payload), config.depth, config.memory
            )
            write, read = memory.write_port(), memory.read_port(domain="comb")
            m.d.comb += [
                write.en.eq(write_now),
                write.addr.eq(Cat(i_fold.value, i_half.value)),
                write.data.eq(self.i_stream.payload.word_select(index, len(write.data))),
            ]
            address = Cat(fold.value, half.value)
            words.append(read_registered(m, read, address, enable, config.read_cycles))
        self._emit(m, enable, Cat(step, column.value), words)
        return m

    def _emit(self, m: Module, enable: Value, tags: Value, words: list[Value]) -> None:
        """``tags``, whether a word was read and of which column, as late as the word."""
        for cycle in range(self.config.read_cycles):
            later = Signal(len(tags), name=f"tags_{cycle}")
            with m.If(enable):
                m.d.sync += later.eq(tags)
            tags = later
        with m.If(enable):
            m.d.sync += [
                self.o_stream.valid.eq(tags[0]),
                self.o_stream.payload.eq(Array(words)[tags[1:]]),
            ]


def _count(m: Module, counter: Signal, *, up: Value, down: Value) -> None:
    """Add and take away in one chain: the lowest place adds the carry."""
    m.d.sync += counter.eq((Cat(1, counter) + Cat(up, down.replicate(len(counter))))[1:])
