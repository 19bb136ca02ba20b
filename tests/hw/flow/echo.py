"""A small stand-in for the SoC: what arrives on the serial line leaves on it."""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out


class Echo(wiring.Component):
    """``rx`` to ``tx`` through a register, and a counter of ``width`` bits to fill LUTs."""

    def __init__(self, width: int = 8) -> None:
        self._width = width
        super().__init__({"rx": In(1, init=1), "tx": Out(1, init=1)})

    def elaborate(self, platform) -> Module:
        m = Module()
        count, line = Signal(self._width), Signal(init=1)
        m.d.sync += [count.eq(count * 3 + self.rx), line.eq(self.rx & ~(count == 1))]
        m.d.comb += self.tx.eq(line)
        return m
