"""Packets in and out: the dispatcher of what arrives, and the builder of answers.

The dispatcher never stalls the line. A FRAME goes into a slot of the frame buffer as it
comes, and counts only when its CRC has been found right and its length exact. A request
is answered in turn; one that comes before the answer to the last has begun is dropped
and counted. So is what the accelerator has no room for: a host that keeps to its credits
never meets that.
"""

from __future__ import annotations

from amaranth import Array, Const, Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.link.cobs import CheckedToken, Token
from hw.plan.link import LinkConfig
from sw.protocol import (
    COUNTERS_BYTES,
    CRC_BYTES,
    HEADER_BYTES,
    IDENTITY_BYTES,
    VERSION,
    Command,
    ErrorCode,
    Identity,
)

__all__ = ["Answer", "Counts", "Dispatcher", "Responder", "score_layout"]

#: An answer to give: its command, the request's number, and the code of an ERROR.
Answer = data.StructLayout({"command": 4, "number": 16, "code": 3})

#: The dispatcher's counters, in the order of `sw.protocol.Counters`.
Counts = data.StructLayout({"bad_packets": 16, "overruns": 16, "frames_in": 16})

#: Length of a packet without a body.
BARE_BYTES = HEADER_BYTES + CRC_BYTES


def score_layout(score_bits: int) -> data.StructLayout:
    """A score from the core; ``last`` marks the frame's last."""
    return data.StructLayout({"data": signed(score_bits), "last": 1})


