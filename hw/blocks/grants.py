"""Complete parts of a map, counted by the writer of a line buffer, granted to its reader."""

from __future__ import annotations

from dataclasses import dataclass, field

from amaranth.hdl import Cat, Module, Signal, Value

__all__ = ["Grant", "count_grants", "grant_next"]


@dataclass(kw_only=True)
class Grant:
    """Parts that are complete: groups of windows, or columns of a row of windows.

    ``complete`` is how many the writer has just completed, less one; ``now``, one is
    granted; ``open``, the reader has at least one in hand, and ``more``, two. So the
    reader's loop is short: it looks at ``open`` alone.
    """

    complete: Signal
    now: Signal = field(default_factory=lambda: Signal(name="granted"))
    open: Signal = field(default_factory=lambda: Signal(name="open"))
    more: Signal = field(default_factory=lambda: Signal(name="more"))


def count_grants(m: Module, grant: Grant, most: int) -> None:
    """Complete parts that wait, less one, up to ``most``; one a cycle is granted."""
    waiting = Signal(range(-1, most + 1), init=-1)
    complete = grant.complete
    extended = Cat(complete, complete[-1].replicate(len(waiting)))[: len(waiting)]
    m.d.comb += grant.now.eq(~waiting[-1] & ~grant.more)
    # One chain for both: its lowest place makes the carry.
    m.d.sync += waiting.eq((Cat(1, waiting) + Cat(~grant.now, extended))[1:])


def grant_next(m: Module, grant: Grant, done: Value) -> None:
    """The parts in hand, one of which the reader is ``done`` with."""
    m.d.sync += [
        grant.open.eq(grant.now | grant.more | (grant.open & ~done)),
        grant.more.eq(~done & (grant.more | (grant.open & grant.now))),
    ]
