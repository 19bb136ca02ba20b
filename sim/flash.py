"""A flash memory at the pins of SPI, as RTL, and a SoC that is filled from one."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, connect

from hw.soc import SoC
from hw.spram.image import WAKE_SECONDS, WEIGHTS_OFFSET
from hw.spram.reader import READ, WAKE, FlashPins

__all__ = ["FlashModel", "FlashedSoC"]

#: Bytes that are read at a time. Wide rows are quicker to compile, where there are many.
_ROW, _WIDE_ROW, _MANY = 4, 64, 4096


class FlashModel(wiring.Component):
    """What the commands 0xAB and 0x03 do; any other does nothing.

    At first it sleeps, as the iCE40 leaves it after configuration: until it is told to
    wake up, and has had the time to, it hears nothing else.

    Parameters
    ----------
    contents : bytes
        What lies at ``base``. Other bytes are 0xFF.
    base : int
        Where they begin, 0 to 2**24 - 1.
    wake_cycles : int
        How long it takes to wake up.

    Members
    -------
    pins : In(FlashPins())
        ``cipo`` changes a cycle after the falling edge of ``clk`` has been seen.
    flip : In(1)
        While high, the bits that leave are wrong.
    """

    def __init__(
        self, contents: bytes, *, base: int = WEIGHTS_OFFSET, wake_cycles: int = 0
    ) -> None:
        self._row = _ROW if len(contents) <= _MANY else _WIDE_ROW
        rows = -(-max(len(contents), 1) // self._row)
        self._contents = contents.ljust(rows * self._row, b"\xff")
        self._base, self._wake_cycles = base, wake_cycles
        super().__init__({"pins": In(FlashPins()), "flip": In(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        pins = self.pins
        before, selected = Signal(), Signal()
        rising, falling = Signal(), Signal()
        m.d.sync += [before.eq(pins.clk), selected.eq(pins.select)]
        m.d.comb += [
            rising.eq(pins.select & pins.clk & ~before),
            falling.eq(pins.select & ~pins.clk & before),
        ]
        # The command, its bits, and what it is once it is complete.
        shift, count, whole = Signal(32), Signal(range(33)), Signal(32)
        giving, begin = Signal(), Signal()
        awake = self._awake(m, selected & ~pins.select & (count == 8) & (shift[:8] == WAKE))
        m.d.comb += [
            whole.eq(Cat(pins.copi, shift[:-1])),
            begin.eq(rising & (count == 31) & (whole[24:] == READ) & awake),
        ]
        with m.If(~pins.select):
            m.d.sync += [count.eq(0), giving.eq(0)]
        with m.Elif(rising):
            m.d.sync += [shift.eq(whole), giving.eq(giving | begin)]
            with m.If(count != 32):
                m.d.sync += count.eq(count + 1)

        address, following, bit = Signal(24), Signal(24), Signal(3)
        m.d.comb += following.eq(Mux(begin, whole - self._base, address + (falling & bit.all())))
        m.d.sync += address.eq(following)
        byte = self._read(m, address, following)
        with m.If(begin):
            m.d.sync += bit.eq(0)
        with m.Elif(falling & giving):
            m.d.sync += [bit.eq(bit + 1), pins.cipo.eq(byte.bit_select(~bit, 1) ^ self.flip)]
        return m

    def _awake(self, m: Module, woken: Signal) -> Signal:
        """Whether it hears commands: so long after it was ``woken``."""
        left, waking, awake = Signal(range(self._wake_cycles + 1)), Signal(), Signal()
        with m.If(woken & ~awake):
            m.d.sync += [left.eq(self._wake_cycles), waking.eq(1)]
        with m.Elif(waking & (left != 0)):
            m.d.sync += left.eq(left - 1)
        with m.Elif(waking):
            m.d.sync += awake.eq(1)
        return awake

    def _read(self, m: Module, address: Signal, following: Signal) -> Signal:
        """The byte at ``address``, which is ``following`` of the cycle before."""
        row = self._row
        rows = [
            int.from_bytes(self._contents[first : first + row], "little")
            for first in range(0, len(self._contents), row)
        ]
        m.submodules.memory = memory = Memory(shape=8 * row, depth=len(rows), init=rows)
        port = memory.read_port()
        byte = Signal(8)
        m.d.comb += [
            port.addr.eq(Mux(following < len(self._contents), following // row, 0)),
            byte.eq(port.data.word_select(address % row, 8)),
        ]
        with m.If(address >= len(self._contents)):
            m.d.comb += byte.eq(0xFF)
        return byte


class FlashedSoC(wiring.Component):
    """A SoC with weights in SPRAM, and the flash memory beside it.

    Its members are the SoC's but for the flash memory's pins.

    Parameters
    ----------
    soc : SoC
    contents : bytes, optional
        Of the flash memory where the weights begin: else what the SoC was built for.

    Attributes
    ----------
    flash : FlashModel
    """

    def __init__(self, soc: SoC, contents: bytes | None = None) -> None:
        assert soc.image is not None and soc.load is not None, "it has weights in SPRAM"
        self._soc = soc
        self.flash = FlashModel(
            soc.image.pack() if contents is None else contents,
            wake_cycles=round(WAKE_SECONDS * soc.load.clock_hz),
        )
        members = dict(soc.signature.members)
        del members["flash"]
        super().__init__(members)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.soc = soc = self._soc
        m.submodules.flash = flash = self.flash
        connect(m, soc.flash, flash.pins)
        for name, member in self.signature.members.items():
            inner, outer = getattr(soc, name), getattr(self, name)
            if not member.is_port:
                here = wiring.flipped(outer)
                connect(m, *((here, inner) if member.flow == In else (inner, here)))
            elif member.flow == In:
                m.d.comb += inner.eq(outer)
            else:
                m.d.comb += outer.eq(inner)
        return m
