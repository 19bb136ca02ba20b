"""The processing element against plain NumPy."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from amaranth.sim import Simulator, SimulatorContext

from hw.blocks.pe import PE
from hw.plan.array import ArrayConfig, ThresholdConfig
from tests.hw.blocks import bench


@pytest.mark.parametrize("levels", [0, 1, 2])
@pytest.mark.parametrize("folds", [1, 2, 5])
@pytest.mark.parametrize(("simd", "lane_bits"), [(1, 1), (7, 1), (32, 1), (33, 1), (5, 2), (3, 8)])
def test_folds_with_gaps(simd, lane_bits, folds, levels, rng):
    """Sums of folds back to back and with gaps; a result stands for as long as it must."""
    config = array(simd, lane_bits, folds, levels)
    pe = PE(config=config)
    top, count = 2**lane_bits - 1, 12
    codes = rng.integers(0, top + 1, (count * folds, simd))
    flips = rng.integers(0, 2, (count * folds, simd))
    matches = np.where(flips == 0, codes, top - codes).reshape(count, -1).sum(1)
    levels_of = rng.integers(0, 2**config.match_bits + 1, count)
    levels_of[::3] = matches[::3]
    expected = matches >= levels_of if levels == 1 else matches
    # Beats back to back, or a cycle apart.
    starts = np.cumsum(rng.integers(1, 3, count * folds))
    beat_of = {int(cycle): beat for beat, cycle in enumerate(starts)}
    latency = config.match_sum.latency_cycles
    found: list[tuple[int, int, int]] = []

    async def drive(ctx: SimulatorContext) -> None:
        done, finished = -1, 0
        for now in range(int(starts[-1]) + pe.latency_cycles + 1):
            # A lane without a beat has noise.
            lanes = rng.integers(0, top + 1, simd)
            signs = rng.integers(0, 2, simd)
            for lane in range(simd):
                if (beat := beat_of.get(now - config.match_sum.delays[lane])) is not None:
                    lanes[lane] = codes[beat, lane]
                if (beat := beat_of.get(now - config.match_sum.flip_delays[lane])) is not None:
                    signs[lane] = flips[beat, lane]
            ctx.set(pe.codes, bench.pack(lanes, simd, lane_bits)[0])
            ctx.set(pe.flips, bench.pack(signs, simd, 1)[0])
            beat = beat_of.get(now - latency)
            last = beat is not None and beat % folds == folds - 1
            ctx.set(pe.valid, beat is not None)
            ctx.set(pe.later, int(rng.integers(2)) if beat is None else beat % folds > 0)
            ctx.set(pe.last, last)
            if config.has_start:
                start = 2**config.match_bits - (0 if beat is None else levels_of[beat // folds])
                ctx.set(pe.start, int(start))
            if done >= 0:
                found.append((done, now - finished, ctx.get(pe.result)))
            if last:
                done, finished = beat // folds, now
            await ctx.tick()

    simulator = Simulator(pe)
    simulator.add_clock(1e-6)
    simulator.add_testbench(drive)
    simulator.run()
    # ``done`` is set in the cycle of ``last``, so the result shows one cycle later.
    assert {fold for fold, _, _ in found} == set(range(count))
    checked = [(fold, value) for fold, age, value in found if age == 1 or levels < 2]
    assert len(checked) >= count
    assert all(value == expected[fold] for fold, value in checked)


def array(simd: int, lane_bits: int, folds: int, levels: int) -> ArrayConfig:
    """An array of one output."""
    config = ArrayConfig(outputs=1, fan_in=simd * folds, rows=1, simd=simd, lane_bits=lane_bits)
    if not levels:
        return config
    thresholds = ThresholdConfig(
        channels=1,
        levels=levels,
        match_bits=config.match_bits,
        y_classes=(0,),
        x_classes=(0,),
    )
    return dataclasses.replace(config, thresholds=thresholds)
