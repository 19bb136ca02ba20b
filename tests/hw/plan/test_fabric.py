"""Area on other families: what follows from ECP5's, and plans of the smallest example."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import boards
from hw.plan.block_ram import DP16KD, SB_RAM40
from hw.plan.cost import Cost, Share
from hw.plan.fabric import ECP5, FABRICS, fabric_of
from hw.plan.memory import Memory, small_block_rams
from hw.plan.plan import Plan, make_plan
from sw.errors import PlanError
from sw.model import load

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
OTHERS = ("icebreaker", "upduino", "ice40_hx8k", "tang_nano_9k", "tang_nano_20k")


def plan(example: str, board: str, **options: Any) -> Plan:
    found = boards.find(board)
    return make_plan(
        load(EXAMPLES / f"{example}.npz"),
        board=found.name,
        size=found.size,
        budget=found.budget,
        clock=found.fastest_clock_mhz,
        **options,
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
