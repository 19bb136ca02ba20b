"""One peer at a time: who owns the link, and who is not heard."""

from __future__ import annotations

import pytest
from amaranth.sim import Simulator

from hw.link.owner import Owner, Peer

LEASE = 40
FIRST, SECOND = {"ip": 0xC0A80101, "port": 16_434}, {"ip": 0xC0A80102, "port": 16_434}


class Bench:
    """Datagrams of several peers, and what comes out of them, and when."""

    def __init__(self, ctx, block: Owner, rng, stall: float) -> None:
        self._ctx, self._block, self._rng, self._stall = ctx, block, rng, stall
        self.taken: list[int] = []

    async def tick(self) -> None:
        ctx, sink = self._ctx, self._block.o_stream
        ctx.set(sink.ready, self._rng.random() >= self._stall)
        if ctx.get(sink.valid) and ctx.get(sink.ready):
            self.taken.append(ctx.get(sink.payload))
        await ctx.tick()

    async def wait(self, cycles: int) -> None:
        for _ in range(cycles):
            await self.tick()

    async def send(self, peer: dict[str, int], datagram: bytes) -> None:
        ctx, source = self._ctx, self._block.i_stream
        for place, byte in enumerate(datagram):
            ctx.set(source.valid, 1)
            last = place == len(datagram) - 1
            ctx.set(source.payload, {"data": byte, "last": last, "peer": peer})
            taken = False
            while not taken:
                ctx.set(self._block.o_stream.ready, self._rng.random() >= self._stall)
                taken = bool(ctx.get(source.ready))
                if ctx.get(self._block.o_stream.valid) and ctx.get(self._block.o_stream.ready):
                    self.taken.append(ctx.get(self._block.o_stream.payload))
                await ctx.tick()
            ctx.set(source.valid, 0)


@pytest.mark.parametrize("stall", [0.0, 0.6])
def test_strangers_wait_until_the_owner_has_been_silent(rng, stall) -> None:
    block = Owner(lease_cycles=LEASE)

    async def bench(ctx):
        line = Bench(ctx, block, rng, stall)
        await line.wait(3)
        assert not ctx.get(block.known)
        await line.send(FIRST, b"one")
        assert ctx.get(block.known)
        for _ in range(3):
            await line.send(SECOND, b"not heard")
            await line.send({**FIRST, "port": 7}, b"nor this")
            await line.send(FIRST, b"+")
            await line.wait(LEASE // 2)
            assert ctx.get(block.peer) == ctx.get(Peer.const(FIRST))
        # The owner is silent; what began before its time was over is dropped to its end.
        await line.wait(LEASE // 2 - 6)
        await line.send(SECOND, bytes(12))
        await line.wait(2)
        await line.send(SECOND, b" two")
        assert ctx.get(block.peer) == ctx.get(Peer.const(SECOND))
        await line.send(FIRST, b"too late")
        await line.wait(LEASE + 2)
        await line.send(FIRST, b" again")
        assert bytes(line.taken) == b"one+++ two again"

    simulator = Simulator(block)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
