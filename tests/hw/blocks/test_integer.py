"""The integer array against plain NumPy, and its declared latency and throughput."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.size import rtlil_of
from hw.blocks.integer import IntegerArray
from hw.flow.synthesis import synthesise
from hw.plan.integer import IntegerArrayConfig
from sw.errors import PlanError
from sw.golden import reference
from sw.model.ir import Conv, Padding
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


@pytest.mark.parametrize("multiplier", MULTIPLIERS)
@pytest.mark.parametrize(("i_rate", "o_rate"), RATES[1:])
def test_exact_when_stalled(multiplier, i_rate, o_rate, rng):
    shape = SHAPES[rng.integers(0, len(SHAPES))]
    random_case(rng, multiplier=multiplier, **shape).run(rng, i_rate=i_rate, o_rate=o_rate)


@pytest.mark.parametrize("trial", range(10))
def test_random_shapes(trial, rng):
    lane_bits = int(rng.integers(1, 9))
    height, width = int(rng.integers(1, 4)), int(rng.integers(1, 4))
    border = rng.random() < 0.5
    case = random_case(
        rng,
        rows=int(rng.integers(1, 4)),
        simd=int(rng.integers(1, 8)),
        neuron_folds=int(rng.integers(1, 4)),
        synapse_folds=int(rng.integers(1, 4)),
        lane_bits=lane_bits,
        weight_bits=int(rng.integers(2, 9)),
        levels=int(rng.integers(1, 2**lane_bits)),
        low=int(rng.choice([0, -1, -127, 64])),
        step=int(rng.choice([1, 1, 2])),
        height=height,
        width=width,
        y_classes=tuple(int(c) for c in rng.integers(0, 3, height)) if border else (),
        x_classes=tuple(int(c) for c in rng.integers(0, 3, width)) if border else (),
        multiplier=str(rng.choice(MULTIPLIERS)),
        weight_memory=str(rng.choice(["lut", "block"])),
        frames=1,
    )
    case.run(rng, i_rate=float(rng.choice([1, 0.6])), o_rate=float(rng.choice([1, 0.6])))


@pytest.mark.parametrize("multiplier", MULTIPLIERS)
def test_weights_in_ninth_bits(multiplier, rng):
    """Words of 64 bits, or of 32, 576 of them."""
    folds = {"rows": 2, "simd": 4, "neuron_folds": 16, "synapse_folds": 36}
    if multiplier == "planes":
        folds = {"rows": 2, "simd": 16, "neuron_folds": 8, "synapse_folds": 9, "weight_bits": 7}
    case = random_case(rng, **folds, lane_bits=1, multiplier=multiplier, frames=1)
    assert case.config.weights.ninths
    case.run(rng, o_rate=0.9)


def test_where_the_edges_are_skipped(rng):
    """A 3x3 convolution of an int8 map against the golden model, zeros around the map."""
    shape, kernel, outputs = (4, 5, 2), (3, 3), 4
    padding = Padding(top=1, left=1, bottom=1, right=1)
    weights = rng.integers(-127, 128, (outputs, *kernel, shape[2])).astype(np.int8)
    op = Conv(
        name="conv", source="map", weights=weights, stride=(1, 1), padding=padding, weight_bits=8
    )
    values = rng.integers(-128, 128, (1, *shape))
    expected = reference.conv(op, values)

    around = ((0, 0), (1, 1), (1, 1), (0, 0))
    codes, inside = (np.pad(part, around) for part in (values + 128, np.ones_like(values)))
    windows, taps = (
        np.lib.stride_tricks.sliding_window_view(part, kernel, axis=(1, 2)).transpose(
            0, 1, 2, 4, 5, 3
        )
        for part in (codes, inside)
    )
    # One pixel of each class: the corners, the edges and the middle.
    of_class = taps[0, [0, 1, 3]][:, [0, 1, 4]].reshape(9, -1)
    flat = weights.reshape(outputs, -1).astype(np.int64)
    config = IntegerArrayConfig(
        outputs=outputs, fan_in=18, rows=2, simd=6, lane_bits=8, weight_bits=8, low=-128,
        height=4, width=5, y_classes=(0, 1, 1, 2), x_classes=(0, 1, 1, 1, 2),
    )  # fmt: skip
    case = IntegerCase(
        config=config,
        weights=flat,
        start=-128 * (of_class @ flat.T),
        codes=windows.reshape(1, config.pixels, config.fan_in),
    )
    np.testing.assert_array_equal(case.expected().reshape(expected.shape), expected)
    case.run(rng)


GOOD = IntegerArrayConfig(
    outputs=8, fan_in=18, rows=4, simd=6, lane_bits=8, weight_bits=8, height=2, width=3
)


def test_cycles_and_dsp_blocks():
    assert (GOOD.dsp, GOOD.repeats, GOOD.cycles_per_frame) == (24, 2, 36)
    planes = replace(GOOD, multiplier="planes", weight_bits=4)
    assert (planes.dsp, planes.repeats, planes.cycles_per_frame) == (0, 10, 180)


@pytest.mark.parametrize("multiplier", MULTIPLIERS)
def test_a_lane_is_a_dsp_block(multiplier, rng, tmp_path):
    case = random_case(rng, rows=2, simd=2, low=-128, multiplier=multiplier)
    block = IntegerArray(config=case.config, weights=case.weights)
    made = synthesise(rtlil_of(block), family="ecp5", folder=tmp_path)
    assert made.counts.dsp == case.config.dsp == (4 if multiplier == "dsp" else 0)


@pytest.mark.parametrize(
    ("low", "levels", "bits"), [(0, None, 21), (-128, None, 20), (-127, 254, 20), (-1, 2, 13)]
)
def test_width_of_accumulators(low, levels, bits):
    """18 taps of 127 times 255, 128, 127 and 1."""
    config = replace(GOOD, low=low, levels=levels, lane_bits=2 if levels == 2 else 8)
    assert config.acc_bits == bits


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"rows": 3}, r"rows is 3, which does not divide outputs = 8.*instance 2"),
        ({"simd": 5}, r"simd is 5, which does not divide fan_in = 18.*instance 6"),
        ({"height": 0}, r"height is 0, but must be a whole number >= 1"),
        ({"step": 0}, r"step is 0, but must be a whole number >= 1"),
        ({"weight_bits": 1}, r"weight_bits is 1, but must be 2 to 8.*binary array for weights"),
        ({"weight_bits": 9}, r"weight_bits is 9, but must be 2 to 8"),
        ({"lane_bits": 9}, r"lane_bits is 9, but must be 1 to 8. Scale the tensor to 8 bits"),
        ({"levels": 256}, r"greatest code is 256, but codes of 8 bits are 0 to 255"),
        ({"multiplier": "abacus"}, r"multiplier is 'abacus', but must be 'dsp', 'lut' or 'planes'"),
        ({"weight_memory": "disk"}, r"memory is 'disk', but must be 'lut' or 'block'"),
        ({"y_classes": (0,)}, r"y_classes is \(0,\), but must be 2 classes >= 0, as height is 2"),
        ({"x_classes": (0, -1, 0)}, r"x_classes is \(0, -1, 0\), but must be 3 classes >= 0"),
    ],
)
def test_refuses(change, text):
    with pytest.raises(PlanError, match=text):
        replace(GOOD, **change)
