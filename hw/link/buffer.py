"""From bytes to the core's beats: whole frames wait in block RAM, then are unpacked."""

from __future__ import annotations

from math import gcd

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out, connect

from hw.link.register import StreamRegister
from hw.plan.link import LinkConfig

__all__ = ["FrameBuffer", "FrameByte", "Unpacker"]

#: A byte of a frame; ``last`` marks the frame's last.
FrameByte = data.StructLayout({"data": 8, "last": 1})


class FrameBuffer(wiring.Component):
    """Slots for whole frames, in a ring of block RAM.

    Bytes written count as a frame only by ``commit``; ``rollback`` forgets them.
    Only committed frames are read, a byte a cycle.

    Parameters
    ----------
    config : LinkConfig

    Members
    -------
    i_stream : In(stream.Signature(8))
        Always ready. No more than ``frame_bytes`` between two of commit and rollback,
        and none while ``full``.
    commit, rollback : In(1)
        Never together with a byte. ``commit`` only after exactly ``frame_bytes``.
    full : Out(1)
        All slots hold frames not yet read to their end.
    o_stream : Out(stream.Signature(FrameByte))
    """

    def __init__(self, *, config: LinkConfig) -> None:
        self._config = config
        super().__init__(
            {
                "i_stream": In(stream.Signature(8)),
                "commit": In(1),
                "rollback": In(1),
                "full": Out(1),
                "o_stream": Out(stream.Signature(FrameByte)),
            }
        )

    @property
    def config(self) -> LinkConfig:
        return self._config

    def elaborate(self, platform) -> Module:
        m = Module()
        config, depth = self._config, self._config.buffer_bytes
        m.submodules.memory = memory = Memory(shape=8, depth=depth, init=[])
        write, read = memory.write_port(), memory.read_port()

        start = Signal(range(depth))  # of the frame being written
        here = Signal(range(depth))
        m.d.comb += [
            self.i_stream.ready.eq(1),
            write.addr.eq(here),
            write.data.eq(self.i_stream.payload),
            write.en.eq(self.i_stream.valid),
        ]
        with m.If(self.i_stream.valid):
            m.d.sync += here.eq(Mux(here == depth - 1, 0, here + 1))
        with m.If(self.commit):
            m.d.sync += start.eq(here)
        with m.Elif(self.rollback):
            m.d.sync += here.eq(start)

        m.submodules.register = register = StreamRegister(FrameByte)
        connect(m, register.o_stream, wiring.flipped(self.o_stream))
        given = register.i_stream

        frames = Signal(range(config.slots + 1))  # committed and not read to the end
        begun = Signal()
        index = Signal(range(config.frame_bytes))
        address = Signal(range(depth))
        at_end = Signal()
        finished = Signal()
        m.d.comb += [
            self.full.eq(frames == config.slots),
            at_end.eq(index == config.frame_bytes - 1),
            begun.eq(frames != 0),
            read.addr.eq(address),
            read.en.eq(~given.valid | given.ready),
            finished.eq(read.en & begun & at_end),
            given.payload.data.eq(read.data),
        ]
        with m.If(read.en):
            m.d.sync += [given.valid.eq(begun), given.payload.last.eq(at_end)]
            with m.If(begun):
                m.d.sync += [
                    address.eq(Mux(address == depth - 1, 0, address + 1)),
                    index.eq(Mux(at_end, 0, index + 1)),
                ]
        with m.If(self.commit & ~finished):
            m.d.sync += frames.eq(frames + 1)
        with m.Elif(finished & ~self.commit):
            m.d.sync += frames.eq(frames - 1)
        return m


class Unpacker(wiring.Component):
    """Codes of a frame's bytes, several at a time, without the padding of the last byte.

    Parameters
    ----------
    config : LinkConfig

    Members
    -------
    i_stream : In(stream.Signature(FrameByte))
    o_stream : Out(stream.Signature(lanes * code_bits))
        `lanes` neighbouring codes; code i in bits ``[i*code_bits, (i+1)*code_bits)``.
    """

    def __init__(self, *, config: LinkConfig) -> None:
        self._config = config
        self._fields = max(1, 8 // config.field_bits)  # of a byte
        self._lanes = gcd(self._fields, config.elements)
        super().__init__(
            {
                "i_stream": In(stream.Signature(FrameByte)),
                "o_stream": Out(stream.Signature(self._lanes * config.code_bits)),
            }
        )

    @property
    def lanes(self) -> int:
        """Codes of an output beat: what divides both a byte's and a frame's."""
        return self._lanes

    def elaborate(self, platform) -> Module:
        m = Module()
        i_stream, o_stream = self.i_stream, self.o_stream
        field, bits = self._config.field_bits, self._config.code_bits
        if field == 16:
            low, has_low = Signal(8), Signal()
            m.d.comb += [
                o_stream.payload.eq(Cat(low, i_stream.payload.data)[:bits]),
                o_stream.valid.eq(i_stream.valid & has_low),
                i_stream.ready.eq(~has_low | o_stream.ready),
            ]
            with m.If(i_stream.valid & i_stream.ready):
                m.d.sync += [low.eq(i_stream.payload.data), has_low.eq(~has_low)]
            return m

        # Steps of `lanes` codes through a byte; fewer through a frame's last.
        steps = self._fields // self._lanes
        remainder = self._config.elements % self._fields
        last_steps = remainder // self._lanes if remainder else steps
        step = Signal(range(steps))
        byte = i_stream.payload.data
        part = byte.word_select(step, self._lanes * field) if steps > 1 else byte
        codes = [part[k * field : k * field + bits] for k in range(self._lanes)]
        at_end = Signal()
        m.d.comb += [
            at_end.eq(step == Mux(i_stream.payload.last, last_steps, steps) - 1),
            o_stream.payload.eq(Cat(*codes)),
            o_stream.valid.eq(i_stream.valid),
            i_stream.ready.eq(o_stream.ready & at_end),
        ]
        with m.If(i_stream.valid & o_stream.ready):
            m.d.sync += step.eq(Mux(at_end, 0, step + 1))
        return m
