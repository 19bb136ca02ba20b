"""The accelerator's end of the link: packets in, packets out, whatever the line does."""

from __future__ import annotations

import numpy as np
import pytest

from hw.plan import link
from hw.plan.link import LinkConfig
from sw.protocol import (
    COUNTERS_BYTES,
    VERSION,
    Command,
    Counters,
    ErrorCode,
    Identity,
    Packet,
    pack_codes,
)

from .device import SHA256, Device, Host, run

SMALL = LinkConfig(elements=12, code_bits=8, scores=3, score_bits=12)

#: elements, code bits, lanes, scores, score bits
SHAPES = [
    (12, 8, 1, 3, 12),
    (12, 8, 3, 1, 8),
    (40, 1, 5, 10, 9),
    (33, 1, 11, 2, 7),
    (20, 2, 4, 4, 17),
    (7, 3, 7, 2, 32),
    (5, 9, 1, 2, 16),
    (300, 8, 1, 100, 16),
]


def frame(config: LinkConfig, number: int, codes) -> Packet:
    body = pack_codes(codes[None], config.code_bits)[0].tobytes()
    return Packet(command=Command.FRAME, number=number, body=body)


def random_codes(rng, config: LinkConfig, frames: int) -> np.ndarray:
    return rng.integers(0, 2**config.code_bits, (frames, config.elements))


@pytest.mark.parametrize(("elements", "code_bits", "lanes", "scores", "score_bits"), SHAPES)
@pytest.mark.parametrize("stalls", [(0.0, 0.0), (0.3, 0.6)])
def test_frames(rng, elements, code_bits, lanes, scores, score_bits, stalls):
    check_frames(rng, (elements, code_bits, lanes, scores, score_bits), stalls)


@pytest.mark.parametrize("shape", [SHAPES[0], SHAPES[2], SHAPES[-1]])
def test_frames_one_at_a_time(rng, shape, monkeypatch):
    """As where one slot is all there is."""
    monkeypatch.setattr(link, "MAX_PAIR_BYTES", 1)
    monkeypatch.setattr(link, "SLOT_BYTES", 0)
    check_frames(rng, shape, (0.3, 0.6))


def check_frames(rng, shape: tuple[int, ...], stalls: tuple[float, float]) -> None:
    elements, code_bits, lanes, scores, score_bits = shape
    config = LinkConfig(
        elements=elements, code_bits=code_bits, scores=scores, score_bits=score_bits
    )
    device = Device(config=config, lanes=lanes)
    codes = random_codes(rng, config, 5)

    async def bench(ctx):
        host = Host(ctx, device, rng, stall=stalls[0], o_stall=stalls[1])
        results = []
        for number, values in enumerate(codes):
            await host.send(frame(config, 1000 + number, values).encode())
            if number % config.slots == config.slots - 1:
                results += await host.receive(config.slots, silence=4000)
        results += await host.receive(len(codes) - len(results), silence=4000)
        assert [packet.number for packet in results] == list(range(1000, 1005))
        for packet, values in zip(results, codes, strict=True):
            assert packet.command == Command.RESULT and packet.version == VERSION
            assert packet.body == device.result(values)
        counters = Counters.unpack((await host.ask(Packet(command=Command.STATS))).body)
        assert counters == Counters(frames_in=5, frames_out=5)
        assert host.bad == 0

    run(device, bench)


def test_identity(rng):
    device = Device(config=SMALL)

    async def bench(ctx):
        host = Host(ctx, device, rng)
        answer = await host.ask(Packet(command=Command.HELLO, number=0xBEEF))
        assert (answer.command, answer.number) == (Command.IDENTITY, 0xBEEF)
        assert Identity.unpack(answer.body[:-COUNTERS_BYTES]) == Identity(
            model_sha256=SHA256,
            elements=12,
            frame_bytes=12,
            scores=3,
            code_bits=8,
            score_bytes=2,
            slots=16,
        )
        assert Counters.unpack(answer.body[-COUNTERS_BYTES:]) == Counters()

    run(device, bench)


@pytest.mark.parametrize(
    ("packet", "code"),
    [
        (Packet(command=Command.HELLO, number=5, version=VERSION + 1), ErrorCode.VERSION),
        (Packet(command=Command.FRAME, number=5, body=bytes(12), version=9), ErrorCode.VERSION),
        (Packet(command=0x7, number=5), ErrorCode.COMMAND),
        (Packet(command=Command.RESULT, number=5, body=bytes(6)), ErrorCode.COMMAND),
        (Packet(command=Command.FRAME, number=5, body=bytes(11)), ErrorCode.LENGTH),
        (Packet(command=Command.FRAME, number=5, body=bytes(13)), ErrorCode.LENGTH),
        (Packet(command=Command.FRAME, number=5, body=bytes(700)), ErrorCode.LENGTH),
        (Packet(command=Command.FRAME, number=5), ErrorCode.LENGTH),
        (Packet(command=Command.HELLO, number=5, body=b"x"), ErrorCode.LENGTH),
        (Packet(command=Command.RESET, number=5, body=bytes(12)), ErrorCode.LENGTH),
    ],
)
def test_refusals(rng, packet, code):
    device = Device(config=SMALL)
    codes = random_codes(rng, SMALL, 1)[0]

    async def bench(ctx):
        host = Host(ctx, device, rng)
        answer = await host.ask(packet)
        assert (answer.command, answer.number) == (Command.ERROR, 5)
        assert answer.body == bytes([code])
        answer = await host.ask(frame(SMALL, 6, codes))
        assert (answer.number, answer.body) == (6, device.result(codes))

    run(device, bench)


