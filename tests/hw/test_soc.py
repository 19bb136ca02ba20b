"""The whole SoC: through its pins against the golden model, and what it refuses."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from amaranth.sim import Simulator

from hw.plan.link import LinkConfig
from hw.soc import SoC
from sw import golden
from sw.detect import objects
from sw.errors import PlanError
from sw.model.npz import load, save
from sw.protocol import Command, Packet, pack_codes, pack_scores
from tests.cocotb_runner import run_bench
from tests.detectors import detector
from tests.graphs import random_frames
from tests.hw import soc_bench
from tests.hw.link import device
from tests.hw.plan.graphs import random_plan
from tests.sw.model.small import small_model

CLOCK_HZ = 10**12 // soc_bench.CLOCK_PS

#: 1 % off with the divisor that is nearest, 12.
BAUD = 8_400_000


@pytest.fixture
def model(tmp_path):
    save(small_model(), tmp_path / "model.npz")
    return load(tmp_path / "model.npz")


def test_through_the_pins(rng, model, tmp_path):
    plan = random_plan(rng, model, most_cycles=400)
    soc = SoC(plan, model, clock_hz=CLOCK_HZ, baud=BAUD)
    frames = random_frames(rng, model.graph, 24)
    range_ = model.graph.input.type.range
    codes = range_.encode(model.preprocessing.apply(frames)).reshape(len(frames), -1)
    width = soc.identity.score_bytes
    results = [pack_scores(scores, width) for scores in golden.scores(model, frames)]
    run_bench(
        soc,
        "tests.hw.soc_bench",
        tmp_path,
        data={
            "bodies": pack_codes(codes, range_.bits),
            "results": np.array([list(body) for body in results], np.uint8),
            "identity": np.frombuffer(soc.identity.pack(), np.uint8),
            "bit_ps": 10**12 // BAUD,
        },
        seed=int(rng.integers(2**31)),
    )


def test_says_whether_something_was_found(rng, tmp_path):
    """`found` is of the last frame whose scores left, whatever was found before it."""
    save(detector(2, 3), tmp_path / "model.npz")
    model = load(tmp_path / "model.npz")
    plan = random_plan(rng, model, most_cycles=100, objectness=0.5)
    soc = SoC(plan, model, clock_hz=CLOCK_HZ, baud=BAUD, phy="bytes")
    frames = np.full((6, 2, 3, 3), 10, np.uint8)
    frames[2, 1, 2] = frames[3, 0, 0] = 200  # the last cell, and the first
    scores = golden.scores(model, frames)
    expected = [bool(frame.any()) for frame in objects(model, scores)]
    assert expected == [False, False, True, True, False, False]

    async def bench(ctx):
        host = device.Host(ctx, soc, rng, o_stall=0.3)
        for number, frame in enumerate(frames):
            packet = Packet(command=Command.FRAME, number=number, body=frame.tobytes())
            result = await host.ask(packet)
            assert result.body == pack_scores(scores[number], soc.identity.score_bytes)
            assert ctx.get(soc.found) == expected[number]

    simulator = Simulator(soc)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()


def test_a_classifier_finds_nothing(rng, model):
    soc = SoC(random_plan(rng, model, most_cycles=400), model, clock_hz=CLOCK_HZ, baud=BAUD)
    assert set(soc.signature.members) == {"rx", "tx"}


def test_identity(rng, model):
    soc = SoC(random_plan(rng, model, most_cycles=400), model, clock_hz=75_000_000, baud=3_000_000)
    assert soc.divisor == 25
    assert soc.identity.model_sha256 == model.sha256
    assert soc.identity.elements == 4 * 4 * 3
    assert soc.identity.scores == 3


def test_baud_that_the_clock_does_not_give(rng, model):
    plan = random_plan(rng, model, most_cycles=400)
    with pytest.raises(PlanError, match=r"3000000 baud from a clock of 25 MHz is \+4\.2% off"):
        SoC(plan, model, clock_hz=25_000_000, baud=3_000_000)
    # Without a UART there is nothing to divide.
    assert SoC(plan, model, clock_hz=25_000_000, baud=3_000_000, phy="bytes").divisor is None


def test_model_without_a_hash(rng, model):
    plan = random_plan(rng, model, most_cycles=400)
    with pytest.raises(PlanError, match="model 'small' has no hash to identify"):
        SoC(plan, dataclasses.replace(model, sha256=None), clock_hz=75_000_000, baud=3_000_000)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"code_bits": 17}, "an input code of 17 bits cannot be sent; allowed are 1 to 16"),
        ({"elements": 2**25}, "a frame of 33554432 bytes cannot be sent; allowed are up to 1677"),
        ({"scores": 5000}, "a result of 5000 scores cannot be sent; allowed are 1 to 4096"),
        ({"score_bits": 33}, "scores of 33 bits cannot be sent; allowed are 1 to 32"),
    ],
)
def test_frames_that_cannot_be_sent(changes, message):
    sizes = {"elements": 10, "code_bits": 8, "scores": 10, "score_bits": 16}
    with pytest.raises(PlanError, match=message):
        LinkConfig(**{**sizes, **changes})


@pytest.mark.parametrize(
    ("elements", "code_bits", "slots"),
    [(784, 8, 5), (784, 1, 16), (3072, 8, 2), (65_536, 8, 2), (150_528, 8, 1), (10, 1, 16)],
)
def test_slots(elements, code_bits, slots):
    config = LinkConfig(elements=elements, code_bits=code_bits, scores=10, score_bits=16)
    assert config.slots == slots
    assert config.buffer_bytes == slots * config.frame_bytes


@pytest.mark.parametrize(
    ("elements", "pages", "blocks"),
    [
        (784, (3920,), 2),
        (12, (192,), 1),
        (3072, (4096, 2048), 3),
        (2200, (4096, 304), 3),
        (9000, (16384, 1616), 9),
        (150_528, (*(16384,) * 9, 3072), 74),
    ],
)
def test_pages_of_the_frame_buffer(elements, pages, blocks):
    config = LinkConfig(elements=elements, code_bits=8, scores=10, score_bits=16)
    assert config.buffer_pages == pages
    assert sum(pages) == config.buffer_bytes
    assert config.buffer_blocks == blocks
    # A block RAM is 2,048 words of 8 bits, 4,096 of 4, 8,192 of 2 or 16,384 of 1.
    side_by_side = [next(n for n in (1, 2, 4, 8) if depth <= 2048 * n) for depth in pages]
    assert sum(side_by_side) == blocks
