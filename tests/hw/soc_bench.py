"""cocotb bench of the SoC through its pins: a host that bit-bangs the two lines.

Data: ``bodies``, a FRAME's body a row; ``results``, a RESULT's body a row; ``identity``,
the body that HELLO must bring, less its counters; ``bit_ps``, length of a bit.
"""

from __future__ import annotations

import os
import random
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, FallingEdge, SimTimeoutError, Timer, with_timeout

from sw.protocol import Command, Counters, Decoder, Identity, Packet
from tests.cocotb_runner import DATA_VARIABLE

CLOCK_PS = 10_000


class Pins:
    """The far end of the two lines, at its own exact rate."""

    def __init__(self, dut: Any, bit_ps: int) -> None:
        self._dut = dut
        self._bit = bit_ps
        self._decoder = Decoder()
        self.packets: list[Packet] = []
        cocotb.start_soon(self._listen())

    async def _listen(self) -> None:
        while True:
            await FallingEdge(self._dut.tx)
            await Timer(self._bit + self._bit // 2, "ps")
            byte = 0
            for bit in range(8):
                byte |= int(self._dut.tx.value) << bit
                await Timer(self._bit, "ps")
            assert int(self._dut.tx.value) == 1, "a byte ends with a stop bit"
            self.packets += self._decoder.feed(bytes([byte]))

    async def send(self, data: bytes) -> None:
        for byte in data:
            for bit in (0, *(byte >> i & 1 for i in range(8)), 1):
                self._dut.rx.value = bit
                await Timer(self._bit, "ps")

    async def take(self, limit_bits: int = 20_000) -> Packet | None:
        """The next packet, or None when none comes."""
        for _ in range(limit_bits // 10):
            if self.packets:
                return self.packets.pop(0)
            await Timer(10 * self._bit, "ps")
        return None

    async def ask(self, command: Command, number: int) -> Packet:
        """The answer to a request; what was left over before it does not count."""
        await self.send(b"\0" + Packet(command=command, number=number).encode())
        while (answer := await self.take()) is not None:
            if answer.command == command | 8 and answer.number == number:
                return answer
        raise AssertionError(f"no answer to {command.name}")


async def start() -> tuple[Any, dict[str, np.ndarray], Pins]:
    with np.load(os.environ[DATA_VARIABLE]) as file:
        data = dict(file)
    dut: Any = cocotb.top
    dut.rx.value = 1
    dut.rst.value = 1
    cocotb.start_soon(Clock(dut.clk, CLOCK_PS, "ps").start())
    await ClockCycles(dut.clk, 4)
    dut.rst.value = 0
    await ClockCycles(dut.clk, 4)
    return dut, data, Pins(dut, int(data["bit_ps"]))


@cocotb.test()
async def frames_through_the_pins(_: Any) -> None:
    """Every frame's scores, with as many frames in flight as there are slots."""
    _, data, pins = await start()
    hello = await pins.ask(Command.HELLO, 1)
    assert hello.body[: data["identity"].size] == data["identity"].tobytes()
    identity = Identity.unpack(data["identity"].tobytes())
    assert identity is not None
    await pins.ask(Command.RESET, 2)
    bodies, results = data["bodies"], data["results"]
    sent = answered = 0
    while answered < len(bodies):
        while sent < len(bodies) and sent - answered < identity.slots:
            frame = Packet(command=Command.FRAME, number=sent, body=bodies[sent].tobytes())
            await pins.send(frame.encode())
            sent += 1
        packet = await pins.take()
        assert packet is not None, f"no result of frame {answered}"
        assert (packet.command, packet.number) == (Command.RESULT, answered)
        assert packet.body == results[answered].tobytes()
        answered += 1
    counters = Counters.unpack((await pins.ask(Command.STATS, 3)).body)
    assert counters == Counters(frames_in=len(bodies), frames_out=len(bodies))


@cocotb.test()
async def faults_on_the_line(dut: Any) -> None:
    """Flipped bits, noise, a break and a reset in mid-frame: no wrong score, no hang."""
    _, data, pins = await start()
    bodies, results = data["bodies"], data["results"]
    for number, body in enumerate(bodies[:12]):
        line = bytearray(Packet(command=Command.FRAME, number=number, body=body.tobytes()).encode())
        match number % 4:
            case 1:
                line[random.randrange(len(line) - 1)] ^= 1 << random.randrange(8)
            case 2:
                await pins.send(random.randbytes(20))
            case 3:
                await pins.send(bytes(line[: len(line) // 2]))
                dut.rx.value = 0
                await Timer(25 * int(data["bit_ps"]), "ps")
                dut.rx.value = 1
                await Timer(3 * int(data["bit_ps"]), "ps")
                await pins.ask(Command.RESET, 1000 + number)
        await pins.send(b"\0" + bytes(line) + b"\0")
        packet = await pins.take(4000)
        while packet is not None and packet.command != Command.RESULT:
            packet = await pins.take(4000)
        if packet is None:
            assert number % 4 == 1, f"no result of frame {number}"
            continue
        assert packet.number == number and packet.body == results[number].tobytes()


@cocotb.test()
async def idle_line_stays_idle(dut: Any) -> None:
    """Once the delimiter after reset has gone, the accelerator speaks when spoken to."""
    await start()
    await ClockCycles(dut.clk, 2000)
    try:
        await with_timeout(FallingEdge(dut.tx), 100, "us")
    except SimTimeoutError:
        return
    raise AssertionError("a byte nobody asked for")
