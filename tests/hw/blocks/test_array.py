"""The systolic array against plain NumPy, and its declared latency and throughput."""

from __future__ import annotations

import numpy as np
import pytest

from hw.plan.array import ArrayConfig, ThresholdConfig
from sw.errors import PlanError
from tests.hw.blocks.array_case import ArrayCase, random_case
from tests.hw.blocks.stream_bench import Trace, simulate


def run(case: ArrayCase, rng: np.random.Generator, **stalls: float) -> Trace:
    trace = simulate(case.block(), case.beats(), outputs=case.output_beats, rng=rng, **stalls)
    np.testing.assert_array_equal(case.outputs(trace.payloads), case.expected())
    return trace


SHAPES = [
    dict(rows=1, simd=1, neuron_folds=1, synapse_folds=1, frames=9),
    dict(rows=1, simd=1, neuron_folds=3, synapse_folds=5),
    dict(rows=8, simd=4, neuron_folds=1, synapse_folds=1, frames=9),
    dict(rows=8, simd=4, neuron_folds=2, synapse_folds=1, frames=9),
    dict(rows=8, simd=3, neuron_folds=2, synapse_folds=2, frames=5),
    dict(rows=7, simd=5, neuron_folds=1, synapse_folds=3, frames=5),
    dict(rows=6, simd=2, neuron_folds=2, synapse_folds=3, rows_per_hop=2, frames=5),
    dict(rows=6, simd=2, neuron_folds=2, synapse_folds=1, rows_per_hop=3, frames=5),
    dict(rows=2, simd=32, neuron_folds=2, synapse_folds=9),
    dict(rows=3, simd=27, neuron_folds=1, synapse_folds=2, pipeline=3),
    dict(rows=2, simd=72, neuron_folds=1, synapse_folds=2, pipeline=2),
    dict(rows=2, simd=16, neuron_folds=2, synapse_folds=2, lane_bits=2, levels=3),
    dict(rows=3, simd=5, neuron_folds=2, synapse_folds=2, lane_bits=2, levels=2),
    dict(rows=2, simd=3, neuron_folds=2, synapse_folds=9, lane_bits=8),
    dict(rows=2, simd=1, neuron_folds=2, synapse_folds=3, lane_bits=8, levels=7),
    dict(rows=5, simd=6, neuron_folds=2, synapse_folds=2, levels=0),
    dict(rows=3, simd=4, neuron_folds=2, synapse_folds=1, levels=0, lane_bits=2),
    dict(rows=2, simd=4, neuron_folds=1, synapse_folds=1, levels=7, frames=9),
    dict(rows=2, simd=6, height=3, width=4, y_classes=(0, 1, 2), x_classes=(0, 1, 1, 2)),
    dict(rows=2, simd=6, synapse_folds=1, height=2, width=3, y_classes=(0, 1),
         x_classes=(1, 0, 0), levels=2, neuron_folds=3),
    dict(rows=2, simd=6, neuron_folds=1, height=5, width=1, y_classes=(1, 0, 0, 0, 2)),
]  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("memory", ["block", "lut"])
def test_exact_at_full_rate(shape, memory, rng):
    case = random_case(rng, weight_memory=memory, **shape)
    trace = run(case, rng)
    config = case.config
    # Zero dead cycles, between folds, pixels and frames: the input is never stalled.
    assert trace.accepted == list(range(len(trace.accepted)))
    assert len(trace.accepted) == len(case.codes) * config.cycles_per_frame
    folds = np.arange(len(trace.cycles)) * config.synapse_folds
    assert trace.cycles == (folds + config.latency_cycles).tolist()


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("i_stall,o_stall", [(0.5, 0.0), (0.0, 0.5), (0.3, 0.7), (0.9, 0.9)])
def test_exact_when_stalled(shape, i_stall, o_stall, rng):
    run(random_case(rng, **shape), rng, i_stall=i_stall, o_stall=o_stall)


@pytest.mark.parametrize("trial", range(25))
def test_random_shapes(trial, rng):
    rows_per_hop = int(rng.integers(1, 4))
    height, width = (int(n) for n in rng.integers(1, 4, 2))
    case = random_case(
        rng,
        rows=rows_per_hop * int(rng.integers(1, 5)),
        rows_per_hop=rows_per_hop,
        simd=int(rng.integers(1, 24)),
        neuron_folds=int(rng.integers(1, 4)),
        synapse_folds=int(rng.integers(1, 6)),
        lane_bits=int(rng.choice([1, 1, 1, 2, 8])),
        levels=int(rng.choice([0, 1, 1, 2, 3, 7])),
        height=height,
        width=width,
        y_classes=tuple(int(c) for c in rng.integers(0, 3, height)),
        x_classes=tuple(int(c) for c in rng.integers(0, 3, width)),
        pipeline=int(rng.integers(1, 5)),
        weight_memory=str(rng.choice(["lut", "block"])),
    )
    run(case, rng, i_stall=float(rng.choice([0, 0.4])), o_stall=float(rng.choice([0, 0.4])))


def test_nothing_is_lost_when_the_output_never_takes(rng):
    """With the output shut, the array takes as many folds as it has credits, less a beat."""
    case = random_case(rng, rows=4, simd=4, synapse_folds=2, neuron_folds=1, frames=40)
    config = case.config
    block, beats, accepted = case.block(), case.beats(), []

    async def bench(ctx):
        ctx.set(block.i_stream.valid, 1)
        for beat in range(150):
            ctx.set(block.i_stream.payload, beats[len(accepted) % len(beats)])
            if ctx.get(block.i_stream.ready):
                accepted.append(beat)
            await ctx.tick()

    from amaranth.sim import Simulator

    simulator = Simulator(block)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    assert len(accepted) == config.credits * config.synapse_folds + config.synapse_folds - 1
