"""CRC-32 over packets: made at one end, checked at the other."""

from __future__ import annotations

from amaranth import Module, ResetInserter, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.crc import Parameters
from amaranth.lib.crc.catalog import CRC32_ISO_HDLC
from amaranth.lib.wiring import In, Out

from hw.link.cobs import CheckedToken, Token
from sw.protocol import CRC_BYTES

__all__ = ["CRC32", "CrcAppender", "CrcChecker"]

#: The CRC-32 of zlib, a byte at a time.
CRC32: Parameters = CRC32_ISO_HDLC(8)


class CrcChecker(wiring.Component):
    """Checker: sets ``error`` at the end of a packet whose last four bytes are not its CRC.

    Bytes pass, those of the CRC too. Combinational, a token a cycle.

    Members
    -------
    i_stream : In(stream.Signature(CheckedToken))
    o_stream : Out(stream.Signature(CheckedToken))
    """

    def __init__(self) -> None:
        signature = stream.Signature(CheckedToken)
        super().__init__({"i_stream": In(signature), "o_stream": Out(signature)})

    def elaborate(self, platform) -> Module:
        m = Module()
        crc, restart = CRC32.create(), Signal()
        # By its reset and not its `start`, whose multiplexer costs a LUT a bit.
        m.submodules.crc = ResetInserter(restart)(crc)
        token = self.i_stream.payload
        moves = self.i_stream.valid & self.i_stream.ready
        m.d.comb += [
            self.o_stream.valid.eq(self.i_stream.valid),
            self.i_stream.ready.eq(self.o_stream.ready),
            self.o_stream.payload.data.eq(token.data),
            self.o_stream.payload.end.eq(token.end),
            self.o_stream.payload.error.eq(token.end & (token.error | ~crc.match_detected)),
            crc.data.eq(token.data),
            crc.valid.eq(moves & ~token.end),
            restart.eq(moves & token.end),
        ]
        return m


class CrcAppender(wiring.Component):
    """Appender: puts the CRC, least significant byte first, before the end of each packet.

    Members
    -------
    i_stream : In(stream.Signature(Token))
    o_stream : Out(stream.Signature(Token))
    """

    def __init__(self) -> None:
        signature = stream.Signature(Token)
        super().__init__({"i_stream": In(signature), "o_stream": Out(signature)})

    def elaborate(self, platform) -> Module:
        m = Module()
        crc, restart = CRC32.create(), Signal()
        m.submodules.crc = ResetInserter(restart)(crc)
        i_stream, o_stream = self.i_stream, self.o_stream
        index = Signal(range(CRC_BYTES))
        ending = Signal()  # the CRC has passed
        m.d.comb += [
            crc.data.eq(i_stream.payload.data),
            o_stream.valid.eq(i_stream.valid),
            o_stream.payload.data.eq(i_stream.payload.data),
        ]
        with m.If(~i_stream.payload.end):
            m.d.comb += [i_stream.ready.eq(o_stream.ready)]
            m.d.comb += crc.valid.eq(i_stream.valid & o_stream.ready)
        with m.Elif(~ending):
            m.d.comb += o_stream.payload.data.eq(crc.crc.word_select(index, 8))
            with m.If(i_stream.valid & o_stream.ready):
                m.d.sync += [index.eq(index + 1), ending.eq(index == CRC_BYTES - 1)]
        with m.Else():
            m.d.comb += [
                o_stream.payload.end.eq(1),
                i_stream.ready.eq(o_stream.ready),
                restart.eq(i_stream.valid & o_stream.ready),
            ]
            with m.If(i_stream.valid & o_stream.ready):
                m.d.sync += ending.eq(0)
        return m
