"""The top of a board: clock, reset, pins and lamps around a design with a UART."""

from __future__ import annotations

from amaranth.hdl import ClockDomain, Elaboratable, Module, Signal
from amaranth.lib import io, wiring
from amaranth.lib.cdc import FFSynchronizer

from boards import Board, ClockPlan, Lamp
from hw.flow.run import FAMILIES, Sources

__all__ = ["BoardTop", "elaborate"]


class BoardTop(Elaboratable):
    """A design on a board.

    The heartbeat lamp blinks about once a second while the clock runs; the activity
    lamp lights for a twentieth to a tenth of a second after each byte on the link. That of
    a detector lights while something was found in its last frame. A board may lack any.

    Parameters
    ----------
    board : Board
        The board.
    clock : ClockPlan
        Its clock; the design runs in the ``sync`` domain.
    design : wiring.Component
        With ports ``rx``, In(1), asynchronous and high when idle, and ``tx``, Out(1); that
        of a detector also ``found``, Out(1).
    """

    def __init__(self, board: Board, clock: ClockPlan, design: wiring.Component) -> None:
        self._board = board
        self._clock = clock
        self._design = design

    def elaborate(self, platform) -> Module:
        m = Module()
        m.domains.sync = ClockDomain("sync", reset_less=True)
        m.submodules.clock = self._clock.generator()
        m.submodules.design = design = self._design
        # The wires of the modem's handshake stay unconnected: packets carry credits.
        signals = platform.lookup("uart", 0).ios
        uart = platform.request("uart", 0, dir={signal.name: "-" for signal in signals})
        m.submodules.rx = rx = io.Buffer("i", uart.rx)
        m.submodules.tx = tx = io.Buffer("o", uart.tx)
        board, lamps = self._board, _Lamps(m, platform)
        heartbeat = lamps.add("heartbeat", board.heartbeat)
        activity = lamps.add("activity", board.activity)
        m.d.comb += [design.rx.eq(rx.i), tx.o.eq(design.tx)]

        beat = Signal(range(self._clock.hz))
        m.d.sync += beat.eq(beat + 1)
        m.d.comb += heartbeat.eq(beat[-1])

        # Both directions: the receiver's own synchroniser is inside the design.
        received = Signal(init=1)
        m.submodules.received = FFSynchronizer(rx.i, received, init=1)
        # The lamp is the counter's highest bit, so that nothing is compared at full clock.
        hold = Signal((self._clock.hz // 20 - 1).bit_length() + 1)
        with m.If(~received | ~design.tx):
            m.d.sync += hold.eq(-1)
        with m.Elif(hold[-1]):
            m.d.sync += hold.eq(hold - 1)
        m.d.comb += activity.eq(hold[-1])
        if "found" in design.signature.members:
            m.d.comb += lamps.add("found", board.found).eq(design.found)
        for number, resource in enumerate(board.idle):
            lamps.add(f"idle_{number}", resource)
        return m


class _Lamps:
    """Buffers to the lamps of a platform; the colours of a lamp are one resource of it."""

    def __init__(self, m: Module, platform) -> None:
        self._m = m
        self._platform = platform
        self._ports = {}

    def add(self, name: str, lamp: Lamp | None) -> Signal:
        """What to drive; nothing comes of it when there is no such lamp."""
        if lamp is None:
            return Signal(name=name)
        resource, colour = lamp[:2], lamp[2:]
        if resource not in self._ports:
            self._ports[resource] = self._platform.request(*resource, dir="-")
        port = self._ports[resource]
        buffer = io.Buffer("o", getattr(port, colour[0]) if colour else port)
        self._m.submodules[name] = buffer
        return buffer.o


def elaborate(board: Board, clock: ClockPlan, design: wiring.Component) -> Sources:
    """RTLIL and constraints of ``design`` on ``board``.

    The same input gives the same bytes: neither paths nor times are in them.
    """
    plan = board.platform().prepare(BoardTop(board, clock, design), "top", emit_src=False)
    constraints = FAMILIES[board.family].CONSTRAINTS
    return Sources(rtlil=_bytes(plan.files["top.il"]), constraints=_bytes(plan.files[constraints]))


def _bytes(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text
