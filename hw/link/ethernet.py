"""Ethernet: UDP datagrams to and from the bytes of the link.

Three clocks meet here:

- ``wire``, the PHY's, 125 MHz. Only buffers of frames and FIFOs run at it.
- that of LiteEth's layers, ``sync`` divided by the least whole number that brings it to
  `LAYERS_HZ` or less: so deep is their logic on an ECP5.
- ``sync``, the accelerator's.

A byte of a datagram takes a cycle of the layers, so they take as many bytes a second as
their clock has cycles, less what headers need; what comes faster waits in the receiver's
4 KiB, and what finds no room there is dropped, a frame at a time. The protocol's own loss
handling does the rest; `sw.driver.udp` keeps the rate below.
"""

from __future__ import annotations

from amaranth import ClockDomain, ClockSignal, DomainRenamer, Instance, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.fifo import AsyncFIFO
from amaranth.lib.wiring import In, Out, connect

from hw.link.frames import Cutter, FrameReceiver, Octet, PacketBuffer
from hw.link.liteeth import CORE, CROSSING, Address, core_rtlil
from hw.link.owner import Owner, Peer
from hw.link.register import StreamRelay
from hw.plan.cost import Cost

__all__ = [
    "AREA",
    "DATAGRAM",
    "LAYERS_HZ",
    "LEASE",
    "WIRE_HZ",
    "EthernetLink",
    "layers_hz",
    "packets_per_second",
]

#: Clock of the wire, Hz: 1000BASE-T alone.
WIRE_HZ = 125_000_000

#: Fastest clock of LiteEth's layers, Hz; docs/boards.md has what was routed.
LAYERS_HZ = 50_000_000

#: What the link takes of an ECP5, LiteEth included, beyond what a UART takes; routed, rounded up.
AREA = Cost(lut=4_300, ff=3_400, bram=7)

#: Most bytes of a datagram that is sent.
DATAGRAM = 1400

#: Seconds of silence after which a peer gives the link up for another.
LEASE = 1.0

#: Bytes of a frame besides its datagram's: preamble, Ethernet, IP, UDP and check sum.
HEADERS = 8 + 14 + 20 + 8 + 4

#: Bytes of rest between two frames on the wire.
GAP = 12


