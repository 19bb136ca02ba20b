"""A block between a source and a sink that do as they please, and one lane followed through it."""

from __future__ import annotations

from amaranth.hdl import Array, Assert, Assume, Cover, Elaboratable, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In

__all__ = ["Follow", "keeps", "within"]


def keeps(m: Module, stream, name: str, claim) -> None:
    """``claim`` that a beat once offered stays on offer, unchanged, until it is taken."""
    payload = Value.cast(stream.payload)
    offered = Signal(name=f"{name}_offered")
    before = Signal(len(payload), name=f"{name}_before")
    m.d.sync += [offered.eq(stream.valid & ~stream.ready), before.eq(payload)]
    with m.If(offered):
        m.d.comb += claim(stream.valid & (payload == before))


def within(m: Module, cycles: int, name: str, *, due: Value, happens: Value) -> None:
    """Assert that what is due for ``cycles`` cycles on end happens in one of them."""
    waited = Signal(range(cycles + 1), name=f"{name}_waited")
    with m.If(due & ~happens):
        m.d.sync += waited.eq(waited + 1)
        m.d.comb += Assert(waited != cycles - 1)
    with m.Else():
        m.d.sync += waited.eq(0)


class Follow(wiring.Component):
    """Asserts that a block with one stream in and one out is a queue.

    A lane of some beat is chosen at will (``mark``, ``lane``), and its value and the number
    of lanes before it are remembered: as that value is any, and the others are any others, a
    lane that is lost, doubled, changed or out of its turn makes some choice wrong.

    1. The chosen lane leaves unchanged, after exactly those that entered before it.
    2. No lane leaves that has not entered.
    3. No more than ``most`` lanes are ever inside.
    4. A beat on offer stays there, unchanged, until it is taken.
    5. With a ready sink a beat leaves within ``wait`` cycles while ``due`` lanes or more are
       inside; with a ready sink and a valid source a beat enters within ``wait`` cycles.

    Covered: the chosen lane leaves after the block has refused a beat and waited for the sink.

    Parameters
    ----------
    dut : component with `i_stream` and `o_stream`
    i_lanes, o_lanes : lanes of a beat
    most, due, wait : as above
    polite : the source keeps what it offers too: for blocks that are combinational
    """

    def __init__(
        self,
        dut: Elaboratable,
        *,
        i_lanes: int = 1,
        o_lanes: int = 1,
        most: int,
        due: int = 1,
        wait: int,
        polite: bool = False,
    ) -> None:
        self._dut, self._most, self._due, self._wait = dut, most, due, wait
        self._i_lanes, self._o_lanes, self._polite = i_lanes, o_lanes, polite
        bits = len(Value.cast(dut.i_stream.payload))
        super().__init__(
            {
                "i_valid": In(1),
                "i_payload": In(bits),
                "lane": In(range(i_lanes)),
                "o_ready": In(1),
                "mark": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.dut = dut = self._dut
        i_stream, o_stream = dut.i_stream, dut.o_stream
        i_lanes, o_lanes, most = self._i_lanes, self._o_lanes, self._most
        enters, leaves = Signal(), Signal()
        m.d.comb += [
            i_stream.valid.eq(self.i_valid),
            Value.cast(i_stream.payload).eq(self.i_payload),
            o_stream.ready.eq(self.o_ready),
            enters.eq(i_stream.valid & i_stream.ready),
            leaves.eq(o_stream.valid & o_stream.ready),
            Assume(self.lane < i_lanes),
        ]
        if self._polite:
            keeps(m, i_stream, "i", Assume)
        keeps(m, o_stream, "o", Assert)

        inside, ahead = Signal(range(most + i_lanes + 1)), Signal(range(most + i_lanes + 1))
        here, after = Signal.like(inside), Signal.like(inside)  # with what enters, less what leaves
        m.d.comb += here.eq(inside + enters * i_lanes)
        m.d.comb += after.eq(here - leaves * o_lanes)
        m.d.comb += [Assert(~leaves | (here >= o_lanes)), Assert(after <= most)]
        m.d.sync += inside.eq(after)

        marked, chosen, now = Signal(), Signal(), Signal()
        bits = len(self.i_payload) // i_lanes
        kept, data, place = Signal(bits), Signal(bits), Signal.like(ahead)
        m.d.comb += now.eq(enters & self.mark & ~marked)
        m.d.comb += [chosen.eq(marked | now), data.eq(kept), place.eq(ahead)]
        with m.If(now):
            m.d.comb += [
                data.eq(self.i_payload.word_select(self.lane, bits)),
                place.eq(inside + self.lane),
            ]
        m.d.sync += [marked.eq(chosen), kept.eq(data), ahead.eq(place)]
        refused, stalled = Signal(), Signal()
        m.d.sync += refused.eq(refused | (self.i_valid & ~i_stream.ready & chosen))
        m.d.sync += stalled.eq(stalled | (o_stream.valid & ~self.o_ready & chosen))
        with m.If(chosen & leaves):
            m.d.sync += ahead.eq(place - o_lanes)
            with m.If(place < o_lanes):
                out = Value.cast(o_stream.payload)
                lanes = Array(out.word_select(k, bits) for k in range(o_lanes))
                m.d.comb += Assert(lanes[place] == data)
                m.d.comb += Cover(refused & stalled & (data == 1))
                m.d.sync += marked.eq(0)

        wait = self._wait
        within(m, wait, "o", due=self.o_ready & (inside >= self._due), happens=leaves)
        within(m, wait, "i", due=self.o_ready & self.i_valid, happens=enters)
        return m
