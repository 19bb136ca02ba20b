"""Match sums against plain NumPy, and their declared latency."""

from __future__ import annotations

import numpy as np
import pytest
from amaranth.sim import Simulator, SimulatorContext

from hw.blocks.popcount import MatchSum
from hw.plan.array import MatchSumConfig
from sw.errors import PlanError
from tests.hw.blocks import bench


def sums(config: MatchSumConfig, codes: list[int], weights: list[int]) -> list[tuple[int, int]]:
    """(sum, carry) of a new operand each cycle, read `latency_cycles` later."""
    block = MatchSum(config=config)
    found = []

    async def drive(ctx: SimulatorContext) -> None:
        for cycle in range(len(codes) + config.latency_cycles):
            if cycle < len(codes):
                ctx.set(block.codes, codes[cycle])
                ctx.set(block.weights, weights[cycle])
            if cycle >= config.latency_cycles:
                found.append((ctx.get(block.sum), ctx.get(block.carry)))
            await ctx.tick()

    simulator = Simulator(block)
    simulator.add_clock(1e-6)
    simulator.add_testbench(drive)
    simulator.run()
    return found


def check(config: MatchSumConfig, rng: np.random.Generator, count: int = 40) -> None:
    top = 2**config.lane_bits - 1
    codes = rng.integers(0, top + 1, (count, config.simd))
    weights = rng.integers(0, 2, (count, config.simd))
    codes[0], weights[0] = top, 1  # the greatest sum
    codes[1], weights[1] = 0, 1  # the least
    expected = np.where(weights == 1, codes, top - codes).sum(1)
    found = sums(
        config,
        bench.pack(codes, config.simd, config.lane_bits),
        bench.pack(weights, config.simd, 1),
    )
    assert [total + carry for total, carry in found] == expected.tolist()
    assert max(total for total, _ in found) == config.sum_max


@pytest.mark.parametrize("pipeline", [1, 3, 4])
@pytest.mark.parametrize("simd", [*range(1, 35, 2), 2, 4, 8, 16, 32, 64, 72, 128, 200])
def test_binary_lanes(simd, pipeline, rng):
    check(MatchSumConfig(simd=simd, pipeline=pipeline), rng, count=12)


@pytest.mark.parametrize("lane_bits", [2, 3, 8])
@pytest.mark.parametrize("simd", [1, 2, 3, 4, 5, 9, 16, 27, 40])
def test_wider_lanes(simd, lane_bits, rng):
    check(MatchSumConfig(simd=simd, lane_bits=lane_bits), rng)


def test_every_operand_of_few_lanes():
    """All codes and weights of three lanes."""
    config = MatchSumConfig(simd=3)
    pairs = [(x, w) for x in range(8) for w in range(8)]
    found = sums(config, [x for x, _ in pairs], [w for _, w in pairs])
    assert [a + b for a, b in found] == [3 - (x ^ w).bit_count() for x, w in pairs]


def test_illegal_config():
    with pytest.raises(PlanError, match=r"simd is 0, but must be a whole number >= 1"):
        MatchSumConfig(simd=0)