def _divider(clock_hz: int) -> int:
    return -(-clock_hz // LAYERS_HZ)


def layers_hz(clock_hz: int) -> int:
    """Frequency of LiteEth's layers; as many bytes a second they take, headers included.

    Parameters
    ----------
    clock_hz : int
        Of ``sync``.
    """
    return clock_hz // _divider(clock_hz)


def packets_per_second(clock_hz: int, packet_bytes: int) -> float:
    """Packets of that length, in datagrams of their own, that pass in a second."""
    datagrams = -(-packet_bytes // DATAGRAM)
    return layers_hz(clock_hz) / (packet_bytes + datagrams * HEADERS)


class EthernetLink(wiring.Component):
    """The link's bytes in UDP datagrams, on a byte-wide wire (GMII).

    It has one peer at a time, who sends first and keeps the link until `LEASE` seconds after its
    last datagram (`hw.link.owner`); what is sent before there is one is dropped. A datagram ends
    behind a zero byte, which is a packet's end, or when it has `DATAGRAM` bytes. ARP and pings of
    up to 128 bytes are answered too.

    Parameters
    ----------
    address : Address
    clock_hz : int
        Frequency of ``sync``.

    Members
    -------
    i_bytes : In(stream.Signature(8))
        To the host, in domain ``sync`` as `o_bytes`.
    o_bytes : Out(stream.Signature(8))
        From the host.
    rx_dv, rx_er : In(1), rx_data : In(8)
        From the PHY, in domain ``wire`` as `tx_en` and `tx_data`.
    tx_en : Out(1), tx_data : Out(8)
        To the PHY.

    The module `CORE` is a part of the design that Amaranth does not write: `rtlil` is it.
    """

    def __init__(self, *, address: Address, clock_hz: int) -> None:
        self._address = address
        self._divider = _divider(clock_hz)
        self._layers_hz = layers_hz(clock_hz)
        super().__init__(
            {
                "i_bytes": In(stream.Signature(8)),
                "o_bytes": Out(stream.Signature(8)),
                "rx_dv": In(1),
                "rx_er": In(1),
                "rx_data": In(8),
                "tx_en": Out(1),
                "tx_data": Out(8),
            }
        )

    @property
    def address(self) -> Address:
        return self._address

    def rtlil(self) -> bytes:
        """The module `CORE`; see `core_rtlil` for what can go wrong."""
        return core_rtlil(self._address, clock_hz=self._layers_hz)

    def elaborate(self, platform) -> Module:
        m = Module()
        layers = self._clock(m, platform)
        wire = DomainRenamer("wire")
        m.submodules.receiver = receiver = wire(FrameReceiver())
        m.submodules.sender = sender = wire(PacketBuffer(gap=GAP))
        # A byte every 2 cycles of the wire's clock, which is more than LiteEth's layers take or
        # give. Without them a buffer's state went through LiteEth and back in one cycle.
        m.submodules.arriving = arriving = wire(StreamRelay(Octet))
        m.submodules.leaving = leaving = wire(StreamRelay(Octet))
        connect(m, receiver.o_stream, arriving.i_stream)
        connect(m, leaving.o_stream, sender.i_stream)
        m.submodules.cutter = cutter = DomainRenamer(layers)(Cutter(most=DATAGRAM))
        m.submodules.gather = gather = DomainRenamer(layers)(PacketBuffer())
        m.submodules.received = received = AsyncFIFO(
            width=8, depth=CROSSING, w_domain=layers, r_domain="sync"
        )
        m.submodules.sent = sent = AsyncFIFO(
            width=8, depth=CROSSING, w_domain="sync", r_domain=layers
        )
        frames, datagrams = arriving.o_stream, gather.o_stream
        m.submodules.owner = owner = DomainRenamer(layers)(
            Owner(lease_cycles=round(LEASE * self._layers_hz))
        )
        length, peer, arrives = Signal(16), Signal(Peer), owner.i_stream
        m.submodules.core = Instance(
            CORE,
            i_sys_clk=ClockSignal(layers),
            i_wire_clk=ClockSignal("wire"),
            i_gmii_rx_valid=frames.valid,
            i_gmii_rx_data=frames.payload.data,
            i_gmii_rx_last=frames.payload.last,
            o_gmii_rx_ready=frames.ready,
            o_gmii_tx_valid=leaving.i_stream.valid,
            o_gmii_tx_data=leaving.i_stream.payload.data,
            o_gmii_tx_last=leaving.i_stream.payload.last,
            i_gmii_tx_ready=leaving.i_stream.ready,
            o_rx_valid=arrives.valid,
            o_rx_data=arrives.payload.data,
            o_rx_last=arrives.payload.last,
            o_rx_ip=arrives.payload.peer.ip,
            o_rx_port=arrives.payload.peer.port,
            i_rx_ready=arrives.ready,
            i_tx_valid=datagrams.valid,
            i_tx_data=datagrams.payload.data,
            i_tx_last=datagrams.payload.last,
            i_tx_ip=peer.ip,
            i_tx_port=peer.port,
            i_tx_length=length,
            o_tx_ready=datagrams.ready,
        )
        m.d.comb += [
            length.eq(gather.length),
            receiver.dv.eq(self.rx_dv),
            receiver.er.eq(self.rx_er),
            receiver.data.eq(self.rx_data),
            sender.o_stream.ready.eq(1),
            self.tx_en.eq(sender.o_stream.valid),
            self.tx_data.eq(sender.o_stream.payload.data),
        ]
        connect(m, owner.o_stream, received.w_stream)
        connect(m, received.r_stream, wiring.flipped(self.o_bytes))
        connect(m, wiring.flipped(self.i_bytes), sent.w_stream)

        # The address must stand while a datagram leaves.
        with m.If(~datagrams.valid):
            m.d[layers] += peer.eq(owner.peer)

        # What is sent to nobody is taken all the same.
        m.d.comb += [
            cutter.i_stream.valid.eq(sent.r_rdy & owner.known),
            cutter.i_stream.payload.eq(sent.r_data),
            sent.r_en.eq(cutter.i_stream.ready | ~owner.known),
        ]
        connect(m, cutter.o_stream, gather.i_stream)
        return m

    def _clock(self, m: Module, platform) -> str:
        """The domain of LiteEth's layers."""
        if self._divider == 1:
            return "sync"
        m.domains.layers = ClockDomain("layers", local=True, reset_less=True)
        count, divided = Signal(range(self._divider)), Signal()
        m.d.sync += [count.eq(count + 1), divided.eq(count < self._divider // 2)]
        with m.If(count == self._divider - 1):
            m.d.sync += count.eq(0)
        m.d.comb += ClockSignal("layers").eq(divided)
        if platform is not None:
            platform.add_clock_constraint(divided, self._layers_hz)
        return "layers"
