"""Where streams meet: the saturating sum of two, and the channels of several."""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Const, Elaboratable, Module, Mux, Signal, Value, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.blocks.counters import Counter, nest
from hw.plan.join import AddConfig, ConcatConfig

__all__ = ["Add", "Concat", "saturate"]


def saturate(value: Value, levels: int) -> Value:
    """``value``, signed, clipped to 0 .. ``levels``."""
    bits = levels.bit_length()
    low, rest = value[:bits], value[bits:-1]
    over: Value = rest.any() if len(rest) else Const(0)
    if levels == (1 << bits) - 2:
        over = over | low.all()
    elif levels < (1 << bits) - 1:
        over = over | (low > levels)
    return Mux(value[-1], Const(0, bits), Mux(over, Const(levels, bits), low))


class Add(wiring.Component):
    """Sum of two streams of codes, a beat a cycle where both have one.

    1. A beat of each source is taken in the same cycle: one that is there first waits.
    2. ``z = steps[0] * t0 + steps[1] * t1 + constant`` (see `AddConfig`), of which
       the sum of the multiples has a register.
    3. z is clipped to 0 .. levels, which has the other.

    Parameters
    ----------
    config : AddConfig

    Members
    -------
    i_first, i_second : In(stream), payload unsigned(lanes * source_bits[i])
        Also to be had as `i_streams`.
    o_stream : Out(stream), payload unsigned(lanes * out_bits)
    """

    def __init__(self, *, config: AddConfig) -> None:
        self.config = config
        # Members of an array have one signature, and the sources may differ in width.
        first, second = (
            stream.Signature(unsigned(config.lanes * bits)) for bits in config.source_bits
        )
        result = stream.Signature(unsigned(config.lanes * config.out_bits))
        super().__init__({"i_first": In(first), "i_second": In(second), "o_stream": Out(result)})

    @property
    def i_streams(self) -> tuple[stream.Interface, stream.Interface]:
        """Both sources, in their order."""
        return self.i_first, self.i_second

    @property
    def latency_cycles(self) -> int:
        return self.config.latency_cycles

    @property
    def cycles_per_frame(self) -> int:
        return self.config.cycles_per_frame

    def elaborate(self, platform: object) -> Elaboratable:
        config = self.config
        m = Module()
        enable, there = Signal(), Signal()
        both = self.i_first.valid & self.i_second.valid
        m.d.comb += [
            enable.eq(~self.o_stream.valid | self.o_stream.ready),
            self.i_first.ready.eq(enable & self.i_second.valid),
            self.i_second.ready.eq(enable & self.i_first.valid),
        ]
        with m.If(enable):
            m.d.sync += [there.eq(both), self.o_stream.valid.eq(there)]
        for lane in range(config.lanes):
            terms = [
                source.payload.word_select(lane, bits) * step
                for source, bits, step in zip(
                    self.i_streams, config.source_bits, config.steps, strict=True
                )
            ]
            total = Signal(range(config.sum_max + 1), name=f"sum_{lane}", reset_less=True)
            code = Signal(config.out_bits, name=f"code_{lane}", reset_less=True)
            moved = Cat(total, Const(0, 1)).as_signed() + config.constant
            with m.If(enable):
                m.d.sync += [total.eq(terms[0] + terms[1]), code.eq(saturate(moved, config.levels))]
            m.d.comb += self.o_stream.payload.word_select(lane, config.out_bits).eq(code)
        return m


class Concat(wiring.Component):
    """Pixel by pixel, the beats of one source after the other.

    Parameters
    ----------
    config : ConcatConfig

    Members
    -------
    i_streams : In(stream), an array, payload unsigned(lanes * lane_bits)
    o_stream : Out(stream), the same payload
    """

    def __init__(self, *, config: ConcatConfig) -> None:
        self.config = config
        beat = stream.Signature(unsigned(config.lanes * config.lane_bits))
        super().__init__({"i_streams": In(beat).array(len(config.channels)), "o_stream": Out(beat)})

    @property
    def latency_cycles(self) -> int:
        return self.config.latency_cycles

    @property
    def cycles_per_frame(self) -> int:
        return self.config.cycles_per_frame

    def elaborate(self, platform: object) -> Elaboratable:
        config = self.config
        m = Module()
        count = len(config.channels)
        beat, turn = Counter(max(config.source_beats), "beat"), Counter(count, "turn")
        enable, there, last = Signal(), Signal(), Signal()
        sources = [self.i_streams[i] for i in range(count)]
        m.d.comb += [
            enable.eq(~self.o_stream.valid | self.o_stream.ready),
            there.eq(Array([source.valid for source in sources])[turn.value]),
            last.eq(beat.value == Array([n - 1 for n in config.source_beats])[turn.value]),
        ]
        for index, source in enumerate(sources):
            m.d.comb += source.ready.eq(enable & (turn.value == index))
        with m.If(enable):
            m.d.sync += [
                self.o_stream.valid.eq(there),
                self.o_stream.payload.eq(Array([s.payload for s in sources])[turn.value]),
            ]
        if isinstance(beat.value, Signal):
            with m.If(enable & there):
                m.d.sync += beat.value.eq(Mux(last, 0, beat.value + 1))
        nest(m, enable & there & last, turn)
        return m
