"""The line buffer's Verilog, from Yosys, under cocotb and Verilator."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from amaranth.hdl import Elaboratable, Module, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.blocks.line_buffer import LineBuffer
from hw.plan.stream import LineBufferConfig
from tests.cocotb_runner import run_bench
from tests.hw.blocks.bench import pack, to_bytes
from tests.hw.blocks.test_line_buffer import reference

SERIAL = LineBufferConfig(
    height=5, width=6, channels=4, lane_bits=2, kernel=(3, 3), stride=(1, 2),
    top=1, left=2, bottom=1, pad_code=1, simd=4, repeats=2,
)  # fmt: skip
#: What leaves the first is to the second a map with a row for each output row.
PARALLEL = LineBufferConfig(
    height=SERIAL.output_height, width=SERIAL.output_width * SERIAL.fold, channels=4,
    lane_bits=2, kernel=(3, 2), stride=(2, 3), top=2, right=1, pad_code=2, simd=12,
)  # fmt: skip


class BothModes(wiring.Component):
    """A line buffer of either mode, one behind the other: one model to compile."""

    def __init__(self) -> None:
        super().__init__(
            {
                "i_stream": In(stream.Signature(unsigned(8))),
                "o_stream": Out(stream.Signature(unsigned(24))),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        m.submodules.serial = serial = LineBuffer(config=SERIAL)
        m.submodules.parallel = parallel = LineBuffer(config=PARALLEL)
        wiring.connect(m, wiring.flipped(self.i_stream), serial.i_stream)
        wiring.connect(m, serial.o_stream, parallel.i_stream)
        wiring.connect(m, parallel.o_stream, wiring.flipped(self.o_stream))
        return m


def test_verilog_is_exact(rng: np.random.Generator, tmp_path: Path) -> None:
    assert (SERIAL.mode, PARALLEL.mode) == ("serial", "parallel")
    codes = rng.integers(0, 4, (4, SERIAL.height, SERIAL.width, SERIAL.channels))
    between = reference(SERIAL, codes).reshape(len(codes), PARALLEL.height, PARALLEL.width, 4)
    expected = reference(PARALLEL, between)
    run_bench(
        BothModes(),
        "tests.hw.blocks.cocotb.stream_bench",
        tmp_path,
        data={
            "beats": to_bytes(pack(codes, SERIAL.i_lanes, 2)),
            "expected": to_bytes(pack(expected, PARALLEL.simd, 2)),
            "rates": [(1.0, 1.0), (0.5, 1.0), (1.0, 0.3), (0.6, 0.6)],
        },
        seed=int(rng.integers(2**31)),
    )
