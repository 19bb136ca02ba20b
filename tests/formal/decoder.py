"""The COBS decoder, what checks packets, and their dispatcher, between free lines."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Assert, Assume, Cover, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from hw.plan.link import LinkConfig
from sw.protocol import CRC_BYTES, HEADER_BYTES
from tests.formal.follow import keeps, within

__all__ = ["Decoding", "Dispatching", "Passing"]


class Decoding(wiring.Component):
    """Asserts what tokens bytes from anywhere become, by the definition of COBS.

    A packet is blocks: a code of n, then n - 1 bytes that are not zero. Each block but the last
    stands for a zero behind it, except those of 255; a byte of zero ends the packet.

    1. Of each byte exactly the token leaves that it is, before the next one's; of one that
       is none, none.
    2. A byte of zero ends the packet, wherever it comes, with an error if a block is not whole.
       The next byte begins a packet.
    3. A token on offer stays there, unchanged, until it is taken.
    4. With a ready sink each byte is taken at once, and its token leaves in the next cycle.

    Covered: a packet of two blocks with a zero between them, whole, after one with an error.

    Parameters
    ----------
    dut : CobsDecoder
    """

    def __init__(self, dut: Any) -> None:
        self._dut = dut
        super().__init__({"i_valid": In(1), "i_payload": In(8), "o_ready": In(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.dut = dut = self._dut
        i_stream, o_stream = dut.i_stream, dut.o_stream
        enters, leaves = Signal(), Signal()
        m.d.comb += [
            i_stream.valid.eq(self.i_valid),
            i_stream.payload.eq(self.i_payload),
            o_stream.ready.eq(self.o_ready),
            enters.eq(i_stream.valid & i_stream.ready),
            leaves.eq(o_stream.valid & o_stream.ready),
        ]
        keeps(m, o_stream, "o", Assert)
        within(m, 1, "i", due=self.o_ready & self.i_valid, happens=enters)
        byte = self.i_payload

        # Of the packet so far: any byte; bytes that the block lacks; whether it stands for a zero.
        begun, lacks, zero = Signal(), Signal(8), Signal()
        due, data, end, error = Signal(), Signal(8), Signal(), Signal()
        m.d.comb += Assert(o_stream.valid == due)
        with m.If(due):
            m.d.comb += Assert(o_stream.payload.end == end)
            with m.If(end):
                m.d.comb += Assert(o_stream.payload.error == error)
            with m.Else():
                m.d.comb += Assert((o_stream.payload.data == data) & ~o_stream.payload.error)
        with m.If(leaves):
            m.d.sync += due.eq(0)
        with m.If(enters):
            m.d.comb += Assert(~due | leaves)
            m.d.sync += [begun.eq(byte != 0), end.eq(byte == 0), error.eq(lacks != 0)]
            with m.If(byte == 0):
                m.d.sync += [due.eq(begun), lacks.eq(0), zero.eq(0)]
            with m.Elif(lacks != 0):
                m.d.sync += [due.eq(1), data.eq(byte), lacks.eq(lacks - 1)]
            with m.Else():
                m.d.sync += [due.eq(zero), data.eq(0), lacks.eq(byte - 1), zero.eq(byte != 255)]
        failed, zeros = Signal(), Signal()
        with m.If(leaves):
            m.d.sync += zeros.eq(~end & (zeros | (data == 0)))
            m.d.sync += failed.eq(failed | (end & error))
            m.d.comb += Cover(failed & zeros & end & ~error)
        return m


class Passing(wiring.Component):
    """Asserts that what the appender makes of a packet is that packet to the checker.

    1. Bytes of a packet leave in the cycle in which they enter, unchanged.
    2. Before the end exactly four bytes leave, and with it no error: those four are the CRC.
    3. With a ready sink a token leaves in each cycle in which one is on offer.

    Covered: the end of a packet of two bytes, after a cycle in which the sink waited.

    Parameters
    ----------
    checker, appender : the blocks
    spoilt : change a bit of the CRC: then the end must have the error, which is asserted instead
    """

    def __init__(
        self, appender: Any, checker: Any, *, value: bool = False, spoilt: bool = False
    ) -> None:
        self._appender, self._checker = appender, checker
        self._value, self._spoilt = value, spoilt
        super().__init__({"i_valid": In(1), "i_data": In(8), "i_end": In(1), "o_ready": In(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.appender = appender = self._appender
        m.submodules.checker = checker = self._checker
        source, middle, out = appender.i_stream, appender.o_stream, checker.o_stream
        count = Signal(range(CRC_BYTES + 1))
        m.d.comb += [
            source.valid.eq(self.i_valid),
            source.payload.data.eq(self.i_data),
            source.payload.end.eq(self.i_end),
            checker.i_stream.valid.eq(middle.valid),
            checker.i_stream.payload.data.eq(
                middle.payload.data ^ (self._spoilt & self.i_end & (count == 1))
            ),
            checker.i_stream.payload.end.eq(middle.payload.end),
            middle.ready.eq(checker.i_stream.ready),
            out.ready.eq(self.o_ready),
        ]
        keeps(m, source, "i", Assume)
        if self._value:
            m.d.comb += Assume(self.i_valid & self.o_ready)
        leaves = Signal()
        m.d.comb += leaves.eq(out.valid & out.ready)
        m.d.comb += Assert(~(self.i_valid & self.o_ready) | leaves)
        waited, length = Signal(), Signal(2)
        m.d.sync += waited.eq(waited | (out.valid & ~out.ready))
        with m.If(leaves & ~self.i_end):
            m.d.comb += Assert(source.ready & ~out.payload.end & (out.payload.data == self.i_data))
            m.d.sync += length.eq(Mux(length == 3, 3, length + 1))
        with m.Elif(leaves):
            m.d.comb += Assert(out.payload.end == (count == CRC_BYTES))
            m.d.comb += Assert(source.ready == out.payload.end)
            m.d.sync += count.eq(Mux(out.payload.end, 0, count + 1))
            with m.If(out.payload.end):
                if self._value:
                    m.d.comb += Assert(out.payload.error == self._spoilt)
                m.d.comb += Cover(waited & (length == 2))
                m.d.sync += length.eq(0)
        return m


class Dispatching(wiring.Component):
    """Asserts what becomes of packets, whatever they are.

    1. A token is taken in every cycle.
    2. Of a FRAME for which there was room when its head had come, exactly its body leaves, byte by
       byte, in the cycle of each; of any other packet nothing.
    3. In the cycle after a packet's end it is accepted or rolled back, never both and at no other
       time: accepted where it is a FRAME of our version, not in error, of exactly the length of
       one, with room; its number leaves with it.
    4. An answer on offer stays there, unchanged, until it is taken, but for a RESET; one is there
       the cycle after a request of a right length, not in error, was judged, or was before.

    Covered: a FRAME accepted, after one in error and one without room.

    Parameters
    ----------
    dut : Dispatcher
    config : LinkConfig
    """

    def __init__(self, dut: Any, *, config: LinkConfig) -> None:
        self._dut, self._config = dut, config
        super().__init__(
            {
                "i_valid": In(1),
                "i_data": In(8),
                "i_end": In(1),
                "i_error": In(1),
                "room": In(1),
                "o_ready": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.dut = dut = self._dut
        body = self._config.frame_bytes
        m.d.comb += [
            dut.i_stream.valid.eq(self.i_valid),
            dut.i_stream.payload.data.eq(self.i_data),
            dut.i_stream.payload.end.eq(self.i_end),
            dut.i_stream.payload.error.eq(self.i_error & self.i_end),
            dut.room.eq(self.room),
            dut.o_answer.ready.eq(self.o_ready),
            Assert(dut.i_stream.ready),
        ]
        # The packet so far: its length, up to more than any that counts, and head.
        most = HEADER_BYTES + body + CRC_BYTES + 1
        length, kind, number, room = Signal(range(most + 1)), Signal(8), Signal(16), Signal()
        byte, end = Signal(), Signal()
        m.d.comb += [byte.eq(self.i_valid & ~self.i_end), end.eq(self.i_valid & self.i_end)]
        with m.If(end):
            m.d.sync += length.eq(0)
        with m.Elif(byte & (length != most)):
            m.d.sync += length.eq(length + 1)
        with m.If(byte):
            with m.Switch(length):
                with m.Case(0):
                    m.d.sync += kind.eq(self.i_data)
                with m.Case(1):
                    m.d.sync += number[:8].eq(self.i_data)
                with m.Case(2):
                    m.d.sync += [number[8:].eq(self.i_data), room.eq(self.room)]
        in_body = (length >= HEADER_BYTES) & (length < HEADER_BYTES + body)
        is_frame = kind == 0x11
        m.d.comb += Assert(dut.o_frame.valid == (byte & in_body & is_frame & room))
        with m.If(dut.o_frame.valid):
            m.d.comb += Assert(dut.o_frame.payload == self.i_data)

        judged, good, head = Signal(), Signal(), Signal(8)
        m.d.sync += [
            judged.eq(end),
            good.eq(is_frame & room & ~self.i_error & (length == most - 1)),
            head.eq(kind),
        ]
        m.d.comb += [
            Assert(dut.commit == (judged & good)),
            Assert(dut.rollback == (judged & ~good)),
            Assert(dut.o_number.valid == dut.commit),
        ]
        with m.If(dut.commit):
            m.d.comb += Assert(dut.o_number.payload == number)
        self._answers(m, end, length, kind)
        refused, full = Signal(), Signal()
        whole = end & is_frame & (length == most - 1)
        m.d.sync += refused.eq(refused | (whole & self.i_error))
        m.d.sync += full.eq(full | (whole & ~room & ~self.i_error))
        m.d.comb += Cover(dut.commit & refused & full)
        return m

    def _answers(self, m: Module, end, length, kind) -> None:
        dut = self._dut
        answer = dut.o_answer
        asked, due = Signal(), Signal()
        bare = length == HEADER_BYTES + CRC_BYTES
        m.d.sync += [
            # HELLO, RESET and STATS.
            asked.eq(end & ~self.i_error & bare & kind.matches(0x10, 0x12, 0x13)),
            due.eq(asked),
        ]
        m.d.comb += Assert(~due | answer.valid)
        offered, before = Signal(), Signal(len(answer.payload.as_value()))
        resets = Signal()
        m.d.comb += resets.eq(dut.reset)
        later = Signal()
        m.d.sync += [
            offered.eq(answer.valid & ~answer.ready),
            before.eq(answer.payload.as_value()),
            later.eq(resets),
        ]
        with m.If(offered & ~resets):
            m.d.comb += Assert(answer.valid & (answer.payload.as_value() == before))
