"""The top of a board: clocks, pins and lamps around a design with a UART or with bytes by USB."""

from __future__ import annotations

from amaranth.hdl import ClockDomain, Elaboratable, Module, Signal, Value
from amaranth.lib import io, wiring
from amaranth.lib.cdc import FFSynchronizer

from boards import Board, ClockPlan
from hw.flow.families import FAMILIES
from hw.flow.lamps import add_lamps
from hw.flow.run import Sources
from hw.link.usb import UsbPins, UsbSerial

__all__ = ["BoardTop", "elaborate"]


class BoardTop(Elaboratable):
    """A design on a board, with its lamps (`hw.flow.lamps`).

    Parameters
    ----------
    board : Board
        The board.
    clock : ClockPlan
        Its clock; the design runs in the ``sync`` domain.
    design : wiring.Component
        With ports ``rx``, In(1), asynchronous and high when idle, and ``tx``, Out(1); or with
        ``i_bytes`` and ``o_bytes``, which go through the board's USB lines. That of a detector
        also has ``found``, Out(1); one whose weights come from the board's flash memory has
        ``flash``, `hw.spram.reader.FlashPins`.
    """

    def __init__(self, board: Board, clock: ClockPlan, design: wiring.Component) -> None:
        self._board = board
        self._clock = clock
        self._design = design

    def elaborate(self, platform) -> Module:
        m = Module()
        m.domains.sync = ClockDomain("sync", reset_less=True)
        m.submodules.clock = clock = self._clock.generator()
        m.submodules.design = design = self._design
        uart = "rx" in design.signature.members
        moves = self._uart(m, platform) if uart else self._usb(m, platform, clock)
        if "flash" in design.signature.members:
            self._flash(m, platform)
        add_lamps(m, platform, self._board, hz=self._clock.hz, moves=moves, design=design)
        return m

    def _uart(self, m: Module, platform) -> Value:
        """Connect the serial line; says when it is low, in either direction."""
        # The wires of the modem's handshake stay unconnected: packets carry credits.
        signals = platform.lookup("uart", 0).ios
        uart = platform.request("uart", 0, dir={signal.name: "-" for signal in signals})
        m.submodules.rx = rx = io.Buffer("i", uart.rx)
        m.submodules.tx = tx = io.Buffer("o", uart.tx)
        m.d.comb += [self._design.rx.eq(rx.i), tx.o.eq(self._design.tx)]
        # The receiver's own synchroniser is inside the design.
        received = Signal(init=1)
        m.submodules.received = FFSynchronizer(rx.i, received, init=1)
        return ~received | ~self._design.tx

    def _flash(self, m: Module, platform) -> None:
        """Connect the flash memory; its pins for write protection and hold stay inactive."""
        assert self._board.spi_flash is not None, "the budget has SPRAM only where it can be filled"
        lines = {signal.name: "-" for signal in platform.lookup(*self._board.spi_flash).ios}
        flash = platform.request(*self._board.spi_flash, dir=lines)
        inner = {"cs": "select", "clk": "clk", "copi": "copi"}
        for name in lines:
            kind = "i" if name == "cipo" else "o"
            m.submodules[f"flash_{name}"] = buffer = io.Buffer(kind, getattr(flash, name))
            if name == "cipo":
                m.d.comb += self._design.flash.cipo.eq(buffer.i)
            elif name in inner:
                m.d.comb += buffer.o.eq(getattr(self._design.flash, inner[name]))

    def _usb(self, m: Module, platform, clock: Elaboratable) -> Value:
        """Connect USB, its clocks and its domains; says when a byte passes, in either direction."""
        assert self._board.usb_clocks is not None, "the options have been checked"
        for domain in ("usb_io", "usb"):
            m.domains += ClockDomain(domain, reset_less=True)
        m.submodules.usb_clocks = self._board.usb_clocks(clock)
        m.submodules.usb = usb = UsbSerial(bus=UsbPins.request(platform))
        wiring.connect(m, usb.o_stream, self._design.i_bytes)
        wiring.connect(m, self._design.o_bytes, usb.i_stream)
        return usb.o_stream.valid | usb.i_stream.valid


def elaborate(board: Board, clock: ClockPlan, design: wiring.Component) -> Sources:
    """RTLIL and constraints of ``design`` on ``board``.

    The same input gives the same bytes: neither paths nor times are in them.
    """
    plan = board.platform().prepare(BoardTop(board, clock, design), "top", emit_src=False)
    constraints = FAMILIES[board.family].CONSTRAINTS
    return Sources(rtlil=_bytes(plan.files["top.il"]), constraints=_bytes(plan.files[constraints]))


def _bytes(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text
