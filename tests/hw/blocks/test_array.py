"""The systolic array against plain NumPy, and its declared latency and throughput."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from amaranth.back import rtlil
from amaranth.sim import Simulator, SimulatorContext

from hw.blocks.array import SystolicArray
from hw.plan.array import ArrayConfig, ThresholdConfig
from hw.plan.block_ram import DP16KD, SB_RAM40
from sw.errors import PlanError
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
    dict(rows=4, simd=8, neuron_folds=1, synapse_folds=3, width=4, columns=2, frames=3),
    dict(rows=2, simd=16, height=3, width=4, columns=2, y_classes=(0, 1, 2),
         x_classes=(0, 1, 1, 2)),
    dict(rows=2, simd=5, width=3, columns=3, x_classes=(0, 1, 2), levels=3, lane_bits=2),
    dict(rows=3, simd=4, neuron_folds=2, synapse_folds=1, width=4, columns=4, levels=0),
    dict(rows=4, simd=3, lane_bits=8, width=2, columns=2, rows_per_hop=2),
]  # fmt: skip

#: Words of weights in ninth bits: a memory of one row, and of two with columns.
NINTHS = [
    dict(rows=2, simd=32, neuron_folds=16, synapse_folds=36, frames=3),
    dict(rows=4, simd=16, rows_per_hop=2, neuron_folds=8, synapse_folds=72, width=2, columns=2),
]  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("memory", ["block", "lut", "block of iCE40"])
def test_exact_at_full_rate(shape, memory, rng):
    block_ram = SB_RAM40 if memory == "block of iCE40" else DP16KD
    case = random_case(rng, weight_memory=memory.split()[0], block_ram=block_ram, **shape)
    found = run(case, rng)
    config = case.config
    # Zero dead cycles, between folds, pixels and frames: the input is never stalled.
    beats = len(case.codes) * config.cycles_per_frame
    assert found.i_cycles == list(range(beats))
    results = np.arange(beats // config.synapse_folds) * config.synapse_folds
    assert found.o_cycles == (results + config.latency_cycles).tolist()


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(("i_rate", "o_rate"), [(0.5, 1.0), (1.0, 0.5), (0.7, 0.3), (0.1, 0.1)])
def test_exact_when_stalled(shape, i_rate, o_rate, rng):
    run(random_case(rng, **shape), rng, i_rate=i_rate, o_rate=o_rate)


@pytest.mark.parametrize("shape", NINTHS, ids=str)
@pytest.mark.parametrize(("i_rate", "o_rate"), [(1.0, 1.0), (0.6, 1.0), (0.8, 0.02)])
def test_exact_with_ninth_words(shape, i_rate, o_rate, rng):
    case = random_case(rng, **shape)
    assert case.config.weights.ninths
    found = run(case, rng, i_rate=i_rate, o_rate=o_rate)
    if i_rate == o_rate == 1.0:
        assert found.i_cycles == list(range(len(case.codes) * case.config.cycles_per_frame))
        assert found.o_cycles[0] == case.config.latency_cycles


@pytest.mark.parametrize("shape", [{}, dict(rows=3, width=2, columns=2, x_classes=(0, 1))], ids=str)
@pytest.mark.parametrize(("i_rate", "o_rate"), [(1.0, 1.0), (0.6, 0.5)])
def test_exact_with_start_values_in_block_ram(shape, i_rate, o_rate, rng):
    case = random_case(rng, simd=3, neuron_folds=20, lane_bits=2, frames=3, **shape)
    assert case.config.thresholds is not None
    thresholds = replace(case.config.thresholds, memory="block")
    run(replace(case, config=replace(case.config, thresholds=thresholds)), rng,
        i_rate=i_rate, o_rate=o_rate)  # fmt: skip


@pytest.mark.parametrize("trial", range(25))
def test_random_shapes(trial, rng):
    rows_per_hop = int(rng.integers(1, 4))
    columns = int(rng.choice([1, 1, 2, 3]))
    height, width = int(rng.integers(1, 4)), columns * int(rng.integers(1, 4))
    case = random_case(
        rng,
        rows=rows_per_hop * int(rng.integers(1, 5)),
        rows_per_hop=rows_per_hop,
        simd=int(rng.integers(1, 24)),
        neuron_folds=int(rng.integers(1, 4)),
        synapse_folds=int(rng.integers(1, 6)),
        lane_bits=int(rng.choice([1, 1, 1, 2, 3, 8])),
        levels=int(rng.choice([0, 1, 1, 2, 3, 7])),
        height=height,
        width=width,
        columns=columns,
        y_classes=tuple(int(c) for c in rng.integers(0, 3, height)),
        x_classes=tuple(int(c) for c in rng.integers(0, 3, width)),
        pipeline=int(rng.integers(1, 5)),
        weight_memory=str(rng.choice(["lut", "block"])),
        block_ram=SB_RAM40 if trial % 2 else DP16KD,
    )
    run(case, rng, i_rate=float(rng.choice([1, 0.6])), o_rate=float(rng.choice([1, 0.6])))


@pytest.mark.parametrize("shape", NINTHS, ids=str)
def test_early_matches_of_deep_memories(shape, rng):
    """Memories of iCE40 that are deeper than a block RAM of the words' width."""
    case = random_case(rng, **(shape | {"columns": 1, "block_ram": SB_RAM40, "frames": 2}))
    assert case.config.early_matches
    run(case, rng, i_rate=0.8, o_rate=0.5)


