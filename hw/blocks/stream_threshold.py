"""Thresholds on a stream: per channel, count the levels that a lane reaches."""

from __future__ import annotations

import numpy as np
from amaranth.hdl import Cat, Elaboratable, Module, Signal, Value, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from numpy.typing import ArrayLike

from hw.blocks.coefficients import Rom, walk_channels
from hw.blocks.counters import delay
from hw.plan.stream_threshold import StreamThresholdConfig

__all__ = ["StreamThreshold"]


class StreamThreshold(wiring.Component):
    """Codes ``n``, or ``L - n`` where inverted, of ``n = number of i with s >= levels[..., i]``.

    The levels of a beat's channels and border class are read as it comes. Everything
    moves on together, when what leaves is taken or nothing does.

    Parameters
    ----------
    config : StreamThresholdConfig
    levels : int array (classes, channels, L)
        Ascending along L; levels that no lane of the source can hold are legal.
    inverted : bool array (channels,)

    Members
    -------
    i_stream : In(stream), payload unsigned(lanes * source_bits)
        In raster order, channel fastest.
    o_stream : Out(stream), payload unsigned(lanes * out_bits)
    """

    def __init__(
        self, *, config: StreamThresholdConfig, levels: ArrayLike, inverted: ArrayLike
    ) -> None:
        self.config = config
        self._levels = np.clip(np.asarray(levels, np.int64), *config.level_limits)
        self._inverted = np.asarray(inverted, np.bool_)
        shape = config.classes, config.channels, config.levels
        assert self._levels.shape == shape, "shape of the levels"
        assert self._inverted.shape == (config.channels,), "shape of the inversions"
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
        place = walk_channels(
            m,
            accept,
            folds=config.folds,
            y_classes=config.y_classes,
            x_classes=config.x_classes,
        )
        m.d.comb += [
            enable.eq(~self.o_stream.valid | self.o_stream.ready),
            self.i_stream.ready.eq(enable & place.known),
            accept.eq(self.i_stream.valid & self.i_stream.ready),
        ]
        (valid,) = delay(m, enable, [accept], config.latency_cycles - 1)
        with m.If(enable):
            m.d.sync += self.o_stream.valid.eq(valid)
        memory = Rom(kind=config.kind, cycles=config.read_cycles, enable=enable)
        width = config.lanes * config.word_bits
        words = memory.read(m, "levels", self._words(), width, place.address)
        beat: Value = self.i_stream.payload
        for cycle in range(config.read_cycles):
            later = Signal(len(beat), name=f"beat_{cycle}", reset_less=True)
            with m.If(enable):
                m.d.sync += later.eq(beat)
            beat = later
        for lane in range(config.lanes):
            code = self._code(
                m,
                lane,
                enable,
                beat.word_select(lane, config.source_bits),
                words.word_select(lane, config.word_bits),
            )
            m.d.comb += self.o_stream.payload.word_select(lane, config.out_bits).eq(code)
        return m

    def _code(self, m: Module, lane: int, enable: Value, source: Value, word: Value) -> Value:
        """Comparisons and count of a lane."""
        config = self.config
        inverted = word[-1]
        reached = []
        for index in range(config.levels):
            level = word.word_select(index, config.level_bits)
            if config.signed:
                source, level = source.as_signed(), level.as_signed()
            # Where the channel is inverted, L - n is the number of levels not reached.
            reached.append((source >= level) ^ inverted)
        hits = Signal(config.levels, name=f"hits_{lane}", reset_less=True)
        with m.If(enable):
            m.d.sync += hits.eq(Cat(*reached))
        if config.levels == 1:
            return hits
        code = Signal(config.out_bits, name=f"code_{lane}", reset_less=True)
        with m.If(enable):
            m.d.sync += code.eq(_ones(list(hits)))
        return code

    def _words(self) -> list[int]:
        """The memory: of each class and fold, lane by lane, levels and inversion."""
        config = self.config
        mask = (1 << config.level_bits) - 1
        words = []
        for border in self._levels:
            for fold in range(config.folds):
                word = 0
                for lane in range(config.lanes):
                    channel = fold * config.lanes + lane
                    entry = int(self._inverted[channel]) << config.levels * config.level_bits
                    for index, level in enumerate(border[channel].tolist()):
                        entry |= (level & mask) << index * config.level_bits
                    word |= entry << lane * config.word_bits
                words.append(word)
        return words


def _ones(bits: list[Value]) -> Value:
    """Number of ones among ``bits``."""
    if len(bits) == 1:
        return bits[0]
    middle = len(bits) // 2
    return _ones(bits[:middle]) + _ones(bits[middle:])
