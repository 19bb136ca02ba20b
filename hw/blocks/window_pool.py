"""Pools of any window, stride and padding: maximum, minimum in chosen channels, or sum."""

from __future__ import annotations

import numpy as np
from amaranth.hdl import Cat, Const, Elaboratable, Module, Mux, Signal, Value, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from numpy.typing import ArrayLike

from hw.blocks.counters import Counter, delay, make_memory, nest, read_registered
from hw.plan.pool import AxisConfig, WindowPoolConfig
from sw.errors import PlanError

__all__ = ["AxisPool", "WindowPool"]


class AxisPool(wiring.Component):
    """Reduces the windows along one axis, a beat of input a cycle; see `hw.plan.pool`.

    A beat's word, the results so far of the windows that it belongs to, is read as it
    comes, combined with it and written back. The same word is wanted again at the next
    position, ``config.inner`` beats later, when it has been written.

    Parameters
    ----------
    config : AxisConfig

    Members
    -------
    i_stream : In(stream), payload unsigned(lanes * i_bits)
    o_stream : Out(stream), payload unsigned(lanes * o_bits)
    """

    def __init__(self, *, config: AxisConfig) -> None:
        self.config = config
        super().__init__(
            {
                "i_stream": In(stream.Signature(unsigned(config.lanes * config.i_bits))),
                "o_stream": Out(stream.Signature(unsigned(config.lanes * config.o_bits))),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        config = self.config
        m = Module()
        enable, accept = Signal(), Signal()
        m.d.comb += [
            enable.eq(~self.o_stream.valid | self.o_stream.ready),
            self.i_stream.ready.eq(enable),
            accept.eq(self.i_stream.valid & enable),
        ]
        word = Counter(config.inner, "word")
        nest(m, accept, word)
        emits, alone, slot, begins = self._walk(m, accept & word.last)

        # What is known of a beat as it arrives, and with it when its word has been read.
        arrived = [accept, emits, alone, slot, begins, word.value, self.i_stream.payload]
        beat = delay(m, enable, arrived, config.read_cycles)
        accepted, ends, single, ending, anew, address, payload = beat
        fresh = self._widened(payload)
        size = config.lanes * config.o_bits
        earlier, kept = Signal(config.word_bits), Signal(config.word_bits)
        now = Signal()
        m.d.comb += now.eq(enable & accepted)
        merged = [
            self._combined(fresh, earlier.word_select(index, size)) for index in range(config.slots)
        ]
        for index, value in enumerate(merged):
            m.d.comb += kept.word_select(index, size).eq(Mux(anew[index], fresh, value))
        if config.memory == "none" and config.slots:
            with m.If(now):
                m.d.sync += earlier.eq(kept)
        elif config.slots:
            m.submodules.memory = memory = make_memory(len(kept), config.inner, config.memory)
            write, read = memory.write_port(), memory.read_port(domain="comb")
            m.d.comb += [write.en.eq(now), write.addr.eq(address), write.data.eq(kept)]
            m.d.comb += earlier.eq(read_registered(m, read, word.value, enable, config.read_cycles))
        result: Value = fresh
        for index, value in enumerate(merged):
            result = Mux(~single & (ending == index), value, result)
        with m.If(enable):
            m.d.sync += [
                self.o_stream.valid.eq(accepted & ends),
                self.o_stream.payload.eq(result),
            ]
        return m

    def _walk(self, m: Module, step: Value) -> tuple[Value, Value, Value, Value]:
        """Whether a window ends at the present position, whether it holds no other, in
        which slot it is, and which slots begin anew."""
        config = self.config
        position = Counter(config.length, "position")
        nest(m, step, position)
        phase = position
        if config.period < config.length:
            phase = Counter(config.period, "phase")
            nest(m, step, phase)
            if isinstance(phase.value, Signal):
                with m.If(step & position.last):
                    m.d.sync += phase.value.eq(0)
        first = position.value == 0
        slots = max(1, config.slots)
        slot = Signal(range(slots))
        regular: Value = Const(0, 1)
        for at, owner in config.ending_phases.items():
            here = phase.value == at
            regular = regular | here
            with m.If(here):
                m.d.comb += slot.eq(owner)
        if config.size - config.before > config.stride:
            # Before the first window's end, there is the place of one's that is none.
            regular = regular & (position.value >= config.first_end)
        alone = first | int(config.size == 1)
        emits = regular
        if config.ends_outside:
            emits = regular | position.last
            with m.If(position.last):
                m.d.comb += slot.eq(config.last_slot)
            if config.ends_alone:
                alone = alone | position.last
        begins = Cat(first | (phase.value == at) for at in config.beginning_phases[: config.slots])
        return emits, alone, slot, begins

    def _widened(self, payload: Value) -> Value:
        """A beat's lanes, as wide as results."""
        config = self.config
        return Cat(
            Cat(payload.word_select(lane, config.i_bits), Const(0, config.o_bits - config.i_bits))
            for lane in range(config.lanes)
        )

    def _combined(self, new: Value, old: Value) -> Value:
        """Lane by lane, the greater or the sum."""
        config = self.config
        lanes: list[Value] = []
        for lane in range(config.lanes):
            a, b = new.word_select(lane, config.o_bits), old.word_select(lane, config.o_bits)
            lanes.append((a + b)[: config.o_bits] if config.kind == "sum" else Mux(a > b, a, b))
        return Cat(*lanes)


class WindowPool(wiring.Component):
    """Maximum, minimum in chosen channels, or sum of each window of codes.

    1. Codes are ordered as values are. A minimum is the inverted maximum of inverted
       codes: the channels so marked are inverted on the way in and on the way out.
    2. Windows are reduced along the row, and then along the column (`AxisPool`).

    Parameters
    ----------
    config : WindowPoolConfig
    minimum : bool array (channels,), or None
        Channels whose minimum is wanted; None: of no channel.

    Members
    -------
    i_stream : In(stream), payload unsigned(lanes * lane_bits)
    o_stream : Out(stream), payload unsigned(lanes * out_bits)
        Maps in raster order, channel fastest.

    Raises
    ------
    PlanError
        If ``minimum`` has not one element for each channel, or a sum has one that is set.
    """

    def __init__(self, *, config: WindowPoolConfig, minimum: ArrayLike | None = None) -> None:
        shape = (config.channels,)
        marks = np.zeros(shape, bool) if minimum is None else np.asarray(minimum, bool)
        if marks.shape != shape:
            raise PlanError(
                f"pool: minimum has shape {marks.shape}, must be ({config.channels},)",
                "Give one mark for each channel",
            )
        if config.kind == "sum" and marks.any():
            raise PlanError(
                f"pool: a sum with minimum in channel {int(marks.argmax())}, must have none",
                "Clear it, or take the maximum",
            )
        self.config = config
        self._minimum = marks
        super().__init__(
            {
                "i_stream": In(stream.Signature(unsigned(config.lanes * config.lane_bits))),
                "o_stream": Out(stream.Signature(unsigned(config.lanes * config.out_bits))),
            }
        )

    @property
    def latency_cycles(self) -> int:
        return self.config.latency_cycles

    @property
    def cycles_per_frame(self) -> int:
        return self.config.cycles_per_frame

    def elaborate(self, platform: object) -> Elaboratable:
        config = self.config
        m = Module()
        i_flip = self._flip(m, self.i_stream, "i_fold")
        o_flip = self._flip(m, self.o_stream, "o_fold")
        valid, payload = self.i_stream.valid, self.i_stream.payload ^ i_flip
        ready = self.i_stream.ready
        for name, axis in (("columns", config.columns), ("rows", config.rows)):
            if axis.passes:
                continue
            m.submodules[name] = block = AxisPool(config=axis)
            m.d.comb += [
                block.i_stream.valid.eq(valid),
                block.i_stream.payload.eq(payload),
                ready.eq(block.i_stream.ready),
            ]
            output = block.o_stream
            valid, payload, ready = output.valid, output.payload, output.ready
        m.d.comb += [
            self.o_stream.valid.eq(valid),
            self.o_stream.payload.eq(payload ^ o_flip),
            ready.eq(self.o_stream.ready),
        ]
        return m

    def _flip(self, m: Module, beats: stream.Interface, name: str) -> Value:
        """All ones in the lanes to invert, for the beat at hand."""
        config = self.config
        folds = self._minimum.reshape(config.pixel_beats, config.lanes)
        fold = Counter(config.pixel_beats if (folds != folds[0]).any() else 1, name)
        nest(m, beats.valid & beats.ready, fold)
        lanes: list[Value] = []
        for lane in range(config.lanes):
            table = Const(sum(int(mark) << i for i, mark in enumerate(folds[:, lane])), len(folds))
            same = folds[:, lane].all() or not folds[:, lane].any()
            mark = table[0] if same else table.bit_select(fold.value, 1)
            lanes.append(mark.replicate(config.lane_bits))
        return Cat(*lanes)
