"""Arrays with weights as logic against plain NumPy, and both forms of their adders."""

from __future__ import annotations

import numpy as np
import pytest

from tests.hw.blocks import bench
from tests.hw.blocks.array_case import ArrayCase, random_case


def run(
    case: ArrayCase, rng: np.random.Generator, i_rate: float = 1.0, o_rate: float = 1.0
) -> bench.Transfers:
    """Run all frames of a case; outputs must equal NumPy's."""
    found = bench.run(
        case.block(), case.beats(), case.output_beats, rng=rng, i_rate=i_rate, o_rate=o_rate
    )
    np.testing.assert_array_equal(case.outputs(found.outputs), case.expected())
    return found


BORDER = dict(height=3, width=4, y_classes=(0, 1, 2), x_classes=(0, 1, 1, 2))

SHAPES = [
    dict(rows=1, simd=1),
    dict(rows=1, simd=1, **BORDER),
    dict(rows=2, simd=1, levels=0),
    dict(rows=1, simd=40),
    dict(rows=3, simd=2, levels=2),
    dict(rows=8, simd=6, levels=0),
    dict(rows=5, simd=30, **BORDER),
    dict(rows=9, simd=12, levels=3, **BORDER),
    dict(rows=7, simd=9, lane_bits=2, levels=3),
    dict(rows=4, simd=3, lane_bits=8),
    dict(rows=3, simd=5, lane_bits=3, levels=0),
    dict(rows=13, simd=64, rows_per_hop=1),
    dict(rows=16, simd=100),
    dict(rows=6, simd=7, columns=2, **BORDER),
    dict(rows=2, simd=4, columns=4, levels=2, **BORDER),
    dict(rows=5, simd=8, columns=3, width=3, levels=0),
]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_exact_at_full_rate(shape, rng):
    case = logic_case(rng, frames=7, **shape)
    found = run(case, rng)
    config = case.config
    beats = len(case.codes) * config.cycles_per_frame
    assert found.i_cycles == list(range(beats))
    assert found.o_cycles == (np.arange(beats) + config.latency_cycles).tolist()


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(("i_rate", "o_rate"), [(0.5, 1.0), (1.0, 0.3), (0.3, 0.2)])
def test_exact_when_stalled(shape, i_rate, o_rate, rng):
    run(logic_case(rng, frames=9, **shape), rng, i_rate=i_rate, o_rate=o_rate)


def logic_case(rng: np.random.Generator, **shape) -> ArrayCase:
    return random_case(rng, neuron_folds=1, synapse_folds=1, weight_memory="logic", **shape)
