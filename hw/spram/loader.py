"""Fills the SPRAMs with what the flash memory holds, and says when that is right."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.blocks.load import LoadBus
from hw.plan.block_ram import SPRAM
from hw.spram.image import LoadConfig

__all__ = ["WeightLoader"]

#: CRC-32 of zlib, a bit at a time, the least significant first.
_POLYNOMIAL = 0xEDB88320


class WeightLoader(wiring.Component):
    """Words from bytes, and the CRC-32 over all of them; begins again until it is right.

    The CRC takes a bit a cycle from the register of words, which turns by a byte meanwhile:
    eight cycles a byte, half of what the flash memory needs for one.

    Parameters
    ----------
    config : LoadConfig

    Members
    -------
    i_stream : In(stream.Signature(8))
        The payload of an image. A byte is taken every ninth cycle at most.
    run : Out(1)
        Low for one cycle when all bytes have come but were not right: they are to come again;
        and once all is loaded.
    loaded : Out(1)
        The SPRAMs hold the payload. High for ever then.
    bus : Out(LoadBus(config.sprams))
    """

    def __init__(self, *, config: LoadConfig) -> None:
        self.config = config
        super().__init__(
            {
                "i_stream": In(stream.Signature(8)),
                "run": Out(1, init=1),
                "loaded": Out(1),
                "bus": Out(LoadBus(config.sprams)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config, bus, i_stream = self.config, self.bus, self.i_stream
        word = Signal(SPRAM.width)
        crc = Signal(32, init=-1)
        bits = Signal(4)  # 8 to 15 while a byte goes into the CRC
        odd, written, all_written = Signal(), Signal(), Signal()
        place = Signal(config.sprams, init=1)
        take, end, right = Signal(), Signal(), Signal()
        m.d.comb += [
            i_stream.ready.eq(~bits[3] & ~all_written),
            take.eq(i_stream.valid & i_stream.ready),
            bus.data.eq(word),
            bus.write.eq(Mux(written, place, 0)),
            end.eq(written & (place & bus.end).any()),
        ]
        m.d.sync += written.eq(take & odd)
        with m.If(take):
            m.d.sync += [word[8:].eq(i_stream.payload), bits.eq(8), odd.eq(~odd)]
        with m.Elif(bits[3]):
            feedback = Mux(crc[0] ^ word[8], _POLYNOMIAL, 0)
            m.d.sync += [word.eq(word[1:]), bits.eq(bits + 1), crc.eq(crc[1:] ^ feedback)]
        with m.If(end):
            m.d.sync += [place.eq(place.rotate_left(1)), all_written.eq(place[-1])]

        # The register holds the complement of what zlib calls the CRC.
        m.d.comb += [right.eq(crc == ~config.crc32 & 0xFFFFFFFF), self.run.eq(1)]
        with m.If(all_written & ~bits[3]):
            m.d.comb += self.run.eq(0)
            m.d.sync += self.loaded.eq(right)
            with m.If(~right):
                m.d.sync += [all_written.eq(0), crc.eq(-1)]
        return m
