"""Line buffer: a feature map in, the windows of a convolution out."""

from __future__ import annotations

from amaranth.hdl import Elaboratable, Module, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.blocks.line_buffer_parallel import ParallelLineBuffer
from hw.blocks.line_buffer_serial import SerialLineBuffer
from hw.plan.stream import LineBufferConfig

__all__ = ["LineBuffer"]


class LineBuffer(wiring.Component):
    """Emits each output pixel's window ``repeats`` times over, in raster order.

    Writing goes on while windows are read, and into the next frame while the last
    windows of this one are read, so that no cycle is lost between windows, rows or
    frames. See `hw.plan.stream.LineBufferConfig` for modes, cycles and latency.

    Parameters
    ----------
    config : LineBufferConfig

    Members
    -------
    i_stream : In(stream), payload unsigned(i_lanes * lane_bits)
        The map in raster order, channel fastest; lane i in bits
        ``[i*lane_bits, (i+1)*lane_bits)``.
    o_stream : Out(stream), payload unsigned(simd * lane_bits)
        For each output pixel, ``repeats`` times, the window's elements in
        (ky, kx, channel) order.
    """

    def __init__(self, *, config: LineBufferConfig) -> None:
        self.config = config
        super().__init__(
            {
                "i_stream": In(stream.Signature(unsigned(config.i_lanes * config.lane_bits))),
                "o_stream": Out(stream.Signature(unsigned(config.o_lanes * config.lane_bits))),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        if self.config.mode == "wire":
            wiring.connect(m, wiring.flipped(self.i_stream), wiring.flipped(self.o_stream))
            return m
        kind = SerialLineBuffer if self.config.mode == "serial" else ParallelLineBuffer
        m.submodules.inner = inner = kind(config=self.config)
        wiring.connect(m, wiring.flipped(self.i_stream), inner.i_stream)
        wiring.connect(m, inner.o_stream, wiring.flipped(self.o_stream))
        return m
