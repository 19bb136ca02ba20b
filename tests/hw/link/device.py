"""The link with a stand-in for the core, and the scores that it must give."""

from __future__ import annotations

import numpy as np
from amaranth import Module, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect
from amaranth.sim import Simulator
from numpy.typing import NDArray

from hw.link.endpoint import Endpoint
from hw.link.packets import score_layout
from hw.plan.link import LinkConfig
from sw.protocol import Decoder, Packet, pack_scores

SHA256 = "0123456789abcdef" * 4


def sums(codes: NDArray, scores: int, score_bits: int) -> NDArray[np.int64]:
    """Scores (frames, scores) of codes (frames, elements): see `StandIn`."""
    total = codes.astype(np.int64).sum(axis=1)[:, None] * 37 + 11 * np.arange(scores)
    half = 1 << (score_bits - 1)
    return (total + half) % (2 * half) - half


class StandIn(wiring.Component):
    """A core that sums a frame's codes: score i is ``37 * sum + 11 * i``, wrapped."""

    def __init__(self, *, config: LinkConfig, lanes: int) -> None:
        self._config, self._lanes = config, lanes
        super().__init__(
            {
                "i_stream": In(stream.Signature(lanes * config.code_bits)),
                "o_stream": Out(stream.Signature(score_layout(config.score_bits))),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        config, o_stream = self._config, self.o_stream
        beats = config.elements // self._lanes
        beat, score = Signal(range(beats)), Signal(range(config.scores + 1))
        total, value, giving = Signal(32), Signal(signed(config.score_bits)), Signal()
        codes = [self.i_stream.payload.word_select(i, config.code_bits) for i in range(self._lanes)]
        m.d.comb += [
            self.i_stream.ready.eq(~giving),
            o_stream.valid.eq(giving),
            o_stream.payload.data.eq(value),
            o_stream.payload.last.eq(score == config.scores - 1),
        ]
        with m.If(self.i_stream.valid & ~giving):
            m.d.sync += [total.eq(total + sum(codes)), beat.eq(beat + 1)]
            with m.If(beat == beats - 1):
                m.d.sync += [giving.eq(1), beat.eq(0), value.eq(37 * (total + sum(codes)))]
        with m.If(giving & o_stream.ready):
            m.d.sync += [value.eq(value + 11), score.eq(score + 1)]
            with m.If(o_stream.payload.last):
                m.d.sync += [giving.eq(0), score.eq(0), total.eq(0)]
        return m


class Device(wiring.Component):
    """Endpoint and stand-in, with byte streams to the host."""

    def __init__(self, *, config: LinkConfig, lanes: int = 1) -> None:
        self.config = config
        self.endpoint = Endpoint(config=config, lanes=lanes, model_sha256=SHA256)
        self._core = StandIn(config=config, lanes=lanes)
        super().__init__({"i_bytes": In(stream.Signature(8)), "o_bytes": Out(stream.Signature(8))})

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.endpoint = self.endpoint
        m.submodules.core = self._core
        connect(m, wiring.flipped(self.i_bytes), self.endpoint.i_bytes)
        connect(m, self.endpoint.o_bytes, wiring.flipped(self.o_bytes))
        connect(m, self.endpoint.o_stream, self._core.i_stream)
        connect(m, self._core.o_stream, self.endpoint.i_stream)
        return m

    def result(self, codes: NDArray) -> bytes:
        """The body of the RESULT for codes (elements,)."""
        scores = sums(codes[None], self.config.scores, self.config.score_bits)
        return pack_scores(scores[0], self.config.score_bytes)


class Host:
    """The far end of a `Device` in a test bench: sends bytes, collects packets.

    Both directions are stalled at random. `silence` cycles without a byte end `receive`.
    """

    def __init__(self, ctx, device: Device, rng, *, stall: float = 0.0, o_stall: float = 0.0):
        self._ctx, self._device, self._rng = ctx, device, rng
        self._stall, self._o_stall = stall, o_stall
        self._decoder = Decoder()
        self.packets: list[Packet] = []
        self.raw = bytearray()

    @property
    def bad(self) -> int:
        """Runs of bytes from the device that were no packets."""
        return self._decoder.bad

    async def tick(self) -> bool:
        """One cycle; True when a byte came."""
        ctx, sink = self._ctx, self._device.o_bytes
        ready = self._rng.random() >= self._o_stall
        ctx.set(sink.ready, ready)
        came = ready and bool(ctx.get(sink.valid))
        if came:
            byte = bytes([ctx.get(sink.payload)])
            self.raw += byte
            self.packets += self._decoder.feed(byte)
        await ctx.tick()
        return came

    async def send(self, line: bytes) -> None:
        ctx, source = self._ctx, self._device.i_bytes
        for byte in line:
            while self._rng.random() < self._stall:
                await self.tick()
            ctx.set(source.valid, 1)
            ctx.set(source.payload, byte)
            while not ctx.get(source.ready):
                await self.tick()
            await self.tick()
            ctx.set(source.valid, 0)

    async def receive(self, count: int | None = None, silence: int = 400) -> list[Packet]:
        """Packets that have come since last asked, once ``count`` are there or none comes."""
        quiet = 0
        while quiet < silence and (count is None or len(self.packets) < count):
            quiet = 0 if await self.tick() else quiet + 1
        packets, self.packets = self.packets, []
        return packets

    async def ask(self, packet: Packet) -> Packet:
        """The one answer to ``packet``."""
        await self.send(packet.encode())
        answers = await self.receive(1, silence=2000)
        assert len(answers) == 1, answers
        return answers[0]


def run(device: Device, bench) -> None:
    """Run the coroutine ``bench(ctx)`` against ``device``."""
    simulator = Simulator(device)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
