"""Objectness: mark the boxes among a detector's scores."""

from __future__ import annotations

import numpy as np
from amaranth.hdl import Elaboratable, Module, Signal, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from numpy.typing import ArrayLike

from hw.blocks.coefficients import Rom
from hw.blocks.counters import Counter, nest
from hw.blocks.head import head_layout
from hw.plan.objectness import ObjectnessConfig
from sw.model.model import BOX_CHANNELS

__all__ = ["Objectness", "object_layout"]


def object_layout(score_bits: int) -> data.StructLayout:
    """A detector's beat: a head's, and ``object`` where the score is of a box that counts."""
    return data.StructLayout(
        {"data": signed(score_bits), "last": unsigned(1), "object": unsigned(1)}
    )


class Objectness(wiring.Component):
    """Passes scores on as they are, and says of each whether it is an objectness that counts.

    1. The last of a box's `BOX_CHANNELS` scores is its objectness s; of box b of the frame
       ``object`` is ``s >= levels[b % n]``. Of the others it is 0.
    2. With h = ``2**(score_bits - 1)``, s is in -h .. h - 1 and the level in -h .. h, so that
       ``s - level`` is in -2h .. 2h - 1: ``score_bits + 1`` signed bits, of which the highest
       says that the level was not reached. What is kept is ``-level``.
    3. The level of the next box is fetched behind the objectness of this one, and has the
       four scores that come between to arrive. So a score waits for nothing but one register.

    Parameters
    ----------
    config : ObjectnessConfig
    levels : int array (n,)
        Any integers: `ObjectnessConfig.level_limits` stand for what is beyond them.

    Members
    -------
    i_stream : In(stream), payload `hw.blocks.head.head_layout`
        Of frames that are whole.
    o_stream : Out(stream), payload `object_layout`
    """

    def __init__(self, *, config: ObjectnessConfig, levels: ArrayLike) -> None:
        self.config = config
        self._levels = np.clip(np.asarray(levels, np.int64), *config.level_limits)
        assert self._levels.shape == (config.levels,), "shape of the levels"
        assert config.read_cycles < BOX_CHANNELS, "levels are there before they are wanted"
        super().__init__(
            {
                "i_stream": In(stream.Signature(head_layout(config.score_bits))),
                "o_stream": Out(stream.Signature(object_layout(config.score_bits))),
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
        source, result = self.i_stream.payload, self.o_stream.payload
        channel, turn = Counter(BOX_CHANNELS, "channel"), Counter(config.levels, "turn")
        enable, accept = Signal(), Signal()
        m.d.comb += [
            enable.eq(~self.o_stream.valid | self.o_stream.ready),
            self.i_stream.ready.eq(enable),
            accept.eq(self.i_stream.valid & enable),
        ]
        nest(m, accept, channel, turn)
        memory = Rom(kind=config.kind, cycles=config.read_cycles, enable=enable)
        mask = (1 << config.level_bits) - 1
        words = [-int(level) & mask for level in self._levels]
        kept = memory.read(m, "levels", words, config.level_bits, turn.value).as_signed()
        above = (source.data + kept)[: config.level_bits]
        with m.If(enable):
            m.d.sync += [
                self.o_stream.valid.eq(self.i_stream.valid),
                result.data.eq(source.data),
                result.last.eq(source.last),
                result.object.eq(channel.last & ~above[-1]),
            ]
        return m
