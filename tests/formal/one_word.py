"""A memory of which one word is kept, for proofs about all of them."""

from __future__ import annotations

from collections.abc import Sequence
from unittest.mock import patch

from amaranth.hdl import Instance, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.blocks.ram import Ram

__all__ = ["OneWordMemory", "OneWordRam"]


class OneWordMemory(wiring.Component):
    """Stands in for what `hw.blocks.counters.make_memory` makes: a port to write, one to read.

    An address, any but always the same, has a word. What is read elsewhere, or there in the
    cycle in which it is written, is a free value of each cycle: so what a proof says of
    a word that lies at this address it says of all, and it leans on no other.

    Members
    -------
    hit : Out(1)
        The address is written.
    address : Out(range(depth))
        The address.
    """

    class _Write:
        def __init__(self, memory: OneWordMemory) -> None:
            self.en, self.addr, self.data = memory.write_en, memory.write_addr, memory.write_data

    class _Read:
        def __init__(self, memory: OneWordMemory) -> None:
            self.addr, self.data = memory.read_addr, memory.read_data

    def __init__(self, shape: int, depth: int, kind: str) -> None:
        self._shape, self._depth = shape, depth
        super().__init__(
            {
                "write_en": In(1),
                "write_addr": In(range(depth)),
                "write_data": In(shape),
                "read_addr": In(range(depth)),
                "read_data": Out(shape),
                "hit": Out(1),
                "address": Out(range(depth)),
            }
        )

    def write_port(self) -> _Write:
        return self._Write(self)

    def read_port(self, *, domain: str) -> _Read:
        assert domain == "comb"
        return self._Read(self)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        address, free = self.address, Signal(self._shape)
        m.submodules += [
            Instance("$anyconst", p_WIDTH=len(address), o_Y=address),
            Instance("$anyseq", p_WIDTH=len(free), o_Y=free),
        ]
        word = Signal(self._shape)
        m.d.comb += self.hit.eq(self.write_en & (self.write_addr == address))
        m.d.comb += self.read_data.eq(Mux((self.read_addr == address) & ~self.hit, word, free))
        with m.If(self.hit):
            m.d.sync += word.eq(self.write_data)
        return m


class OneWordRam(Ram):
    """A `Ram` of one page, with its registers, of a `OneWordMemory`: ``memory``."""

    def __init__(self, *, width: int, pages: Sequence[int]) -> None:
        (depth,) = pages
        super().__init__(width=width, pages=pages)
        self.memory = OneWordMemory(width, depth, "block")

    def elaborate(self, platform: object) -> Module:
        with patch.dict(Ram.elaborate.__globals__, Memory=lambda **_: self.memory):
            return super().elaborate(platform)
