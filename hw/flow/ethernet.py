"""The top of a board whose link is Ethernet: clock, PHY and lamps around an `EthernetSoC`."""

from __future__ import annotations

from amaranth.hdl import ClockDomain, ClockSignal, Elaboratable, Module, Signal
from amaranth.lib import io

from boards import Board, ClockPlan
from boards.ethernet import PHYS, Phy
from hw.ethernet import EthernetSoC
from hw.flow.families import FAMILIES
from hw.flow.lamps import add_lamps
from hw.flow.run import Sources
from hw.link.rgmii import Rgmii
from sw.errors import PlanError

__all__ = ["EthernetTop", "elaborate", "phy_of"]

#: Seconds for which a PHY's reset is held after the clock has started; the longest that one of
#: `boards.ethernet` asks for is 10 ms.
RESET_SECONDS = 0.02

#: Pins of RGMII that are inputs, and outputs.
_INPUTS, _OUTPUTS = ("rx_ctl", "rx_data"), ("tx_clk", "tx_ctl", "tx_data")


def phy_of(board: Board) -> Phy:
    """The Ethernet PHY of a board.

    Raises
    ------
    PlanError
        It has none that is known.
    """
    if board.name not in PHYS:
        raise PlanError(
            f"The {board.title} has no Ethernet that a build can use: the boards that have are "
            f"{', '.join(PHYS)}",
            "Leave --link out, or take one of these",
        )
    return PHYS[board.name]


class EthernetTop(Elaboratable):
    """An `EthernetSoC` on a board; lamps as of `hw.flow.top.BoardTop`.

    The PHY is reset once, when the clock has started.

    Parameters
    ----------
    board, clock
        As of `BoardTop`.
    phy : Phy
        Its pins are the platform's resource ("rgmii", 0).
    design : EthernetSoC
    """

    def __init__(self, board: Board, clock: ClockPlan, phy: Phy, design: EthernetSoC) -> None:
        self._board, self._clock, self._phy, self._design = board, clock, phy, design

    def elaborate(self, platform) -> Module:
        m = Module()
        m.domains.sync = ClockDomain("sync", reset_less=True)
        m.domains.wire = ClockDomain("wire", reset_less=True)
        m.submodules.clock = self._clock.generator()
        m.submodules.design = design = self._design
        m.submodules.rgmii = rgmii = Rgmii(
            rx_delay_ps=self._phy.rx_delay_ps, tx_delay_ps=self._phy.tx_delay_ps
        )
        names = ("reset", "rx_clk", *_INPUTS, *_OUTPUTS)
        pins = platform.request("rgmii", 0, dir=dict.fromkeys(names, "-"))
        for name in ("rx_clk", *_INPUTS):
            m.submodules[name] = buffer = io.Buffer("i", getattr(pins, name))
            target = ClockSignal("wire") if name == "rx_clk" else getattr(rgmii, f"pin_{name}")
            m.d.comb += target.eq(buffer.i)
        for name in _OUTPUTS:
            m.submodules[name] = buffer = io.Buffer("o", getattr(pins, name))
            m.d.comb += buffer.o.eq(getattr(rgmii, f"pin_{name}"))
        m.d.comb += [
            design.rx_dv.eq(rgmii.rx_dv),
            design.rx_er.eq(rgmii.rx_er),
            design.rx_data.eq(rgmii.rx_data),
            rgmii.tx_en.eq(design.tx_en),
            rgmii.tx_data.eq(design.tx_data),
        ]

        cycles = int(self._clock.hz * RESET_SECONDS)
        held = Signal(range(cycles + 1), init=cycles)
        with m.If(held != 0):
            m.d.sync += held.eq(held - 1)
        m.submodules.reset = reset = io.Buffer("o", pins.reset)
        m.d.sync += reset.o.eq(held != 0)

        add_lamps(m, platform, self._board, hz=self._clock.hz, moves=design.active, design=design)
        return m


def elaborate(board: Board, clock: ClockPlan, design: EthernetSoC) -> Sources:
    """RTLIL and constraints of ``design`` on ``board``, LiteEth's module included.

    The same input gives the same bytes.

    Raises
    ------
    PlanError
        The board has no Ethernet.
    MissingToolError
        LiteEth or Yosys is not installed.
    """
    phy = phy_of(board)
    platform = board.platform()
    platform.add_resources([phy.resource()])
    top = EthernetTop(board, clock, phy, design)
    files = platform.prepare(top, "top", emit_src=False).files
    texts = [files["top.il"], files[FAMILIES[board.family].CONSTRAINTS]]
    rtlil, constraints = (t.encode() if isinstance(t, str) else t for t in texts)
    return Sources(rtlil=rtlil + b"\n" + design.rtlil(), constraints=constraints)
