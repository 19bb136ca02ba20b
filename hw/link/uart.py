"""Asynchronous serial, 8 data bits, no parity, 1 stop bit."""

from __future__ import annotations

from amaranth import Cat, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

__all__ = ["UartReceiver", "UartTransmitter"]


class UartReceiver(wiring.Component):
    """Receiver: bytes of a serial line.

    The line is synchronised, and each sample is the majority of three neighbours, so
    that a spike of one cycle changes nothing. A start bit is confirmed in its middle.
    A byte whose stop bit is low is dropped, and the next start bit awaited only after
    the line has been high again: a break gives no bytes.

    The line cannot be stalled. A byte that is not taken before the next is complete
    is overwritten.

    Parameters
    ----------
    divisor : int
        Clock cycles per bit; see `hw.plan.link.uart_divisor`.

    Members
    -------
    rx : In(1)
        The line, high when idle, asynchronous to the clock.
    o_stream : Out(stream.Signature(8))
        Bytes received.
    """

    def __init__(self, *, divisor: int) -> None:
        self._divisor = divisor
        super().__init__({"rx": In(1, init=1), "o_stream": Out(stream.Signature(8))})

    @property
    def divisor(self) -> int:
        return self._divisor

    def elaborate(self, platform) -> Module:
        m = Module()
        sampled = Signal(init=1)
        m.submodules.sync = FFSynchronizer(self.rx, sampled, init=1)

        older = Signal(2, init=0b11)
        line = Signal(init=1)
        a, b, c = sampled, older[0], older[1]
        m.d.sync += [older.eq(Cat(sampled, older[0])), line.eq((a & b) | (a & c) | (b & c))]

        timer = Signal(range(self._divisor))
        bits = Signal(range(10))
        shift = Signal(8)
        with m.If(self.o_stream.ready):
            m.d.sync += self.o_stream.valid.eq(0)

        with m.FSM():
            with m.State("IDLE"):
                # The middle of the start bit is half a bit after its edge.
                m.d.sync += [timer.eq(self._divisor // 2 - 1), bits.eq(0)]
                with m.If(~line):
                    m.next = "SHIFT"
            with m.State("SHIFT"):
                m.d.sync += timer.eq(timer - 1)
                with m.If(timer == 0):
                    m.d.sync += [timer.eq(self._divisor - 1), bits.eq(bits + 1)]
                    with m.If(bits == 9):
                        m.next = "IDLE"
                        with m.If(line):
                            m.d.sync += [self.o_stream.payload.eq(shift), self.o_stream.valid.eq(1)]
                        with m.Else():
                            m.next = "BREAK"
                    with m.Elif((bits == 0) & line):
                        m.next = "IDLE"
                    with m.Else():
                        m.d.sync += shift.eq(Cat(shift[1:], line))
            with m.State("BREAK"):
                with m.If(line):
                    m.next = "IDLE"
        return m


class UartTransmitter(wiring.Component):
    """Transmitter: a byte every ``10 * divisor`` cycles.

    Parameters
    ----------
    divisor : int
        Clock cycles per bit.

    Members
    -------
    i_stream : In(stream.Signature(8))
        Bytes to send.
    tx : Out(1)
        The line, high when idle, from a register.
    """

    def __init__(self, *, divisor: int) -> None:
        self._divisor = divisor
        super().__init__({"i_stream": In(stream.Signature(8)), "tx": Out(1, init=1)})

    @property
    def divisor(self) -> int:
        return self._divisor

    def elaborate(self, platform) -> Module:
        m = Module()
        timer = Signal(range(self._divisor))
        bits = Signal(range(10))
        shift = Signal(9, init=0x1FF)
        busy = Signal()
        # Found a cycle ahead, and so registers: `timer` is 0, and `bits` too.
        elapsed, last = Signal(), Signal()
        m.d.comb += [self.tx.eq(shift[0]), self.i_stream.ready.eq(~busy | last)]
        m.d.sync += [elapsed.eq(timer == 1), last.eq((timer == 1) & (bits == 0))]
        with m.If(busy):
            m.d.sync += timer.eq(timer - 1)
            with m.If(elapsed):
                m.d.sync += [
                    timer.eq(self._divisor - 1),
                    bits.eq(bits - 1),
                    shift.eq(Cat(shift[1:], 1)),
                ]
        with m.If(self.i_stream.ready):
            m.d.sync += busy.eq(self.i_stream.valid)
            with m.If(self.i_stream.valid):
                m.d.sync += [
                    shift.eq(Cat(0, self.i_stream.payload)),
                    timer.eq(self._divisor - 1),
                    bits.eq(9),
                ]
        return m
