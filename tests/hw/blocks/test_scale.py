"""The fixed-point batch norm against plain NumPy."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hw.blocks.scale import Scale
from hw.plan.channels import rom_kind
from hw.plan.scale import ScaleConfig, scale_numbers
from sw.errors import PlanError
from sw.golden import reference
from sw.model.ir import Scale as Op
from tests.hw.blocks.bench import RATES, Transfers, pack, run, unpack

Numbers = tuple[NDArray[np.int64], NDArray[np.int64]]


def numbers(config: ScaleConfig, rng: np.random.Generator) -> Numbers:
    """Gains of all sizes, offsets that bring about half of the results in range."""
    limit = 1 << (config.gain_bits - 1)
    gain = rng.integers(-limit, limit, config.channels)
    gain[rng.random(config.channels) < 0.2] = rng.choice([-limit, limit - 1, 0])
    spread = config.product_limit + (config.levels << config.shift)
    offset = rng.integers(-spread, spread + 1, (config.classes, config.channels))
    return gain, offset


def check(
    config: ScaleConfig, data: Numbers, rng: np.random.Generator, frames: int = 3, **how: Any
) -> Transfers:
    gain, offset = data
    height, width = len(config.y_classes), len(config.x_classes)
    low = -(1 << config.source_bits >> 1) if config.signed else 0
    size = frames, height, width, config.channels
    source = rng.integers(low, low + (1 << config.source_bits), size)
    classes = np.add.outer(
        np.array(config.y_classes) * (max(config.x_classes) + 1), np.array(config.x_classes)
    )
    expected = np.clip((gain * source + offset[classes]) >> config.shift, 0, config.levels)

    beats = pack(source % (1 << config.source_bits), config.lanes, config.source_bits)
    dut = Scale(config=config, gain=gain, offset=offset)
    result = run(dut, beats, len(beats), rng=rng, **how)
    actual = unpack(result.outputs, config.lanes, config.out_bits)
    np.testing.assert_array_equal(actual.reshape(size), expected)
    return result


def random_config(rng: np.random.Generator) -> ScaleConfig:
    channels = int(rng.choice([1, 2, 4, 6]))
    border = rng.random() < 0.5
    config = ScaleConfig(
        channels=channels,
        lanes=int(rng.choice([n for n in range(1, channels + 1) if channels % n == 0])),
        source_bits=int(rng.integers(1, 25)),
        encoding=str(rng.choice(["matches", "signed", "code"])),  # type: ignore[arg-type]
        gain_bits=int(rng.integers(1, 19)),
        shift=int(rng.integers(0, 20)),
        levels=int(rng.choice([1, 6, 255, 254, 65534, 65535])),
        y_classes=(0, 1, 1, 2) if border else (0, 0),
        x_classes=(0, 1, 2) if border else (0, 0, 0),
        memory=[None, "lut", "block"][rng.integers(0, 3)],
    )
    print(config)
    return config


@pytest.mark.parametrize("part", range(4))
def test_random_configs_at_full_speed(part: int, rng: np.random.Generator) -> None:
    for _ in range(5):
        config = random_config(rng)
        result = check(config, numbers(config, rng), rng)
        assert result.latency() == config.latency_cycles
        assert result.period(config.cycles_per_frame) == config.cycles_per_frame


@pytest.mark.parametrize(("i_rate", "o_rate"), RATES[1:])
def test_random_configs_with_pauses(i_rate: float, o_rate: float, rng: np.random.Generator) -> None:
    for _ in range(2):
        config = random_config(rng)
        check(config, numbers(config, rng), rng, i_rate=i_rate, o_rate=o_rate)


@pytest.mark.parametrize("step", [1, 2, 4, 6])
@pytest.mark.parametrize("shift", [0, 1, 9])
def test_an_op_on_matches(step: int, shift: int, rng: np.random.Generator) -> None:
    """With a constant for each border class, as the golden model on the values themselves."""
    channels, classes, low, high = 6, (0, 1, 2), -100, 155
    op = scale_op(rng, channels, shift=shift, low=low, high=high)
    constants = rng.integers(-300, 300, (3, channels))
    found = scale_numbers(
        gain=op.gain, offset=op.offset, shift=shift, low=low, step=step, constants=constants
    )
    assert found.shift <= shift
    matches = rng.integers(0, 200, (2, 1, 3, channels))
    expected = reference.scale(op, step * matches + constants) - low

    config = ScaleConfig(
        channels=channels, lanes=2, source_bits=8, encoding="matches", gain_bits=found.gain_bits,
        shift=found.shift, levels=high - low, y_classes=(0,), x_classes=classes,
    )  # fmt: skip
    dut = Scale(config=config, gain=found.gain, offset=found.offset)
    beats = pack(matches, 2, 8)
    codes = unpack(run(dut, beats, len(beats)).outputs, 2, config.out_bits)
    np.testing.assert_array_equal(codes.reshape(expected.shape), expected)


def test_an_op_on_a_residual_stream(rng: np.random.Generator) -> None:
    """Codes of int16 values, whose lowest value is the constant, to int8."""
    op = scale_op(rng, 4, shift=20, low=-127, high=127)
    found = scale_numbers(
        gain=op.gain, offset=op.offset, shift=op.shift, low=op.low, constants=-32767
    )
    config = ScaleConfig(
        channels=4, lanes=4, source_bits=16, encoding="code", gain_bits=found.gain_bits,
        shift=found.shift, levels=254, y_classes=(0,) * 4, x_classes=(0,) * 5,
    )  # fmt: skip
    values = rng.integers(-32767, 32768, (1, 4, 5, 4))
    dut = Scale(config=config, gain=found.gain, offset=found.offset)
    beats = pack(values + 32767, 4, 16)
    codes = unpack(run(dut, beats, len(beats)).outputs, 4, 8).reshape(values.shape)
    np.testing.assert_array_equal(codes - 127, reference.scale(op, values))


def scale_op(rng: np.random.Generator, channels: int, **options: int) -> Op:
    """Gains and offsets that bring a good part of the results in range."""
    gain = rng.integers(-(1 << 11), 1 << 11, channels).astype(np.int32)
    offset = rng.integers(-9000, 9000, channels).astype(np.int32)
    return Op(name="scale", source="source", gain=gain, offset=offset, **options)


def test_a_step_of_two_costs_the_gain_no_bit() -> None:
    found = scale_numbers(gain=[-(1 << 17), 5], offset=[0, 0], shift=10, low=0, step=2)
    assert (found.gain_bits, found.shift) == (18, 9)


GOOD = ScaleConfig(
    channels=4, lanes=2, source_bits=13, encoding="matches", gain_bits=18, shift=8, levels=255,
    y_classes=(0,), x_classes=(0,),
)  # fmt: skip


@pytest.mark.parametrize(
    ("source_bits", "encoding", "parts"),
    [
        (17, "code", (17,)),
        (18, "signed", (18,)),
        (18, "code", (17, 1)),
        (24, "signed", (17, 7)),
        (24, "matches", (17, 7)),
    ],
)
def test_dsp_blocks(source_bits: int, encoding: Any, parts: tuple[int, ...]) -> None:
    config = replace(GOOD, source_bits=source_bits, encoding=encoding)
    assert config.parts == parts
    assert config.dsp == 2 * len(parts)


def test_deep_memories_are_block_ram() -> None:
    assert (rom_kind(32), rom_kind(64)) == ("lut", "block")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"lanes": 3}, "scale: lanes is 3, must divide the 4 channels"),
        ({"gain_bits": 19}, "scale: gains have 19 bits, a DSP block multiplies 18"),
        ({"shift": -1}, "scale: shift is -1, must be at least 0"),
        ({"encoding": "float"}, "scale: encoding is 'float', must be 'matches', 'signed' or"),
        ({"memory": "disk"}, "scale: memory is 'disk', must be 'lut' or 'block'"),
        ({"y_classes": ()}, "scale: rows is 0, must be at least 1"),
        ({"levels": 0}, "scale: levels is 0, must be at least 1"),
    ],
)
def test_refuses(change: dict[str, Any], text: str) -> None:
    with pytest.raises(PlanError, match=text):
        replace(GOOD, **change)
