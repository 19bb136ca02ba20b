"""Fork, FIFO, sum and concatenation: every beat once, in order, and in time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hw.blocks.fifo import StreamFifo
from hw.blocks.fork import Fork
from hw.blocks.join import Add, Concat
from hw.plan.join import AddConfig, ConcatConfig, FifoConfig
from sw.errors import PlanError
from sw.golden import reference
from sw.model.ir import Add as Op
from tests.hw.blocks.bench import RATES, pack, run, unpack
from tests.hw.blocks.join_bench import Port, run_ports


@pytest.mark.parametrize("outputs", [1, 2, 3])
@pytest.mark.parametrize("rate", [1.0, 0.6])
def test_fork(outputs: int, rate: float, rng: np.random.Generator) -> None:
    beats = rng.integers(0, 256, 100).tolist()
    dut = Fork(shape=8, outputs=outputs)
    readers = [
        Port(stream=dut.o_streams[i], count=len(beats), rate=1 - (1 - rate) * (i + 1) / 2)
        for i in range(outputs)
    ]
    source = Port(stream=dut.i_stream, beats=beats, rate=rate)
    run_ports(dut, [source], readers, rng)
    for reader in readers:
        assert reader.beats == beats
    if rate == 1:
        for reader in readers:
            assert reader.cycles == source.cycles == list(range(len(beats)))


def test_a_fork_waits_for_the_last_reader_only(rng: np.random.Generator) -> None:
    """A reader that does not come holds up the next beat, but not this one."""
    dut = Fork(shape=4, outputs=2)
    quick, never = Port(stream=dut.o_streams[0]), Port(stream=dut.o_streams[1], start=10**6)
    source = Port(stream=dut.i_stream, beats=[1, 2, 3])
    run_ports(dut, [source], [quick, never], rng, limit=20, patient=True)
    assert (quick.beats, never.beats, source.cycles) == ([1], [], [])


FIFOS = [
    FifoConfig(width=width, depth=depth, memory=memory)
    for width, depth in ((1, 1), (5, 2), (8, 3), (8, 4), (7, 13), (12, 32))
    for memory in ("lut", "block", None)
]


@pytest.mark.parametrize("config", FIFOS, ids=str)
def test_fifo_at_full_speed(config: FifoConfig, rng: np.random.Generator) -> None:
    count = 12 * config.depth
    beats = rng.integers(0, 1 << config.width, count).tolist()
    result = run(StreamFifo(config=config), beats, count)
    assert result.outputs == beats
    assert result.latency() == config.latency_cycles
    turns = 4 * config.depth
    assert result.period(turns) == config.cycles(turns)


@pytest.mark.parametrize(("i_rate", "o_rate"), RATES[1:])
def test_fifo_with_pauses(i_rate: float, o_rate: float, rng: np.random.Generator) -> None:
    for config in FIFOS[::4]:
        beats = rng.integers(0, 1 << config.width, 60).tolist()
        dut = StreamFifo(config=config)
        assert run(dut, beats, 60, rng=rng, i_rate=i_rate, o_rate=o_rate).outputs == beats


@pytest.mark.parametrize("config", FIFOS, ids=str)
def test_fifo_holds_its_depth(config: FifoConfig, rng: np.random.Generator) -> None:
    """Not a beat more or less goes in while none leaves."""
    dut = StreamFifo(config=config)
    source = Port(stream=dut.i_stream, beats=[0] * (config.depth + 4))
    never = Port(stream=dut.o_stream, start=10**6)
    run_ports(dut, [source], [never], rng, limit=config.depth + 10, patient=True)
    assert len(source.cycles) == config.depth


def random_add(rng: np.random.Generator) -> AddConfig:
    lanes = int(rng.integers(1, 4))
    bits = int(rng.integers(1, 17)), int(rng.integers(1, 17))
    steps = int(rng.integers(1, 3)), int(rng.integers(1, 4))
    greatest = sum(s * (2**b - 1) for s, b in zip(steps, bits, strict=True))
    config = AddConfig(
        elements=lanes * 20,
        lanes=lanes,
        source_bits=bits,
        steps=steps,
        constant=int(rng.integers(-greatest, greatest // 2 + 1)),
        levels=int(rng.integers(1, greatest + 1)),
    )
    print(config)
    return config


def run_add(
    config: AddConfig, rng: np.random.Generator, frames: int = 2, rates: Any = (1.0, 1.0, 1.0)
) -> tuple[list[int], list[int]]:
    """Compares; returns the cycles in and out."""
    size = frames * config.beats, config.lanes
    codes = [rng.integers(0, 1 << bits, size) for bits in config.source_bits]
    total = sum(s * c for s, c in zip(config.steps, codes, strict=True)) + config.constant
    dut = Add(config=config)
    inputs = [
        Port(stream=stream, beats=pack(code, config.lanes, bits), rate=rate)
        for stream, code, bits, rate in zip(
            dut.i_streams, codes, config.source_bits, rates, strict=False
        )
    ]
    output = Port(stream=dut.o_stream, count=size[0], rate=rates[2])
    run_ports(dut, inputs, [output], rng)
    actual = unpack(output.beats, config.lanes, config.out_bits)
    np.testing.assert_array_equal(actual, np.clip(total, 0, config.levels))
    return inputs[0].cycles, output.cycles


def test_add_at_full_speed(rng: np.random.Generator) -> None:
    for _ in range(8):
        config = random_add(rng)
        taken, left = run_add(config, rng)
        assert left[0] - taken[0] == config.latency_cycles
        assert left[-1] - left[-1 - config.beats] == config.cycles_per_frame


@pytest.mark.parametrize("rates", [(0.5, 1.0, 1.0), (1.0, 0.3, 1.0), (0.7, 0.8, 0.5)])
def test_add_with_pauses(rates: tuple[float, ...], rng: np.random.Generator) -> None:
    for _ in range(3):
        run_add(random_add(rng), rng, rates=rates)


def test_add_of_residual_streams(rng: np.random.Generator) -> None:
    """Two int16 tensors of +-32767, as residual networks have them."""
    config = AddConfig(elements=8, lanes=2, source_bits=(16, 16), constant=-32767, levels=65534)
    low, high = -32767, 32767
    a = np.array([low, high, high, low, 1, -1, 100, high])
    b = np.array([low, high, low, high, 1, -1, -200, 1])
    dut = Add(config=config)
    inputs = [
        Port(stream=stream, beats=pack(values - low, 2, 16))
        for stream, values in zip(dut.i_streams, (a, b), strict=True)
    ]
    output = Port(stream=dut.o_stream, count=4)
    run_ports(dut, inputs, [output], rng)
    actual = unpack(output.beats, 2, 16).ravel() + low
    op = Op(name="sum", sources=("a", "b"), low=low, high=high)
    np.testing.assert_array_equal(actual, reference.add(op, a, b))


CONCATS = [((4, 8), 4), ((2, 2), 2), ((3, 6, 3), 3), ((1, 5), 1), ((8, 4, 16), 2)]


@pytest.mark.parametrize("rate", [1.0, 0.6])
@pytest.mark.parametrize(("channels", "lanes"), CONCATS)
def test_concat(
    channels: tuple[int, ...], lanes: int, rate: float, rng: np.random.Generator
) -> None:
    config = ConcatConfig(pixels=6, channels=channels, lanes=lanes, lane_bits=2)
    frames = 3
    maps = [rng.integers(0, 4, (frames * config.pixels, c)) for c in channels]
    dut = Concat(config=config)
    inputs = [
        Port(stream=dut.i_streams[i], beats=pack(codes, lanes, 2), rate=rate)
        for i, codes in enumerate(maps)
    ]
    output = Port(stream=dut.o_stream, count=frames * config.cycles_per_frame, rate=rate)
    run_ports(dut, inputs, [output], rng)
    actual = unpack(output.beats, lanes, 2).reshape(-1, sum(channels))
    np.testing.assert_array_equal(actual, np.concatenate(maps, axis=1))
    if rate == 1:
        beats = config.cycles_per_frame
        assert output.cycles[-1] - output.cycles[-1 - beats] == config.cycles_per_frame
        assert output.cycles[0] - inputs[0].cycles[0] == config.latency_cycles


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: FifoConfig(width=1, depth=0), "stream FIFO: depth is 0, must be at least 1"),
        (
            lambda: FifoConfig(width=1, depth=1, memory="sdram"),  # type: ignore[arg-type]
            "memory is 'sdram', must be 'lut' or 'block'",
        ),
        (
            lambda: AddConfig(elements=9, lanes=2, source_bits=(1, 1), constant=0, levels=1),
            "add: lanes is 2, must divide the 9 elements of a frame",
        ),
        (
            lambda: AddConfig(elements=8, lanes=2, source_bits=(1, 0), constant=0, levels=1),
            "add: other_source_bits is 0, must be at least 1",
        ),
        (
            lambda: ConcatConfig(pixels=1, channels=(4, 6), lanes=4, lane_bits=1),
            "concat: lanes is 4, must divide the 6 channels of each source",
        ),
        (
            lambda: ConcatConfig(pixels=1, channels=(4,), lanes=4, lane_bits=1),
            "concat: sources is 1, must be at least 2",
        ),
    ],
)
def test_refuses(make: Any, text: str) -> None:
    with pytest.raises(PlanError, match=text):
        make()
