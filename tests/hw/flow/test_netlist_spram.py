"""A core that fills its SPRAMs, as an iCE40 netlist with Yosys' model of them."""

from __future__ import annotations

import ctypes
from collections import Counter
from typing import Any

import numpy as np
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import connect

from hw.core import Core
from hw.plan.layer import Segment
from hw.spram.image import LoadConfig
from hw.spram.loader import WeightLoader
from hw.spram.reader import FlashReader
from sim.core import CoreSimulator, Stall
from sim.flash import FlashModel
from sim.netlist import compile_netlist
from sw import golden
from tests.graphs import random_frames
from tests.hw.plan.graphs import Builder, model_of, random_plan
from tests.hw.plan.spram import with_spram


def _small(segment: Segment) -> bool:
    """Of few PEs, whose netlist compiles soon."""
    return all(
        layer.array is None or 2 <= layer.array.rows * layer.array.simd <= 20
        for layer in segment.layers
    )


class FlashedCore(wiring.Component):
    """A core with a core's streams, the flash memory that fills it, and what reads that."""

    def __init__(self, core: Core) -> None:
        self._core = core
        streams = ("i_stream", "o_stream")
        super().__init__({name: core.signature.members[name] for name in streams})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        image = self._core.image
        assert image is not None
        config = LoadConfig.of(image, clock_hz=1_000_000)
        m.submodules.core = core = self._core
        m.submodules.reader = reader = FlashReader(config=config)
        m.submodules.loader = loader = WeightLoader(config=config)
        m.submodules.flash = flash = FlashModel(image.pack())
        connect(m, reader.pins, flash.pins)
        connect(m, reader.o_stream, loader.i_stream)
        connect(m, loader.bus, core.load)
        connect(m, core.o_stream, wiring.flipped(self.o_stream))
        m.d.comb += [
            reader.run.eq(loader.run),
            core.i_stream.payload.eq(self.i_stream.payload),
            core.i_stream.valid.eq(self.i_stream.valid & loader.loaded),
            self.i_stream.ready.eq(core.i_stream.ready & loader.loaded),
        ]
        return m


def test_netlist_is_the_golden_model(rng: np.random.Generator) -> None:
    model = model_of(Builder(rng, 1, 1, 36).dense(16).threshold().dense(5).head())
    inputs = model.preprocessing.apply(random_frames(rng, model.graph, 6))
    expected = golden.run(model.graph, inputs)["head"].reshape(6, -1)
    assert (expected != expected[0]).any(), "frames that tell nothing"
    plan = with_spram(random_plan(rng, model, most_cycles=600, wanted=_small))
    netlist: dict[str, Any] = {}

    def compiler(bare: Core, *, ports: Any, interface: Any, name: str) -> ctypes.CDLL:
        del bare, ports  # whose weights are there from the start
        core = FlashedCore(Core(plan, model, loaded=False))
        outside = [
            value.as_value() if hasattr(value, "as_value") else value
            for _, _, value in core.signature.flatten(core)
        ]
        return compile_netlist(
            core,
            ports=outside,
            interface=interface,
            name=name,
            change=netlist.update,
            family="ice40",
        )

    simulator = CoreSimulator(plan, model, compiler=compiler)
    found = simulator.run(inputs, stall=Stall(i=0.2, o=0.2, seed=1)).scores
    np.testing.assert_array_equal(found, expected)
    kinds = Counter(cell["type"] for cell in netlist["cells"].values())
    sprams = sum(
        layer.array.hops * layer.array.weights.sprams
        for layer in plan.layers
        if layer.array is not None
    )
    assert kinds["SB_SPRAM256KA"] == sprams >= 2, kinds
