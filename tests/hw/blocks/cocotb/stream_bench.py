"""cocotb bench of any block with one input and one output stream.

Data: ``beats`` and ``expected``, payloads as bytes, one row a beat, little-endian;
``rates``, rows of (input rate, output rate), a run each.
"""

from __future__ import annotations

import os
import random
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, ReadOnly

from tests.cocotb_runner import DATA_VARIABLE


def payloads(rows: np.ndarray) -> list[int]:
    return [int.from_bytes(row.tobytes(), "little") for row in rows]


async def reset(dut: Any) -> None:
    dut.rst.value = 1
    dut.i_stream__valid.value = 0
    dut.o_stream__ready.value = 0
    for _ in range(3):
        await FallingEdge(dut.clk)
    dut.rst.value = 0


async def transfer(
    dut: Any, beats: list[int], count: int, i_rate: float, o_rate: float
) -> list[int]:
    """Feed ``beats`` and collect ``count`` payloads, each port pausing at random."""
    found: list[int] = []
    sent, offered = 0, False
    for _ in range(1000 + int(8 * (len(beats) + count) / (i_rate * o_rate))):
        # Inputs change at the falling edge; what has settled then, the rising edge takes.
        offered = sent < len(beats) and (offered or random.random() < i_rate)
        willing = random.random() < o_rate
        dut.i_stream__valid.value = int(offered)
        dut.i_stream__payload.value = beats[sent] if offered else 0
        dut.o_stream__ready.value = int(willing)
        await ReadOnly()
        if offered and int(dut.i_stream__ready.value):
            sent, offered = sent + 1, False
        if willing and int(dut.o_stream__valid.value):
            found.append(int(dut.o_stream__payload.value))
        await FallingEdge(dut.clk)
        if len(found) >= count and sent == len(beats):
            break
    return found


@cocotb.test()
async def exact_at_every_rate(dut: Any) -> None:
    """All beats at each pair of rates; a reset in mid-frame leaves nothing behind."""
    data = np.load(os.environ[DATA_VARIABLE])
    beats, expected = payloads(data["beats"]), payloads(data["expected"])
    cocotb.start_soon(Clock(dut.clk, 10, "ns").start())
    for i_rate, o_rate in data["rates"]:
        await reset(dut)
        part = random.randrange(1, len(beats))
        await transfer(dut, beats[:part], 0, 1.0, 0.5)
        await reset(dut)
        found = await transfer(dut, beats, len(expected), float(i_rate), float(o_rate))
        assert found == expected, f"at rates {i_rate} and {o_rate}"
