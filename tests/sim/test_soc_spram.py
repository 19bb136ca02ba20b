"""The compiled SoC whose weights come from a flash memory, through its pins."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from amaranth.sim import Simulator, SimulatorContext

from hw.plan.plan import Plan
from hw.soc import SoC
from sim.flash import FlashedSoC
from sim.soc import SocSimulator
from sw import golden
from sw.model import Model, load, save
from sw.protocol import Command, Decoder, Packet, pack_codes, pack_scores, score_bytes
from tests.graphs import random_frames
from tests.hw.link import device
from tests.hw.plan.graphs import Builder, model_of, random_plan
from tests.hw.plan.spram import with_spram
from tests.sw.model.small import small_model

CLOCK_HZ, BAUD = 24_000_000, 6_000_000


def answers(soc: SocSimulator, packets: list[Packet]) -> list[Packet]:
    """What comes back when a packet is sent after each answer."""
    decoder, found = Decoder(), []
    for packet in packets:
        line, silent = b"\0" + packet.encode(), False
        while not silent:
            taken, answer, silent = soc.exchange(line)
            line = line[taken:]
            found += decoder.feed(answer)
    return found


def frames_of(model: Model, frames: np.ndarray) -> list[Packet]:
    range_ = model.graph.input.type.range
    codes = range_.encode(model.preprocessing.apply(frames)).reshape(len(frames), -1)
    bodies = pack_codes(codes, range_.bits)
    return [
        Packet(command=Command.FRAME, number=number, body=body.tobytes())
        for number, body in enumerate(bodies)
    ]


@pytest.fixture
def case(rng: np.random.Generator, tmp_path: Path) -> tuple[Plan, Model]:
    """A convolution and two dense layers, whose weights are in five SPRAMs or more."""
    graph = Builder(rng, 6, 6, 2, "unsigned2").conv(8).threshold().pool().dense(24).threshold()
    made = model_of(graph.dense(5).head())
    frames = random_frames(rng, made.graph, 2)
    vectors = golden.make_vectors(made.graph, made.preprocessing, frames)
    save(replace(made, vectors=vectors), tmp_path / "model.npz")
    model = load(tmp_path / "model.npz")
    plan = with_spram(random_plan(rng, model, most_cycles=600))
    return plan, model


def test_frames_after_a_load(case: tuple[Plan, Model], rng: np.random.Generator) -> None:
    """Bit by bit through the lines of the UART, and of the flash memory."""
    plan, model = case
    frames = random_frames(rng, model.graph, 12)
    scores = golden.scores(model, frames)
    assert (scores != scores[0]).any()
    soc = SocSimulator(plan, model, clock_hz=CLOCK_HZ, baud=BAUD)
    width = score_bytes(plan.head.score_bits)
    expected = [pack_scores(score, width) for score in scores]
    for _ in range(2):
        assert soc.loaded
        found = answers(soc, frames_of(model, frames))
        assert [packet.command for packet in found] == [Command.RESULT] * len(frames)
        assert [packet.body for packet in found] == expected
        # A reset is a start: they are loaded again.
        soc.reset()


def test_nothing_answers_while_weights_are_wrong(rng: np.random.Generator, tmp_path: Path) -> None:
    """A flash memory that reads wrong: silence, until it reads right."""
    save(small_model(), tmp_path / "model.npz")
    model = load(tmp_path / "model.npz")
    plan = with_spram(random_plan(rng, model, most_cycles=400))
    soc = SoC(plan, model, clock_hz=1_000_000, baud=None, phy="bytes")
    design = FlashedSoC(soc)
    assert soc.load is not None
    cycles = soc.load.cycles
    frames = random_frames(rng, model.graph, 3)
    expected = golden.scores(model, frames)

    async def bench(ctx: SimulatorContext) -> None:
        host = device.Host(ctx, design, rng)
        for wrong in (True, False):
            ctx.set(design.flash.flip, wrong)
            for packet in (Packet(command=Command.HELLO, number=1), *frames_of(model, frames)):
                await host.send(packet.encode())
                assert not await host.receive(silence=cycles if wrong else 10)
                assert not ctx.get(design.loaded)
        # The pass that had begun fails, and the next one does not.
        await ctx.tick().repeat(2 * cycles)
        assert ctx.get(design.loaded)
        for packet, score in zip(frames_of(model, frames), expected, strict=True):
            answer = await host.ask(packet)
            assert answer.command == Command.RESULT
            assert answer.body == pack_scores(score, score_bytes(plan.head.score_bits))

    simulator = Simulator(design)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
