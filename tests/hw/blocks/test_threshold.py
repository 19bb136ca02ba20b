"""Threshold units and their addresses against plain NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from amaranth.sim import Simulator, SimulatorContext

from hw.blocks.threshold import StartValues, ThresholdAddress, ThresholdUnit
from hw.plan.array import ThresholdConfig
from hw.plan.weights import WEIGHT_LATENCY


@pytest.mark.parametrize("memory", ["lut", "block"])
@pytest.mark.parametrize("depth", [1, 2, 7, 20])
@pytest.mark.parametrize("levels", [2, 3, 7, 15])
def test_codes(levels, depth, memory, rng):
    config = ThresholdConfig(
        channels=depth, levels=levels, match_bits=5, y_classes=(0,), x_classes=(0,), memory=memory
    )
    table = np.sort(rng.integers(-3, 36, (depth, levels)), axis=1)
    inverted = rng.random(depth) < 0.5
    unit = ThresholdUnit(config=config, levels=table, inverted=inverted)
    count = 120
    entries = rng.integers(0, depth, count)
    matches = rng.integers(0, 32, count)
    fires = rng.random(count) < 0.6
    found = []

    async def drive(ctx: SimulatorContext) -> None:
        for cycle in range(count + WEIGHT_LATENCY + config.latency_cycles):
            if cycle < count:
                ctx.set(unit.address, int(entries[cycle]))
            at = cycle - WEIGHT_LATENCY
            ctx.set(unit.fire, bool(0 <= at < count and fires[at]))
            ctx.set(unit.matches, int(matches[at]) if 0 <= at < count else 0)
            if at >= config.latency_cycles:
                found.append(ctx.get(unit.code))
            await ctx.tick()

    simulator = Simulator(unit)
    simulator.add_clock(1e-6)
    simulator.add_testbench(drive)
    simulator.run()

    n = (matches[:, None] >= table[entries]).sum(1)
    codes = np.where(inverted[entries], levels - n, n)
    # A code stands until the next one; before the first there is none to check.
    first = int(np.argmax(fires))
    latest = np.maximum.accumulate(np.where(fires, np.arange(count), 0))
    assert found[first:] == codes[latest][first:].tolist()


@pytest.mark.parametrize("columns", [1, 2])
@pytest.mark.parametrize("neuron_folds", [1, 3])
@pytest.mark.parametrize(
    ("y_classes", "x_classes"),
    [
        ((0,), (0,)),
        ((0, 1, 1, 2), (0, 1, 1, 1, 2)),
        ((0, 0, 0), (1, 0)),
        ((2, 0), (0, 0, 0)),
        ((0, 1, 2, 3), (3, 2, 1, 0)),
    ],
)
def test_addresses(y_classes, x_classes, neuron_folds, columns, rng):
    """Of all pixels of a map, or of every second one of each row."""
    config = ThresholdConfig(
        channels=neuron_folds, levels=1, match_bits=4, y_classes=y_classes, x_classes=x_classes
    )
    own = x_classes[columns - 1 :: columns] or x_classes
    walk = ThresholdAddress(config=config, neuron_folds=neuron_folds, x_classes=own)
    expected = [
        (y * (max(x_classes) + 1) + x) * neuron_folds + fold
        for _ in range(2)
        for y in y_classes
        for x in own
        for fold in range(neuron_folds)
    ]
    found = []

    async def drive(ctx: SimulatorContext) -> None:
        while len(found) < len(expected):
            advance = bool(rng.random() < 0.7)
            ctx.set(walk.advance, advance)
            await ctx.tick()
            if advance:
                found.append(ctx.get(walk.address))

    simulator = Simulator(walk)
    simulator.add_clock(1e-6)
    simulator.add_testbench(drive)
    simulator.run()
    assert found == expected


@pytest.mark.parametrize("memory", ["lut", "block"])
@pytest.mark.parametrize("depth", [1, 2, 16, 17, 40])
def test_start_values(depth, memory, rng):
    words = rng.integers(0, 2**6, depth).tolist()
    block = StartValues(words=words, width=6, memory=memory)
    assert block.latency_cycles == (depth > 16)
    found = []

    async def read(ctx: SimulatorContext) -> None:
        for address in range(depth):
            ctx.set(block.address, address)
            for _ in range(block.latency_cycles):
                await ctx.tick()
            await ctx.delay(1e-8)
            found.append(ctx.get(block.data))

    simulator = Simulator(block)
    if block.latency_cycles:
        simulator.add_clock(1e-6)
    simulator.add_testbench(read)
    simulator.run()
    assert found == words
