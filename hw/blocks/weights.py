"""Read-only memories of weights and thresholds."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hw.plan.array import WEIGHT_LATENCY, WeightConfig

__all__ = ["WeightMemory"]


class WeightMemory(wiring.Component):
    """Words known when the design is built, read in `WEIGHT_LATENCY` cycles.

    A "block" memory is a synchronous read and a register behind it: block RAM is
    slow from clock to output, and the register keeps that out of the first level
    of logic. A "lut" memory registers the address and the word, with constants in
    logic in between. A memory of one word is a constant.

    Parameters
    ----------
    config : WeightConfig
    words : sequence of int
        ``depth`` words of ``width`` bits.

    Attributes
    ----------
    address : unsigned, in
    data : unsigned(width), out
    """

    def __init__(self, *, config: WeightConfig, words: Sequence[int]) -> None:
        assert len(words) == config.depth, f"{len(words)} words for a depth of {config.depth}"
        assert max(words) < 2**config.width, "a word is too wide"
        self.config = config
        self.words = [int(word) for word in words]
        super().__init__({"address": In(range(config.depth)), "data": Out(config.width)})

    @property
    def latency_cycles(self) -> int:
        return WEIGHT_LATENCY

    def elaborate(self, platform: object) -> Module:
        m = Module()
        if self.config.depth == 1:
            m.d.comb += self.data.eq(self.words[0])
            return m
        block = self.config.memory == "block"
        m.submodules.memory = memory = Memory(
            shape=self.config.width,
            depth=self.config.depth,
            init=self.words,
            attrs={"ram_style": "block" if block else "logic"},
        )
        port = memory.read_port(domain="sync" if block else "comb")
        address = Signal.like(self.address, reset_less=True)
        # Data needs no reset, and thousands of bits of it would load the reset's net.
        word = Signal(self.config.width, reset_less=True)
        m.d.comb += [port.addr.eq(self.address if block else address), self.data.eq(word)]
        m.d.sync += [address.eq(self.address), word.eq(port.data)]
        return m
