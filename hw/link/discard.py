"""Scores of frames that nobody waits for any more."""

from __future__ import annotations

from amaranth import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.link.packets import score_layout

__all__ = ["MOST_FRAMES", "Discarder"]

#: Frames that may be in the core at once: more than it has stages to hold them.
MOST_FRAMES = 63


class Discarder(wiring.Component):
    """Passes scores on, but drops those of all frames that were in the core at a ``clear``.

    So the core needs no reset, which would be a net to registers all over the device: it
    takes whole frames, gives the scores of each, and a RESET only decides whose count.

    Parameters
    ----------
    score_bits : int

    Members
    -------
    begins : In(1)
        A frame enters the core; not with ``clear``.
    clear : In(1)
    full : Out(1)
        No other frame may begin.
    i_stream, o_stream : stream.Signature(score_layout(score_bits))
        Combinational.
    """

    def __init__(self, *, score_bits: int) -> None:
        signature = stream.Signature(score_layout(score_bits))
        super().__init__(
            {
                "begins": In(1),
                "clear": In(1),
                "full": Out(1),
                "i_stream": In(signature),
                "o_stream": Out(signature),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        i_stream, o_stream = self.i_stream, self.o_stream
        inside = Signal(range(MOST_FRAMES + 1))
        due = Signal.like(inside)  # frames to drop
        drops = Signal()  # there are any
        leaves = Signal()
        m.d.comb += [
            o_stream.payload.eq(i_stream.payload),
            o_stream.valid.eq(i_stream.valid & ~drops & ~self.clear),
            i_stream.ready.eq((drops | o_stream.ready) & ~self.clear),
            leaves.eq(i_stream.valid & i_stream.ready & i_stream.payload.last),
        ]
        with m.If(self.begins & ~leaves):
            m.d.sync += inside.eq(inside + 1)
        with m.Elif(leaves & ~self.begins):
            m.d.sync += inside.eq(inside - 1)
        # A cycle late, so one place early.
        m.d.sync += self.full.eq(inside >= MOST_FRAMES - 1)
        with m.If(self.clear):
            m.d.sync += [due.eq(inside), drops.eq(inside != 0)]
        with m.Elif(leaves & drops):
            m.d.sync += [due.eq(due - 1), drops.eq(due != 1)]
        return m
