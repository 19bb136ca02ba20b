"""Registers in a stream."""

from __future__ import annotations

from amaranth import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["StreamBuffer", "StreamRegister", "StreamRelay"]


class _Through(wiring.Component):
    """A stream in, and the same out."""

    def __init__(self, shape) -> None:
        self._shape = shape
        signature = stream.Signature(shape)
        super().__init__({"i_stream": In(signature), "o_stream": Out(signature)})


class StreamRegister(_Through):
    """One place: breaks the path of payload and valid.

    Latency 1 cycle, a beat a cycle. A reset empties it; the payload has none.

    Parameters
    ----------
    shape : ShapeLike
        Of the payload.

    Members
    -------
    i_stream : In(stream.Signature(shape))
    o_stream : Out(stream.Signature(shape))
    """

    def elaborate(self, platform) -> Module:
        m = Module()
        i_stream, o_stream = self.i_stream, self.o_stream
        payload = Signal(self._shape, reset_less=True)
        m.d.comb += [
            i_stream.ready.eq(~o_stream.valid | o_stream.ready),
            o_stream.payload.eq(payload),
        ]
        with m.If(i_stream.ready):
            m.d.sync += [o_stream.valid.eq(i_stream.valid), payload.eq(i_stream.payload)]
        return m


class StreamBuffer(_Through):
    """Two places: breaks the path of ready too, which is a register here.

    Latency 1 cycle, a beat a cycle. A reset empties it; the payloads have none.

    Parameters
    ----------
    shape : ShapeLike
        Of the payload.

    Members
    -------
    i_stream : In(stream.Signature(shape))
    o_stream : Out(stream.Signature(shape))
    """

    def elaborate(self, platform) -> Module:
        m = Module()
        i_stream, o_stream = self.i_stream, self.o_stream
        front, spare = (Signal(self._shape, reset_less=True, name=n) for n in ("front", "spare"))
        waits = Signal()  # `spare` holds what could not move on
        moves = Signal()
        m.d.comb += [
            i_stream.ready.eq(~waits),
            moves.eq(~o_stream.valid | o_stream.ready),
            o_stream.payload.eq(front),
        ]
        with m.If(moves):
            m.d.sync += [
                o_stream.valid.eq(i_stream.valid | waits),
                front.eq(Mux(waits, spare, i_stream.payload)),
                waits.eq(0),
            ]
        with m.Elif(i_stream.valid & i_stream.ready):
            m.d.sync += waits.eq(1)
        with m.If(i_stream.ready):
            m.d.sync += spare.eq(i_stream.payload)
        return m


class StreamRelay(_Through):
    """Two places one behind the other, each filled only while it is empty.

    Latency 2 cycles, a beat every 2 cycles. Every path is cut, and no signal reaches all of
    the payload twice, so that wide beats cross a full device in steps: with a `StreamBuffer`
    of 112 bits two of six placements of TFC on a 25F spent 11 ns on the way from its control
    to its payload. A reset empties it; the payloads have none.

    Parameters
    ----------
    shape : ShapeLike
        Of the payload.

    Members
    -------
    i_stream : In(stream.Signature(shape))
    o_stream : Out(stream.Signature(shape))
    """

    def elaborate(self, platform) -> Module:
        m = Module()
        source = self.i_stream
        for place in range(2):
            payload = Signal(self._shape, name=f"payload_{place}", reset_less=True)
            next_one = stream.Signature(self._shape).create(path=(f"place_{place}",))
            m.d.comb += [source.ready.eq(~next_one.valid), next_one.payload.eq(payload)]
            with m.If(~next_one.valid):
                m.d.sync += [next_one.valid.eq(source.valid), payload.eq(source.payload)]
            with m.Elif(next_one.ready):
                m.d.sync += next_one.valid.eq(0)
            source = next_one
        wiring.connect(m, source, wiring.flipped(self.o_stream))
        return m
