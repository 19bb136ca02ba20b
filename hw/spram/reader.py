"""Reads the board's flash memory by SPI."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.spram.image import LoadConfig

__all__ = ["FlashPins", "FlashReader"]

#: Commands: release from power-down, in which the iCE40 leaves the flash memory after
#: configuration, and read, whose three bytes of address follow. All makes have both.
WAKE = 0xAB
READ = 0x03

#: Bits of a command, and of the read command with its address.
_WAKE_BITS, _READ_BITS = 8, 32


class FlashPins(wiring.Signature):
    """The four lines of SPI, as the master has them.

    ``select`` is high while the flash memory is selected, though its pin is low then; of
    ``clk`` it takes ``copi`` at the rising edge and changes ``cipo`` after the falling
    one (mode 0).
    """

    def __init__(self) -> None:
        super().__init__({"select": Out(1), "clk": Out(1), "copi": Out(1), "cipo": In(1)})


class FlashReader(wiring.Component):
    """Bytes of a flash memory, from an address of its own on.

    It wakes the flash memory up, waits until it is awake and reads, a bit in two cycles. While
    a byte is not taken its clock stands still. Of ``cipo`` a bit is sampled with the
    edge that asks for the next, so that it has two cycles for the way there and back.

    Parameters
    ----------
    config : LoadConfig
        Says where it begins and how long to wait; what follows the payload is read on.

    Members
    -------
    run : In(1)
        While low, the flash memory is not selected, and the next byte is the first again.
    pins : Out(FlashPins())
        From registers all, so that there is no short pulse.
    o_stream : Out(stream.Signature(8))
        Bytes, withdrawn only where ``run`` is low.
    """

    def __init__(self, *, config: LoadConfig) -> None:
        self.config = config
        super().__init__(
            {"run": In(1), "pins": Out(FlashPins()), "o_stream": Out(stream.Signature(8))}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        pins, o_stream = self.pins, self.o_stream
        bits = self.config.wake_bits
        time = Signal(bits)
        reading, data = Signal(), Signal()
        # The lines as they will be, a cycle later.
        select, clk, copi = Signal(), Signal(), Signal()
        go, sampled = Signal(), Signal()
        m.d.comb += [
            go.eq(~o_stream.valid | o_stream.ready),
            clk.eq(select & time[0]),
            sampled.eq(data & pins.clk),
        ]
        with m.If(reading):
            command = READ << 24 | self.config.address
            m.d.comb += [select.eq(1), copi.eq(_bit(command, _READ_BITS, time[1:6]))]
        with m.Else():
            # In the middle of the count.
            m.d.comb += select.eq(time[4:] == 1 << (bits - 5))
            m.d.comb += copi.eq(_bit(WAKE, _WAKE_BITS, time[1:4]))
        with m.If(go):
            m.d.sync += [
                time.eq(time + 1),
                reading.eq(reading | time.all()),
                data.eq(data | (reading & time[6])),
                pins.select.eq(select),
                pins.clk.eq(clk),
                pins.copi.eq(copi),
                o_stream.valid.eq(sampled & (time[1:4] == 0)),
            ]
        with m.If(sampled & go):
            m.d.sync += o_stream.payload.eq(Cat(pins.cipo, o_stream.payload[:-1]))
        with m.If(~self.run):
            lines = (pins.select, pins.clk, pins.copi, o_stream.valid)
            m.d.sync += [line.eq(0) for line in (time, reading, data, *lines)]
        return m


def _bit(value: int, width: int, index: Value) -> Value:
    """Bit ``index`` of a constant, the most significant first."""
    backwards = int(f"{value:0{width}b}"[::-1], 2)
    return Const(backwards, width).bit_select(index, 1)
