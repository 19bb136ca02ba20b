"""Match sums against plain NumPy, and their declared latency."""

from __future__ import annotations

import numpy as np
import pytest
from amaranth.hdl import Fragment
from amaranth.sim import Simulator, SimulatorContext

from hw.blocks.popcount import MatchSum
from hw.fabric import Fabric
from hw.plan.array import MatchSumConfig
from sw.errors import PlanError
from tests.hw.blocks import bench


def sums(
    config: MatchSumConfig, codes: list[int], flips: list[int], platform: object = None
) -> list[tuple[int, int]]:
    """(sum, carry) of a new operand each cycle, read `latency_cycles` later.

    ``codes`` and ``flips`` are packed; late lanes are fed as late as they have to be.
    """
    block = MatchSum(config=config)
    bits, found = config.lane_bits, []
    by_delay = {}
    for lane, delay in enumerate(config.delays):
        mask = (2**bits - 1) << lane * bits
        by_delay[delay] = by_delay.get(delay, 0) | mask
    early = sum(1 << lane for lane, delay in enumerate(config.flip_delays) if not delay)

    def at(words: list[int], cycle: int) -> int:
        return words[cycle] if 0 <= cycle < len(words) else 0

    async def drive(ctx: SimulatorContext) -> None:
        for cycle in range(len(codes) + config.latency_cycles):
            late = sum(at(codes, cycle - delay) & mask for delay, mask in by_delay.items())
            ctx.set(block.codes, late)
            ctx.set(block.flips, at(flips, cycle) & early | at(flips, cycle - 1) & ~early)
            if cycle >= config.latency_cycles:
                carry = ctx.get(block.carry_code) ^ ctx.get(block.carry_flip)
                found.append((ctx.get(block.sum), carry))
            await ctx.tick()

    simulator = Simulator(Fragment.get(block, platform))
    simulator.add_clock(1e-6)
    simulator.add_testbench(drive)
    simulator.run()
    return found


def check(
    config: MatchSumConfig, rng: np.random.Generator, count: int = 40, platform: object = None
) -> None:
    top = 2**config.lane_bits - 1
    codes = rng.integers(0, top + 1, (count, config.simd))
    flips = rng.integers(0, 2, (count, config.simd))
    codes[0], flips[0] = top, 0  # the greatest sum
    codes[1], flips[1] = 0, 0  # the least
    expected = np.where(flips == 0, codes, top - codes).sum(1)
    found = sums(
        config,
        bench.pack(codes, config.simd, config.lane_bits),
        bench.pack(flips, config.simd, 1),
        platform,
    )
    assert [total + carry for total, carry in found] == expected.tolist()
    assert max(total for total, _ in found) == config.sum_max
    assert config.has_carry or not any(carry for _, carry in found)


@pytest.mark.parametrize("pipeline", [1, 2, 3])
@pytest.mark.parametrize("simd", [*range(1, 35, 2), 2, 4, 8, 16, 32, 64, 72, 128, 200])
def test_binary_lanes(simd, pipeline, rng):
    check(MatchSumConfig(simd=simd, pipeline=pipeline), rng, count=12)


@pytest.mark.parametrize("lane_bits", [1, 2, 4])
def test_chains_of_ice40(lane_bits, rng):
    """The form of iCE40, whose chains are plain additions, with every number of lanes."""
    for simd in [*range(1, 37), 64, 128] if lane_bits == 1 else [*range(1, 14), 32]:
        config = MatchSumConfig(simd=simd, lane_bits=lane_bits)
        check(config, rng, count=4, platform=Fabric(family="ice40"))


@pytest.mark.parametrize("lane_bits", [2, 3, 8])
@pytest.mark.parametrize("simd", [1, 2, 3, 4, 5, 9, 16, 27, 40])
def test_wider_lanes(simd, lane_bits, rng):
    check(MatchSumConfig(simd=simd, lane_bits=lane_bits), rng)


def test_every_operand_of_few_lanes():
    """All codes and flips of three lanes."""
    config = MatchSumConfig(simd=3)
    pairs = [(x, v) for x in range(8) for v in range(8)]
    found = sums(config, [x for x, _ in pairs], [v for _, v in pairs])
    assert [a + b for a, b in found] == [(x ^ v).bit_count() for x, v in pairs]


def test_registers_are_where_they_are_stated():
    """After levels 1 and 2, then after every ``pipeline`` levels."""

    def registered(simd: int, pipeline: int) -> list[int]:
        levels = MatchSumConfig(simd=simd, pipeline=pipeline).levels
        return [number for number, level in enumerate(levels, 1) if level.registered]

    assert registered(4, 2) == [1]
    assert registered(64, 1) == [1, 2, 3, 4, 5]
    assert registered(64, 2) == registered(32, 2) == [1, 2, 4]
    assert registered(128, 2) == [1, 2, 4, 6]
    assert registered(128, 3) == [1, 2, 5]
    config = MatchSumConfig(simd=64)
    # 48 lanes in groups, 8 riders behind one register, 4 + 2 behind two, 1 + 1 behind three.
    assert config.delays == (0,) * 48 + (1,) * 8 + (2,) * 6 + (3,) * 2
    # Level 4's come from a register, as level 3 is in its cycle.
    assert config.flip_delays == (0,) * 48 + (1,) * 16
    assert MatchSumConfig(simd=64, pipeline=4).flip_delays[48:56] == (1,) * 8
    assert config.latency_cycles == 3
    assert (config.sum_max, config.has_carry) == (63, True)


def test_illegal_config():
    with pytest.raises(PlanError, match=r"simd is 0, but must be a whole number >= 1"):
        MatchSumConfig(simd=0)
