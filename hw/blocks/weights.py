"""Read-only memories of weights and thresholds."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Array, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from hw.plan.array import WeightConfig

__all__ = ["WeightMemory"]


class WeightMemory(wiring.Component):
    """Words known when the design is built, read in `latency_cycles`.

    A "block" memory is a synchronous read and a register behind it: block RAM is
    slow from clock to output, and the register keeps that out of the first level
    of logic; a second one where PEs may be far away. Where words are spread over several
    pages each has a register, and one of them is chosen in a cycle of its own. A "lut"
    memory registers the address and the word, with constants in logic in between. A
    memory of one word is a constant.

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
        return self.config.latency_cycles

    def elaborate(self, platform: object) -> Module:
        m = Module()
        if self.config.depth == 1:
            m.d.comb += self.data.eq(self.words[0])
            return m
        address = Signal.like(self.address, reset_less=True)
        m.d.sync += address.eq(self.address)
        # Data needs no reset, and thousands of bits of it would load the reset's net.
        word = Signal(self.config.width, reset_less=True)
        m.d.comb += self.data.eq(word)
        if self.config.memory == "lut":
            m.d.sync += word.eq(self._page(m, 0, "comb", address))
            return m
        if self.config.pages == 1:
            near = Signal.like(word, name="near") if self.config.far else word
            m.d.sync += near.eq(self._page(m, 0, "sync", self.address))
            if self.config.far:
                m.d.sync += word.eq(near)
            return m
        pages = []
        for page in range(self.config.pages):
            register = Signal(self.config.width, name=f"page_{page}", reset_less=True)
            m.d.sync += register.eq(self._page(m, page, "sync", self.address))
            pages.append(register)
        select = Signal(range(len(pages)), reset_less=True)
        m.d.sync += [
            select.eq(address[exact_log2(self.config.page_depth) :]),
            word.eq(Array(pages)[select]),
        ]
        return m

    def _page(self, m: Module, page: int, domain: str, address: Value) -> Value:
        """The words of one page, read by the low bits of ``address``."""
        depth = self.config.page_depth
        words = self.words[page * depth : (page + 1) * depth]
        m.submodules[f"page_{page}"] = memory = Memory(
            shape=self.config.width,
            depth=depth,
            init=[*words, *[0] * (depth - len(words))],
            attrs={"ram_style": "block" if self.config.memory == "block" else "logic"},
        )
        port = memory.read_port(domain=domain)
        m.d.comb += port.addr.eq(address)
        return port.data
