"""The UART: each half against a bit-level model of the other end."""

from __future__ import annotations

import pytest
from amaranth.sim import Simulator

from hw.link.uart import UartReceiver, UartTransmitter
from hw.plan.link import uart_divisor
from sw.errors import PlanError

from .bench import simulate


def line_of(data: bytes, bit_cycles: float, gap: float = 0.0, phase: float = 0.0) -> list[int]:
    """Samples of a line with ``data``, idle before and after; edges are ``phase`` cycles late."""
    edges = [1] * int(3 * bit_cycles)
    bits = [bit for byte in data for bit in (0, *(byte >> i & 1 for i in range(8)), 1)]
    time, out = phase, list(edges)
    for index, bit in enumerate(bits):
        time += bit_cycles + (gap if index % 10 == 9 else 0)
        out += [bit] * (len(edges) + round(time) - len(out))
    return out + edges


def receive(samples: list[int], divisor: int) -> list[int]:
    block, received = UartReceiver(divisor=divisor), []

    async def bench(ctx):
        ctx.set(block.o_stream.ready, 1)
        for sample in samples:
            ctx.set(block.rx, sample)
            if ctx.get(block.o_stream.valid):
                received.append(ctx.get(block.o_stream.payload))
            await ctx.tick()

    simulator = Simulator(block)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return received


@pytest.mark.parametrize("divisor", [3, 4, 5, 8, 17])
@pytest.mark.parametrize("error", [-0.025, 0.0, 0.025])
def test_receiver(rng, divisor, error):
    data = rng.bytes(40)
    gap, phase = float(rng.choice([0.0, 1.7])), float(rng.random())
    assert receive(line_of(data, divisor * (1 + error), gap, phase), divisor) == list(data)


def test_receiver_ignores_spikes(rng):
    samples = line_of(b"abc", 16, gap=20)
    for position in range(5, len(samples) - 5, 16):
        if len(set(samples[position - 3 : position + 4])) == 1:
            samples[position] ^= 1
    assert receive(samples, 16) == list(b"abc")


def test_receiver_ignores_a_short_start_bit(rng):
    assert receive([1] * 20 + [0] * 5 + [1] * 200 + line_of(b"x", 16), 16) == list(b"x")


def test_receiver_drops_a_byte_without_stop_bit(rng):
    framing_error = [1] * 20 + [0] * 8 * 9 + [0] * 8 + [1] * 40
    assert receive(framing_error + line_of(b"ok", 8), 8) == list(b"ok")


def test_break_gives_no_bytes(rng):
    assert receive([1] * 20 + [0] * 5000 + line_of(b"ok", 8), 8) == list(b"ok")


def test_line_held_low_from_reset_gives_no_bytes(rng):
    assert receive([0] * 2000 + line_of(b"ok", 8), 8) == list(b"ok")


@pytest.mark.parametrize("divisor", [3, 4, 7, 16])
@pytest.mark.parametrize("stall", [0.0, 0.97])
def test_transmitter(rng, divisor, stall):
    block, data, samples = UartTransmitter(divisor=divisor), rng.bytes(12), []

    async def bench(ctx):
        waiting, idle = list(data), 0
        while idle < 20 * divisor:
            valid = bool(waiting) and (bool(ctx.get(block.i_stream.valid)) or rng.random() >= stall)
            ctx.set(block.i_stream.valid, valid)
            if valid:
                ctx.set(block.i_stream.payload, waiting[0])
                if ctx.get(block.i_stream.ready):
                    waiting.pop(0)
                    await ctx.tick()
                    samples.append(ctx.get(block.tx))
                    ctx.set(block.i_stream.valid, 0)
                    continue
            idle = 0 if waiting else idle + 1
            await ctx.tick()
            samples.append(ctx.get(block.tx))

    simulator = Simulator(block)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    found, position = [], 0
    while 0 in samples[position:]:
        position += samples[position:].index(0)
        bits = samples[position : position + 10 * divisor]
        # Every bit lasts exactly `divisor` cycles.
        assert all(len(set(bits[i * divisor : (i + 1) * divisor])) == 1 for i in range(10))
        values = bits[::divisor]
        assert values[0] == 0 and values[9] == 1
        found.append(sum(bit << i for i, bit in enumerate(values[1:9])))
        position += 10 * divisor
    assert found == list(data)
    if not stall:
        assert len(samples) - 20 * divisor <= 10 * divisor * len(data) + 2, "bytes are back to back"


def test_receiver_stream_holds_until_taken(rng):
    block = UartReceiver(divisor=4)
    # Through the bench's rules for streams; an idle line gives nothing.
    assert simulate(Loop(block), list(b"loop"), rng=rng, o_stall=0.3, quiet=200) == list(b"loop")


class Loop(UartTransmitter):
    """A transmitter whose line leads to a receiver."""

    def __init__(self, receiver: UartReceiver) -> None:
        super().__init__(divisor=receiver.divisor)
        self.o_stream = receiver.o_stream
        self._receiver = receiver

    def elaborate(self, platform):
        m = super().elaborate(platform)
        m.submodules.receiver = self._receiver
        m.d.comb += self._receiver.rx.eq(self.tx)
        return m


@pytest.mark.parametrize(
    ("clock_hz", "baud", "divisor"),
    [(75e6, 3_000_000, 25), (100e6, 3_000_000, 33), (12e6, 115_200, 104), (36e6, 12_000_000, 3)],
)
def test_divisor(clock_hz, baud, divisor):
    assert uart_divisor(clock_hz=clock_hz, baud=baud) == divisor


def test_divisor_too_far_off():
    with pytest.raises(PlanError) as caught:
        uart_divisor(clock_hz=25e6, baud=3_000_000)
    assert str(caught.value) == (
        "3000000 baud from a clock of 25 MHz is +4.2% off; allowed is 2%. "
        "Choose a lower baud, or a clock that is a multiple of 3 MHz."
    )


def test_clock_too_slow():
    with pytest.raises(PlanError, match=r"leaves 1\.00 cycles a bit; allowed are 3 or more"):
        uart_divisor(clock_hz=3e6, baud=3_000_000)
