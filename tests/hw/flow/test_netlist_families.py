"""A whole core as iCE40 and Gowin netlists, with Yosys' cell models, against the golden model."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import Any

import numpy as np
import pytest

from boards import DeviceBudget
from hw.blocks.carry import ICE40_CHAIN
from hw.plan.array import ArrayConfig
from hw.plan.block_ram import SB_RAM40
from hw.plan.fabric import FABRICS
from hw.plan.plan import Plan, make_plan
from sim.core import CoreSimulator, Stall
from sim.netlist import compile_netlist
from sw import golden
from sw.model.model import Model
from tests.graphs import random_frames
from tests.hw.flow.test_netlist_sim import small_plan
from tests.hw.plan.dag_graphs import downsampled, random_inputs
from tests.hw.plan.graphs import Builder, model_of

#: Block RAM and what memories of LUTs are, of each family.
CELLS = {
    "ice40": ("SB_RAM40_4K", "SB_CARRY", "SB_LUT4"),
    "gowin": ("RAM16SDP4", "ALU", "LUT4"),
}


def _plan(model: Model, fabric: str, dsp: int = 0) -> Plan:
    """On a large device; Gowin's has block RAM for the link alone: Yosys has no models of it."""
    bram = 2 if fabric == "gw1n" else 100
    budget = DeviceBudget(lut=50_000, ff=50_000, bram=bram, bram_bits=4096, dsp=dsp, fabric=fabric)
    return make_plan(model, board="any", budget=budget, clock=50.0, fps=50e6 / 600, share=0.9)


def _own_forms(array: ArrayConfig | None) -> bool:
    """Whether an array has what is iCE40's own: early matches, and chains of more than two bits."""
    if array is None or not array.early_matches:
        return array is None
    levels = array.match_sum.levels
    return any(len(level.bits) > 1 and max(level.bits) >= ICE40_CHAIN for level in levels)


@pytest.mark.parametrize(("family", "fabric"), [("ice40", "up5k"), ("gowin", "gw1n")])
def test_netlist_is_the_golden_model(family: str, fabric: str, rng: np.random.Generator) -> None:
    model = model_of(Builder(rng, 1, 1, 96).dense(24).threshold().dense(5).head())
    inputs = model.preprocessing.apply(random_frames(rng, model.graph, 6))
    expected = golden.run(model.graph, inputs)["head"].reshape(6, -1)
    assert (expected != expected[0]).any(), "frames that tell nothing"
    netlist: dict[str, Any] = {}
    compiler = partial(compile_netlist, change=netlist.update, family=family)
    plan = small_plan(model, _own_forms, SB_RAM40) if family == "ice40" else _plan(model, fabric)
    arrays = [layer.array for layer in plan.layers if layer.array is not None]
    assert _own_forms(arrays[0]) == (family == "ice40")
    simulator = CoreSimulator(plan, model, compiler=compiler)
    found = simulator.run(inputs, stall=Stall(i=0.2, o=0.2, seed=1)).scores
    np.testing.assert_array_equal(found, expected)
    kinds = Counter(cell["type"] for cell in netlist["cells"].values())
    assert min(kinds[kind] for kind in CELLS[family]) >= 1, kinds
    # All block RAMs of the core, which has no link, were counted.
    blocks = sum(n for kind, n in kinds.items() if kind.startswith(("SB_RAM40", "SP", "SDP", "DP")))
    costs = [layer.cost for layer in plan.layers]
    if family == "ice40":
        costs = [FABRICS[fabric].cost(cost) for cost in costs]
    assert blocks == sum(cost.bram for cost in costs)


def test_gowins_multipliers_are_the_golden_model(rng: np.random.Generator) -> None:
    """Batch norms of 16 bits and weights of 8, in multipliers of both widths."""
    model = model_of(downsampled(rng))
    inputs = random_inputs(rng, model.graph, 6)
    expected = golden.run(model.graph, inputs)["head"].reshape(6, -1)
    assert (expected != expected[0]).any(), "frames that tell nothing"
    netlist: dict[str, Any] = {}
    compiler = partial(compile_netlist, change=netlist.update, family="gowin")
    plan = _plan(model, "gw1n", dsp=40)
    assert plan.predicted.dsp > 0
    simulator = CoreSimulator(plan, model, compiler=compiler)
    found = simulator.run(inputs, stall=Stall(i=0.2, o=0.2, seed=1)).scores
    np.testing.assert_array_equal(found, expected)
    kinds = Counter(cell["type"] for cell in netlist["cells"].values())
    assert min(kinds["MULT18X18"], kinds["MULT9X9"]) >= 1, kinds
    used = kinds["MULT18X18"] + -(-kinds["MULT9X9"] // 2)
    assert used <= sum(layer.cost.dsp for layer in plan.layers)
