"""A fork, two branches and their sum: exact, without a lost cycle, and never at a standstill."""

from __future__ import annotations

import numpy as np
import pytest
from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.blocks.fifo import StreamFifo
from hw.blocks.fork import Fork
from hw.blocks.join import Add
from hw.blocks.scale import Scale
from hw.plan.join import AddConfig, FifoConfig
from hw.plan.scale import ScaleConfig, ScaleNumbers, scale_numbers
from sw.golden import reference
from sw.model.ir import Add as AddOp
from sw.model.ir import Scale as ScaleOp
from tests.hw.blocks.bench import RATES, Transfers, pack, run, unpack

LANES, CHANNELS, PIXELS, LIMIT = 2, 4, 12, 32767

SCALE = ScaleOp(
    name="scaled",
    source="r",
    gain=np.array([300, -700, 1024, 5], np.int32),
    offset=np.array([9, -4000, 0, 77777], np.int32),
    shift=10,
    low=-LIMIT,
    high=LIMIT,
)
SUM = AddOp(name="sum", sources=("r", "scaled"), low=-LIMIT, high=LIMIT)


class Residual(wiring.Component):
    """``r + scale(r)`` on int16."""

    def __init__(self, depth: int) -> None:
        self.fifo = FifoConfig(width=16 * LANES, depth=depth)
        numbers: ScaleNumbers = scale_numbers(
            gain=SCALE.gain, offset=SCALE.offset, shift=10, low=-LIMIT, constants=-LIMIT
        )
        self.scale = ScaleConfig(
            channels=CHANNELS, lanes=LANES, source_bits=16, encoding="code",
            gain_bits=numbers.gain_bits, shift=numbers.shift, levels=2 * LIMIT,
            y_classes=(0,), x_classes=(0,) * PIXELS,
        )  # fmt: skip
        self._add = AddConfig(
            elements=CHANNELS * PIXELS, lanes=LANES, source_bits=(16, 16), constant=-LIMIT,
            levels=2 * LIMIT,
        )  # fmt: skip
        self._numbers = numbers
        beat = stream.Signature(16 * LANES)
        super().__init__({"i_stream": In(beat), "o_stream": Out(beat)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.fork = fork = Fork(shape=16 * LANES, outputs=2)
        m.submodules.fifo = fifo = StreamFifo(config=self.fifo)
        m.submodules.scale = scale = Scale(
            config=self.scale, gain=self._numbers.gain, offset=self._numbers.offset
        )
        m.submodules.add = add = Add(config=self._add)
        wiring.connect(m, wiring.flipped(self.i_stream), fork.i_stream)
        wiring.connect(m, fork.o_streams[0], fifo.i_stream)
        wiring.connect(m, fork.o_streams[1], scale.i_stream)
        wiring.connect(m, fifo.o_stream, add.i_first)
        wiring.connect(m, scale.o_stream, add.i_second)
        wiring.connect(m, add.o_stream, wiring.flipped(self.o_stream))
        return m


def check(dut: Residual, rng: np.random.Generator, **how: float) -> Transfers:
    values = rng.integers(-LIMIT, LIMIT + 1, (4, 1, PIXELS, CHANNELS))
    expected = reference.add(SUM, values, reference.scale(SCALE, values))
    beats = pack(values + LIMIT, LANES, 16)
    result = run(dut, beats, len(beats), rng=rng, **how)  # type: ignore[arg-type]
    actual = unpack(result.outputs, LANES, 16).reshape(values.shape) - LIMIT
    np.testing.assert_array_equal(actual, expected)
    return result


def test_at_full_speed(rng: np.random.Generator) -> None:
    """The queue holds what is under way in the other branch, and one that is leaving."""
    depth = Residual(1).scale.latency_cycles + 1
    frame = PIXELS * CHANNELS // LANES
    assert check(Residual(depth), rng).period(frame) == frame
    assert check(Residual(depth - 1), rng).period(frame) > frame


@pytest.mark.parametrize(("i_rate", "o_rate"), RATES)
@pytest.mark.parametrize("depth", [1, 3, 8])
def test_with_pauses(depth: int, i_rate: float, o_rate: float, rng: np.random.Generator) -> None:
    check(Residual(depth), rng, i_rate=i_rate, o_rate=o_rate)
