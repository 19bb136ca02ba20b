"""The COBS encoder between free lines, and one of its bytes followed."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

from amaranth.hdl import Assert, Cover, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from tests.formal.follow import keeps, within
from tests.formal.one_word import OneWordRam

__all__ = ["Encoding"]


class Encoding(wiring.Component):
    """Asserts what bytes tokens become, by the definition of COBS.

    Here only places are counted, one for each byte that is to leave, in its order: an open block
    has a place for its code and one for each of its bytes; a zero, an end, or as many bytes as
    a full block has, closes it, which gives its code, and the place behind it is the next one's
    code. A packet's end has a place for a zero. A full block that ends a packet is its last.

    A place is chosen at will, and what belongs there is remembered.

    1. What leaves from the chosen place is what belongs there, after exactly the places before.
    2. No place of an open block leaves, its code not being known.
    3. The ring holds all places that have not left.
    4. A byte on offer stays there, unchanged, until it is taken.
    5. With a ready sink a byte leaves within ``o_wait`` cycles while a closed block has one; with a
       ready sink and a valid source a token enters within ``i_wait`` cycles.

    Out of reset there are the place of a zero, and that of the first block's code.
    Covered: the code of a full block leaves, after the source was refused and the sink waited.

    Parameters
    ----------
    dut : CobsEncoder
    full : its code of a full block
    ring : its memory's depth; the word that is kept is that of the chosen place
    o_wait, i_wait : as above
    """

    def __init__(self, dut: Any, *, full: int, ring: int, o_wait: int, i_wait: int) -> None:
        self._dut, self._full, self._ring = dut, full, ring
        self._o_wait, self._i_wait = o_wait, i_wait
        super().__init__(
            {
                "i_valid": In(1),
                "i_data": In(8),
                "i_end": In(1),
                "o_ready": In(1),
                "mark": In(1),
                "second": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        dut, full, ring = self._dut, self._full, self._ring
        rams: list[OneWordRam] = []

        def make(**fields: Any) -> OneWordRam:
            rams.append(OneWordRam(**fields))
            return rams[-1]

        smaller = {"FULL": full, "TRANSMIT_BYTES": ring, "Ram": make}
        with patch.dict(type(dut).elaborate.__globals__, smaller):
            m.submodules.dut = dut.elaborate(platform)
        i_stream, o_stream = dut.i_stream, dut.o_stream
        enters, leaves = Signal(), Signal()
        m.d.comb += [
            i_stream.valid.eq(self.i_valid),
            i_stream.payload.data.eq(self.i_data),
            i_stream.payload.end.eq(self.i_end),
            o_stream.ready.eq(self.o_ready),
            enters.eq(i_stream.valid & i_stream.ready),
            leaves.eq(o_stream.valid & o_stream.ready),
        ]
        keeps(m, o_stream, "o", Assert)

        # Places that have not left, those of them before the open block, and the next one.
        inside, closed = Signal(range(ring + 3), init=2), Signal(range(ring + 3), init=1)
        following = Signal(range(ring), init=2)
        code, after_full = Signal(range(full), init=1), Signal()
        ends, zero, fills, closes = Signal(), Signal(), Signal(), Signal()
        bare = Signal()  # the end takes the place of a code that no block needs
        more = Signal(range(3))
        m.d.comb += [
            ends.eq(enters & self.i_end),
            zero.eq(enters & ~self.i_end & (self.i_data == 0)),
            fills.eq(enters & ~self.i_end & (self.i_data != 0) & (code == full - 1)),
            closes.eq(ends | zero | fills),
            bare.eq(ends & after_full),
            more.eq(enters + (fills | (ends & ~bare))),
            Assert(~leaves | (closed != 0)),
            Assert(inside <= ring),
        ]
        m.d.sync += [inside.eq(inside + more - leaves), closed.eq(closed - leaves)]
        with m.If(enters):
            m.d.sync += [following.eq(following + more), after_full.eq(fills)]
            m.d.sync += code.eq(Mux(closes, 1, code + 1))
        with m.If(closes):
            m.d.sync += closed.eq(inside + more - 1 - leaves)

        self._follow(m, rams[0], enters=enters, leaves=leaves, inside=inside, following=following,
                     value=Mux(bare, 0, Mux(fills, full, code)), closes=closes,
                     more=more, ends=ends)  # fmt: skip
        within(m, self._o_wait, "o", due=self.o_ready & (closed != 0), happens=leaves)
        within(m, self._i_wait, "i", due=self.o_ready & self.i_valid, happens=enters)
        return m

    def _follow(
        self, m: Module, ram: OneWordRam, *, enters, leaves, inside, following, value, closes,
        more, ends,
    ) -> None:  # fmt: skip
        """Choose a place, and look at what leaves from it."""
        fresh = Signal(init=1)
        m.d.sync += fresh.eq(0)
        marked, is_open, was_code = Signal(), Signal(), Signal()
        kept, ahead = Signal(8), Signal.like(inside)
        address = ram.memory.address
        out = self._dut.o_stream.payload
        with m.If(marked & leaves):
            m.d.sync += ahead.eq(ahead - 1)
        with m.If(marked & is_open & closes):
            m.d.sync += [kept.eq(value), is_open.eq(0)]
        with m.If(~marked & self.mark):
            with m.If(fresh & (address == self.second)):
                # Those that there are out of reset.
                m.d.sync += [marked.eq(1), kept.eq(0), ahead.eq(self.second)]
                m.d.sync += [is_open.eq(self.second), was_code.eq(self.second)]
            at = (following + self.second)[: len(following)]
            with m.If(enters & (self.second < more) & (address == at)):
                # The last place of a token that closes a block is the next one's code.
                last = closes & (self.second == more - 1)
                m.d.sync += [marked.eq(1), ahead.eq(inside + self.second - leaves)]
                m.d.sync += [is_open.eq(last), was_code.eq(last)]
                m.d.sync += kept.eq(Mux(ends, 0, self.i_data))
        refused, stalled = Signal(), Signal()
        m.d.sync += refused.eq(refused | (self.i_valid & ~self._dut.i_stream.ready & marked))
        m.d.sync += stalled.eq(stalled | (self._dut.o_stream.valid & ~self.o_ready & marked))
        with m.If(marked & leaves & (ahead == 0)):
            m.d.comb += Assert(~is_open & (out == kept))
            m.d.comb += Cover(was_code & (kept == self._full) & refused & stalled)
            m.d.sync += marked.eq(0)
