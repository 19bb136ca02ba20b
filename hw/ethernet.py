"""The accelerator on Ethernet: the SoC, and the link that carries its bytes in datagrams."""

from __future__ import annotations

from amaranth import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect

from hw.link.ethernet import EthernetLink
from hw.link.liteeth import Address
from hw.plan.plan import Plan
from hw.soc import SoC
from sw.model.model import Model
from sw.protocol import Identity

__all__ = ["EthernetSoC"]


class EthernetSoC(wiring.Component):
    """`hw.soc.SoC` behind an `EthernetLink`, with the ports of a byte-wide wire (GMII).

    Its clock domains are ``sync`` and, of 125 MHz, ``wire``.

    Parameters
    ----------
    plan, model, clock_hz
        As of `SoC`.
    address : Address
        Of the accelerator.

    Members
    -------
    rx_dv, rx_er, rx_data, tx_en, tx_data
        As of `EthernetLink`.
    active : Out(1)
        A byte passes between link and accelerator.
    found : Out(1)
        As of `SoC`, where that has it.

    Raises
    ------
    PlanError
        As `SoC` does.
    """

    def __init__(self, plan: Plan, model: Model, *, clock_hz: int, address: Address) -> None:
        self._soc = SoC(plan, model, clock_hz=clock_hz, baud=None, phy="bytes")
        self._link = EthernetLink(address=address, clock_hz=clock_hz)
        found = {"found": Out(1)} if "found" in self._soc.signature.members else {}
        super().__init__(
            {
                "rx_dv": In(1),
                "rx_er": In(1),
                "rx_data": In(8),
                "tx_en": Out(1),
                "tx_data": Out(8),
                "active": Out(1),
                **found,
            }
        )

    @property
    def identity(self) -> Identity:
        """What the host is told."""
        return self._soc.identity

    def rtlil(self) -> bytes:
        """The modules that Amaranth does not write; see `EthernetLink.rtlil`."""
        return self._link.rtlil()

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.soc = soc = self._soc
        m.submodules.link = link = self._link
        connect(m, soc.o_bytes, link.i_bytes)
        connect(m, link.o_bytes, soc.i_bytes)
        m.d.comb += [
            link.rx_dv.eq(self.rx_dv),
            link.rx_er.eq(self.rx_er),
            link.rx_data.eq(self.rx_data),
            self.tx_en.eq(link.tx_en),
            self.tx_data.eq(link.tx_data),
        ]
        passes = Signal()
        m.d.comb += passes.eq(
            (soc.i_bytes.valid & soc.i_bytes.ready) | (soc.o_bytes.valid & soc.o_bytes.ready)
        )
        m.d.sync += self.active.eq(passes)
        if "found" in self.signature.members:
            m.d.comb += self.found.eq(soc.found)
        return m
