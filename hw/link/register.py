"""A register in a stream."""

from __future__ import annotations

from amaranth import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["StreamRegister"]


class StreamRegister(wiring.Component):
    """One place, between a block RAM and what is behind it: its output alone takes 5.8 ns.

    Latency 1 cycle, a beat a cycle.

    Parameters
    ----------
    shape : ShapeLike
        Of the payload.

    Members
    -------
    i_stream : In(stream.Signature(shape))
    o_stream : Out(stream.Signature(shape))
    """

    def __init__(self, shape) -> None:
        signature = stream.Signature(shape)
        super().__init__({"i_stream": In(signature), "o_stream": Out(signature)})

    def elaborate(self, platform) -> Module:
        m = Module()
        i_stream, o_stream = self.i_stream, self.o_stream
        m.d.comb += i_stream.ready.eq(~o_stream.valid | o_stream.ready)
        with m.If(i_stream.ready):
            m.d.sync += [o_stream.valid.eq(i_stream.valid), o_stream.payload.eq(i_stream.payload)]
        return m
