"""Buffers of frames: what is whole and right comes out whole, nothing else comes out."""

from __future__ import annotations

import struct
import zlib

import pytest
from amaranth.sim import Simulator

from hw.link.frames import MARGIN, PACKETS, PAGE, Cutter, FrameReceiver, PacketBuffer

from .bench import simulate

PREAMBLE = bytes([0x55] * 7 + [0xD5])


def line_of(frame: bytes) -> bytes:
    return PREAMBLE + frame + struct.pack("<I", zlib.crc32(frame))


def receive(rng, lines: list[tuple[bytes, int | None]], *, pages: int, stall: float, gap: int):
    """Frames that come out of a `FrameReceiver`; ``er`` is set with a byte where asked for."""
    block, out, frame = FrameReceiver(pages=pages), [], bytearray()

    async def bench(ctx):
        async def cycle(valid: bool, byte: int = 0, error: bool = False) -> None:
            ctx.set(block.dv, valid)
            ctx.set(block.data, byte)
            ctx.set(block.er, error)
            ready = rng.random() >= stall
            ctx.set(block.o_stream.ready, ready)
            if ready and ctx.get(block.o_stream.valid):
                octet = ctx.get(block.o_stream.payload)
                frame.append(octet.data)
                if octet.last:
                    out.append(bytes(frame))
                    frame.clear()
            await ctx.tick()

        for line, error_at in lines:
            for index, byte in enumerate(line):
                await cycle(True, byte, index == error_at)
            for _ in range(gap):
                await cycle(False)
        idle = 0
        while idle < 20:
            await cycle(False)
            idle = 0 if ctx.get(block.o_stream.valid) else idle + 1

    simulator = Simulator(block)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    assert not frame, "the last frame has no end"
    return out


@pytest.mark.parametrize(("stall", "gap"), [(0.0, 2), (0.6, 12)])
def test_damaged_frames_are_dropped(rng, stall, gap):
    lines, good = [], []
    for _ in range(30):
        frame = rng.bytes(int(rng.integers(1, 90)))
        line = bytearray(line_of(frame))
        fault, error_at = (
            rng.choice(["none", "flip", "cut", "error", "noise"], p=[0.4, *[0.15] * 4]),
            None,
        )
        match fault:
            case "flip":
                line[int(rng.integers(8, len(line)))] ^= 1 << int(rng.integers(8))
            case "cut":
                del line[-int(rng.integers(1, len(line) - 8)) :]
            case "error":
                error_at = int(rng.integers(8, len(line)))
            case "noise":
                line = bytearray([0x55] * int(rng.integers(1, 20)))
            case _:
                good.append(bytes(line))
        lines.append((bytes(line), error_at))
    assert receive(rng, lines, pages=2, stall=stall, gap=gap) == good


def test_frames_without_room_are_dropped_whole(rng):
    """Five times what there is room for, and what comes after the jam comes through."""
    frames = [line_of(rng.bytes(int(rng.integers(60, 500)))) for _ in range(45)]
    got = receive(rng, [(frame, None) for frame in frames], pages=1, stall=0.9, gap=12)
    assert PAGE // 600 < len(got) < len(frames)
    left = iter(frames)
    assert all(frame in left for frame in got), "a frame that was not sent, or out of order"
    assert got == receive(rng, [(frame, None) for frame in got], pages=2, stall=0.0, gap=2)


@pytest.mark.parametrize("o_stall", [0.0, 0.5])
def test_packets_are_let_out_whole(rng, o_stall):
    gap = 12
    block = PacketBuffer(gap=gap)
    packets = [rng.bytes(int(rng.integers(1, 150))) for _ in range(3 * PACKETS)]
    packets.insert(5, rng.bytes(PAGE - MARGIN))
    got: list[bytes] = []

    async def send(ctx):
        for packet in packets:
            for index, byte in enumerate(packet):
                while rng.random() < 0.3:
                    ctx.set(block.i_stream.valid, 0)
                    await ctx.tick()
                ctx.set(block.i_stream.valid, 1)
                ctx.set(block.i_stream.payload.data, byte)
                ctx.set(block.i_stream.payload.last, index == len(packet) - 1)
                await ctx.tick().until(block.i_stream.ready)
        ctx.set(block.i_stream.valid, 0)

    async def take(ctx):
        packet, rest = bytearray(), gap
        while len(got) < len(packets):
            ready = rng.random() >= o_stall
            ctx.set(block.o_stream.ready, ready)
            if ctx.get(block.o_stream.valid):
                assert packet or rest >= gap
                assert ctx.get(block.length) == len(packets[len(got)])
                octet = ctx.get(block.o_stream.payload)
                if ready:
                    packet.append(octet.data)
                    if octet.last:
                        got.append(bytes(packet))
                        packet.clear()
                        rest = 0
            else:
                assert not packet, "a pause inside a packet"
                rest += 1
            await ctx.tick()

    simulator = Simulator(block)
    simulator.add_clock(1e-6)
    simulator.add_testbench(send)
    simulator.add_testbench(take)
    simulator.run()
    assert got == packets


@pytest.mark.parametrize("stall", [0.0, 0.5])
def test_pieces_end_behind_zeros_and_at_a_length(rng, stall):
    data = [int(byte) for byte in rng.integers(0, 8, 200)] + [1] * 40
    got = simulate(Cutter(most=7), data, rng=rng, i_stall=stall, o_stall=stall)
    assert [octet & 0xFF for octet in got] == data
    length = 0
    for octet in got:
        length += 1
        ends = octet & 0xFF == 0 or length == 7
        assert octet >> 8 == ends
        length = 0 if ends else length
