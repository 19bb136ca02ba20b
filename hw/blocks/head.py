"""Head: scores, or the index of the greatest, from matches."""

from __future__ import annotations

from typing import Any

import numpy as np
from amaranth.hdl import Elaboratable, Module, Shape, Signal, Value, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from numpy.typing import ArrayLike

from hw.blocks.counters import Counter, nest
from hw.blocks.width import WidthConverter
from hw.plan.stream import HeadConfig, WidthConfig
from sw.errors import PlanError

__all__ = ["Head", "head_layout"]


def head_layout(score_bits: int) -> data.StructLayout:
    """An answer's beat: ``data``, and ``last`` on the last beat of a frame."""
    return data.StructLayout({"data": signed(score_bits), "last": unsigned(1)})


class Head(wiring.Component):
    """Turns the last array's matches into the network's answer.

    1. A beat's lanes are taken one after the other: one match count A a cycle.
    2. ``score = step * A + constant``, the constant read from a memory beside it.
    3. "raw" emits it. "argmax" compares it with the best so far, and takes it only
       if it is greater: so the lowest index wins ties; a frame's winner is emitted
       after its last score, while the next frame's first one arrives.

    Parameters
    ----------
    config : HeadConfig
    constants : int array (elements,)
        In the order of the elements; scores must fit ``score_bits``.

    Members
    -------
    i_stream : In(stream), payload unsigned(lanes * match_bits)
    o_stream : Out(stream), payload `head_layout`
        One score a beat ("raw"), or one index a frame ("argmax").

    Raises
    ------
    PlanError
        If ``constants`` has not one number for each element.
    """

    def __init__(self, *, config: HeadConfig, constants: ArrayLike) -> None:
        table = np.asarray(constants, np.int64)
        if table.shape != (config.elements,):
            raise PlanError(
                f"head: constants has shape {table.shape}, must be ({config.elements},)",
                "Give one constant for each element",
            )
        self.config = config
        self.constants = table
        super().__init__(
            {
                "i_stream": In(stream.Signature(unsigned(config.lanes * config.match_bits))),
                "o_stream": Out(stream.Signature(head_layout(config.score_bits))),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        config = self.config
        m = Module()
        m.submodules.serial = serial = WidthConverter(
            config=WidthConfig(i_lanes=config.lanes, o_lanes=1, lane_bits=config.match_bits)
        )
        wiring.connect(m, wiring.flipped(self.i_stream), serial.i_stream)
        element = Counter(config.elements, "element")
        enable, accept = Signal(), Signal()
        m.d.comb += [
            enable.eq(~self.o_stream.valid | self.o_stream.ready),
            serial.o_stream.ready.eq(enable),
            accept.eq(serial.o_stream.valid & enable),
        ]
        nest(m, accept, element)

        valid, last = Signal(), Signal()
        matches = Signal(Shape(config.match_bits, signed=config.signed))
        score = Signal(signed(config.score_bits))
        with m.If(enable):
            m.d.sync += [
                valid.eq(serial.o_stream.valid),
                last.eq(element.last),
                matches.eq(serial.o_stream.payload),
            ]
        m.d.comb += score.eq(config.step * matches + self._constant(m, enable, element.value))
        if config.kind == "raw":
            with m.If(enable):
                m.d.sync += [
                    self.o_stream.valid.eq(valid),
                    self.o_stream.payload.data.eq(score),
                    self.o_stream.payload.last.eq(last),
                ]
        else:
            self._choose(m, enable, (valid, last, score))
        return m

    def _constant(self, m: Module, enable: Value, element: Value) -> Any:
        config = self.config
        if len(set(self.constants.tolist())) == 1:
            return int(self.constants[0])
        m.submodules.constants = memory = Memory(
            shape=signed(config.score_bits),
            depth=config.elements,
            init=[
                (int(c) + (1 << config.score_bits - 1)) % (1 << config.score_bits)
                - (1 << config.score_bits - 1)
                for c in self.constants
            ],
            attrs={"ram_style": "logic" if config.elements <= 64 else "block"},
        )
        port = memory.read_port()
        m.d.comb += [port.en.eq(enable), port.addr.eq(element)]
        return port.data

    def _choose(self, m: Module, enable: Value, scored: tuple[Signal, Signal, Signal]) -> None:
        """Keep the greatest score; emit its index behind the frame's last one."""
        config = self.config
        valid, last, score = scored
        # The score is registered before it is compared.
        there, final = Signal(), Signal()
        present, best = Signal.like(score), Signal.like(score)
        rank = Counter(config.elements, "rank")
        winner, chosen = Signal(range(config.elements)), Signal(range(config.elements))
        better = Signal()
        m.d.comb += [
            better.eq((rank.value == 0) | (present > best)),
            chosen.eq(winner),
            self.o_stream.payload.last.eq(1),
        ]
        with m.If(better):
            m.d.comb += chosen.eq(rank.value)
        with m.If(enable):
            m.d.sync += [
                there.eq(valid),
                final.eq(last),
                present.eq(score),
                self.o_stream.valid.eq(there & final),
                self.o_stream.payload.data.eq(chosen),
            ]
            with m.If(there):
                m.d.sync += winner.eq(chosen)
                with m.If(better):
                    m.d.sync += best.eq(present)
        nest(m, enable & there, rank)
