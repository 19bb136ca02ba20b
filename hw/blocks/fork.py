"""Fork: one stream to several readers."""

from __future__ import annotations

from amaranth.hdl import Cat, Elaboratable, Module, ShapeLike, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Fork"]


class Fork(wiring.Component):
    """Hands each beat to every reader once, each in its own time.

    A reader that is ready takes the beat at once; a bit tells that it has, until the
    others have too and the beat is done with. No reader waits for another, but for
    the next beat. There is no register in the way of a beat: the latency is 0.

    Parameters
    ----------
    shape : shape-like
        Of a payload.
    outputs : int
        Readers, 1 or more.

    Members
    -------
    i_stream : In(stream)
    o_streams : Out(stream), an array of ``outputs``
    """

    latency_cycles = 0

    def __init__(self, *, shape: ShapeLike, outputs: int) -> None:
        assert outputs >= 1, "a fork without readers"
        self._outputs = outputs
        beat = stream.Signature(shape)
        super().__init__({"i_stream": In(beat), "o_streams": Out(beat).array(outputs)})

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        taken = Signal(self._outputs)
        ready = Cat(self.o_streams[i].ready for i in range(self._outputs))
        m.d.comb += self.i_stream.ready.eq((taken | ready).all())
        for index in range(self._outputs):
            output = self.o_streams[index]
            m.d.comb += [
                output.payload.eq(self.i_stream.payload),
                output.valid.eq(self.i_stream.valid & ~taken[index]),
            ]
        with m.If(self.i_stream.valid):
            m.d.sync += taken.eq(taken | ready)
            with m.If(self.i_stream.ready):
                m.d.sync += taken.eq(0)
        return m
