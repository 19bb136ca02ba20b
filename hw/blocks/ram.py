"""Block RAM behind its output register."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Array, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

__all__ = ["Ram"]


class Ram(wiring.Component):
    """Memory with a port to write and a port to read, in block RAM.

    A block RAM's own output takes 5.8 ns, that of its output register 1.0 ns: so each page
    has a register behind it, without reset and enabled with the read, which the flow merges
    into the block RAM.

    What a read brings that meets a write of its address is unknown in hardware (in
    simulation, what was there before): so a user never needs it, and no logic is spent on it.

    Parameters
    ----------
    width : int
        Bits of a word.
    pages : sequence of int
        Depth of each page; all but the last are powers of two, in descending order.

    Members
    -------
    write_addr : In, write_data : In(width), write_en : In(1)
    read_addr : In
    read_en : In(1)
        Moves the whole read pipeline on.
    read_data : Out(width)
        The word addressed ``latency`` moves before.
    """

    def __init__(self, *, width: int, pages: Sequence[int]) -> None:
        self._width, self._pages = width, tuple(pages)
        address = range(sum(pages))
        super().__init__(
            {
                "write_addr": In(address),
                "write_data": In(width),
                "write_en": In(1),
                "read_addr": In(address),
                "read_en": In(1),
                "read_data": Out(width),
            }
        )

    @property
    def latency(self) -> int:
        """Moves from an address to its word."""
        return 2 if len(self._pages) == 1 else 3

    def elaborate(self, platform) -> Module:
        m = Module()
        words, read_here = [], []
        base = 0
        for index, depth in enumerate(self._pages):
            # The attribute lets Yosys ignore collisions; it does so for a register that it
            # moves into the memory itself, hence the asynchronous port.
            # A page begins at a multiple of its size, or of the next power of two.
            size = max(1, (depth - 1).bit_length())
            memory = Memory(
                shape=self._width,
                # CXXRTL stops at any address beyond a memory, and a page sees those of others.
                depth=depth if len(self._pages) == 1 else 1 << size,
                init=[],
                attrs={"ram_style": "block", "no_rw_check": 1},
            )
            m.submodules[f"page_{index}"] = memory
            write, read = memory.write_port(), memory.read_port(domain="comb")
            fetched = Signal(self._width, reset_less=True)
            word = Signal(self._width, reset_less=True)
            m.d.comb += [
                write.addr.eq(self.write_addr),
                write.data.eq(self.write_data),
                write.en.eq(self.write_en & (self.write_addr[size:] == base >> size)),
                read.addr.eq(self.read_addr),
            ]
            with m.If(self.read_en):
                m.d.sync += [fetched.eq(read.data), word.eq(fetched)]
            words.append(word)
            read_here.append(self.read_addr[size:] == base >> size)
            base += depth
        if len(words) == 1:
            m.d.comb += self.read_data.eq(words[0])
            return m
        page = [Signal(range(len(words)), reset_less=True, name=f"page_{i}") for i in range(2)]
        with m.If(self.read_en):
            for index, here in enumerate(read_here):
                with m.If(here):
                    m.d.sync += page[0].eq(index)
            m.d.sync += [page[1].eq(page[0]), self.read_data.eq(Array(words)[page[1]])]
        return m
