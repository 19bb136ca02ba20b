"""From bytes to the core's beats: whole frames wait in block RAM, then are unpacked."""

from __future__ import annotations

from math import gcd

from amaranth import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.blocks.ram import Ram
from hw.plan.link import LinkConfig

__all__ = ["FrameBuffer", "FrameByte", "Unpacker"]

#: A byte of a frame; ``last`` marks the frame's last.
FrameByte = data.StructLayout({"data": 8, "last": 1})


class FrameBuffer(wiring.Component):
    """Slots for whole frames, in a ring of block RAM.

    Bytes written count as a frame only by ``commit``; ``rollback`` forgets them.
    Only committed frames are read, a byte a cycle.

    ``clear`` forgets all frames but the one whose bytes are already leaving: what is behind
    the buffer sees whole frames only, whatever happens.

    Parameters
    ----------
    config : LinkConfig

    Members
    -------
    i_stream : In(stream.Signature(8))
        Always ready. No more than ``frame_bytes`` between two of commit and rollback,
        and none while ``full``.
    commit, rollback, clear : In(1)
        Not together, and never with a byte. ``commit`` only after exactly ``frame_bytes``.
    hold : In(1)
        Begin no other frame.
    full : Out(1)
        All slots hold frames not yet read to their end.
    begins : Out(1)
        The first byte of a frame is read; never with ``clear``.
    o_stream : Out(stream.Signature(FrameByte))
    """

    def __init__(self, *, config: LinkConfig) -> None:
        self._config = config
        super().__init__(
            {
                "i_stream": In(stream.Signature(8)),
                "commit": In(1),
                "rollback": In(1),
                "clear": In(1),
                "hold": In(1),
                "full": Out(1),
                "begins": Out(1),
                "o_stream": Out(stream.Signature(FrameByte)),
            }
        )

    @property
    def config(self) -> LinkConfig:
        return self._config

    def elaborate(self, platform) -> Module:
        m = Module()
        config, depth = self._config, self._config.buffer_bytes
        m.submodules.ram = ram = Ram(width=8, pages=config.buffer_pages)

        def after(address: Signal, step: int) -> Value:
            """``step`` bytes on, round the ring; the frames in it are whole."""
            return Mux(address == depth - step, 0, address + step)

        start = Signal(range(depth))  # of the frame being written
        here = Signal(range(depth))
        m.d.comb += self.i_stream.ready.eq(1)
        m.d.sync += [
            ram.write_addr.eq(here),
            ram.write_data.eq(self.i_stream.payload),
            ram.write_en.eq(self.i_stream.valid),
        ]
        with m.If(self.i_stream.valid):
            m.d.sync += here.eq(after(here, 1))
        with m.If(self.commit):
            m.d.sync += start.eq(here)
        with m.Elif(self.rollback):
            m.d.sync += here.eq(start)

        address = Signal(range(depth))
        behind = Signal(range(depth), init=config.frame_bytes % depth)  # the frame being read
        reading = Signal()  # some of its bytes have been, and some not
        index = Signal(range(config.frame_bytes))
        frames = Signal(range(config.slots + 1))  # committed and not read to the end
        present = Signal()  # there are frames
        at_end = Signal(init=config.frame_bytes == 1)  # the byte at `index` is the frame's last
        reads, finished = Signal(), Signal()
        m.d.comb += [
            self.full.eq(frames == config.slots),
            reads.eq(ram.read_en & (reading | (present & ~self.hold)) & ~self.clear),
            finished.eq(reads & at_end),
            self.begins.eq(reads & ~reading),
            ram.read_addr.eq(address),
        ]
        with m.If(reads):
            m.d.sync += [address.eq(after(address, 1)), index.eq(index + 1), reading.eq(~at_end)]
            m.d.sync += at_end.eq(index == config.frame_bytes - 2)
            with m.If(at_end):
                m.d.sync += [
                    index.eq(0),
                    at_end.eq(config.frame_bytes == 1),
                    behind.eq(after(behind, config.frame_bytes)),
                ]
        with m.If(self.clear):
            m.d.sync += [frames.eq(reading), present.eq(reading)]
            m.d.sync += [start.eq(Mux(reading, behind, address))]
            m.d.sync += [here.eq(Mux(reading, behind, address))]
        with m.Elif(self.commit & ~finished):
            m.d.sync += [frames.eq(frames + 1), present.eq(1)]
        with m.Elif(finished & ~self.commit):
            m.d.sync += [frames.eq(frames - 1), present.eq(frames != 1)]
        self._follow(m, ram, reads, at_end)
        return m

    def _follow(self, m: Module, ram: Ram, reads: Value, at_end: Value) -> None:
        """What goes with the words through the RAM, and the RAM's move."""
        valid = Signal(ram.latency)
        last = Signal(ram.latency)
        m.d.comb += [
            ram.read_en.eq(~valid[-1] | self.o_stream.ready),
            self.o_stream.valid.eq(valid[-1]),
            self.o_stream.payload.data.eq(ram.read_data),
            self.o_stream.payload.last.eq(last[-1]),
        ]
        with m.If(ram.read_en):
            m.d.sync += [valid.eq(Cat(reads, valid)), last.eq(Cat(at_end, last))]


class Unpacker(wiring.Component):
    """Codes of a frame's bytes, several at a time, without the padding of the last byte.

    Fewer than a byte holds where a beat of the core is not whole bytes: a converter of such
    widths takes many registers, and the bytes come slowly.

    Parameters
    ----------
    config : LinkConfig
    beat_lanes : int
        Codes of a beat to the core, which the output's are to divide.

    Members
    -------
    i_stream : In(stream.Signature(FrameByte))
    o_stream : Out(stream.Signature(lanes * code_bits))
        `lanes` neighbouring codes; code i in bits ``[i*code_bits, (i+1)*code_bits)``.
    """

    def __init__(self, *, config: LinkConfig, beat_lanes: int) -> None:
        self._config = config
        self._fields = max(1, 8 // config.field_bits)  # of a byte
        self._lanes = gcd(self._fields, config.elements, beat_lanes)
        super().__init__(
            {
                "i_stream": In(stream.Signature(FrameByte)),
                "o_stream": Out(stream.Signature(self._lanes * config.code_bits)),
            }
        )

    @property
    def lanes(self) -> int:
        """Codes of an output beat: what divides a byte's, a frame's and the core's beat."""
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
