"""How weights lie in block RAM, and how full these are in plans."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hw.options import add_plan_arguments, planned
from hw.plan.array import ArrayConfig
from hw.plan.block_ram import DP16KD
from hw.plan.plan import Plan
from hw.plan.weights import (
    MOST_PAGES,
    Packing,
    WeightConfig,
    least_block_rams,
    weight_memory,
)
from sw.errors import PlanError
from sw.model import load

EXAMPLES = Path(__file__).parents[3] / "examples"

#: Frames/s at which each example is planned, besides the most that there can be.
RATES = {
    "cnv_cifar10": (1_000, 12_000),
    "fashion": (1_000, 10_000),
    "larq_mnist": (1_000, 50_000),
    "lfc_mnist": (10_000, 100_000),
    "tfc_mnist": (10_000, 500_000),
    "tfc_mnist_1w2a": (10_000, 500_000),
}


def plan_of(name: str, *arguments: str) -> Plan:
    parser = argparse.ArgumentParser()
    add_plan_arguments(parser)
    options = parser.parse_args(["--clock", "100", *arguments])
    return planned(options, load(EXAMPLES / f"{name}.npz")).plan


@pytest.mark.parametrize(
    ("width", "depth", "layout"),
    [
        # A shape that fits: no pages, nothing gathered.
        (16, 2048, (2, 1, False)),
        (36, 512, (1, 1, False)),
        (98, 500, (3, 1, False)),
        # Nine words in the places of eight: all bits of the block RAMs are used.
        (32, 1152, (2, 1, True)),
        (32, 2304, (4, 1, True)),
        (32, 4608, (8, 2, True)),
        # Not where that saves nothing, or takes more LUTs than it is worth.
        (32, 288, (1, 1, False)),
        (64, 512, (2, 1, False)),
        # Pages that share a block RAM.
        (7, 7168, (3, 7, False)),
        (4, 9216, (2, 9, False)),
        # As many pages as it takes, beyond the deepest block RAM.
        (1, 163_840, (10, 10, False)),
    ],
)
def test_layout(width: int, depth: int, layout: tuple[int, int, bool]) -> None:
    config = weight_memory(width, depth)
    assert (config.block_rams, config.pages, config.ninths) == layout
    assert config.latency_cycles == 3


def test_words_find_their_places(rng: np.random.Generator) -> None:
    """Random memories hold all words, in no fewer block RAMs than could be."""
    for _ in range(300):
        width, depth = int(rng.integers(1, 200)), int(rng.integers(2, 20_000))
        if rng.random() < 0.5:
            width, depth = 8 * (1 + width // 8), 9 * (1 + depth // 9)
        config = weight_memory(width, depth)
        assert config.pages * config.page_depth >= config.places
        assert config.places + config.ninths * depth // 9 == depth
        assert config.pages <= max(MOST_PAGES, -(-depth // 16_384))
        assert config.block_rams >= least_block_rams(width, depth)
        # A block RAM holds its part of the rows by itself.
        assert config.block_width * config.page_depth <= DP16KD.bits


@pytest.mark.parametrize(
    ("width", "depth", "blocks"),
    [(36, 512, 1), (37, 2, 2), (36, 513, 2), (18, 1024, 1), (256, 1152, 16), (512, 288, 15)],
)
def test_least_block_rams(width: int, depth: int, blocks: int) -> None:
    assert least_block_rams(width, depth) == blocks


def test_packing() -> None:
    packing = Packing(bits=DP16KD.bits, block_rams=3, least=1)
    packing += Packing(bits=DP16KD.bits, block_rams=1, least=1)
    assert packing.summary() == {
        "weights_bram": 4, "weights_packed": 0.5, "weights_packed_at_most": 1.0,
    }  # fmt: skip
    assert Packing().summary() == {
        "weights_bram": 0, "weights_packed": None, "weights_packed_at_most": None,
    }  # fmt: skip


@pytest.mark.parametrize("name", RATES)
def test_weights_of_examples_are_packed(name: str) -> None:
    """Each memory to 85 % of what its folding allows."""
    plans = [plan_of(name), *(plan_of(name, "--fps", str(rate)) for rate in RATES[name])]
    loose = [
        f"{plan.cycles_per_frame} cycles, {layer.name}: {layer.weights}"
        for plan in plans
        for layer in plan.layers
        if layer.weights.block_rams * 0.85 > layer.weights.least
    ]
    assert not loose


def test_cnv_at_its_rate() -> None:
    """Above 84 % in all, and the deep layers full."""
    plan = plan_of("cnv_cifar10", "--fps", "12000")
    assert plan.weights.packed is not None and plan.weights.packed_at_most is not None
    assert plan.weights.packed >= 0.98 * plan.weights.packed_at_most
    assert plan.weights.packed > 0.84
    full = {layer.name for layer in plan.layers if layer.weights.packed == 1}
    assert full == {"Conv_4", "Conv_5"}


@pytest.mark.parametrize("memory", ["lut", "logic"])
def test_other_memories_take_no_block_ram(memory: str) -> None:
    config = ArrayConfig(outputs=4, fan_in=8, rows=4, simd=8, weight_memory=memory)  # type: ignore[arg-type]
    assert config.weights.block_rams == 0


def test_unknown_memory() -> None:
    with pytest.raises(PlanError, match=r"'flash', but must be 'lut', 'block' or 'spram'.*Choose"):
        WeightConfig(depth=1, width=1, memory="flash")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("width", "depth", "sprams"), [(1, 2, 1), (16, 16_384, 1), (17, 100, 2), (64, 12_544, 4)]
)
def test_spram(width: int, depth: int, sprams: int) -> None:
    """Words lie across memories of 16 bits, in no block RAM."""
    config = WeightConfig(depth=depth, width=width, memory="spram")
    assert (config.sprams, config.block_rams, config.latency_cycles) == (sprams, 0, 3)
    assert WeightConfig(depth=depth, width=width).sprams == 0
    assert WeightConfig(depth=1, width=width, memory="spram").sprams == 0
    array = ArrayConfig(
        outputs=2, fan_in=width * depth // 2, rows=1, simd=width, weight_memory="spram"
    )
    assert array.weights == config
    assert array.credits == replace(array, weight_memory="block").credits


@pytest.mark.parametrize(
    ("depth", "others", "text"),
    [
        (16_385, {}, r"16385 words are to lie in SPRAM, which holds 16384.*Read wider words"),
        (64, {"pages": 2}, r"'spram', which has neither pages nor ninth bits.*Leave"),
        (72, {"ninths": True}, r"'spram', which has neither pages nor ninth bits.*Leave"),
    ],
)
def test_what_spram_cannot_hold(depth: int, others: dict[str, Any], text: str) -> None:
    with pytest.raises(PlanError, match=text):
        WeightConfig(depth=depth, width=16, memory="spram", **others)


@pytest.mark.parametrize(("depth", "width"), [(10, 8), (9, 7)])
def test_ninths_of_other_shapes(depth: int, width: int) -> None:
    with pytest.raises(
        PlanError, match=rf"{depth} words of {width} bits are to be kept in ninth bits.*Leave"
    ):
        WeightConfig(depth=depth, width=width, ninths=True)
