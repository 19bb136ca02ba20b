"""Flash memory, reader, loader and memories that count their words, on Amaranth's simulator."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, connect
from amaranth.sim import Simulator

from hw.blocks.load import WORD_CYCLES
from hw.spram.image import WAKE_SECONDS, LoadConfig, WeightImage
from hw.spram.loader import WeightLoader
from hw.spram.reader import FlashReader
from sim.flash import FlashModel

__all__ = ["CLOCK_HZ", "Chain", "run"]

#: So slow that the flash memory wakes up within few cycles.
CLOCK_HZ = 1_000_000


class Chain(wiring.Component):
    """All of it but the memories.

    Parameters
    ----------
    image : WeightImage
        That the hardware is built for.
    contents : bytes, optional
        Of the flash memory: else that image.

    Members
    -------
    hold : In(1)
        Bytes wait between reader and loader.
    """

    def __init__(self, image: WeightImage, contents: bytes | None = None) -> None:
        self.config = LoadConfig.of(image, clock_hz=CLOCK_HZ)
        self.flash = FlashModel(
            image.pack() if contents is None else contents,
            wake_cycles=round(WAKE_SECONDS * CLOCK_HZ),
        )
        self.reader = FlashReader(config=self.config)
        self.loader = WeightLoader(config=self.config)
        self.ends = Signal(image.sprams)
        super().__init__({"hold": In(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.flash = self.flash
        m.submodules.reader = reader = self.reader
        m.submodules.loader = loader = self.loader
        connect(m, reader.pins, self.flash.pins)
        m.d.comb += [
            reader.run.eq(loader.run),
            loader.i_stream.payload.eq(reader.o_stream.payload),
            loader.i_stream.valid.eq(reader.o_stream.valid & ~self.hold),
            reader.o_stream.ready.eq(loader.i_stream.ready & ~self.hold),
            loader.bus.end.eq(self.ends),
        ]
        return m


def run(
    chain: Chain,
    depths: Sequence[int],
    *,
    passes: int = 1,
    wrong: int = 0,
    rng: np.random.Generator | None = None,
    stall: float = 0.0,
) -> tuple[int | None, list[list[int]]]:
    """Load memories of some depths.

    Parameters
    ----------
    passes : int
        How often the payload is read at most.
    wrong : int
        In how many of these, the first, some bit is wrong.
    rng, stall
        Probability that a byte waits for a cycle.

    Returns
    -------
    cycles : int or None
        Cycles until all was loaded; None where it never was.
    words : list of list of int
        What was written to each memory, in all passes.
    """
    words: list[list[int]] = [[] for _ in depths]
    result: list[int] = []
    limit = round(1.2 * passes * chain.config.cycles / (1 - stall))
    reads = 0

    async def bench(ctx) -> None:
        nonlocal reads
        loader, last = chain.loader, -WORD_CYCLES
        for cycle in range(limit):
            if ctx.get(loader.loaded):
                result.append(cycle)
                break
            if reads == passes:
                break
            ends = [len(w) % depth == depth - 1 for w, depth in zip(words, depths, strict=True)]
            ctx.set(chain.ends, sum(end << index for index, end in enumerate(ends)))
            if rng is not None:
                ctx.set(chain.hold, rng.random() < stall)
            written = ctx.get(loader.bus.write)
            assert written & (written - 1) == 0, "one memory at a time"
            if written:
                assert cycle - last >= WORD_CYCLES, "too soon for the last row"
                last = cycle
                words[written.bit_length() - 1].append(ctx.get(loader.bus.data))
            # One bit of the payload, somewhere.
            ctx.set(chain.flash.flip, reads < wrong and len(words[0]) % depths[0] == depths[0] // 2)
            reads += not ctx.get(loader.run)
            await ctx.tick()
        if not result:
            return
        # It stays so, and lets go of the flash memory.
        for _ in range(300):
            await ctx.tick()
            assert ctx.get(loader.loaded) and not ctx.get(loader.bus.write)
            assert not ctx.get(chain.reader.pins.select) and not ctx.get(chain.reader.pins.clk)

    simulator = Simulator(chain)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return (result[0] if result else None), words
