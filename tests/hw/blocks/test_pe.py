"""The processing element against plain NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from amaranth.sim import Simulator, SimulatorContext

from hw.blocks.pe import PE
from hw.plan.array import ArrayConfig
from tests.hw.blocks import bench


@pytest.mark.parametrize("folds", [1, 2, 5])
@pytest.mark.parametrize(("simd", "lane_bits"), [(1, 1), (7, 1), (33, 1), (5, 2), (3, 8)])
def test_folds_with_gaps(simd, lane_bits, folds, rng):
    """Sums of folds back to back and with gaps; each result stands until the next."""
    config = ArrayConfig(outputs=1, fan_in=simd * folds, rows=1, simd=simd, lane_bits=lane_bits)
    pe = PE(config=config)
    top, count = 2**lane_bits - 1, 12
    codes = rng.integers(0, top + 1, (count, folds, simd))
    weights = rng.integers(0, 2, (count, folds, simd))
    expected = np.where(weights == 1, codes, top - codes).sum((1, 2))
    words = bench.pack(codes, simd, lane_bits), bench.pack(weights, simd, 1)
    sum_latency = config.match_sum.latency_cycles
    started: dict[int, int] = {}  # cycle of each beat
    cycle = 0
    for beat in range(count * folds):
        cycle += int(rng.integers(1, 3))
        started[cycle] = beat
    found = []

    async def drive(ctx: SimulatorContext) -> None:
        done = -1
        for now in range(cycle + pe.latency_cycles + 1):
            beat = started.get(now)
            ctx.set(pe.codes, words[0][beat] if beat is not None else int(rng.integers(0, 2)))
            ctx.set(pe.weights, words[1][beat] if beat is not None else 0)
            arrived = started.get(now - sum_latency)
            ctx.set(pe.valid, arrived is not None)
            ctx.set(pe.last, arrived is not None and arrived % folds == folds - 1)
            if done >= 0:
                found.append((done, ctx.get(pe.matches)))
            if arrived is not None and arrived % folds == folds - 1:
                done = arrived // folds
            await ctx.tick()

    simulator = Simulator(pe)
    simulator.add_clock(1e-6)
    simulator.add_testbench(drive)
    simulator.run()
    # ``done`` is set in the cycle of ``last``, so the result shows one cycle later.
    assert {fold for fold, _ in found} == set(range(count))
    assert all(matches == expected[fold] for fold, matches in found)
