"""The integer array against plain NumPy, and its declared latency and throughput."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hw.blocks.integer import IntegerArray
from hw.plan.integer import IntegerArrayConfig
from sw.errors import PlanError
from tests.hw.blocks.bench import RATES, Transfers, pack, run, unpack

MULTIPLIERS = ("dsp", "lut", "planes")


@dataclass(frozen=True, kw_only=True)
class IntegerCase:
    """An array, its data and the codes of some frames (frames, pixels, K)."""

    config: IntegerArrayConfig
    weights: NDArray[np.int64]
    start: NDArray[np.int64] | None
    codes: NDArray[np.int64]

    def beats(self) -> list[int]:
        """Input payloads of all frames: each window once for each neuron fold and pass."""
        config = self.config
        windows = self.codes.reshape(-1, 1, config.fan_in)
        return pack(np.repeat(windows, config.repeats, axis=1), config.simd, config.lane_bits)

    def expected(self) -> NDArray[np.int64]:
        """Accumulators (frames, pixels, O)."""
        config = self.config
        start = config.low * self.weights.sum(1)
        if self.start is not None:
            y_classes = np.array(config.y_classes or (0,) * config.height)
            x_classes = np.array(config.x_classes or (0,) * config.width)
            pixel = np.add.outer(y_classes * (x_classes.max() + 1), x_classes)
            start = self.start[pixel.ravel()]
        return config.step * (self.codes @ self.weights.T) + start

    def run(self, rng: np.random.Generator, **how: Any) -> Transfers:
        """Run all frames; outputs must equal NumPy's."""
        config, expected = self.config, self.expected()
        block = IntegerArray(config=config, weights=self.weights, start=self.start)
        result = run(block, self.beats(), expected.size // config.rows, rng=rng, **how)
        lanes = unpack(result.outputs, config.rows, config.acc_bits)
        signed = lanes - ((lanes >> (config.acc_bits - 1)) << config.acc_bits)
        np.testing.assert_array_equal(signed.reshape(expected.shape), expected)
        return result


def random_case(
    rng: np.random.Generator,
    *,
    rows: int = 2,
    simd: int = 3,
    neuron_folds: int = 2,
    synapse_folds: int = 2,
    frames: int = 2,
    **options: Any,
) -> IntegerCase:
    """An array with random data; border classes have start values of their own."""
    shape = {"outputs": rows * neuron_folds, "fan_in": simd * synapse_folds}
    options = {"lane_bits": 8, "weight_bits": 8, **options}
    config = IntegerArrayConfig(**shape, rows=rows, simd=simd, **options)
    limit = config.weight_limit
    weights = rng.integers(-limit, limit + 1, (config.outputs, config.fan_in))
    # Now and then the greatest there are.
    weights = np.where(rng.random(weights.shape) < 0.2, rng.choice([-limit, limit]), weights)
    codes = rng.integers(0, config.top + 1, (frames, config.pixels, config.fan_in))
    codes = np.where(rng.random(codes.shape) < 0.2, config.top, codes)
    start = None
    if config.low and (config.y_classes or config.x_classes):
        # As of taps that are left out: part of the sum of the weights.
        inside = rng.random((config.classes, config.fan_in)) < 0.7
        start = config.low * (inside @ weights.T)
    print(config)
    return IntegerCase(config=config, weights=weights, start=start, codes=codes)


SHAPES = [
    dict(rows=1, simd=1, neuron_folds=1, synapse_folds=1, frames=9),
    dict(rows=2, simd=3, neuron_folds=1, synapse_folds=1, frames=9, low=-128),
    dict(rows=3, simd=5, neuron_folds=2, synapse_folds=1, frames=5, low=-127, levels=254),
    dict(rows=2, simd=9, neuron_folds=2, synapse_folds=3),
    dict(rows=2, simd=4, neuron_folds=2, synapse_folds=2, lane_bits=2, levels=2, low=-1),
    dict(rows=2, simd=12, synapse_folds=2, lane_bits=1, low=-1, step=2),
    dict(rows=2, simd=7, lane_bits=1, weight_bits=3, low=-1, step=2, weight_memory="lut"),
    dict(rows=2, simd=6, lane_bits=5, weight_bits=2, low=7, weight_memory="lut"),
    dict(rows=3, simd=2, lane_bits=8, weight_bits=5, low=3, step=3),
    dict(rows=2, simd=3, height=3, width=4, low=-5, y_classes=(0, 1, 2), x_classes=(0, 1, 1, 2)),
    dict(rows=1, simd=2, neuron_folds=8, height=3, width=3, low=-5, y_classes=(0, 1, 2),
         x_classes=(0, 1, 2)),
    dict(rows=2, simd=4, width=2, low=9, x_classes=(1, 0), lane_bits=3, weight_bits=4),
]  # fmt: skip


@pytest.mark.parametrize("multiplier", MULTIPLIERS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_exact_at_full_rate(shape, multiplier, rng):
    case = random_case(rng, multiplier=multiplier, **shape)
    config = case.config
    found = case.run(rng)
    # Zero dead cycles, between folds, pixels and frames: the input is never stalled.
    beats = len(case.codes) * config.cycles_per_frame
    assert found.i_cycles == list(range(beats))
    results = np.arange(beats // config.fold_beats) * config.fold_beats
    assert found.o_cycles == (results + config.latency_cycles).tolist()
