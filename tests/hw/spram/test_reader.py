"""What the reader does on the lines of SPI, as a flash memory of our own in Python sees them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from amaranth.sim import Simulator

from hw.spram.image import WAKE_SECONDS, LoadConfig
from hw.spram.reader import FlashReader

CLOCK_HZ = 1_000_000


class Lines:
    """A flash memory on the lines, sampled once a cycle: counts edges, keeps what was sent."""

    def __init__(self, contents: bytes) -> None:
        self._contents = contents
        self._before = (0, 0, 0)
        self._bits: list[int] = []
        self.commands: list[list[int]] = []
        #: Cycles of a select's begin and end.
        self.selected: list[tuple[int, int]] = []
        self._since = 0

    def cycle(self, now: int, select: int, clk: int, copi: int) -> int | None:
        """What happens between two cycles; the bit that then leaves, where it changes."""
        was_selected, was_clk, was_copi = self._before
        self._before = (select, clk, copi)
        left = None
        if select and not was_selected:
            assert not clk and not was_clk, "mode 0: the clock is low when it is selected"
            self._bits, self._since = [], now
        elif was_selected and not select:
            assert not clk, "a clock that ends with the select has ended low"
            self.commands.append(self._bits)
            self.selected.append((self._since, now))
        elif select and clk != was_clk:
            if clk:
                assert copi == was_copi, "it is there a cycle before the edge that takes it"
                self._bits.append(copi)
            elif len(self._bits) >= 32:
                left = self._bit(len(self._bits) - 32)
        assert select or not clk, "no clock without a select"
        return left

    def stop(self, now: int) -> None:
        """It is let go, whatever was going on."""
        if self._before[0]:
            self.commands.append(self._bits)
            self.selected.append((self._since, now))
        self._before = (0, 0, 0)

    def _bit(self, index: int) -> int:
        address = int("".join(map(str, self._bits[8:32])), 2) + index // 8
        byte = self._contents[address] if address < len(self._contents) else 0xFF
        return byte >> 7 - index % 8 & 1


@pytest.mark.parametrize("stall", [0.0, 0.5, 0.98])
def test_commands_and_bytes(stall: float, rng: np.random.Generator) -> None:
    config = LoadConfig(sprams=1, length=40, crc32=0, clock_hz=CLOCK_HZ)
    contents = bytes(config.address) + rng.bytes(40)
    dut = FlashReader(config=config)
    lines = Lines(contents)
    found = bytearray()

    async def bench(ctx) -> None:
        ctx.set(dut.run, 1)
        now, began, again, held = 0, 0, 2, None
        while len(found) < 40 or again:
            ready = rng.random() >= stall
            ctx.set(dut.o_stream.ready, ready)
            pins = dut.pins
            # Whoever stops early begins anew: at some byte, and in the midst of the command.
            in_command = now - began == 2**config.wake_bits + 30
            if len(found) == 7 if again == 2 else again == 1 and in_command:
                again, began, held = again - 1, now, None
                found.clear()
                ctx.set(dut.run, 0)
                await ctx.tick()
                assert not ctx.get(pins.select) and not ctx.get(dut.o_stream.valid)
                lines.stop(now)
                ctx.set(dut.run, 1)
                continue
            bit = lines.cycle(now, ctx.get(pins.select), ctx.get(pins.clk), ctx.get(pins.copi))
            if bit is not None:
                ctx.set(pins.cipo, bit)
            valid, byte = ctx.get(dut.o_stream.valid), ctx.get(dut.o_stream.payload)
            assert held is None or (valid and byte == held), "a byte that waits stays"
            held = byte if valid and not ready else None
            if valid and ready:
                found.append(byte)
            await ctx.tick()
            now += 1

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    assert bytes(found) == contents[config.address :]
    # To wake up, and after each stop again; reads that were stopped began right.
    wake = [int(bit) for bit in f"{0xAB:08b}"]
    read = [int(bit) for bit in f"{0x03:08b}{config.address:024b}"]
    wakes = [bits for bits in lines.commands if len(bits) == 8]
    assert wakes == [wake] * 3
    # The last read goes on when the test ends.
    reads = [bits for bits in lines.commands if len(bits) != 8]
    assert [len(bits) >= 32 for bits in reads] == [True, False]
    assert all(bits[:32] == read[: len(bits)] for bits in reads)
    for (_, end), (begin, _) in pairwise(lines.selected):
        assert (begin - end) / CLOCK_HZ >= WAKE_SECONDS
