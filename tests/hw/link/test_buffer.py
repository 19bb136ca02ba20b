"""The frame buffer and the unpacker."""

from __future__ import annotations

import numpy as np
import pytest
from amaranth.sim import Simulator

from hw.link.buffer import FrameBuffer, Unpacker
from hw.plan import link
from hw.plan.link import LinkConfig
from sw.protocol import pack_codes

from .bench import simulate

LAST = 1 << 8


def config(elements: int, code_bits: int) -> LinkConfig:
    return LinkConfig(elements=elements, code_bits=code_bits, scores=1, score_bits=8)


def one_slot_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Treat the small frames of a test as large ones."""
    monkeypatch.setattr(link, "MAX_PAIR_BYTES", 1)
    monkeypatch.setattr(link, "SLOT_BYTES", 0)


@pytest.mark.parametrize("frame_bytes", [2, 7, 600])
@pytest.mark.parametrize("o_stall", [0.0, 0.5])
def test_one_slot_gives_committed_frames_only(rng, frame_bytes, o_stall, monkeypatch):
    one_slot_only(monkeypatch)
    assert config(frame_bytes, 8).slots == 1
    check_committed_frames(rng, frame_bytes, o_stall)


@pytest.mark.parametrize("frame_bytes", [1, 2, 7, 600, 2200])
@pytest.mark.parametrize("o_stall", [0.0, 0.5])
def test_buffer_gives_committed_frames_only(rng, frame_bytes, o_stall):
    check_committed_frames(rng, frame_bytes, o_stall)


def check_committed_frames(rng, frame_bytes: int, o_stall: float) -> None:
    block = FrameBuffer(config=config(frame_bytes, 8))
    expected, received = [], []
    rounds = {600: 8, 2200: 3}.get(frame_bytes, 60)

    async def writer(ctx):
        for _ in range(rounds):
            while ctx.get(block.full):
                await ctx.tick()
            keeps = rng.random() < 0.6
            count = frame_bytes if keeps else int(rng.integers(0, frame_bytes + 1))
            frame = rng.bytes(count)
            for byte in frame:
                ctx.set(block.i_stream.payload, byte)
                ctx.set(block.i_stream.valid, 1)
                await ctx.tick()
                ctx.set(block.i_stream.valid, 0)
                if rng.random() < 0.2:
                    await ctx.tick()
            done = block.commit if keeps else block.rollback
            ctx.set(done, 1)
            await ctx.tick()
            ctx.set(done, 0)
            if keeps:
                expected.extend([*frame[:-1], frame[-1] | LAST])
        for _ in range(int(rounds * frame_bytes * 4 / (1 - o_stall)) + 20):
            await ctx.tick()

    async def reader(ctx):
        while True:
            ctx.set(block.o_stream.ready, rng.random() >= o_stall)
            if ctx.get(block.o_stream.valid) and ctx.get(block.o_stream.ready):
                payload = block.o_stream.payload
                received.append(ctx.get(payload.data) | ctx.get(payload.last) * LAST)
            await ctx.tick()

    simulator = Simulator(block)
    simulator.add_clock(1e-6)
    simulator.add_testbench(writer)
    simulator.add_testbench(reader, background=True)
    simulator.run()
    assert received == expected


@pytest.mark.parametrize("frame_bytes", [1, 2, 7, 100])
def test_clear_leaves_the_frame_that_is_being_read(rng, frame_bytes):
    check_clear(rng, frame_bytes)


@pytest.mark.parametrize("frame_bytes", [2, 7, 100])
def test_clear_leaves_the_only_slot_if_it_is_being_read(rng, frame_bytes, monkeypatch):
    one_slot_only(monkeypatch)
    check_clear(rng, frame_bytes)


def check_clear(rng, frame_bytes: int) -> None:
    """Whole frames come out, and none that was committed before a clear and not begun."""
    block = FrameBuffer(config=config(frame_bytes, 8))
    begun: list[bytes] = []
    waiting: list[bytes] = []
    received = bytearray()

    def follow(ctx):
        if ctx.get(block.begins):
            begun.append(waiting.pop(0))
        if ctx.get(block.o_stream.valid) and ctx.get(block.o_stream.ready):
            received.append(ctx.get(block.o_stream.payload.data))

    async def cycle(ctx):
        ctx.set(block.o_stream.ready, rng.random() < 0.4)
        ctx.set(block.hold, rng.random() < 0.1)
        follow(ctx)
        await ctx.tick()

    async def bench(ctx):
        for _ in range(150 if frame_bytes < 100 else 60):
            while ctx.get(block.full):
                await cycle(ctx)
            frame = rng.bytes(frame_bytes)
            sent = frame[: frame_bytes if rng.random() < 0.8 else int(rng.integers(frame_bytes))]
            for byte in sent:
                ctx.set(block.i_stream.payload, byte)
                ctx.set(block.i_stream.valid, 1)
                await cycle(ctx)
            ctx.set(block.i_stream.valid, 0)
            choice = rng.random()
            keeps = sent == frame and choice < 0.8
            done = block.clear if choice < 0.2 else block.commit if keeps else block.rollback
            if choice < 0.2:
                waiting.clear()
            ctx.set(done, 1)
            await cycle(ctx)
            ctx.set(done, 0)
            if done is block.commit:
                waiting.append(frame)
        for _ in range(40 * frame_bytes + 400):
            await cycle(ctx)

    simulator = Simulator(block)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    assert bytes(received) == b"".join(begun) and not waiting
    assert len(begun) > 10


def test_buffer_is_full_when_every_slot_is(rng):
    shape = config(512, 8)
    block = FrameBuffer(config=shape)

    async def bench(ctx):
        for slot in range(shape.slots):
            assert not ctx.get(block.full), f"full with {slot} of {shape.slots} frames"
            ctx.set(block.commit, 1)
            await ctx.tick()
        ctx.set(block.commit, 0)
        assert ctx.get(block.full)

    simulator = Simulator(block)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()


@pytest.mark.parametrize("code_bits", [1, 2, 3, 4, 5, 8, 9, 16])
@pytest.mark.parametrize("elements", [1, 6, 8, 20, 33])
@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("stall", [0.0, 0.4])
def test_unpacker_inverts_pack_codes(rng, code_bits, elements, whole, stall):
    divisors = [d for d in range(1, elements + 1) if elements % d == 0]
    beat_lanes = elements if whole else int(rng.choice(divisors))
    block = Unpacker(config=config(elements, code_bits), beat_lanes=beat_lanes)
    assert beat_lanes % block.lanes == 0
    codes = rng.integers(0, 2**code_bits, (3, elements))
    packed = pack_codes(codes, code_bits)
    # What pads the last byte must not matter.
    noise = rng.integers(0, 256, packed.shape).astype(np.uint8)
    packed |= noise & ~pack_codes(np.full_like(codes, 0xFFFF), 16 if code_bits > 8 else code_bits)
    beats = [byte | (LAST if i == len(frame) - 1 else 0) for frame in packed.tolist()
             for i, byte in enumerate(frame)]  # fmt: skip
    received = simulate(block, beats, rng=rng, i_stall=stall, o_stall=stall)
    mask = (1 << code_bits) - 1
    lanes = [beat >> (i * code_bits) & mask for beat in received for i in range(block.lanes)]
    assert lanes == codes.reshape(-1).tolist()
