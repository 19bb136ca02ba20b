"""Blocks that never stall inside: what enters has a place kept for it in an output FIFO."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Signal, Value
from amaranth.lib.fifo import SyncFIFOBuffered

__all__ = ["queue", "take_on_credit"]


def take_on_credit(m: Module, i_stream: Any, o_stream: Any, *, last: Value, credits: int) -> Signal:
    """Takes beats while there are credits; returns whether one is taken in this cycle.

    Parameters
    ----------
    last : Value
        Of the beat at hand, whether it is one that makes an output beat.
    credits : int
        Output beats that may be under way or wait.
    """
    accept = Signal()
    left = Signal(range(credits + 1), init=credits)
    # A register, for what stands before the block is far away; it comes a cycle late,
    # so it is low already when one credit is left.
    ready = Signal(init=1)
    m.d.sync += ready.eq(left[1:].any())
    m.d.comb += [i_stream.ready.eq(ready), accept.eq(i_stream.valid & ready)]
    given, returned = accept & last, o_stream.valid & o_stream.ready
    with m.If(given & ~returned):
        m.d.sync += left.eq(left - 1)
    with m.If(returned & ~given):
        m.d.sync += left.eq(left + 1)
    return accept


def queue(m: Module, o_stream: Any, *, complete: Value, word: Value, depth: int) -> None:
    """Queue a word when it is ``complete``; the credits see to it that there is a place."""
    m.submodules.fifo = fifo = SyncFIFOBuffered(width=len(word), depth=depth)
    m.d.comb += [
        fifo.w_en.eq(complete),
        fifo.w_data.eq(word),
        o_stream.valid.eq(fifo.r_rdy),
        o_stream.payload.eq(fifo.r_data),
        fifo.r_en.eq(o_stream.ready),
    ]
