"""Area on other families: what follows from ECP5's, and plans of the smallest example."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import boards
from hw.plan.block_ram import DP16KD, SB_RAM40
from hw.plan.clock import CLOCK_SHARE, design_fmax
from hw.plan.cost import Cost, Share
from hw.plan.fabric import ECP5, FABRICS, GOWIN_DSP_MHZ, fabric_of
from hw.plan.memory import Memory, small_block_rams
from hw.plan.plan import Plan, make_plan
from sw.errors import PlanError
from sw.model import load
from sw.model.ir import Conv, IntegerRange, TensorType
from sw.model.model import Model
from tests.hw.plan.dag_graphs import downsampled, finished, started
from tests.hw.plan.graphs import model_of

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
OTHERS = ("icebreaker", "upduino", "ice40_hx8k", "tang_nano_9k", "tang_nano_20k")


def plan(example: str | Model, board: str, **options: Any) -> Plan:
    found = boards.find(board)
    return make_plan(
        load(EXAMPLES / f"{example}.npz") if isinstance(example, str) else example,
        board=found.name,
        size=found.size,
        **{"budget": found.budget, "clock": found.fastest_clock_mhz, **options},
    )


def test_ecp5_costs_are_as_they_were_counted() -> None:
    cost = Cost(lut=10, ff=20, bram=1, dsp=2, bram_bits=3, ram_lut=4, small_bram=5, small_ff=6)
    assert ECP5.cost(cost) is cost


def test_without_memories_of_luts_they_are_block_ram() -> None:
    fabric = FABRICS["up5k"]
    cost = Cost(lut=100, bram=2, dsp=1, bram_bits=99, ram_lut=40, small_bram=5, small_ff=6)
    found = fabric.cost(cost)
    assert (found.bram, found.ff, found.dsp) == (5, 6, 1)
    assert found.lut == -(-(60 * fabric.lut + 6 * fabric.bit_lut) // 1)
    assert found.packed == 99 / (5 * 4096)
    assert fabric.total([cost, cost]).bram == 10


@pytest.mark.parametrize(
    ("width", "depth", "blocks"),
    [(16, 256, 1), (17, 256, 2), (8, 512, 1), (36, 512, 5), (2, 2048, 1), (2, 2049, 2), (1, 9, 1)],
)
def test_block_rams_of_4_kbit(width: int, depth: int, blocks: int) -> None:
    assert small_block_rams(width, depth) == blocks


# What Yosys 0.70 makes of them for iCE40.
@pytest.mark.parametrize(
    ("width", "depth", "blocks"),
    [(5, 16, 1), (4, 16, 0), (16, 9, 1), (33, 4, 0), (40, 5, 3), (17, 16, 2), (3, 32, 1)],
)
def test_small_memories_are_flip_flops(width: int, depth: int, blocks: int) -> None:
    memory = Memory(width=width, depth=depth, kind="lut", number=3)
    assert memory.small_bram == 3 * blocks
    assert memory.small_ff == (0 if blocks else 3 * width * depth)


def test_shapes_hold_what_they_should() -> None:
    assert (DP16KD.bits, DP16KD.width, DP16KD.deepest) == (18_432, 36, 16_384)
    assert (SB_RAM40.bits, SB_RAM40.width, SB_RAM40.deepest) == (4_096, 16, 2_048)


@pytest.mark.parametrize("name", OTHERS)
def test_the_smallest_example_fits_every_board(name: str) -> None:
    found = plan("tiny", name, fps=700)
    board = boards.find(name)
    usable = Share.of(None, board.budget).usable(board.budget)
    for resource in ("lut", "ff", "bram", "dsp"):
        assert getattr(found.predicted, resource) <= getattr(usable, resource)
    assert found.frames_per_second >= 700
    shapes = {layer.array.block_ram for layer in found.layers if layer.array is not None}
    assert shapes == {fabric_of(board.budget).block_ram}


def test_a_network_too_large_is_told_where_it_fits() -> None:
    board = boards.find("icebreaker")
    with pytest.raises(PlanError) as caught:
        plan("lfc_mnist", board.name)
    message = str(caught.value)
    assert message.startswith("'lfc_mnist' does not fit icebreaker UP5K: it needs ")
    assert "it needs 12 SPRAMs of 256 Kbit, 8 more than the 4 usable of 4" in message


@pytest.mark.parametrize("fabric", ["gw1n", "gw2a"])
def test_multipliers_without_known_delays_limit_the_clock(fabric: str) -> None:
    budget = boards.DeviceBudget(
        lut=9_000, ff=9_000, bram=20, bram_bits=18_432, dsp=9, fabric=fabric
    )
    free = design_fmax(Cost(lut=100), budget, memory=1, pools=True)
    assert free > design_fmax(Cost(lut=100, dsp=1), budget, memory=1, pools=True) == GOWIN_DSP_MHZ
    full = Cost(lut=40 * budget.lut)
    assert design_fmax(full + Cost(dsp=1), budget, memory=1, pools=True) == design_fmax(
        full, budget, memory=1, pools=True
    )


def test_a_network_with_batch_norms_runs_within_the_multipliers_clock(
    rng: np.random.Generator,
) -> None:
    model = model_of(downsampled(rng), "batch norms")
    for options in ({}, {"fps": 1000}, {"clock": GOWIN_DSP_MHZ}):
        found = plan(model, "tang_nano_20k", **options)
        assert 0 < found.predicted.dsp <= boards.find("tang_nano_20k").budget.dsp
        limit = GOWIN_DSP_MHZ if "clock" in options else CLOCK_SHARE * GOWIN_DSP_MHZ
        assert 0.8 * limit <= found.clock_mhz <= limit
    with pytest.raises(PlanError) as caught:
        plan(model, "tang_nano_20k", clock=75.5)
    assert str(caught.value) == (
        "'batch norms' takes multipliers, which tang_nano_20k GW2AR-18 has up to 75 MHz, and "
        "75.5 MHz were asked for. Ask for at most --clock 75."
    )


@pytest.mark.parametrize("outputs", [1, 16])
def test_multipliers_are_taken_where_they_are_worth_their_clock(
    outputs: int, rng: np.random.Generator
) -> None:
    """Of a network that can do without: weights of 8 bits in front of thresholds."""
    grower = started(
        rng, TensorType(height=4, width=4, channels=2, range=IntegerRange(low=-127, high=127))
    )
    weights = rng.integers(-127, 128, (outputs, 3, 3, 2)).astype(np.int8)
    wide = Conv(name="wide", source="input", weights=weights, weight_bits=8)
    signs = grower.threshold(grower.add(wide), 0)
    model = model_of(finished(grower, grower.dense(signs, 3)))
    board = boards.find("tang_nano_9k")
    none = replace(board.budget, dsp=0)
    with_them, without = plan(model, board.name), plan(model, board.name, budget=none)
    assert without.predicted.dsp == 0
    assert with_them.frames_per_second >= without.frames_per_second
    if with_them.predicted.dsp:
        assert with_them.clock_mhz <= GOWIN_DSP_MHZ < without.clock_mhz
    else:
        assert with_them.clock_mhz == without.clock_mhz
    # Of a rate that is reached either way, the one that spends none.
    assert plan(model, board.name, fps=1000).predicted.dsp == 0
