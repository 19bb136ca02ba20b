"""Drive byte and token streams of the link in Amaranth's simulator, with random stalls."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from amaranth import Value
from amaranth.lib import wiring
from amaranth.sim import Simulator

__all__ = ["END", "ERROR", "simulate", "tokens"]

#: Bits of a token beside its byte.
END, ERROR = 1 << 8, 1 << 9


def tokens(packet: bytes, flags: int = 0) -> list[int]:
    """A packet as the payloads of its tokens."""
    return [*packet, END | flags]


def simulate(
    block: wiring.Component,
    beats: Sequence[int],
    *,
    rng: np.random.Generator,
    i_stream: str = "i_stream",
    o_stream: str = "o_stream",
    i_stall: float = 0.0,
    o_stall: float = 0.0,
    quiet: int = 60,
) -> list[int]:
    """Feed ``beats``; the payloads that came out until nothing moved for ``quiet`` cycles.

    A payload offered must neither go nor change before it is taken.
    """
    received: list[int] = []
    source, sink = getattr(block, i_stream), getattr(block, o_stream)
    payload, result = Value.cast(source.payload), Value.cast(sink.payload)

    async def bench(ctx):
        sent, offered, idle, held = 0, False, 0, None
        while idle < quiet:
            offered = sent < len(beats) and (offered or rng.random() >= i_stall)
            ready = rng.random() >= o_stall
            ctx.set(source.valid, offered)
            if offered:
                ctx.set(payload, beats[sent])
            ctx.set(sink.ready, ready)
            idle += 1
            if offered and ctx.get(source.ready):
                sent, offered, idle = sent + 1, False, 0
            if ctx.get(sink.valid):
                value = ctx.get(result)
                assert held in (None, value), "a payload changed before it was taken"
                held = None if ready else value
                idle = 0
                if ready:
                    received.append(value)
            else:
                assert held is None, "a payload went before it was taken"
            await ctx.tick()
        assert sent == len(beats), f"{sent} of {len(beats)} beats were taken"

    simulator = Simulator(block)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return received
