"""The accelerator's end of the link: bytes on one side, frames and scores on the other."""

from __future__ import annotations

from amaranth import Module, ResetInserter
from amaranth.lib import stream, wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import In, Out, connect

from hw.blocks.width import WidthConverter
from hw.link.buffer import FrameBuffer, Unpacker
from hw.link.cobs import CobsDecoder, CobsEncoder, Token
from hw.link.crc import CrcAppender, CrcChecker
from hw.link.discard import Discarder
from hw.link.packets import Dispatcher, Responder, score_layout
from hw.link.register import StreamBuffer, StreamRegister, StreamRelay
from hw.plan.link import LinkConfig
from hw.plan.stream import WidthConfig
from sw.protocol import Identity

__all__ = ["Endpoint"]

#: Bits of a beat beyond which its way to the core is cut in steps. Such beats come every eighth
#: cycle at most, since a byte comes every cycle.
_WIDE = 64


class Endpoint(wiring.Component):
    """Packets of `sw.protocol` in and out, whole frames to the core, scores from it.

    A RESET clears everything but the line itself: the frames and numbers held, and the
    answer being sent. A frame whose codes are on their way to the core goes there to its
    end, and the scores of all frames in the core are dropped: so the core has no reset.

    Parameters
    ----------
    config : LinkConfig
    lanes : int
        Of a beat to the core; must divide the frame's elements.
    model_sha256 : str
        Hex digest of the model file.

    Members
    -------
    i_bytes : In(stream.Signature(8))
        From the host. Always ready.
    o_bytes : Out(stream.Signature(8))
        To the host. Withdrawn only by a RESET.
    o_stream : Out(stream.Signature(lanes * code_bits))
        Codes of the input, to the core.
    i_stream : In(stream.Signature(score_layout(score_bits)))
        Scores, from the core.
    """

    def __init__(self, *, config: LinkConfig, lanes: int, model_sha256: str) -> None:
        self._config = config
        self._lanes = lanes
        assert config.elements % lanes == 0, "a frame is whole beats"
        self._responder = Responder(config=config, model_sha256=model_sha256)
        super().__init__(
            {
                "i_bytes": In(stream.Signature(8)),
                "o_bytes": Out(stream.Signature(8)),
                "o_stream": Out(stream.Signature(lanes * config.code_bits)),
                "i_stream": In(stream.Signature(score_layout(config.score_bits))),
            }
        )

    @property
    def config(self) -> LinkConfig:
        return self._config

    @property
    def identity(self) -> Identity:
        """What the host is told."""
        return self._responder.identity

    def elaborate(self, platform) -> Module:
        m = Module()
        config = self._config
        m.submodules.decoder = decoder = CobsDecoder()
        m.submodules.checker = checker = CrcChecker()
        m.submodules.dispatcher = dispatcher = Dispatcher(config=config)
        connect(m, wiring.flipped(self.i_bytes), decoder.i_stream)
        connect(m, decoder.o_stream, checker.i_stream)
        connect(m, checker.o_stream, dispatcher.i_stream)

        # What a RESET empties; the way of the codes to the core is not.
        reset = ResetInserter(dispatcher.reset)
        numbers = SyncFIFO(width=16, depth=config.slots)
        responder, appender, encoder = self._responder, CrcAppender(), CobsEncoder()
        answers, tokens = StreamBuffer(Token), StreamRegister(Token)
        m.submodules.numbers = reset(numbers)
        m.submodules.responder = reset(responder)
        m.submodules.answers = reset(answers)
        m.submodules.appender = reset(appender)
        m.submodules.tokens = reset(tokens)
        m.submodules.encoder = reset(encoder)

        m.submodules.buffer = buffer = FrameBuffer(config=config)
        m.submodules.discarder = discarder = Discarder(score_bits=config.score_bits)
        connect(m, dispatcher.o_frame, buffer.i_stream)
        connect(m, dispatcher.o_number, numbers.w_stream)
        m.d.comb += [
            dispatcher.room.eq(~buffer.full & numbers.w_rdy),
            buffer.commit.eq(dispatcher.commit),
            buffer.rollback.eq(dispatcher.rollback),
            buffer.clear.eq(dispatcher.reset),
            buffer.hold.eq(discarder.full),
            discarder.begins.eq(buffer.begins),
            discarder.clear.eq(dispatcher.reset),
            responder.counts.eq(dispatcher.counts),
        ]
        self._to_core(m, buffer)
        m.submodules.scores = scores = StreamBuffer(score_layout(config.score_bits))
        connect(m, wiring.flipped(self.i_stream), scores.i_stream)
        connect(m, scores.o_stream, discarder.i_stream)
        connect(m, discarder.o_stream, responder.i_scores)
        connect(m, dispatcher.o_answer, responder.i_answer)
        connect(m, numbers.r_stream, responder.i_number)
        connect(m, responder.o_stream, answers.i_stream)
        connect(m, answers.o_stream, appender.i_stream)
        connect(m, appender.o_stream, tokens.i_stream)
        connect(m, tokens.o_stream, encoder.i_stream)
        connect(m, encoder.o_stream, wiring.flipped(self.o_bytes))
        return m

    def _to_core(self, m: Module, buffer: FrameBuffer) -> None:
        """From the frame buffer's bytes to the core's beats, cut off from its ready."""
        config = self._config
        m.submodules.unpacker = unpacker = Unpacker(config=config, beat_lanes=self._lanes)
        beat_bits = self._lanes * config.code_bits
        register = StreamRelay if beat_bits > _WIDE else StreamBuffer
        m.submodules.front = front = register(beat_bits)
        connect(m, buffer.o_stream, unpacker.i_stream)
        beats = unpacker.o_stream
        if unpacker.lanes != self._lanes:
            m.submodules.width = width = WidthConverter(
                config=WidthConfig(
                    i_lanes=unpacker.lanes, o_lanes=self._lanes, lane_bits=config.code_bits
                )
            )
            m.submodules.codes = codes = StreamBuffer(unpacker.lanes * config.code_bits)
            connect(m, beats, codes.i_stream)
            connect(m, codes.o_stream, width.i_stream)
            beats = width.o_stream
        connect(m, beats, front.i_stream)
        connect(m, front.o_stream, wiring.flipped(self.o_stream))
