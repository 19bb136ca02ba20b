"""Weight memories: contents and latency."""

from __future__ import annotations

import pytest
from amaranth.sim import Simulator, SimulatorContext

from hw.blocks.weights import WeightMemory
from hw.plan.array import WEIGHT_LATENCY, WeightConfig
from sw.errors import PlanError


@pytest.mark.parametrize("memory", ["lut", "block"])
@pytest.mark.parametrize(("depth", "width"), [(2, 1), (9, 16), (70, 33)])
def test_words(depth, width, memory, rng):
    words = [int.from_bytes(rng.bytes(8), "little") % 2**width for _ in range(depth)]
    block = WeightMemory(config=WeightConfig(depth=depth, width=width, memory=memory), words=words)
    addresses = [*range(depth), *(int(a) for a in rng.integers(0, depth, 50))]
    found = []

    async def drive(ctx: SimulatorContext) -> None:
        for cycle in range(len(addresses) + WEIGHT_LATENCY):
            ctx.set(block.address, addresses[min(cycle, len(addresses) - 1)])
            if cycle >= WEIGHT_LATENCY:
                found.append(ctx.get(block.data))
            await ctx.tick()

    simulator = Simulator(block)
    simulator.add_clock(1e-6)
    simulator.add_testbench(drive)
    simulator.run()
    assert found == [words[address] for address in addresses]


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
