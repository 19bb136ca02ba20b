"""What a board's lamps show."""

from __future__ import annotations

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import io

from boards import Board, Lamp

__all__ = ["add_lamps"]


def add_lamps(m: Module, platform, board: Board, *, hz: int, moves: Value, design) -> None:
    """Drive the lamps of a board, and its idle outputs; a board may lack any.

    The heartbeat blinks about once a second while the clock runs; the activity lamp lights for
    a twentieth to a tenth of a second after each byte on the link; that of a detector while
    something was found in its last frame.

    Parameters
    ----------
    m, platform
        Where they are added, and whose resources they are.
    board : Board
    hz : int
        Of the domain ``sync``.
    moves : Value
        A byte passes on the link.
    design : wiring.Component
        That of a detector has ``found``, Out(1).
    """
    lamps = _Lamps(m, platform)
    beat = Signal(range(hz))
    m.d.sync += beat.eq(beat + 1)
    m.d.comb += lamps.add("heartbeat", board.heartbeat).eq(beat[-1])
    # The lamp is the counter's highest bit, so that nothing is compared at full clock.
    hold = Signal((hz // 20 - 1).bit_length() + 1)
    with m.If(moves):
        m.d.sync += hold.eq(-1)
    with m.Elif(hold[-1]):
        m.d.sync += hold.eq(hold - 1)
    m.d.comb += lamps.add("activity", board.activity).eq(hold[-1])
    if "found" in design.signature.members:
        m.d.comb += lamps.add("found", board.found).eq(design.found)
    for number, resource in enumerate(board.idle):
        lamps.add(f"idle_{number}", resource)


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
