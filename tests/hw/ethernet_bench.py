"""cocotb bench of the SoC on Ethernet: a host on the byte-wide wire (GMII).

Data: ``bodies``, a FRAME's body a row; ``results``, a RESULT's body a row; ``identity``,
the body that HELLO must bring, less its counters; ``ip`` and ``mac``, the accelerator's.
"""

from __future__ import annotations

import os
import random
import struct
import zlib
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, FallingEdge, RisingEdge
from cocotb.utils import get_sim_time

from sw.driver.udp import DATAGRAM, PORT
from sw.protocol import Command, Counters, Decoder, Identity, Packet
from tests.cocotb_runner import DATA_VARIABLE

CLOCK_PS = 10_000
WIRE_PS = 8_000

HOST_MAC, HOST_IP, HOST_PORT = bytes.fromhex("0a0b0c0d0e0f"), bytes([192, 168, 1, 1]), 50_123
ARP, IPV4 = b"\x08\x06", b"\x08\x00"
PREAMBLE = bytes([0x55] * 7 + [0xD5])


def checksum(header: bytes) -> int:
    """Of the internet protocols."""
    total = sum(struct.unpack(f"!{len(header) // 2}H", header))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


class Host:
    """The far end of the cable: answers ARP, keeps what else comes."""

    def __init__(self, dut: Any, data: dict[str, np.ndarray]) -> None:
        self._dut = dut
        self._mac, self._ip = data["mac"].tobytes(), data["ip"].tobytes()
        self._decoder = Decoder()
        self.packets: list[Packet] = []
        self.datagrams: list[bytes] = []
        self.pings: list[bytes] = []
        self.arps = 0
        self.outgoing: list[bytes] = []
        cocotb.start_soon(self._listen())
        cocotb.start_soon(self._speak())

    async def _listen(self) -> None:
        dut, ended = self._dut, None
        while True:
            await RisingEdge(dut.tx_en)
            begun, line = get_sim_time("ps"), bytearray()
            assert ended is None or begun - ended >= 12 * WIRE_PS, "frames lie too close together"
            await FallingEdge(dut.wire_clk)
            while int(dut.tx_en.value):
                line.append(int(dut.tx_data.value))
                await FallingEdge(dut.wire_clk)
            ended = get_sim_time("ps") - WIRE_PS // 2
            self._frame(bytes(line))

    def _frame(self, line: bytes) -> None:
        assert line.startswith(PREAMBLE), line[:8]
        frame, fcs = line[8:-4], line[-4:]
        assert struct.pack("<I", zlib.crc32(frame)) == fcs, "wrong check sum"
        assert len(frame) >= 60 and frame[6:12] == self._mac
        body = frame[14:]
        if frame[12:14] == ARP:
            self._arp(body)
            return
        assert frame[12:14] == IPV4 and frame[:6] == HOST_MAC
        assert body[0] == 0x45 and checksum(body[:20]) == 0
        assert body[12:20] == self._ip + HOST_IP
        content = body[20 : struct.unpack("!H", body[2:4])[0]]
        if body[9] == 1:
            assert checksum(content) == 0 and content[0] == 0
            self.pings.append(content[4:])
            return
        source, target, length, _ = struct.unpack("!4H", content[:8])
        assert body[9] == 17 and (source, target) == (PORT, HOST_PORT)
        datagram = content[8:]
        assert length == len(content) and 0 < len(datagram) <= DATAGRAM
        self.datagrams.append(datagram)
        self.packets += self._decoder.feed(datagram)

    def _arp(self, body: bytes) -> None:
        assert body[:6] == bytes.fromhex("000108000604") and body[8:18] == self._mac + self._ip
        self.arps += 1
        if body[7] == 1 and body[24:28] == HOST_IP:
            self.ethernet(ARP, self._arp_body(2))

    def _arp_body(self, operation: int) -> bytes:
        target = self._mac if operation == 2 else bytes(6)
        head = bytes.fromhex("0001080006040000"[:-2]) + bytes([operation])
        return head + HOST_MAC + HOST_IP + target + self._ip

    def ask_address(self) -> None:
        self.ethernet(ARP, self._arp_body(1), to=b"\xff" * 6)

    def ping(self, payload: bytes) -> None:
        content = bytes([8, 0]) + bytes(2) + payload
        self._ipv4(1, content[:2] + struct.pack("!H", checksum(content)) + payload)

    def datagram(self, payload: bytes, **faults: Any) -> None:
        target = PORT + faults.pop("port_off", 0)
        source = HOST_PORT + faults.pop("stranger", 0)
        header = struct.pack("!4H", source, target, 8 + len(payload), 0)
        self._ipv4(17, header + payload, **faults)

    def packet(self, packet: Packet, **faults: Any) -> None:
        """As the driver does: a zero, then the packet, a datagram or more."""
        line = b"\0" + packet.encode()
        for first in range(0, len(line), DATAGRAM):
            self.datagram(line[first : first + DATAGRAM], **faults)

    def _ipv4(self, protocol: int, content: bytes, **faults: Any) -> None:
        to = bytes([192, 168, 1, 77]) if faults.pop("another_host", False) else self._ip
        header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(content), 7, 0, 64, protocol, 0)
        header += HOST_IP + to
        header = header[:10] + struct.pack("!H", checksum(header)) + header[12:]
        self.ethernet(IPV4, header + content, **faults)

    def ethernet(
        self,
        kind: bytes,
        body: bytes,
        *,
        to: bytes | None = None,
        flip: int | None = None,
        cut: int = 0,
    ) -> None:
        """Send a frame, with a bit of byte ``flip`` wrong, or ``cut`` bytes too short."""
        frame = ((to or self._mac) + HOST_MAC + kind + body).ljust(60, b"\0")
        frame += struct.pack("<I", zlib.crc32(frame))
        line = bytearray(PREAMBLE + frame)
        if flip is not None:
            line[8 + flip % len(frame)] ^= 1 << random.randrange(8)
        self.outgoing.append(bytes(line[: len(line) - cut]))

    async def _speak(self) -> None:
        dut = self._dut
        while True:
            if not self.outgoing:
                await RisingEdge(dut.wire_clk)
                continue
            for byte in self.outgoing.pop(0):
                dut.rx_dv.value = 1
                dut.rx_data.value = byte
                await RisingEdge(dut.wire_clk)
            dut.rx_dv.value = 0
            await ClockCycles(dut.wire_clk, 12)

    async def until(self, done: Any, cycles: int = 20_000) -> None:
        for _ in range(cycles // 20):
            if done():
                return
            await ClockCycles(self._dut.wire_clk, 20)
        raise AssertionError("what was awaited did not come")

    async def take(self) -> Packet:
        await self.until(lambda: self.packets)
        return self.packets.pop(0)

    async def ask(self, command: Command, number: int) -> Packet:
        self.packet(Packet(command=command, number=number))
        while True:
            answer = await self.take()
            if answer.command == command | 8 and answer.number == number:
                return answer


async def start() -> tuple[Any, dict[str, np.ndarray], Host]:
    with np.load(os.environ[DATA_VARIABLE]) as file:
        data = dict(file)
    dut: Any = cocotb.top
    dut.rst.value = 0
    dut.rx_dv.value = dut.rx_er.value = 0
    cocotb.start_soon(Clock(dut.clk, CLOCK_PS, "ps").start())
    cocotb.start_soon(Clock(dut.wire_clk, WIRE_PS, "ps").start())
    await ClockCycles(dut.clk, 20)
    return dut, data, Host(dut, data)


@cocotb.test()
async def addresses_and_pings(_: Any) -> None:
    """Nothing is said unasked; ARP and pings are answered, by the one host alone."""
    dut, _, host = await start()
    await ClockCycles(dut.wire_clk, 500)
    assert not host.datagrams and not host.arps
    host.ask_address()
    await host.until(lambda: host.arps)
    for length in (20, 64):
        payload = random.randbytes(length)
        host.ping(payload)
        await host.until(lambda: host.pings)
        assert host.pings.pop() == payload


@cocotb.test()
async def frames_in_datagrams(_: Any) -> None:
    """Every frame's scores, with as many frames in flight as there are slots, at full pace."""
    _, data, host = await start()
    hello = await host.ask(Command.HELLO, 1)
    assert hello.body[: data["identity"].size] == data["identity"].tobytes()
    identity = Identity.unpack(data["identity"].tobytes())
    assert identity is not None
    await host.ask(Command.RESET, 2)
    bodies, results = data["bodies"], data["results"]
    sent = 0
    for answered in range(len(bodies)):
        while sent < len(bodies) and sent - answered < identity.slots:
            host.packet(Packet(command=Command.FRAME, number=sent, body=bodies[sent].tobytes()))
            sent += 1
        packet = await host.take()
        assert (packet.command, packet.number) == (Command.RESULT, answered)
        assert packet.body == results[answered].tobytes()
    counters = Counters.unpack((await host.ask(Command.STATS, 3)).body)
    assert counters == Counters(frames_in=len(bodies), frames_out=len(bodies))


@cocotb.test()
async def damaged_datagrams(_: Any) -> None:
    """Of damaged frames, of those for others, and of those of a second host, nothing is seen."""
    _, data, host = await start()
    await host.ask(Command.RESET, 1)
    bodies, results = data["bodies"], data["results"]
    for number, body in enumerate(bodies[:6]):
        packet = Packet(command=Command.FRAME, number=number, body=body.tobytes())
        host.packet(packet, flip=random.randrange(1000))
        host.packet(packet, cut=random.randrange(1, 60))
        host.packet(packet, port_off=1)
        host.packet(packet, another_host=True)
        host.packet(packet, stranger=1)
        host.ethernet(b"\x86\xdd", random.randbytes(200))
        host.packet(packet)
        answer = await host.take()
        assert (answer.number, answer.body) == (number, results[number].tobytes())
    counters = Counters.unpack((await host.ask(Command.STATS, 2)).body)
    assert counters == Counters(frames_in=6, frames_out=6)


@cocotb.test()
async def more_than_there_is_room_for(_: Any) -> None:
    """A flood of datagrams for which there is no room: whole ones are lost, and it goes on."""
    dut, data, host = await start()
    await host.ask(Command.RESET, 1)
    for _ in range(12):
        host.datagram(bytes(random.randrange(1, 256) for _ in range(DATAGRAM)))
    host.datagram(b"\0")
    await host.until(lambda: not host.outgoing, 40_000)
    await ClockCycles(dut.wire_clk, 12_000)
    for number, body in enumerate(data["bodies"][:3]):
        host.packet(Packet(command=Command.FRAME, number=number, body=body.tobytes()))
        assert (await host.take()).body == data["results"][number].tobytes()
