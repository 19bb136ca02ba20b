"""Ethernet PHYs on boards: RGMII pins and the delays that each needs.

Clock and data of RGMII must be a quarter of a bit apart (about 2 ns). Where the PHY or the
board does not delay the one, the FPGA does: by how much is as LiteX' targets of these boards
have it (litex-boards: targets/colorlight_i5.py and targets/lambdaconcept_ecpix5.py).
"""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.build import Attrs, Clock, Pins, PinsN, Resource, Subsignal

__all__ = ["PHYS", "Phy"]

#: Clock of RGMII at 1000 Mbit/s, Hz.
CLOCK_HZ = 125e6


@dataclass(frozen=True, kw_only=True)
class Phy:
    """A PHY's pins, as balls of the FPGA, and its delays.

    Parameters
    ----------
    title : str
        The chip, and where it is.
    reset : str
        Low resets it.
    rx_clk, rx_ctl, rx_data, tx_clk, tx_ctl, tx_data : str
        RGMII; of the data, four balls, bit 0 first.
    rx_delay_ps, tx_delay_ps : int
        By which the FPGA delays what comes in beside its clock, and the clock that goes out.
    """

    title: str
    reset: str
    rx_clk: str
    rx_ctl: str
    rx_data: str
    tx_clk: str
    tx_ctl: str
    tx_data: str
    rx_delay_ps: int
    tx_delay_ps: int

    def resource(self) -> Resource:
        """To add to the board's platform, as ("rgmii", 0)."""
        return Resource(
            "rgmii",
            0,
            Subsignal("reset", PinsN(self.reset, dir="o")),
            Subsignal("rx_clk", Pins(self.rx_clk, dir="i"), Clock(CLOCK_HZ)),
            Subsignal("rx_ctl", Pins(self.rx_ctl, dir="i")),
            Subsignal("rx_data", Pins(self.rx_data, dir="i")),
            Subsignal("tx_clk", Pins(self.tx_clk, dir="o")),
            Subsignal("tx_ctl", Pins(self.tx_ctl, dir="o")),
            Subsignal("tx_data", Pins(self.tx_data, dir="o")),
            Attrs(IO_TYPE="LVCMOS33"),
        )


#: Both modules have two PHYs and share a board's layout; this is the first of LiteX' files.
_COLORLIGHT = Phy(
    title="B50612D, PHY 0",
    reset="P4",
    rx_clk="H2",
    rx_ctl="P2",
    rx_data="K2 L1 N1 P1",
    tx_clk="G1",
    tx_ctl="K1",
    tx_data="G2 H1 J1 J3",
    rx_delay_ps=2000,
    tx_delay_ps=0,
)

#: By the board's name.
PHYS = {
    "colorlight_i5": _COLORLIGHT,
    "colorlight_i9": _COLORLIGHT,
    "ecpix5": Phy(
        title="KSZ9031RNX",
        reset="C13",
        rx_clk="E11",
        rx_ctl="A11",
        rx_data="B11 A10 B10 A9",
        tx_clk="A12",
        tx_ctl="C9",
        tx_data="D8 C8 B8 A8",
        rx_delay_ps=0,
        tx_delay_ps=2000,
    ),
}
