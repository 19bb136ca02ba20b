"""Threshold of a quantised tensor, on the codes of a stream."""

from __future__ import annotations

import numpy as np
from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from numpy.typing import NDArray

from hw.plan.quantise import QuantiseConfig

__all__ = ["Quantise"]


class Quantise(wiring.Component):
    """Count, per element, the thresholds that its code reaches.

    ``n = number of i with code >= thresholds[c, i]``; the output code is n, or
    ``levels - n`` in inverted channels. One beat a cycle, one register of latency.

    Parameters
    ----------
    config : QuantiseConfig
    thresholds : int array (channels, levels)
        On codes: 0 (always reached) .. 2**lane_bits (never reached), ascending.
    inverted : bool array (channels,)

    Members
    -------
    i_stream : In(stream) of unsigned(lanes * lane_bits)
    o_stream : Out(stream) of unsigned(lanes * out_bits)
    """

    def __init__(
        self,
        *,
        config: QuantiseConfig,
        thresholds: NDArray[np.integer],
        inverted: NDArray[np.bool_],
    ) -> None:
        assert thresholds.shape == (config.channels, config.levels)
        assert inverted.shape == (config.channels,)
        self.config = config
        self._thresholds = thresholds
        self._inverted = inverted
        super().__init__(
            {
                "i_stream": In(stream.Signature(unsigned(config.lanes * config.lane_bits))),
                "o_stream": Out(stream.Signature(unsigned(config.lanes * config.out_bits))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        fold = Signal(range(config.folds))
        codes = [self._lane(m, lane, fold) for lane in range(config.lanes)]
        m.d.comb += self.i_stream.ready.eq(~self.o_stream.valid | self.o_stream.ready)
        with m.If(self.i_stream.ready):
            m.d.sync += self.o_stream.valid.eq(self.i_stream.valid)
        with m.If(self.i_stream.valid & self.i_stream.ready):
            m.d.sync += self.o_stream.payload.eq(Cat(codes))
            m.d.sync += fold.eq(Mux(fold == config.folds - 1, 0, fold + 1))
        return m

    def _lane(self, m: Module, lane: int, fold: Signal) -> Signal:
        """The lane's output code; its channel is ``fold * lanes + lane``."""
        config = self.config
        code = self.i_stream.payload.word_select(lane, config.lane_bits)
        result = Signal(config.out_bits, name=f"code_{lane}")
        channels = range(lane, config.channels, config.lanes)
        reached = []
        for level in range(config.levels):
            # One bit wider than a code: 2**lane_bits is never reached.
            values = [
                Const(int(self._thresholds[c, level]), config.lane_bits + 1) for c in channels
            ]
            reached.append(code >= Array(values)[fold])
        count = Signal(config.out_bits, name=f"count_{lane}")
        m.d.comb += count.eq(sum(reached[1:], start=reached[0]))
        flip = Array([Const(int(self._inverted[c]), 1) for c in channels])[fold]
        m.d.comb += result.eq(Mux(flip, config.levels - count, count))
        return result
