"""Weight memories: contents, latency, and how the words lie in block RAM."""

from __future__ import annotations

import numpy as np
import pytest
from amaranth.sim import Simulator, SimulatorContext

from hw.blocks.weights import WeightMemory
from hw.plan.weights import WeightConfig, least_block_rams, weight_memory
from sw.errors import PlanError


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


@pytest.mark.parametrize(
    ("width", "depth", "layout"),
    [
        # A shape that fits: no pages, nothing gathered.
        (16, 2048, (2, 1, False)),
        (36, 512, (1, 1, False)),
        # Nine words in the places of eight: all bits of the block RAMs are used.
        (32, 1152, (2, 1, True)),
        (32, 2304, (4, 1, True)),
        (32, 4608, (8, 2, True)),
        # Not where that saves nothing.
        (32, 288, (1, 1, False)),
        # Pages that share a block RAM.
        (7, 7168, (3, 7, False)),
        (4, 9216, (2, 9, False)),
    ],
)
def test_layout(width, depth, layout):
    config = weight_memory(width, depth)
    assert (config.block_rams, config.pages, config.ninths) == layout
    assert config.latency_cycles == 3


def test_no_memory_is_better_than_its_bound_and_most_are_close(rng):
    for _ in range(300):
        width, depth = int(rng.integers(1, 200)), int(rng.integers(2, 20_000))
        config = weight_memory(width, depth)
        least = least_block_rams(width, depth)
        assert config.block_rams >= least
        # The words are all there.
        assert config.pages * config.page_depth >= config.places
        assert config.places + config.ninths * depth // 9 == depth


@pytest.mark.parametrize(
    ("width", "depth", "blocks"),
    [(36, 512, 1), (37, 2, 2), (36, 513, 2), (18, 1024, 1), (256, 1152, 16), (512, 288, 15)],
)
def test_least_block_rams(width, depth, blocks):
    assert least_block_rams(width, depth) == blocks


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


@pytest.mark.parametrize(("depth", "width"), [(10, 8), (9, 7)])
def test_ninths_of_other_shapes(depth, width):
    with pytest.raises(
        PlanError, match=rf"{depth} words of {width} bits are to be kept in ninth bits.*Leave"
    ):
        WeightConfig(depth=depth, width=width, ninths=True)
