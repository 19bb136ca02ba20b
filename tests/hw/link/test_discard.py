"""The discarder: scores of frames from before a clear never come out."""

from __future__ import annotations

import pytest
from amaranth.sim import Simulator

from hw.link.discard import MOST_FRAMES, Discarder


@pytest.mark.parametrize("stall", [0.0, 0.4])
def test_frames_inside_at_a_clear_are_dropped(rng, stall):
    block = Discarder(score_bits=16)
    inside: list[tuple[int, bool]] = []  # frames in the core: number, wanted
    expected: list[int] = []
    received: list[int] = []

    async def bench(ctx):
        number, score = 0, 0
        for _ in range(4000):
            clear = rng.random() < 0.01
            begins = not clear and rng.random() < 0.08 and not ctx.get(block.full)
            offers = bool(inside) and rng.random() >= stall
            ready = rng.random() >= stall
            ctx.set(block.clear, clear)
            ctx.set(block.begins, begins)
            ctx.set(block.i_stream.valid, offers)
            if offers:
                ctx.set(block.i_stream.payload.data, inside[0][0] * 4 + score)
                ctx.set(block.i_stream.payload.last, score == 2)
            ctx.set(block.o_stream.ready, ready)
            if ctx.get(block.o_stream.valid) and ready:
                received.append(ctx.get(block.o_stream.payload.data))
                assert ctx.get(block.o_stream.payload.last) == (received[-1] % 4 == 2)
            if offers and ctx.get(block.i_stream.ready):
                if inside[0][1]:
                    expected.append(inside[0][0] * 4 + score)
                score = (score + 1) % 3
                if score == 0:
                    del inside[0]
            if clear:
                inside[:] = [(frame, False) for frame, _ in inside]
            if begins:
                inside.append((number, True))
                number = (number + 1) % 8000
            await ctx.tick()

    simulator = Simulator(block)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    assert received == expected
    assert len(received) > 200


def test_no_more_frames_than_can_be_counted(rng):
    block = Discarder(score_bits=8)

    async def bench(ctx):
        begun = 0
        for _ in range(4 * MOST_FRAMES):
            begins = not ctx.get(block.full)
            ctx.set(block.begins, begins)
            begun += begins
            await ctx.tick()
        assert begun == MOST_FRAMES
        ctx.set(block.begins, 0)
        ctx.set(block.clear, 1)
        await ctx.tick()
        ctx.set(block.clear, 0)
        ctx.set(block.i_stream.valid, 1)
        ctx.set(block.i_stream.payload.last, 1)
        for _ in range(MOST_FRAMES):
            assert ctx.get(block.i_stream.ready) and not ctx.get(block.o_stream.valid)
            await ctx.tick()
        assert ctx.get(block.o_stream.valid)

    simulator = Simulator(block)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
