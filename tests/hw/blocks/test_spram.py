"""Weights in SPRAM: an array that is loaded word by word, and then exact as any other."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect
from amaranth.sim import Simulator, SimulatorContext

from hw.blocks.array import SystolicArray
from hw.blocks.load import LoadBus
from hw.blocks.weights import WeightMemory, columns
from hw.plan.weights import WeightConfig
from tests.hw.blocks import bench
from tests.hw.blocks.array_case import random_case
from tests.hw.blocks.test_weights import random_words

SHAPES = [
    dict(rows=1, simd=1, neuron_folds=1, synapse_folds=2, frames=5),
    dict(rows=4, simd=9, neuron_folds=3, synapse_folds=5, rows_per_hop=4),
    dict(rows=6, simd=6, neuron_folds=2, synapse_folds=3, rows_per_hop=3, frames=4),
    dict(rows=4, simd=20, neuron_folds=2, synapse_folds=2, pipeline=2),
    dict(rows=3, simd=5, lane_bits=8, synapse_folds=3, width=2, columns=2, rows_per_hop=3),
]


def test_words_lie_across_memories(rng: np.random.Generator) -> None:
    words = random_words(rng, 9, 37)
    parts = columns(words, 37)
    assert words == [a | b << 16 | c << 32 for a, b, c in zip(*parts, strict=True)]
    assert columns([0x1FFFF], 16) == [[0xFFFF]]


def test_memory_is_written_at_its_address(rng: np.random.Generator) -> None:
    words = random_words(rng, 50, 33)
    config = WeightConfig(depth=50, width=33, memory="spram")
    block = WeightMemory(config=config, words=[0] * 50, loaded=False)
    assert config.sprams == 3

    async def drive(ctx: SimulatorContext) -> None:
        places = [(place, address) for place in range(3) for address in range(50)]
        for place, address in rng.permutation(places):
            ctx.set(block.address, int(address))
            ctx.set(block.load.data, columns(words, 33)[place][address])
            ctx.set(block.load.write, 1 << int(place))
            await ctx.tick()
        ctx.set(block.load.write, 0)
        ctx.set(block.load.data, 0)
        for address in rng.permutation(50):
            ctx.set(block.address, int(address))
            await ctx.tick().repeat(block.latency_cycles)
            assert ctx.get(block.data) == words[address]

    simulator = Simulator(block)
    simulator.add_clock(1e-6)
    simulator.add_testbench(drive)
    simulator.run()


class Loaded(wiring.Component):
    """An array behind a gate that opens when the words given have been written, twice.

    What is written first is something else, as it is of a damaged image. Words come as far
    apart as the bus allows, or up to ``gap`` cycles further.
    """

    def __init__(self, array: SystolicArray, rng: np.random.Generator, gap: int) -> None:
        self._array, self._rng, self._gap = array, rng, gap
        shapes = {name: getattr(array, name).payload.shape() for name in ("i_stream", "o_stream")}
        super().__init__(
            {
                "i_stream": In(stream.Signature(shapes["i_stream"])),
                "o_stream": Out(stream.Signature(shapes["o_stream"])),
                "open": In(1),
                "load": In(LoadBus(array.sprams)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.array = array = self._array
        connect(m, array.o_stream, wiring.flipped(self.o_stream))
        connect(m, wiring.flipped(self.load), array.load)
        m.d.comb += [
            array.i_stream.payload.eq(self.i_stream.payload),
            array.i_stream.valid.eq(self.i_stream.valid & self.open),
            self.i_stream.ready.eq(array.i_stream.ready & self.open),
        ]
        return m

    async def fill(self, ctx: SimulatorContext) -> None:
        words = self._array.spram_words()
        for place, address, word in self._writes(words):
            ctx.set(self.load.data, word)
            ctx.set(self.load.write, 1 << place)
            end = address == len(words[place]) - 1
            assert bool(ctx.get(self.load.end) >> place & 1) == end, (place, address)
            await ctx.tick()
            ctx.set(self.load.write, 0)
            ctx.set(self.load.data, int(self._rng.integers(2**16)))
            pause = self._array.config.hops + int(self._rng.integers(self._gap + 1))
            await ctx.tick().repeat(pause)
        ctx.set(self.open, 1)

    def _writes(self, words: list[list[int]]) -> Iterator[tuple[int, int, int]]:
        for wrong in (0xA5A5, 0):
            for place, column in enumerate(words):
                for address, word in enumerate(column):
                    yield place, address, word ^ wrong


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(("i_rate", "o_rate", "gap"), [(1.0, 1.0, 0), (0.7, 0.5, 9)])
def test_array_is_exact_once_it_is_loaded(shape, i_rate, o_rate, gap, rng) -> None:
    case = random_case(rng, weight_memory="spram", **shape)
    array = case.block(loaded=False)
    words = array.spram_words()
    assert len(words) == array.sprams == case.config.hops * case.config.weights.sprams
    loaded = Loaded(array, rng, gap)
    found = bench.run(
        loaded,
        case.beats(),
        case.output_beats,
        rng=rng,
        i_rate=i_rate,
        o_rate=o_rate,
        beside=[loaded.fill],
        limit=100_000,
    )
    np.testing.assert_array_equal(case.outputs(found.outputs), case.expected())
    if i_rate == o_rate == 1.0:
        # Not a cycle slower than with weights from the start.
        assert found.latency() == case.config.latency_cycles
        assert np.diff(found.i_cycles).max(initial=1) == 1


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_array_with_words_in_place(shape, rng) -> None:
    case = random_case(rng, weight_memory="spram", **shape)
    found = bench.run(case.block(), case.beats(), case.output_beats, rng=rng, i_rate=0.8)
    np.testing.assert_array_equal(case.outputs(found.outputs), case.expected())
