"""The accelerator core with AXI4-Stream ports, for a system of the user's own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from amaranth.hdl import Cat, ClockDomain, ClockSignal, Module, Mux, ResetSignal, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from numpy.typing import NDArray

from hw.blocks.counters import Counter, nest
from hw.blocks.fifo import StreamFifo
from hw.core import Core
from hw.link.discard import MOST_FRAMES
from hw.plan.join import FifoConfig
from hw.plan.plan import Plan
from sw.model.model import Model
from sw.protocol import score_bytes

__all__ = ["AxiConfig", "AxiCore"]


@dataclass(frozen=True, kw_only=True)
class AxiConfig:
    """What passes on the ports.

    Parameters
    ----------
    lanes, code_bits : int
        Of an input beat: lane i is the code in bits ``[i*code_bits, (i+1)*code_bits)``.
    i_beats : int
        Beats of a frame.
    o_beats : int
        Scores of a frame, one a beat.
    score_bits : int
        Of a score, which is signed.
    marks : bool
        Whether boxes of a detector are marked.
    """

    lanes: int
    code_bits: int
    i_beats: int
    o_beats: int
    score_bits: int
    marks: bool

    @classmethod
    def of(cls, plan: Plan) -> AxiConfig:
        """The ports of a plan's core."""
        return cls(
            lanes=plan.i_lanes,
            code_bits=plan.i_bits,
            i_beats=plan.i_elements // plan.i_lanes,
            o_beats=plan.head.output_beats,
            score_bits=plan.head.score_bits,
            marks=plan.objectness is not None,
        )

    @property
    def i_bits(self) -> int:
        """Bits of an input beat that count; those above it in ``s_axis_tdata`` do not."""
        return self.lanes * self.code_bits

    @property
    def i_width(self) -> int:
        """Bits of ``s_axis_tdata``: whole bytes."""
        return -(-self.i_bits // 8) * 8

    @property
    def o_width(self) -> int:
        """Bits of ``m_axis_tdata``: the 1, 2 or 4 bytes that hold a score, sign extended."""
        return 8 * score_bytes(self.score_bits)

    @property
    def user_width(self) -> int:
        """Bits of ``m_axis_tuser``."""
        return 1 + self.marks

    def frame_beats(self, codes: NDArray) -> NDArray[np.uint8]:
        """``s_axis_tdata`` of frames' codes, of any shape in C order: (beats, bytes), lowest
        byte first."""
        lanes = codes.reshape(-1, self.lanes).astype(np.uint16)
        bits = lanes[:, :, None] >> np.arange(self.code_bits, dtype=np.uint16) & 1
        return np.packbits(bits.reshape(len(lanes), -1).astype(np.uint8), axis=1, bitorder="little")

    def score_beats(self, scores: NDArray) -> NDArray[np.uint8]:
        """``m_axis_tdata`` of frames' scores, likewise."""
        return scores.reshape(-1, 1).astype(f"<i{self.o_width // 8}").view(np.uint8)


class AxiCore(wiring.Component):
    """A core that takes a packet for each frame and gives a packet of its scores for each.

    The core itself counts beats and would stay out of step after one that is lost. So here
    ``tlast`` is compared with its count, and a packet in is a packet out whatever happens:

    1. A packet that ends early is filled up with codes 0; meanwhile ``s_axis_tready`` is low.
    2. Of one that does not end in time, the rest is taken and dropped, up to its ``tlast``.
    3. The scores of both come, and their last beat has bit 0 of ``m_axis_tuser`` set: they are
       those of no frame. A frame's mark is known before its last score leaves, which waits for
       it; it cannot wait for long, for by then no other beat of the frame is in the core that
       could hold its last one up.

    Parameters
    ----------
    plan : Plan
        Made from ``model``.
    model : Model

    Members
    -------
    aclk : In(1)
    aresetn : In(1)
        Low at a rising edge of ``aclk``: what was in the core is dropped, and the next beat is the
        first of a frame. Not needed after configuration, which leaves the same state: tied
        high, no net of it remains.
    s_axis_tdata : In(config.i_width), s_axis_tvalid, s_axis_tlast : In(1), s_axis_tready : Out(1)
        Frames: codes in raster order, channel fastest.
    m_axis_tdata : Out(config.o_width), m_axis_tvalid, m_axis_tlast : Out(1), m_axis_tready : In(1)
        Scores.
    m_axis_tuser : Out(config.user_width)
        Bit 0, with ``tlast``: the packet that these are the scores of was no frame. Bit 1 of a
        detector: the score is an objectness that reaches the plan's.
    """

    def __init__(self, plan: Plan, model: Model) -> None:
        self.config = config = AxiConfig.of(plan)
        self._core = Core(plan, model)
        super().__init__(
            {
                "aclk": In(1),
                "aresetn": In(1),
                "s_axis_tdata": In(config.i_width),
                "s_axis_tvalid": In(1),
                "s_axis_tready": Out(1),
                "s_axis_tlast": In(1),
                "m_axis_tdata": Out(config.o_width),
                "m_axis_tvalid": Out(1),
                "m_axis_tready": In(1),
                "m_axis_tlast": Out(1),
                "m_axis_tuser": Out(config.user_width),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.domains.sync = ClockDomain("sync")
        m.d.comb += [ClockSignal("sync").eq(self.aclk), ResetSignal("sync").eq(~self.aresetn)]
        m.submodules.core = core = self._core
        # A place for the mark of each frame that the core may hold.
        m.submodules.marks = marks = StreamFifo(
            config=FifoConfig(width=1, depth=MOST_FRAMES, memory="lut")
        )
        self._frames(m, core.i_stream, marks.i_stream)
        self._scores(m, core.o_stream, marks.o_stream)
        return m

    def _frames(self, m: Module, frames: wiring.PureInterface, marks: wiring.PureInterface) -> None:
        """Packets to frames of the right length, and a mark for each."""
        fills, drops, passes, taken, ends = Signal(), Signal(), Signal(), Signal(), Signal()
        beat = Counter(self.config.i_beats, "beat")
        m.d.comb += [
            # No beat passes while there is no room for a mark: the last one might need it.
            passes.eq(marks.ready & ~drops & self.aresetn),
            frames.valid.eq(passes & (fills | self.s_axis_tvalid)),
            frames.payload.eq(Mux(fills, 0, self.s_axis_tdata[: self.config.i_bits])),
            self.s_axis_tready.eq(self.aresetn & (drops | (passes & ~fills & frames.ready))),
            taken.eq(frames.valid & frames.ready),
            ends.eq(taken & beat.last),
            marks.valid.eq(ends),
            marks.payload.eq(fills | ~self.s_axis_tlast),
        ]
        nest(m, taken, beat)
        with m.If(ends):
            m.d.sync += [fills.eq(0), drops.eq(~fills & ~self.s_axis_tlast)]
        with m.Elif(taken & self.s_axis_tlast):
            m.d.sync += fills.eq(1)
        with m.If(drops & self.s_axis_tvalid & self.s_axis_tlast):
            m.d.sync += drops.eq(0)

    def _scores(self, m: Module, scores: wiring.PureInterface, marks: wiring.PureInterface) -> None:
        """Scores to beats, the last of a frame with its mark."""
        passes, last = Signal(), scores.payload.last
        objects = scores.payload.object if self.config.marks else Cat()
        m.d.comb += [
            passes.eq((~last | marks.valid) & self.aresetn),
            self.m_axis_tvalid.eq(scores.valid & passes),
            self.m_axis_tdata.eq(scores.payload.data),
            self.m_axis_tlast.eq(last),
            self.m_axis_tuser.eq(Cat(last & marks.payload, objects)),
            scores.ready.eq(self.m_axis_tready & passes),
            marks.ready.eq(self.m_axis_tready & scores.valid & last & self.aresetn),
        ]