class Dispatcher(wiring.Component):
    """Dispatcher of received packets. Always ready, a token a cycle.

    Parameters
    ----------
    config : LinkConfig

    Members
    -------
    i_stream : In(stream.Signature(CheckedToken))
    room : In(1)
        There is a slot, and a place for a number, for one more frame.
    o_frame : Out(stream.Signature(8))
        Bytes of a FRAME's body, at most ``frame_bytes``; always taken.
    commit, rollback : Out(1)
        What they came to.
    o_number : Out(stream.Signature(16))
        With ``commit``, the frame's number; always taken.
    o_answer : Out(stream.Signature(Answer))
        Answer due to a request. Withdrawn only by ``reset``.
    reset : Out(1)
        One cycle: abort everything in flight. The answer to it follows.
    counts : Out(Counts)
    """

    def __init__(self, *, config: LinkConfig) -> None:
        self._config = config
        self._lost = Signal()  # an answer found another waiting
        super().__init__(
            {
                "i_stream": In(stream.Signature(CheckedToken)),
                "room": In(1),
                "o_frame": Out(stream.Signature(8)),
                "commit": Out(1),
                "rollback": Out(1),
                "o_number": Out(stream.Signature(16)),
                "o_answer": Out(stream.Signature(Answer)),
                "reset": Out(1),
                "counts": Out(Counts),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        frame_bytes = self._config.frame_bytes
        index = Signal(range(BARE_BYTES + frame_bytes + 2))  # stops at one too many
        kind = Signal(8)
        number = Signal(16)
        admitted = Signal()  # there was room when the packet began
        in_body = Signal()
        verdict = Signal()  # the cycle after the end, in which the packet is judged
        bad = Signal()
        is_bare = Signal()
        is_frame = Signal()
        token = self.i_stream.payload

        # What `kind` says, a step late: it is there before the packet's end can be.
        is_ours, for_frame, is_request, for_reset = (Signal() for _ in range(4))
        requests = (Command.HELLO, Command.RESET, Command.STATS)
        m.d.sync += [
            is_ours.eq(kind[4:] == VERSION),
            for_frame.eq(kind[:4] == Command.FRAME),
            is_request.eq(kind[:4].matches(*requests)),
            for_reset.eq(kind[:4] == Command.RESET),
        ]
        m.d.comb += [
            self.i_stream.ready.eq(1),
            self.o_frame.payload.eq(token.data),
            self.o_frame.valid.eq(
                self.i_stream.valid & ~token.end & in_body & admitted & for_frame & is_ours
            ),
        ]
        m.d.sync += verdict.eq(self.i_stream.valid & token.end)
        with m.If(self.i_stream.valid & token.end):
            m.d.sync += [
                bad.eq(token.error),
                is_bare.eq(index == BARE_BYTES),
                is_frame.eq(index == BARE_BYTES + frame_bytes),
                index.eq(0),
                in_body.eq(0),
            ]
        with m.Elif(self.i_stream.valid):
            with m.If(index != BARE_BYTES + frame_bytes + 1):
                m.d.sync += index.eq(index + 1)
            with m.Switch(index):
                with m.Case(0):
                    m.d.sync += kind.eq(token.data)
                with m.Case(1):
                    m.d.sync += number[:8].eq(token.data)
                with m.Case(HEADER_BYTES - 1):
                    m.d.sync += [number[8:].eq(token.data), admitted.eq(self.room), in_body.eq(1)]
                with m.Case(HEADER_BYTES - 1 + frame_bytes):
                    m.d.sync += in_body.eq(0)

        answer = Signal(Answer)
        answers, overrun, accept = Signal(), Signal(), Signal()
        m.d.comb += [
            answer.number.eq(number),
            self.o_number.payload.eq(number),
            self.o_number.valid.eq(accept),
            self.commit.eq(accept),
            self.rollback.eq(verdict & ~accept),
        ]

        def refuse(code: ErrorCode) -> None:
            m.d.comb += [answers.eq(1), answer.command.eq(Command.ERROR), answer.code.eq(code)]

        with m.If(verdict & ~bad):
            with m.If(~is_ours):
                refuse(ErrorCode.VERSION)
            with m.Elif(for_frame):
                with m.If(~is_frame):
                    refuse(ErrorCode.LENGTH)
                with m.Elif(admitted):
                    m.d.comb += accept.eq(1)
                with m.Else():
                    refuse(ErrorCode.BUSY)
                    m.d.comb += overrun.eq(1)
            with m.Elif(is_request):
                with m.If(is_bare):
                    m.d.comb += [answers.eq(1), answer.command.eq(kind[:4] | 8)]
                with m.Else():
                    refuse(ErrorCode.LENGTH)
            with m.Else():
                refuse(ErrorCode.COMMAND)
        resets = verdict & ~bad & is_ours & for_reset & is_bare
        self._keep(m, answer, answers, resets)
        self._count(m, verdict & bad, overrun, accept)
        return m

    def _keep(self, m: Module, answer, answers, resets) -> None:
        """The answer that waits."""
        pending, waiting = Signal(), Signal()
        m.d.comb += [
            self.o_answer.valid.eq(pending),
            # What takes answers is itself being reset with `reset`.
            waiting.eq(pending & ~(self.o_answer.ready & ~self.reset)),
        ]
        m.d.sync += self.reset.eq(resets)
        with m.If(resets | (answers & ~waiting)):
            m.d.sync += [self.o_answer.payload.eq(answer), pending.eq(1)]
        with m.Elif(~waiting):
            m.d.sync += pending.eq(0)
        m.d.sync += self._lost.eq(answers & waiting)

    def _count(self, m: Module, bad, overrun, accept) -> None:
        """The counters, a step behind the events: no packet is so short that it could tell."""
        counts = self.counts
        events = {name: Signal(name=f"event_{name}") for name in Counts.members}
        m.d.sync += [
            events["bad_packets"].eq(bad),
            events["overruns"].eq(overrun),
            events["frames_in"].eq(accept),
        ]
        for name, event in events.items():
            with m.If(event | (self._lost if name == "overruns" else 0)):
                m.d.sync += counts[name].eq(counts[name] + 1)
        with m.If(self.reset):
            m.d.sync += counts.eq(0)


class Responder(wiring.Component):
    """Builder of the packets that go out: answers first, then results.

    Parameters
    ----------
    config : LinkConfig
    model_sha256 : str
        Hex digest; what IDENTITY says.

    Members
    -------
    i_answer : In(stream.Signature(Answer))
    i_number : In(stream.Signature(16))
        Numbers of the frames in the core, in their order.
    i_scores : In(stream.Signature(score_layout(score_bits)))
        A frame's scores, in order; a RESULT begins with the first.
    counts : In(Counts)
    o_stream : Out(stream.Signature(Token))
        Packets without their CRC.
    """

    def __init__(self, *, config: LinkConfig, model_sha256: str) -> None:
        self._config = config
        self._identity = Identity(
            model_sha256=model_sha256,
            elements=config.elements,
            frame_bytes=config.frame_bytes,
            scores=config.scores,
            code_bits=config.code_bits,
            score_bytes=config.score_bytes,
            slots=config.slots,
        )
        super().__init__(
            {
                "i_answer": In(stream.Signature(Answer)),
                "i_number": In(stream.Signature(16)),
                "i_scores": In(stream.Signature(score_layout(config.score_bits))),
                "counts": In(Counts),
                "o_stream": Out(stream.Signature(Token)),
            }
        )

    @property
    def identity(self) -> Identity:
        return self._identity

    def elaborate(self, platform) -> Module:
        m = Module()
        current = Signal(Answer)
        position = Signal(range(IDENTITY_BYTES + COUNTERS_BYTES))
        following = Signal.like(position)
        free = Signal()  # the output register takes a token
        token = self.o_stream.payload
        m.d.comb += free.eq(~self.o_stream.valid | self.o_stream.ready)
        with m.If(free):
            m.d.sync += [self.o_stream.valid.eq(0), token.end.eq(0)]

        frames_out = Signal(16)
        fetch = Signal()
        reported, is_last_report = self._report(m, fetch, position, frames_out)
        # Unsigned, once it is as wide as it is sent: CXXRTL cuts the source of a signed part
        # select to the part before it shifts.
        wide = Signal(8 * self._config.score_bytes)
        byte = Signal(range(self._config.score_bytes))
        m.d.comb += wide.eq(self.i_scores.payload.data)
        is_last_byte = byte == self._config.score_bytes - 1

        def put(value) -> None:
            m.d.sync += [self.o_stream.valid.eq(1), token.data.eq(value)]

        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += self.i_answer.ready.eq(1)
                with m.If(self.i_answer.valid):
                    m.d.sync += current.eq(self.i_answer.payload)
                    m.next = "TYPE"
                with m.Elif(self.i_scores.valid & self.i_number.valid):
                    m.d.comb += self.i_number.ready.eq(1)
                    m.d.sync += [
                        current.command.eq(Command.RESULT),
                        current.number.eq(self.i_number.payload),
                    ]
                    m.next = "TYPE"
            with m.State("TYPE"), m.If(free):
                put(current.command | VERSION << 4)
                m.next = "LOW"
            with m.State("LOW"), m.If(free):
                put(current.number[:8])
                m.next = "HIGH"
            with m.State("HIGH"), m.If(free):
                put(current.number[8:])
                with m.Switch(current.command):
                    with m.Case(Command.RESULT):
                        m.next = "SCORES"
                    with m.Case(Command.IDENTITY):
                        m.d.sync += position.eq(0)
                        m.next = "FETCH"
                    with m.Case(Command.COUNTERS):
                        m.d.sync += position.eq(IDENTITY_BYTES)
                        m.next = "FETCH"
                    with m.Case(Command.ERROR):
                        m.next = "CODE"
                    with m.Default():
                        m.next = "END"
            with m.State("SCORES"), m.If(free & self.i_scores.valid):
                put(wide.word_select(byte, 8))
                m.d.comb += self.i_scores.ready.eq(is_last_byte)
                with m.If(~is_last_byte):
                    m.d.sync += byte.eq(byte + 1)
                with m.Else():
                    m.d.sync += byte.eq(0)
                    with m.If(self.i_scores.payload.last):
                        m.d.sync += frames_out.eq(frames_out + 1)
                        m.next = "END"
            with m.State("FETCH"):
                m.d.comb += fetch.eq(1)
                m.d.sync += following.eq(position + 1)
                m.next = "PICK"
            with m.State("PICK"):
                m.next = "REPORT"
            with m.State("REPORT"), m.If(free):
                put(reported)
                m.d.sync += position.eq(following)
                m.next = "FETCH"
                with m.If(is_last_report):
                    m.next = "END"
            with m.State("CODE"), m.If(free):
                put(current.code)
                m.next = "END"
            with m.State("END"), m.If(free):
                m.d.sync += [self.o_stream.valid.eq(1), token.end.eq(1)]
                m.next = "IDLE"
        return m

    def _report(
        self, m: Module, fetch: Signal, position: Signal, frames_out: Signal
    ) -> tuple[Signal, Signal]:
        """Byte ``position`` of identity and counters, two cycles after ``fetch``, and its end."""
        counters = [self.counts[name] for name in ("bad_packets", "overruns", "frames_in")]
        assert IDENTITY_BYTES % 2 == 0, "counters begin at an even position"
        constant, counter, report = Signal(8), Signal(16), Signal(8)
        is_counter, is_last = Signal(), Signal()
        with m.If(fetch):
            m.d.sync += [
                constant.eq(Array([Const(byte, 8) for byte in self._identity.pack()])[position]),
                is_counter.eq(position >= IDENTITY_BYTES),
                is_last.eq(position == IDENTITY_BYTES + COUNTERS_BYTES - 1),
            ]
        # A counter may move between its two bytes: both are of the lower's time.
        with m.If(fetch & ~position[0]):
            index = (position - IDENTITY_BYTES)[1:3]
            m.d.sync += counter.eq(Array([*counters, frames_out])[index])
        byte = Mux(position[0], counter[8:], counter[:8])
        m.d.sync += report.eq(Mux(is_counter, byte, constant))
        return report, is_last
