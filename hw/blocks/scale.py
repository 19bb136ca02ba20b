"""Fixed-point batch norm of a stream, on DSP blocks."""

from __future__ import annotations

import numpy as np
from amaranth.hdl import Elaboratable, Module, Signal, Value, signed, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from numpy.typing import ArrayLike

from hw.blocks.coefficients import Rom, walk_channels
from hw.blocks.counters import delay
from hw.blocks.join import saturate
from hw.plan.scale import ScaleConfig

__all__ = ["Scale"]


class Scale(wiring.Component):
    """``clip((gain[c] * s + offset[class, c]) >> shift, 0, levels)`` of every lane s.

    1. A beat's gains are read as it comes, its channels and border class being known.
    2. The product is made in one DSP block a lane, between registers; of lanes wider
       than its operands in two, whose results add up.
    3. The offset, read a cycle later, is added.
    4. The sum is shifted, which takes no logic, and clipped.

    Everything moves on together, when what leaves is taken or nothing does. Rounding,
    the source's constants and the lowest value of the result are in the offset:
    `hw.plan.scale.scale_numbers`.

    Parameters
    ----------
    config : ScaleConfig
    gain : int array (channels,)
    offset : int array (classes, channels)

    Members
    -------
    i_stream : In(stream), payload unsigned(lanes * source_bits)
        In raster order, channel fastest.
    o_stream : Out(stream), payload unsigned(lanes * out_bits)
    """

    def __init__(self, *, config: ScaleConfig, gain: ArrayLike, offset: ArrayLike) -> None:
        self.config = config
        self._gain = np.asarray(gain, np.int64)
        self._offset = np.clip(np.asarray(offset, np.int64), *config.offset_limits)
        assert self._gain.shape == (config.channels,), "shape of the gains"
        assert self._offset.shape == (config.classes, config.channels), "shape of the offsets"
        limit = 1 << (config.gain_bits - 1)
        assert ((-limit <= self._gain) & (self._gain < limit)).all(), "a gain is too wide"
        super().__init__(
            {
                "i_stream": In(stream.Signature(unsigned(config.lanes * config.source_bits))),
                "o_stream": Out(stream.Signature(unsigned(config.lanes * config.out_bits))),
            }
        )

    @property
    def latency_cycles(self) -> int:
        return self.config.latency_cycles

    @property
    def cycles_per_frame(self) -> int:
        return self.config.cycles_per_frame

    def elaborate(self, platform: object) -> Elaboratable:
        config = self.config
        m = Module()
        enable, accept = Signal(), Signal()
        m.d.comb += [
            enable.eq(~self.o_stream.valid | self.o_stream.ready),
            accept.eq(self.i_stream.valid & self.i_stream.ready),
        ]
        place = walk_channels(
            m,
            accept,
            folds=config.folds,
            y_classes=config.y_classes,
            x_classes=config.x_classes,
        )
        m.d.comb += self.i_stream.ready.eq(enable & place.known)
        (valid,) = delay(m, enable, [accept], config.latency_cycles - 1)
        with m.If(enable):
            m.d.sync += self.o_stream.valid.eq(valid)

        reads = config.read_cycles
        (fold,) = _later(m, enable, [place.fold], reads - config.gain_cycles, "fold")
        gain_memory = Rom(kind=config.gain_kind, cycles=config.gain_cycles, enable=enable)
        gains = self._constants(m, "gains", self._gain[None], config.gain_bits, fold, gain_memory)
        # As late as the products, of which parts add up in a cycle of their own.
        (address,) = _later(m, enable, [place.address], 1 + (len(config.parts) > 1), "address")
        memory = Rom(kind=config.kind, cycles=reads, enable=enable)
        offsets = self._constants(m, "offsets", self._offset, config.offset_bits, address, memory)
        (beat,) = _later(m, enable, [self.i_stream.payload], reads, "beat")
        for lane in range(config.lanes):
            source = beat.word_select(lane, config.source_bits)
            gain = gains.word_select(lane, config.gain_bits).as_signed()
            product = self._product(m, enable, lane, gain, source)
            total = Signal(signed(config.sum_bits), name=f"sum_{lane}", reset_less=True)
            code = Signal(config.out_bits, name=f"code_{lane}", reset_less=True)
            offset = offsets.word_select(lane, config.offset_bits).as_signed()
            with m.If(enable):
                m.d.sync += [
                    total.eq(product + offset),
                    code.eq(saturate(total >> config.shift, config.levels)),
                ]
            m.d.comb += self.o_stream.payload.word_select(lane, config.out_bits).eq(code)
        return m

    def _constants(
        self, m: Module, name: str, table: np.ndarray, bits: int, address: Value, memory: Rom
    ) -> Value:
        """Words of ``lanes`` constants, of a table (classes, channels)."""
        lanes = self.config.lanes
        words = [
            sum((int(value) % (1 << bits)) << lane * bits for lane, value in enumerate(row))
            for row in table.reshape(-1, lanes)
        ]
        return memory.read(m, name, words, lanes * bits, address)

    def _product(self, m: Module, enable: Value, lane: int, gain: Value, source: Value) -> Value:
        """Gain times source, a register for each DSP block and one for their sum."""
        config = self.config
        products, low = [], 0
        for number, bits in enumerate(config.parts):
            part: Value = source[low : low + bits]
            last = number == len(config.parts) - 1
            if config.signed and last:
                part = part.as_signed()
            width = config.gain_bits + bits
            product = Signal(signed(width), name=f"product_{lane}_{number}", reset_less=True)
            with m.If(enable):
                m.d.sync += product.eq(gain * part)
            products.append(product << low)
            low += bits
        if len(products) == 1:
            return products[0]
        whole = Signal(signed(config.sum_bits), name=f"product_{lane}", reset_less=True)
        with m.If(enable):
            m.d.sync += whole.eq(sum(products))
        return whole


def _later(m: Module, enable: Value, values: list[Value], cycles: int, name: str) -> list[Value]:
    """The values that many registers later, which need no reset."""
    for cycle in range(cycles):
        registers = [
            Signal(len(value), name=f"{name}_{cycle}", reset_less=True) for value in values
        ]
        with m.If(enable):
            m.d.sync += [new.eq(old) for new, old in zip(registers, values, strict=True)]
        values = list(registers)
    return values