def damage(rng, line: bytes) -> bytes:
    """One fault of a serial line, somewhere in ``line``."""
    data, at = bytearray(line), int(rng.integers(len(line)))
    match rng.integers(5):
        case 0:
            data[at] ^= 1 << rng.integers(8)
        case 1:
            del data[at]
        case 2:
            data.insert(at, data[at])
        case 3:
            data.insert(at, int(rng.integers(256)))
        case _:
            burst = int(rng.integers(1, 6))
            data[at : at + burst] = rng.bytes(burst)
    return bytes(data)


def test_damaged_frames_give_no_wrong_scores(rng):
    config = LinkConfig(elements=6, code_bits=8, scores=2, score_bits=16)
    device = Device(config=config)
    codes = random_codes(rng, config, 250)

    async def bench(ctx):
        host = Host(ctx, device, rng)
        clean = True
        for number, values in enumerate(codes):
            line = frame(config, number, values).encode()
            if number % 2:
                line = damage(rng, line)
            await host.send(line)
            results = [p for p in await host.receive(silence=60) if p.command == Command.RESULT]
            for packet in results:
                assert packet.body == device.result(codes[packet.number])
            # A fault in the delimiter takes the next frame with it, but no more.
            assert number % 2 or not clean or [p.number for p in results] == [number]
            clean = line.endswith(b"\0")
        await host.send(b"\0")
        counters = Counters.unpack((await host.ask(Packet(command=Command.STATS))).body)
        assert counters.frames_in == counters.frames_out >= 100
        assert counters.bad_packets >= 60

    run(device, bench)


def test_noise_is_survived(rng):
    device = Device(config=SMALL)
    codes = random_codes(rng, SMALL, 1)[0]

    async def bench(ctx):
        host = Host(ctx, device, rng, o_stall=0.2)
        for high in (256, 4, 2):
            await host.send(rng.integers(0, high, 3000).astype(np.uint8).tobytes() + b"\0")
        await host.receive()
        answer = await host.ask(frame(SMALL, 77, codes))
        assert (answer.number, answer.body) == (77, device.result(codes))

    run(device, bench)


def test_more_frames_than_slots(rng):
    """What exceeds the credits is refused; what was accepted is right."""
    config = LinkConfig(elements=900, code_bits=8, scores=300, score_bits=16)
    device = Device(config=config)
    codes = random_codes(rng, config, 12)

    async def bench(ctx):
        host = Host(ctx, device, rng, o_stall=1.0)
        for number, values in enumerate(codes):
            await host.send(frame(config, number, values).encode())
        host._o_stall = 0.0
        answers = await host.receive(silence=3000)
        results = [p for p in answers if p.command == Command.RESULT]
        assert config.slots <= len(results) < 12
        for packet in results:
            assert packet.body == device.result(codes[packet.number])
        counters = Counters.unpack((await host.ask(Packet(command=Command.STATS))).body)
        assert counters.frames_in == counters.frames_out == len(results)
        # Refused frames are told of, as far as there is room for the answer.
        assert counters.overruns >= 12 - len(results)

    run(device, bench)


@pytest.mark.parametrize("wait", [0, 3, 40, 130, 350])
def test_reset_aborts_what_is_in_flight(rng, wait):
    config = LinkConfig(elements=60, code_bits=8, scores=90, score_bits=16)
    device = Device(config=config)
    codes = random_codes(rng, config, 6)

    async def bench(ctx):
        host = Host(ctx, device, rng, o_stall=0.3)
        for number in range(4):
            await host.send(frame(config, number, codes[number]).encode())
        await host.send(frame(config, 4, codes[4]).encode()[:30])
        for _ in range(wait):
            await host.tick()
        await host.send(b"\0" + Packet(command=Command.RESET, number=0xCAFE).encode())
        before = await host.receive(silence=2000)
        assert (before[-1].command, before[-1].number) == (Command.WAS_RESET, 0xCAFE)
        for packet in before[:-1]:
            assert packet.body == device.result(codes[packet.number])
        answer = await host.ask(frame(config, 5, codes[5]))
        assert (answer.number, answer.body) == (5, device.result(codes[5]))
        counters = Counters.unpack((await host.ask(Packet(command=Command.STATS))).body)
        assert counters == Counters(frames_in=1, frames_out=1)

    run(device, bench)


def test_requests_faster_than_answers_are_counted(rng):
    device = Device(config=SMALL)

    async def bench(ctx):
        host = Host(ctx, device, rng, o_stall=1.0)
        for number in range(40):
            await host.send(Packet(command=Command.HELLO, number=number).encode())
        host._o_stall = 0.0
        answers = await host.receive()
        assert all(packet.command == Command.IDENTITY for packet in answers)
        numbers = [packet.number for packet in answers]
        assert numbers == sorted(set(numbers))
        counters = Counters.unpack((await host.ask(Packet(command=Command.STATS))).body)
        assert counters.overruns == 40 - len(answers)

    run(device, bench)