def test_what_early_matches_take():
    """One column, binary lanes, and block RAM of iCE40 with several words."""
    good = ArrayConfig(outputs=4, fan_in=8, rows=2, simd=4, width=2, block_ram=SB_RAM40)
    assert good.early_matches
    for change in (
        {"block_ram": DP16KD}, {"lane_bits": 2}, {"columns": 2}, {"weight_memory": "lut"},
        {"outputs": 2, "fan_in": 4},
    ):  # fmt: skip
        assert not replace(good, **change).early_matches


@pytest.mark.parametrize(("rows", "columns"), [(20, 1), (40, 1), (20, 2)])
def test_words_of_many_rows(rows, columns, rng):
    """More hops than a result stands still: the word is gathered in segments."""
    for synapse_folds in (1, 3, 18):
        case = random_case(
            rng,
            rows=rows,
            simd=2,
            synapse_folds=synapse_folds,
            width=columns,
            columns=columns,
            frames=4,
        )
        found = run(case, rng)
        assert found.period(case.output_beats // 4) == case.config.cycles_per_frame


def count_accepted(block: SystolicArray, cycles: int) -> int:
    """Input beats taken in ``cycles`` cycles while the output takes none."""
    accepted = 0

    async def feed(ctx: SimulatorContext) -> None:
        nonlocal accepted
        ctx.set(block.i_stream.valid, 1)
        for _ in range(cycles):
            *_, ready = await ctx.tick().sample(block.i_stream.ready)
            accepted += ready

    simulator = Simulator(block)
    simulator.add_clock(1e-6)
    simulator.add_testbench(feed)
    simulator.run()
    return accepted


@pytest.mark.parametrize("synapse_folds", [1, 2])
def test_takes_as_many_folds_as_it_has_credits(synapse_folds, rng):
    """With the output shut, the input closes a cycle after the last credit but one is gone."""
    case = random_case(rng, rows=4, simd=4, synapse_folds=synapse_folds, neuron_folds=1, frames=40)
    config = case.config
    taken = (config.credits - 1) * config.synapse_folds + 1
    assert count_accepted(case.block(), taken + config.pipeline_cycles + 20) == taken


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"rows": 3}, r"rows is 3, which does not divide outputs = 8.*instance 2"),
        ({"simd": 5}, r"simd is 5, which does not divide fan_in = 18.*instance 6"),
        ({"rows_per_hop": 3}, r"rows_per_hop is 3, which does not divide rows = 4"),
        ({"height": 0}, r"height is 0, but must be a whole number >= 1"),
        ({"pipeline": 0}, r"pipeline is 0"),
        ({"lane_bits": 1.5}, r"lane_bits is 1.5"),
        ({"columns": 2, "width": 3}, r"columns is 2, which does not divide width = 3.*instance 1"),
        (
            {"weight_memory": "flash"},
            r"memory is 'flash', but must be 'lut', 'block', 'spram' or 'logic'",
        ),
        (
            {"weight_memory": "logic"},
            r"4 rows for 8 outputs and 6 lanes for 18 taps.*Set rows to 8",
        ),
        ({"weight_memory": "logic", "rows": 8}, r"8 rows for 8 outputs and 6 lanes for 18"),
    ],
)
def test_illegal_config(changed, message):
    with pytest.raises(PlanError, match=message):
        ArrayConfig(**{"outputs": 8, "fan_in": 18, "rows": 4, "simd": 6, **changed})


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"channels": 4}, r"for 4 channels, but the array has 8"),
        ({"match_bits": 4}, r"for 4 match_bits, but the array has 5"),
        ({"y_classes": (0, 0)}, r"for 2 output rows .*, but the array has 1"),
        ({"x_classes": (0,)}, r"for 1 output columns .*, but the array has 2"),
        ({"x_classes": ()}, r"x_classes is \(\)"),
        ({"y_classes": (-1,)}, r"y_classes is \(-1,\), but must be one class >= 0"),
        ({"levels": 0}, r"levels is 0"),
    ],
)
def test_illegal_thresholds(changed, message):
    given = {"channels": 8, "levels": 1, "match_bits": 5, "y_classes": (0,), "x_classes": (0, 0)}
    with pytest.raises(PlanError, match=message):
        ArrayConfig(
            outputs=8, fan_in=18, rows=4, simd=6, width=2,
            thresholds=ThresholdConfig(**(given | changed)),
        )  # fmt: skip


@pytest.mark.parametrize("memory", ["lut", "block", "spram"])
def test_the_same_design_each_time(memory, rng):
    """Lanes of late weights are turned by a word, which is to leave the array's own alone."""
    case = random_case(rng, rows=1, simd=16, neuron_folds=4, synapse_folds=3, weight_memory=memory)
    assert any(case.config.match_sum.flip_delays)
    array = case.block()
    assert rtlil.convert(array) == rtlil.convert(array)
