"""Drive a stream block in Amaranth's simulator, with random stalls on both ports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from amaranth.lib import wiring
from amaranth.sim import Simulator
from numpy.typing import NDArray

__all__ = ["Trace", "pack", "simulate", "unpack"]


@dataclass
class Trace:
    """What passed the ports of a block, and in which cycles."""

    accepted: list[int] = field(default_factory=list)
    cycles: list[int] = field(default_factory=list)
    payloads: list[int] = field(default_factory=list)


def simulate(
    block: wiring.Component,
    beats: Sequence[int],
    *,
    outputs: int,
    rng: np.random.Generator,
    i_stall: float = 0.0,
    o_stall: float = 0.0,
) -> Trace:
    """Feed ``beats`` and take ``outputs`` beats, each port stalled with its probability.

    A valid beat stays until it is taken, as the rules of a stream ask. Fails if the
    outputs do not arrive, or if more of them do within a while after the last.
    """
    trace = Trace()
    limit = 2000 + int(40 * (len(beats) + outputs) / (1 - max(i_stall, o_stall)))

    async def bench(ctx):
        i_stream, o_stream = block.i_stream, block.o_stream
        sent, offered, quiet = 0, False, 0
        for cycle in range(limit):
            offered = sent < len(beats) and (offered or rng.random() >= i_stall)
            ready = rng.random() >= o_stall
            ctx.set(i_stream.valid, offered)
            ctx.set(i_stream.payload, beats[sent] if offered else 0)
            ctx.set(o_stream.ready, ready)
            if offered and ctx.get(i_stream.ready):
                trace.accepted.append(cycle)
                sent, offered = sent + 1, False
            if ready and ctx.get(o_stream.valid):
                trace.cycles.append(cycle)
                trace.payloads.append(ctx.get(o_stream.payload))
            await ctx.tick()
            done = len(trace.payloads) >= outputs and sent == len(beats)
            quiet = quiet + 1 if done else 0
            if quiet > 40:
                break
        assert len(trace.payloads) == outputs, f"{len(trace.payloads)} beats, not {outputs}"

    simulator = Simulator(block)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return trace


def pack(lanes: NDArray, bits: int) -> int:
    """A payload from its lanes, lane 0 lowest."""
    return sum(int(lane) << (i * bits) for i, lane in enumerate(lanes))


def unpack(payload: int, lanes: int, bits: int) -> list[int]:
    """The lanes of a payload."""
    return [(payload >> (i * bits)) & (2**bits - 1) for i in range(lanes)]
