"""RGMII on an ECP5: both edges of four pins each way, as bytes of a 125 MHz clock."""

from __future__ import annotations

from amaranth import Cat, ClockSignal, Const, Instance, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Rgmii"]

#: A step of DELAYG, picoseconds (Lattice FPGA-TN-02032), and how many there are.
TAP_PS = 25
TAPS = 128


class Rgmii(wiring.Component):
    """Pins to bytes and back, at 1000 Mbit/s alone; in domain ``wire``, whose clock is RXC.

    At the rising edge the pins carry a byte's lower half and "valid", at the falling edge
    its upper half and "valid" or, where they differ, "error". What is sent goes with the
    clock that is received, which the PHY takes.

    Parameters
    ----------
    rx_delay_ps, tx_delay_ps : int
        By which data that come in, and the clock that goes out, are delayed; 0 to 3,175.

    Members
    -------
    pin_rx_ctl : In(1), pin_rx_data : In(4)
        From the pins' buffers.
    pin_tx_clk, pin_tx_ctl : Out(1), pin_tx_data : Out(4)
        To the pins' buffers.
    rx_dv, rx_er : Out(1), rx_data : Out(8)
    tx_en : In(1), tx_data : In(8)
        As of `hw.link.ethernet.EthernetLink`.
    """

    def __init__(self, *, rx_delay_ps: int, tx_delay_ps: int) -> None:
        self._rx_taps, self._tx_taps = rx_delay_ps // TAP_PS, tx_delay_ps // TAP_PS
        assert max(self._rx_taps, self._tx_taps) < TAPS, "DELAYG has no more steps"
        super().__init__(
            {
                "pin_rx_ctl": In(1),
                "pin_rx_data": In(4),
                "pin_tx_clk": Out(1),
                "pin_tx_ctl": Out(1),
                "pin_tx_data": Out(4),
                "rx_dv": Out(1),
                "rx_er": Out(1),
                "rx_data": Out(8),
                "tx_en": In(1),
                "tx_data": In(8),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        first, second = Signal(5), Signal(5)
        for bit, pin in enumerate(Cat(self.pin_rx_data, self.pin_rx_ctl)):
            _input(m, f"rx_{bit}", pin, first[bit], second[bit], taps=self._rx_taps)
        m.d.wire += [
            self.rx_data.eq(Cat(first[:4], second[:4])),
            self.rx_dv.eq(first[4]),
            self.rx_er.eq(first[4] ^ second[4]),
        ]
        for bit, pin in enumerate(self.pin_tx_data):
            _output(m, f"tx_{bit}", self.tx_data[bit], self.tx_data[4 + bit], pin)
        _output(m, "tx_ctl", self.tx_en, self.tx_en, self.pin_tx_ctl)
        _output(m, "tx_clk", Const(1), Const(0), self.pin_tx_clk, taps=self._tx_taps)
        return m


def _delay(m: Module, name: str, source, target, taps: int) -> None:
    m.submodules[f"{name}_delay"] = Instance(
        "DELAYG", p_DEL_MODE="SCLK_ALIGNED", p_DEL_VALUE=taps, i_A=source, o_Z=target
    )


def _input(m: Module, name: str, pin, first, second, *, taps: int) -> None:
    late = Signal(name=f"{name}_late")
    _delay(m, name, pin, late, taps)
    m.submodules[name] = Instance(
        "IDDRX1F", i_SCLK=ClockSignal("wire"), i_RST=Const(0), i_D=late, o_Q0=first, o_Q1=second
    )


def _output(m: Module, name: str, first, second, pin, *, taps: int = 0) -> None:
    early = Signal(name=f"{name}_early")
    m.submodules[name] = Instance(
        "ODDRX1F", i_SCLK=ClockSignal("wire"), i_RST=Const(0), i_D0=first, i_D1=second, o_Q=early
    )
    _delay(m, name, early, pin, taps)
