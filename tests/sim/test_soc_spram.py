"""The compiled SoC whose weights come from a flash memory, through its pins."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hw.core import Core
from hw.plan.plan import Plan
from sim.soc import SocSimulator
from sw import golden
from sw.model import Model, load, save
from sw.protocol import Command, Decoder, Packet, pack_codes, pack_scores, score_bytes
from tests.graphs import random_frames
from tests.hw.plan.graphs import Builder, model_of, random_plan
from tests.hw.plan.spram import with_spram

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


def test_nothing_answers_while_weights_are_wrong(
    case: tuple[Plan, Model], rng: np.random.Generator
) -> None:
    plan, model = case
    image = Core(plan, model).image
    assert image is not None
    damaged = bytearray(image.pack())
    damaged[-1 - int(rng.integers(len(image.payload)))] ^= 1 << int(rng.integers(8))
    soc = SocSimulator(
        plan, model, clock_hz=CLOCK_HZ, baud=None, mode="bytes", contents=bytes(damaged)
    )
    hello = Packet(command=Command.HELLO, number=1)
    for _ in range(2):
        assert not soc.loaded
        assert answers(soc, [hello, *frames_of(model, random_frames(rng, model.graph, 2))]) == []
        soc.reset()
