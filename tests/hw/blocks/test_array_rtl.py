"""The systolic array's Verilog, from Yosys, under cocotb and Verilator."""

from __future__ import annotations

from tests.cocotb_runner import run_bench
from tests.hw.blocks import bench
from tests.hw.blocks.array_case import random_case


def test_verilog_is_exact(rng, tmp_path):
    """A convolution-like array with borders and inverted channels, stalled on both ports."""
    case = random_case(
        rng,
        rows=4,
        simd=16,
        neuron_folds=2,
        synapse_folds=9,
        height=4,
        width=5,
        y_classes=(0, 1, 1, 2),
        x_classes=(0, 1, 1, 1, 2),
        frames=8,
    )
    config = case.config
    expected = bench.pack(case.expected(), config.rows, config.out_bits)
    run_bench(
        case.block(),
        "tests.hw.blocks.cocotb.stream_bench",
        tmp_path,
        data={
            "beats": bench.to_bytes(case.beats()),
            "expected": bench.to_bytes(expected),
            "rates": [(1.0, 1.0), (0.5, 1.0), (1.0, 0.3), (0.6, 0.6)],
        },
        seed=int(rng.integers(2**31)),
    )
