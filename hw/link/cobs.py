"""Consistent overhead byte stuffing: packets between zero bytes.

Inside the accelerator a packet is a sequence of *tokens*: one for each of its bytes,
and one with ``end`` set, which carries no byte.
"""

from __future__ import annotations

from amaranth import Cat, Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.blocks.ram import Ram
from hw.plan.link import TRANSMIT_BYTES

__all__ = ["CheckedToken", "CobsDecoder", "CobsEncoder", "Token"]

#: A byte of a packet, or its end.
Token = data.StructLayout({"data": 8, "end": 1})

#: The same from a line that makes errors: with ``end``, ``error`` says the packet is not whole.
CheckedToken = data.StructLayout({"data": 8, "end": 1, "error": 1})

#: Code of a block of 254 bytes, which no zero follows.
FULL = 255


class CobsDecoder(wiring.Component):
    """Decoder: encoded bytes to tokens; each byte gives at most one.

    A packet without any byte, that is, two delimiters in a row, gives no token. A packet
    cut short ends with ``error``. Whatever went before, the first byte after a delimiter
    begins a packet.

    Latency 1 cycle, a byte a cycle.

    Members
    -------
    i_stream : In(stream.Signature(8))
    o_stream : Out(stream.Signature(CheckedToken))
    """

    def __init__(self) -> None:
        super().__init__(
            {"i_stream": In(stream.Signature(8)), "o_stream": Out(stream.Signature(CheckedToken))}
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        left = Signal(8)  # bytes that the block still has
        zero_due = Signal()  # the block stands for a zero at its end, if another follows
        started = Signal()
        byte = self.i_stream.payload
        token = self.o_stream.payload

        m.d.comb += self.i_stream.ready.eq(~self.o_stream.valid | self.o_stream.ready)
        with m.If(self.i_stream.ready):
            m.d.sync += self.o_stream.valid.eq(0)
        with m.If(self.i_stream.ready & self.i_stream.valid):
            m.d.sync += [token.data.eq(byte), token.end.eq(0), token.error.eq(0), started.eq(1)]
            with m.If(byte == 0):
                m.d.sync += [
                    self.o_stream.valid.eq(started),
                    token.end.eq(1),
                    token.error.eq(left != 0),
                    left.eq(0),
                    zero_due.eq(0),
                    started.eq(0),
                ]
            with m.Elif(left == 0):
                m.d.sync += [
                    self.o_stream.valid.eq(zero_due),
                    token.data.eq(0),
                    left.eq(byte - 1),
                    zero_due.eq(byte != FULL),
                ]
            with m.Else():
                m.d.sync += [self.o_stream.valid.eq(1), left.eq(left - 1)]
        return m


class CobsEncoder(wiring.Component):
    """Encoder: tokens to encoded bytes, with a zero after each packet.

    A block lies in a ring of block RAM until its length is known, and leaves only
    then, so a packet of less than 254 bytes appears whole. Out of reset, the encoder
    first sends a zero: it ends what a reset cut short.

    Members
    -------
    i_stream : In(stream.Signature(Token))
    o_stream : Out(stream.Signature(8))
    """

    def __init__(self) -> None:
        super().__init__(
            {"i_stream": In(stream.Signature(Token)), "o_stream": Out(stream.Signature(8))}
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.ram = ram = Ram(width=8, pages=(TRANSMIT_BYTES,))

        # The block being built begins at `head` with a place for its code; its next byte
        # goes to `free`. Writes go through a register, and what lies before `ended`, which is
        # `head` a step late, may be sent.
        head = Signal(range(TRANSMIT_BYTES))
        ended = Signal.like(head)
        free = Signal(range(TRANSMIT_BYTES), init=1)
        sent = Signal(range(TRANSMIT_BYTES))
        code = Signal(8, init=1)  # of the block as it is: `free - head`
        empty, nearly_full = Signal(init=1), Signal()  # code is 1, is FULL - 1
        after_full = Signal()
        room = Signal()
        token = self.i_stream.payload
        write_en, write_addr, write_data = Signal(), Signal.like(head), Signal(8)
        # A packet's end takes two places and one tells full from empty; a register, for
        # the clock's sake, is one step late.
        m.d.sync += [
            room.eq((sent - free)[: len(free)] >= 8),
            ended.eq(head),
            ram.write_en.eq(write_en),
            ram.write_addr.eq(write_addr),
            ram.write_data.eq(write_data),
        ]

        def close() -> None:
            """The next block begins at ``free``."""
            m.d.sync += [head.eq(free), free.eq(free + 1)]
            m.d.sync += [code.eq(1), empty.eq(1), nearly_full.eq(0)]

        with m.FSM(init="DELIMITER"):
            with m.State("DATA"):
                m.d.comb += [
                    self.i_stream.ready.eq(room),
                    write_en.eq(room & self.i_stream.valid),
                ]
                with m.If(token.end | (token.data == 0)):
                    m.d.comb += [write_addr.eq(head), write_data.eq(code)]
                with m.Else():
                    m.d.comb += [write_addr.eq(free), write_data.eq(token.data)]
                with m.If(room & self.i_stream.valid):
                    m.d.sync += after_full.eq(0)
                    with m.If(token.end):
                        m.next = "DELIMITER"
                        # A full block that ends a packet needs no empty one behind it.
                        with m.If(~(after_full & empty)):
                            close()
                    with m.Elif(token.data == 0):
                        close()
                    with m.Else():
                        m.d.sync += [free.eq(free + 1), code.eq(code + 1), empty.eq(0)]
                        m.d.sync += nearly_full.eq(code == FULL - 2)
                        with m.If(nearly_full):
                            m.next = "FULL"
            with m.State("FULL"):
                m.d.comb += [write_addr.eq(head), write_data.eq(FULL), write_en.eq(1)]
                m.d.sync += after_full.eq(1)
                close()
                m.next = "DATA"
            with m.State("DELIMITER"):
                m.d.comb += [write_addr.eq(head), write_data.eq(0), write_en.eq(1)]
                close()
                m.next = "DATA"

        valid = Signal(ram.latency)
        m.d.comb += [
            ram.read_addr.eq(sent),
            ram.read_en.eq(~valid[-1] | self.o_stream.ready),
            self.o_stream.valid.eq(valid[-1]),
            self.o_stream.payload.eq(ram.read_data),
        ]
        with m.If(ram.read_en):
            m.d.sync += valid.eq(Cat(sent != ended, valid))
            with m.If(sent != ended):
                m.d.sync += sent.eq(sent + 1)
        return m
