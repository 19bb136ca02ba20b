"""Registers in streams: every beat once, in order, a beat a cycle."""

from __future__ import annotations

import pytest
from amaranth.sim import Simulator

from hw.link.register import StreamBuffer, StreamRegister, StreamRelay

from .bench import simulate


@pytest.mark.parametrize("block", [StreamBuffer, StreamRegister, StreamRelay])
@pytest.mark.parametrize(("i_stall", "o_stall"), [(0.0, 0.0), (0.5, 0.0), (0.0, 0.5), (0.4, 0.4)])
def test_beats_pass(rng, block, i_stall, o_stall):
    beats = rng.integers(0, 256, 500).tolist()
    assert simulate(block(8), beats, rng=rng, i_stall=i_stall, o_stall=o_stall) == beats


@pytest.mark.parametrize("kind", [StreamBuffer, StreamRegister])
def test_a_beat_a_cycle(kind):
    block = kind(8)
    taken = []

    async def bench(ctx):
        ctx.set(block.o_stream.ready, 1)
        ctx.set(block.i_stream.valid, 1)
        for beat in range(20):
            assert ctx.get(block.i_stream.ready)
            ctx.set(block.i_stream.payload, beat)
            await ctx.tick()
            assert ctx.get(block.o_stream.valid)
            taken.append(ctx.get(block.o_stream.payload))

    simulator = Simulator(block)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    assert taken == list(range(20))


def test_a_relay_takes_a_beat_every_other_cycle():
    block = StreamRelay(8)
    taken = []

    async def bench(ctx):
        ctx.set(block.o_stream.ready, 1)
        ctx.set(block.i_stream.valid, 1)
        for cycle in range(20):
            ctx.set(block.i_stream.payload, cycle)
            assert ctx.get(block.i_stream.ready) == (cycle % 2 == 0)
            await ctx.tick()
            if ctx.get(block.o_stream.valid):
                taken.append((cycle, ctx.get(block.o_stream.payload)))

    simulator = Simulator(block)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    assert taken == [(cycle, cycle - 1) for cycle in range(1, 20, 2)]


@pytest.mark.parametrize("kind", [StreamBuffer, StreamRelay])
def test_ready_is_a_register(kind):
    """It does not follow the other side's within a cycle."""
    block = kind(8)

    async def bench(ctx):
        ctx.set(block.i_stream.valid, 1)
        await ctx.tick().repeat(4)
        for ready in (1, 0, 1):
            ctx.set(block.o_stream.ready, ready)
            assert not ctx.get(block.i_stream.ready)

    simulator = Simulator(block)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
