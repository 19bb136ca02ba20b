"""Weight memories: contents and latency."""

from __future__ import annotations

import numpy as np
import pytest
from amaranth.sim import Simulator, SimulatorContext

from hw.blocks.weights import WeightMemory
from hw.plan.weights import WeightConfig


def random_words(rng: np.random.Generator, depth: int, width: int) -> list[int]:
    size = -(-width // 8)
    return [int.from_bytes(rng.bytes(size), "little") % 2**width for _ in range(depth)]


@pytest.mark.parametrize(
    ("depth", "width", "memory", "pages"),
    [
        *((d, w, m, 1) for m in ("lut", "block") for d, w in ((2, 1), (9, 16), (70, 33))),
        (70, 33, "block", 2),
        (70, 5, "block", 3),
        (64, 5, "block", 4),
        (1300, 9, "block", 3),
        (2, 1, "spram", 1),
        (70, 16, "spram", 1),
        (70, 33, "spram", 1),
    ],
)
def test_words(depth, width, memory, pages, rng):
    words = random_words(rng, depth, width)
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


@pytest.mark.parametrize("rate", [1.0, 0.6, 0.2])
@pytest.mark.parametrize(
    ("depth", "width", "pages"), [(9, 8, 1), (18, 24, 1), (72, 32, 1), (90, 8, 3), (144, 16, 2)]
)
def test_ninth_words(depth, width, pages, rate, rng):
    """In their order, each standing for as long as its beat may, at all rates."""
    words = random_words(rng, depth, width)
    config = WeightConfig(depth=depth, width=width, pages=pages, ninths=True)
    block = WeightMemory(config=config, words=words)
    latency = block.latency_cycles
    asked: list[int] = []
    found: list[int] = []

    async def drive(ctx: SimulatorContext) -> None:
        index = 0
        while len(asked) < 3 * depth / rate:
            taken = rng.random() < rate
            ninth = index % 9 == 8
            # A ninth word's place is of no account.
            place = int(rng.integers(0, config.places)) if ninth else index // 9 * 8 + index % 9
            ctx.set(block.address, place)
            ctx.set(block.ninth, ninth)
            ctx.set(block.taken, taken)
            asked.append(words[index])
            found.append(ctx.get(block.data))
            await ctx.tick()
            index = (index + taken) % depth

    simulator = Simulator(block)
    simulator.add_clock(1e-6)
    simulator.add_testbench(drive)
    simulator.run()
    assert found[latency:] == asked[:-latency]


@pytest.mark.parametrize("memory", ["lut", "block", "spram"])
def test_one_word_is_a_constant(memory):
    config = WeightConfig(depth=1, width=5, memory=memory)
    block = WeightMemory(config=config, words=[19])

    async def check(ctx: SimulatorContext) -> None:
        assert ctx.get(block.data) == 19

    simulator = Simulator(block)
    simulator.add_testbench(check)
    simulator.run()
