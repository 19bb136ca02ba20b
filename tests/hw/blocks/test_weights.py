"""Weight memories: contents and latency."""

from __future__ import annotations

import pytest
from amaranth.sim import Simulator, SimulatorContext

from hw.blocks.weights import WeightMemory
from hw.plan.array import ArrayConfig, WeightConfig
from sw.errors import PlanError


@pytest.mark.parametrize(
    ("depth", "width", "memory", "pages"),
    [
        *((d, w, m, 1) for m in ("lut", "block") for d, w in ((2, 1), (9, 16), (70, 33))),
        (70, 33, "block", 2),
        (70, 5, "block", 3),
        (64, 5, "block", 4),
    ],
)
def test_words(depth, width, memory, pages, rng):
    words = [int.from_bytes(rng.bytes(8), "little") % 2**width for _ in range(depth)]
    config = WeightConfig(depth=depth, width=width, memory=memory, pages=pages)
    block = WeightMemory(config=config, words=words)
    latency = block.latency_cycles
    addresses = [*range(depth), *(int(a) for a in rng.integers(0, depth, 50))]
    found = []

    async def drive(ctx: SimulatorContext) -> None:
        for cycle in range(len(addresses) + latency):
            ctx.set(block.address, addresses[min(cycle, len(addresses) - 1)])
            if cycle >= latency:
                found.append(ctx.get(block.data))
            await ctx.tick()

    simulator = Simulator(block)
    simulator.add_clock(1e-6)
    simulator.add_testbench(drive)
    simulator.run()
    assert found == [words[address] for address in addresses]


def test_pages_are_the_deepest_of_the_fewest_block_rams():
    """9,216 words of 16 bits: nine block RAMs of 1,024 x 18, and no fewer."""
    config = ArrayConfig(outputs=64, fan_in=2304, rows=1, simd=16).weights
    assert (config.depth, config.width) == (9216, 16)
    assert (config.pages, config.page_depth, config.latency_cycles) == (9, 1024, 3)
    shallow = ArrayConfig(outputs=64, fan_in=64, rows=8, simd=16).weights
    assert (shallow.pages, shallow.page_depth, shallow.latency_cycles) == (1, shallow.depth, 3)


@pytest.mark.parametrize("memory", ["lut", "block"])
def test_one_word_is_a_constant(memory):
    config = WeightConfig(depth=1, width=5, memory=memory)
    block = WeightMemory(config=config, words=[19])

    async def check(ctx: SimulatorContext) -> None:
        assert ctx.get(block.data) == 19

    simulator = Simulator(block)
    simulator.add_testbench(check)
    simulator.run()


def test_unknown_memory():
    with pytest.raises(PlanError, match=r"'flash', but must be 'lut' or 'block'.*Choose"):
        WeightConfig(depth=1, width=1, memory="flash")  # type: ignore[arg-type]
