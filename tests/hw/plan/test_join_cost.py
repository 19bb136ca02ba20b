"""The area of the blocks on streams, against place and route."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from benchmarks.size_cases_join import BASELINE, CASES
from hw.plan import join_cost
from hw.plan.cost import Cost
from hw.plan.join import FifoConfig

PREDICTED = {
    "Add": join_cost.add_cost,
    "Concat": join_cost.concat_cost,
    "Objectness": join_cost.objectness_cost,
    "Scale": join_cost.scale_cost,
    "StreamFifo": join_cost.fifo_cost,
    "StreamThreshold": join_cost.threshold_cost,
    "WindowPool": join_cost.window_pool_cost,
}

MEASURED = {
    entry["name"]: entry["result"] for entry in json.loads(BASELINE.read_text(encoding="utf-8"))
}


@pytest.mark.parametrize("name", MEASURED)
def test_is_close_to_what_was_routed(name: str) -> None:
    """Block RAM and DSP blocks are counted, LUTs and flip-flops close."""
    case = next(case for case in CASES if case.name == name)
    routed, cost = MEASURED[name], PREDICTED[case.block](case.config)
    assert (cost.bram, cost.dsp) == (routed["dp16kd"], routed["dsp"])
    # A handful of cells is noise in a small block.
    assert cost.lut == pytest.approx(routed["comb"], rel=0.2, abs=25)
    assert cost.ff == pytest.approx(routed["ff"], rel=0.1, abs=12)


def test_a_stream_of_one_reader_needs_no_fork() -> None:
    assert join_cost.fork_cost(1) == Cost()
    assert join_cost.fork_cost(3).ff == 3


def test_a_deep_fifo_is_block_ram() -> None:
    shallow = FifoConfig(width=32, depth=16)
    deep = replace(shallow, depth=1000)
    assert (join_cost.fifo_cost(shallow).bram, join_cost.fifo_cost(deep).bram) == (0, 2)
    assert join_cost.fifo_cost(deep).bram_bits == 32_000
