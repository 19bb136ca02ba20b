"""Buffers of whole Ethernet frames and datagrams, in block RAM.

Bytes on a wire come and go one a cycle without a pause; what stands behind may be slower.
So a frame is kept until its last byte is there: on its way in until its check sum is known
to be right, on its way out until it can be sent without a gap.
"""

from __future__ import annotations

from amaranth import Cat, Module, ResetInserter, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import In, Out

from hw.blocks.ram import Ram
from hw.link.crc import CRC32

__all__ = ["Cutter", "FrameReceiver", "Octet", "PacketBuffer"]

#: A byte; ``last`` marks the last of its frame or datagram.
Octet = data.StructLayout({"data": 8, "last": 1})

#: Depth of a block RAM of nine bits.
PAGE = 2048

#: Places that stay empty: a buffer knows a cycle late how many are taken, and rounds.
MARGIN = 4

#: The byte before a frame's first.
SFD = 0xD5

#: Packets of a `PacketBuffer`, the one that leaves not counted.
PACKETS = 8


class FrameReceiver(wiring.Component):
    """Receiver of a byte-wide wire (GMII): frames whose check sum is right, and only those.

    A frame that is damaged, or for which there is no room, is dropped in whole. Nothing is
    sent out of a frame before its end. Between frames the wire rests for two cycles at
    least (Ethernet says twelve bytes).

    No state lasts from frame to frame but where the buffer's bytes lie, and every state has
    a way back: a clock that stumbles when a cable is plugged in costs frames, no more.

    Parameters
    ----------
    pages : int
        Room for that many times 2,048 bytes, preambles included; a power of two.

    Members
    -------
    dv, er : In(1), data : In(8)
        The wire: a byte is valid, something is wrong with it, the byte.
    o_stream : Out(stream.Signature(Octet))
        Frames from the preamble's first byte to the check sum's last.
    """

    def __init__(self, *, pages: int = 2) -> None:
        assert pages & (pages - 1) == 0, "pointers wrap where the memory ends"
        self._pages = pages
        super().__init__(
            {
                "dv": In(1),
                "er": In(1),
                "data": In(8),
                "o_stream": Out(stream.Signature(Octet)),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.ram = ram = Ram(width=9, pages=(PAGE,) * self._pages)
        depth = PAGE * self._pages
        # A bit more than an address has, so that full and empty differ.
        write, kept, read = (Signal(range(2 * depth), name=n) for n in ("write", "kept", "read"))

        valid, byte, error = Signal(), Signal(8), Signal()
        m.d.sync += [valid.eq(self.dv), byte.eq(self.data), error.eq(self.er)]
        full = _full(m, write, read, depth)
        m.d.comb += [
            ram.write_addr.eq(write),
            ram.write_data.eq(Cat(byte, ~self.dv)),
            ram.write_en.eq(valid & ~full),
        ]

        # 1. Cycle 0: the last byte is here. 2. Cycle 1: the CRC's register has seen it.
        # 3. Cycle 2: what it says is known, and the frame is judged.
        inside, spoilt = Signal(), Signal()
        ended, matched, judged = Signal(), Signal(), Signal()
        crc = CRC32.create()
        m.submodules.crc = ResetInserter(ended)(crc)
        m.d.comb += [crc.data.eq(byte), crc.valid.eq(valid & inside)]
        m.d.sync += [
            ended.eq(valid & ~self.dv),
            matched.eq(crc.match_detected & inside & ~spoilt),
            judged.eq(ended),
        ]
        with m.If(valid):
            m.d.sync += [inside.eq(inside | (byte == SFD)), spoilt.eq(spoilt | error | full)]
        with m.If(ended):
            m.d.sync += [inside.eq(0), spoilt.eq(0)]
        with m.If(judged):
            with m.If(matched):
                m.d.sync += kept.eq(write)
            with m.Else():
                m.d.sync += write.eq(kept)
        with m.Elif(ram.write_en):
            m.d.sync += write.eq(write + 1)

        moving = Signal(ram.latency)
        m.d.comb += [
            ram.read_addr.eq(read),
            ram.read_en.eq(~moving[-1] | self.o_stream.ready),
            self.o_stream.valid.eq(moving[-1]),
            self.o_stream.payload.eq(ram.read_data),
        ]
        with m.If(ram.read_en):
            m.d.sync += moving.eq(Cat(read != kept, moving))
            with m.If(read != kept):
                m.d.sync += read.eq(read + 1)
        return m


class PacketBuffer(wiring.Component):
    """Packets are let out when they are whole: without a pause if none is asked for.

    Parameters
    ----------
    gap : int
        Cycles of rest after each.

    Members
    -------
    i_stream : In(stream.Signature(Octet))
        Packets of at most 2,044 bytes, ``PAGE - MARGIN``; a longer one never leaves.
    o_stream : Out(stream.Signature(Octet))
        The same. A cycle at least lies between two of them.
    length : Out(range(2049))
        Bytes of the packet that leaves, from before its first byte to its last.
    """

    def __init__(self, *, gap: int = 0) -> None:
        self._gap = gap
        super().__init__(
            {
                "i_stream": In(stream.Signature(Octet)),
                "o_stream": Out(stream.Signature(Octet)),
                "length": Out(range(PAGE + 1)),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.ram = ram = Ram(width=9, pages=(PAGE,))
        m.submodules.lengths = lengths = SyncFIFO(width=len(self.length), depth=PACKETS)
        write, read = Signal(range(2 * PAGE)), Signal(range(2 * PAGE))
        length = Signal.like(self.length)  # so far
        full = _full(m, write, read, PAGE)
        i_stream, o_stream = self.i_stream, self.o_stream
        m.d.comb += [
            i_stream.ready.eq(~full & lengths.w_rdy),
            ram.write_addr.eq(write),
            ram.write_data.eq(i_stream.payload),
            ram.write_en.eq(i_stream.valid & i_stream.ready),
            lengths.w_data.eq(length + 1),
            lengths.w_en.eq(ram.write_en & i_stream.payload.last),
        ]
        with m.If(ram.write_en):
            m.d.sync += [write.eq(write + 1), length.eq(length + 1)]
            with m.If(i_stream.payload.last):
                m.d.sync += length.eq(0)

        moving = Signal(ram.latency)
        left = Signal.like(self.length)
        rest = Signal(range(self._gap + 1))
        m.d.comb += [
            ram.read_addr.eq(read),
            ram.read_en.eq(~moving[-1] | o_stream.ready),
            o_stream.valid.eq(moving[-1]),
            o_stream.payload.eq(ram.read_data),
        ]
        with m.If(ram.read_en):
            m.d.sync += moving.eq(Cat(left != 0, moving))
            with m.If(left != 0):
                m.d.sync += [read.eq(read + 1), left.eq(left - 1)]
        with m.FSM():
            with m.State("IDLE"):
                m.d.sync += [self.length.eq(lengths.r_data), rest.eq(self._gap)]
                with m.If(lengths.r_rdy):
                    m.d.comb += lengths.r_en.eq(1)
                    m.d.sync += left.eq(lengths.r_data)
                    m.next = "SEND"
            with m.State("SEND"):
                with m.If(o_stream.valid & o_stream.ready & o_stream.payload.last):
                    m.next = "REST"
            with m.State("REST"):
                m.d.sync += rest.eq(rest - 1)
                with m.If(rest == 0):
                    m.next = "IDLE"
        return m


def _full(m: Module, write: Signal, read: Signal, depth: int) -> Signal:
    """Whether no more than `MARGIN` places of ``depth`` are left; a register, so a cycle late.

    1. The register tells of the places taken before this cycle's write, so one more byte may
       be written than there should be: one place of `MARGIN` would do.
    2. With four, "no more are left" is ``taken // 4 == depth // 4 - 1``, a row of ones, and needs
       no comparison.
    """
    taken, full = Signal(range(depth)), Signal()
    m.d.comb += taken.eq(write - read)
    m.d.sync += full.eq(taken[2:].all())
    return full


class Cutter(wiring.Component):
    """Cuts bytes into pieces that end behind each zero byte, and at a length.

    Combinational.

    Parameters
    ----------
    most : int
        Bytes of a piece.

    Members
    -------
    i_stream : In(stream.Signature(8))
    o_stream : Out(stream.Signature(Octet))
    """

    def __init__(self, *, most: int) -> None:
        self._most = most
        super().__init__(
            {"i_stream": In(stream.Signature(8)), "o_stream": Out(stream.Signature(Octet))}
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        i_stream, o_stream = self.i_stream, self.o_stream
        left = Signal(range(self._most), init=self._most - 1)
        m.d.comb += [
            o_stream.valid.eq(i_stream.valid),
            i_stream.ready.eq(o_stream.ready),
            o_stream.payload.data.eq(i_stream.payload),
            o_stream.payload.last.eq((i_stream.payload == 0) | (left == 0)),
        ]
        with m.If(o_stream.valid & o_stream.ready):
            m.d.sync += left.eq(left - 1)
            with m.If(o_stream.payload.last):
                m.d.sync += left.eq(self._most - 1)
        return m
