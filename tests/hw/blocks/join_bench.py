"""A bench for blocks with several input or output streams."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from amaranth.hdl import ClockDomain, Module
from amaranth.sim import Simulator, SimulatorContext

__all__ = ["Port", "run_ports"]


@dataclass(kw_only=True)
class Port:
    """A stream of the block, and what went over it.

    Attributes
    ----------
    stream : interface
    beats : payloads to feed; of an output, what came
    rate : probability that the port is willing in a cycle
    start : cycle before which it is never
    count : of an output, the beats to wait for
    cycles : cycle of each transfer
    """

    stream: Any
    beats: list[int] = field(default_factory=list)
    rate: float = 1.0
    start: int = 0
    count: int = 0
    cycles: list[int] = field(default_factory=list)


def run_ports(
    dut: Any,
    inputs: Sequence[Port],
    outputs: Sequence[Port],
    rng: np.random.Generator,
    *,
    limit: int = 20_000,
    patient: bool = False,
) -> None:
    """Feed all inputs and collect all outputs.

    With ``patient`` the run ends at ``limit`` cycles, however many beats have come: to
    see that a block stands still.

    Raises
    ------
    AssertionError
        If an output is withdrawn or changed while it waits, or is not there in time.
    """
    pauses = rng.spawn(len(inputs) + len(outputs))
    top = Module()
    top.domains.sync = ClockDomain()
    top.submodules.dut = dut
    sim = Simulator(top)
    sim.add_clock(1e-6)
    for port, pause in zip(inputs, pauses, strict=False):
        sim.add_testbench(partial(_feed, port=port, pause=pause), background=True)
    ready = list(zip(outputs, pauses[len(inputs) :], strict=True))
    sim.add_testbench(partial(_collect, ports=ready, limit=limit, patient=patient))
    sim.run()


async def _feed(ctx: SimulatorContext, *, port: Port, pause: np.random.Generator) -> None:
    cycle = 0
    for beat in port.beats:
        while cycle < port.start or pause.random() >= port.rate:
            ctx.set(port.stream.valid, 0)
            await ctx.tick()
            cycle += 1
        ctx.set(port.stream.payload, beat)
        ctx.set(port.stream.valid, 1)
        ready = 0
        while not ready:
            *_, ready = await ctx.tick().sample(port.stream.ready)
            cycle += 1
        port.cycles.append(cycle - 1)
    ctx.set(port.stream.valid, 0)


async def _collect(
    ctx: SimulatorContext,
    *,
    ports: list[tuple[Port, np.random.Generator]],
    limit: int,
    patient: bool,
) -> None:
    outputs = [port for port, _ in ports]
    waiting: list[Any] = [None] * len(outputs)
    for cycle in range(limit):
        willing = [cycle >= port.start and pause.random() < port.rate for port, pause in ports]
        for port, will in zip(outputs, willing, strict=True):
            ctx.set(port.stream.ready, int(will))
        samples = [s for port in outputs for s in (port.stream.valid, port.stream.payload)]
        _, _, *values = await ctx.tick().sample(*samples)
        for index, (port, will) in enumerate(zip(outputs, willing, strict=True)):
            valid, value = values[2 * index : 2 * index + 2]
            old = waiting[index]
            assert old is None or (valid and value == old), f"changed in cycle {cycle}"
            waiting[index] = value if valid and not will else None
            if valid and will:
                port.beats.append(value)
                port.cycles.append(cycle)
        if not patient and all(len(port.beats) >= port.count for port in outputs):
            break
    else:
        assert patient, f"{[len(port.beats) for port in outputs]} beats after {limit} cycles"
    for _ in range(3):
        *_, valid = await ctx.tick().sample(outputs[0].stream.valid)
