"""A bench for blocks with one input and one output stream, on Amaranth's simulator.

`run` drives packed beats in and collects beats, each port pausing at random at a
rate of its own, and notes the cycle of every transfer; `pack` and `unpack` turn
arrays of codes into beats and back.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from amaranth.hdl import ClockDomain, Module
from amaranth.sim import Simulator, SimulatorContext
from numpy.typing import ArrayLike, NDArray

__all__ = ["RATES", "Transfers", "pack", "run", "to_bytes", "unpack"]

#: (input rate, output rate): the share of cycles in which a port is willing.
RATES = ((1.0, 1.0), (0.5, 1.0), (1.0, 0.5), (0.7, 0.7), (0.1, 0.9), (0.9, 0.1))


def pack(codes: ArrayLike, lanes: int, bits: int) -> list[int]:
    """Beats of ``lanes`` codes of ``bits`` bits; lane i in bits [i*bits, (i+1)*bits)."""
    rows = np.asarray(codes).reshape(-1, lanes)
    return [sum(int(code) << i * bits for i, code in enumerate(row)) for row in rows]


def unpack(beats: Sequence[int], lanes: int, bits: int) -> NDArray[np.int64]:
    """Codes (beats, lanes) of packed beats, the inverse of `pack`."""
    mask = (1 << bits) - 1
    codes = [[beat >> i * bits & mask for i in range(lanes)] for beat in beats]
    return np.array(codes, np.int64).reshape(len(beats), lanes)


def to_bytes(beats: Sequence[int]) -> NDArray[np.uint8]:
    """Beats as rows of bytes, little-endian, for a bench that reads a file."""
    size = max(1, (max(beats).bit_length() + 7) // 8)
    return np.array([list(beat.to_bytes(size, "little")) for beat in beats], np.uint8)


@dataclass(kw_only=True)
class Transfers:
    """What went over the ports: payloads out, and the cycle of each transfer."""

    outputs: list[Any] = field(default_factory=list)
    i_cycles: list[int] = field(default_factory=list)
    o_cycles: list[int] = field(default_factory=list)

    def period(self, beats: int) -> int:
        """Cycles between the ends of the last two frames of ``beats`` output beats."""
        return self.o_cycles[-1] - self.o_cycles[-1 - beats]

    def latency(self, beat: int = 0) -> int:
        """Cycles from the first input transfer to output transfer number ``beat``."""
        return self.o_cycles[beat] - self.i_cycles[0]


def run(
    dut: Any,
    beats: Sequence[Any],
    count: int,
    *,
    rng: np.random.Generator | None = None,
    i_rate: float = 1.0,
    o_rate: float = 1.0,
    idle: int = 0,
    offered: Sequence[int] | None = None,
    sample: Callable[[Any], Any] = lambda payload: payload,
    limit: int | None = None,
    beside: Sequence[Callable[[SimulatorContext], Awaitable[None]]] = (),
) -> Transfers:
    """Feed ``beats`` and collect ``count`` output beats.

    Parameters
    ----------
    dut : component with ``i_stream`` and ``o_stream``
    rng : source of the pauses; needed where a rate is below 1
    i_rate, o_rate : probability that a port is willing in a cycle
    idle : cycles before the first beat is offered
    offered : the cycle before which each beat is not offered
    sample : of ``o_stream.payload``, the value to collect
    limit : cycles after which a missing beat is given up
    beside : what else drives the block meanwhile

    Raises
    ------
    AssertionError
        If an output is withdrawn or changed while it waits, is not there in time,
        or comes when there should be none.
    """
    result = Transfers()
    i_stream, o_stream = dut.i_stream, dut.o_stream
    if limit is None:
        limit = idle + 1000 + int(8 * (len(beats) + count) / (i_rate * o_rate))
    pauses = rng if rng is not None else np.random.default_rng(0)
    i_pause, o_pause = pauses.spawn(2)

    feed = partial(
        _feed, stream=i_stream, beats=beats, cycles=result.i_cycles,
        pause=i_pause, rate=i_rate, idle=idle, offered=offered,
    )  # fmt: skip
    collect = partial(
        _collect, stream=o_stream, count=count, result=result,
        pause=o_pause, rate=o_rate, payload=sample(o_stream.payload), limit=limit,
    )  # fmt: skip
    top = Module()
    # A block that is only wires has no clock of its own.
    top.domains.sync = ClockDomain()
    top.submodules.dut = dut
    sim = Simulator(top)
    sim.add_clock(1e-6)
    sim.add_testbench(feed, background=True)
    for other in beside:
        sim.add_testbench(other, background=True)
    sim.add_testbench(collect)
    sim.run()
    return result


async def _feed(
    ctx: SimulatorContext,
    *,
    stream: Any,
    beats: Sequence[Any],
    cycles: list[int],
    pause: np.random.Generator,
    rate: float,
    idle: int,
    offered: Sequence[int] | None,
) -> None:
    cycle = idle
    for _ in range(idle):
        await ctx.tick()
    for number, beat in enumerate(beats):
        while offered is not None and cycle < offered[number]:
            ctx.set(stream.valid, 0)
            await ctx.tick()
            cycle += 1
        while pause.random() >= rate:
            ctx.set(stream.valid, 0)
            await ctx.tick()
            cycle += 1
        ctx.set(stream.payload, beat)
        ctx.set(stream.valid, 1)
        ready = 0
        while not ready:
            *_, ready = await ctx.tick().sample(stream.ready)
            cycle += 1
        cycles.append(cycle - 1)
    ctx.set(stream.valid, 0)


async def _collect(
    ctx: SimulatorContext,
    *,
    stream: Any,
    count: int,
    result: Transfers,
    pause: np.random.Generator,
    rate: float,
    payload: Any,
    limit: int,
) -> None:
    cycle = 0
    waiting = None
    while len(result.outputs) < count:
        assert cycle < limit, f"{len(result.outputs)} of {count} beats after {cycle} cycles"
        willing = int(pause.random() < rate)
        ctx.set(stream.ready, willing)
        *_, valid, value = await ctx.tick().sample(stream.valid, payload)
        assert waiting is None or (valid and value == waiting), f"changed in cycle {cycle}"
        waiting = value if valid and not willing else None
        if valid and willing:
            result.outputs.append(value)
            result.o_cycles.append(cycle)
        cycle += 1
    ctx.set(stream.ready, 0)
    for _ in range(3):
        await ctx.tick()
