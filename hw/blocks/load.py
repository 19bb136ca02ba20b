"""The bus that fills SPRAMs before the first frame."""

from __future__ import annotations

from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.plan.block_ram import SPRAM

__all__ = ["WORD_CYCLES", "LoadBus"]

#: Fewest cycles from a word to the next: a byte takes nine in the CRC (`hw.spram.loader`).
WORD_CYCLES = 18


class LoadBus(wiring.Signature):
    """From what loads to the memories: words one after the other, without their addresses.

    An array's own counter of weights is the address: it counts each word that is written, and
    is at 0 again after the last. So no address has to be chosen where the array is fast, and
    what loads need not know how deep a memory is.

    Parameters
    ----------
    sprams : int
        How many; of an array or a core its own, in the order of the image (`hw.spram.image`).

    Members
    -------
    data : Out(16)
        The word.
    write : Out(sprams)
        It is written in this cycle to the SPRAMs of which the bit is set, one at most. The next
        follows `WORD_CYCLES` later at the earliest, longer than an address takes to the last
        row. Never while a frame is inside.
    end : In(sprams)
        The next word written to an SPRAM is its last.
    """

    def __init__(self, sprams: int) -> None:
        self.sprams = sprams
        super().__init__({"data": Out(SPRAM.width), "write": Out(sprams), "end": In(sprams)})
