"""The area of the integer array, against synthesis."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from benchmarks.size_cases_integer import BASELINE, CASES
from hw.plan.integer_cost import integer_cost

MEASURED = {
    entry["name"]: entry["result"] for entry in json.loads(BASELINE.read_text(encoding="utf-8"))
}


@pytest.mark.parametrize("name", MEASURED)
def test_is_close_to_what_was_synthesised(name: str) -> None:
    """Block RAM and DSP blocks are counted, LUTs and flip-flops close."""
    case = next(case for case in CASES if case.name == name)
    made, cost = MEASURED[name], integer_cost(case.config)
    assert (cost.bram, cost.dsp) == (made["bram"], made["dsp"])
    assert cost.lut == pytest.approx(made["lut"], rel=0.1)
    assert cost.ff == pytest.approx(made["ff"], rel=0.1)


def test_start_values_of_many_channels_are_in_block_ram() -> None:
    few = replace(CASES[0].config, low=-128)
    many = replace(few, outputs=64 * few.rows)
    assert (few.start_kind, many.start_kind) == ("lut", "block")
    # 13 bits of four rows, and weights that fill the block RAMs further.
    assert many.start_bits * many.rows == 52
    assert integer_cost(many).bram == many.weights.block_rams + 2
