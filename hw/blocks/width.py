"""Width converter: beats of some lanes to beats of other lanes."""

from __future__ import annotations

from amaranth.hdl import Cat, Elaboratable, Module, Signal, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.blocks.counters import Counter, nest
from hw.plan.stream import WidthConfig

__all__ = ["WidthConverter"]


class WidthConverter(wiring.Component):
    """Regroups the elements of a stream; order is kept.

    Beats are collected until they make a group that is whole beats on both sides
    (`WidthConfig.block_lanes`), which is then taken apart while the next one is
    collected. So the slower side sets the pace and no cycle is lost. Collecting
    and taking apart both shift, and where one beat is a group they fall away.

    Parameters
    ----------
    config : WidthConfig

    Members
    -------
    i_stream : In(stream), payload unsigned(i_lanes * lane_bits)
    o_stream : Out(stream), payload unsigned(o_lanes * lane_bits)
    """

    def __init__(self, *, config: WidthConfig) -> None:
        self.config = config
        super().__init__(
            {
                "i_stream": In(stream.Signature(unsigned(config.i_lanes * config.lane_bits))),
                "o_stream": Out(stream.Signature(unsigned(config.o_lanes * config.lane_bits))),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        config = self.config
        m = Module()
        group = stream.Signature(unsigned(config.block_lanes * config.lane_bits)).create()
        if config.i_beats > 1:
            self._collect(m, group)
        else:
            wiring.connect(m, wiring.flipped(self.i_stream), wiring.flipped(group))
        if config.o_beats > 1:
            self._take_apart(m, group)
        else:
            wiring.connect(m, group, wiring.flipped(self.o_stream))
        return m

    def _collect(self, m: Module, group: stream.Interface) -> None:
        width = len(self.i_stream.payload)
        beat = Counter(self.config.i_beats, "i_beat")
        accept = Signal()
        m.d.comb += [
            self.i_stream.ready.eq(~group.valid | group.ready),
            accept.eq(self.i_stream.valid & self.i_stream.ready),
        ]
        nest(m, accept, beat)
        with m.If(self.i_stream.ready):
            m.d.sync += group.valid.eq(self.i_stream.valid & beat.last)
        with m.If(accept):
            # The first beat ends up lowest.
            m.d.sync += group.payload.eq(Cat(group.payload[width:], self.i_stream.payload))

    def _take_apart(self, m: Module, group: stream.Interface) -> None:
        width = len(self.o_stream.payload)
        beat = Counter(self.config.o_beats, "o_beat")
        rest = Signal(len(group.payload))
        take = Signal()
        m.d.comb += [
            self.o_stream.payload.eq(rest),
            take.eq(self.o_stream.valid & self.o_stream.ready),
            group.ready.eq(~self.o_stream.valid | (take & beat.last)),
        ]
        nest(m, take, beat)
        with m.If(group.ready):
            m.d.sync += [self.o_stream.valid.eq(group.valid), rest.eq(group.payload)]
        with m.Elif(take):
            m.d.sync += rest.eq(rest >> width)
