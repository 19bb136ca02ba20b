"""One peer at a time, where many can send: the lock of a link that is no port."""

from __future__ import annotations

from amaranth import Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Owner", "Peer", "PeerByte"]

#: An address to answer to.
Peer = data.StructLayout({"ip": 32, "port": 16})

#: A byte of a datagram, whether it is its last, and whom it came from.
PeerByte = data.StructLayout({"data": 8, "last": 1, "peer": Peer})


class Owner(wiring.Component):
    """Passes the datagrams of one peer; those of others are dropped in whole.

    Who comes first owns the link, until nothing has come from it for ``lease_cycles``. Results of
    frames that it sent before have left by then, so that no peer gets those of another: by its
    number alone it might take one for its own.

    Combinational, a byte a cycle. A stranger's byte is taken at once.

    Parameters
    ----------
    lease_cycles : int

    Members
    -------
    i_stream : In(stream.Signature(PeerByte))
    o_stream : Out(stream.Signature(8))
    peer : Out(Peer)
        Who owns the link, or did so last.
    known : Out(1)
        There has been one.
    """

    def __init__(self, *, lease_cycles: int) -> None:
        self._lease_cycles = lease_cycles
        super().__init__(
            {
                "i_stream": In(stream.Signature(PeerByte)),
                "o_stream": Out(stream.Signature(8)),
                "peer": Out(Peer),
                "known": Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        i_stream, o_stream = self.i_stream, self.o_stream
        left = Signal(range(self._lease_cycles + 1))  # of the lease, in cycles
        held, first, passes = Signal(), Signal(init=1), Signal()
        m.d.comb += [
            passes.eq((i_stream.payload.peer == self.peer) & self.known | (first & ~held)),
            o_stream.payload.eq(i_stream.payload.data),
            o_stream.valid.eq(i_stream.valid & passes),
            i_stream.ready.eq(o_stream.ready | ~passes),
        ]
        m.d.sync += held.eq(left > 1)
        with m.If(left != 0):
            m.d.sync += left.eq(left - 1)
        with m.If(i_stream.valid & i_stream.ready):
            m.d.sync += first.eq(i_stream.payload.last)
            with m.If(passes):
                m.d.sync += [
                    self.peer.eq(i_stream.payload.peer),
                    self.known.eq(1),
                    left.eq(self._lease_cycles),
                    held.eq(1),
                ]
        return m
