"""The accelerator as the host sees it: the link and the core behind it."""

from __future__ import annotations

from typing import Literal

from amaranth import Const, Module, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect

from hw.core import Core
from hw.link.endpoint import Endpoint
from hw.link.uart import UartReceiver, UartTransmitter
from hw.plan.link import LinkConfig, uart_divisor
from hw.plan.plan import Plan
from hw.spram.image import LoadConfig, WeightImage
from hw.spram.loader import WeightLoader
from hw.spram.reader import FlashPins, FlashReader
from sw.errors import PlanError
from sw.model.model import Model
from sw.protocol import Identity

__all__ = ["SoC"]


class SoC(wiring.Component):
    """Link and core in one clock domain, ``sync``.

    Nothing resets the core, see `hw.link.discard`. Where some of its weights are in SPRAM, they
    come from the board's flash memory first; until they have, the link hears nothing, and so
    answers nothing.

    Parameters
    ----------
    plan : Plan
        Of the core, made for ``model``.
    model : Model
        Loaded from a file: its hash is what the accelerator says it is.
    clock_hz : int
        Frequency of ``sync``.
    baud : int or None
        Of the UART; None without one.
    phy : "uart" or "bytes"
        "bytes" leaves the UART out, for simulation or another physical layer, such as
        `hw.link.usb`.

    Members
    -------
    rx : In(1)
        With "uart": the line from the host, idle high, asynchronous.
    tx : Out(1)
        With "uart": the line to the host, idle high.
    i_bytes : In(stream.Signature(8))
        With "bytes": from the host.
    o_bytes : Out(stream.Signature(8))
        With "bytes": to the host.
    found : Out(1)
        Of a plan with an objectness: the frame whose scores left the core last had a
        box that reached it.
    flash : Out(FlashPins())
        Of a plan with weights in SPRAM: the board's flash memory.
    loaded : Out(1)
        Of such a plan: the weights are there, and the link listens.

    Raises
    ------
    PlanError
        The clock gives no such baud, the model's frames or scores cannot be sent, or
        the model has no hash.
    """

    def __init__(
        self,
        plan: Plan,
        model: Model,
        *,
        clock_hz: int,
        baud: int | None,
        phy: Literal["uart", "bytes"] = "uart",
    ) -> None:
        if model.sha256 is None:
            raise PlanError(
                f"model '{model.name}' has no hash to identify the accelerator by",
                "Save it with sw.model.save, and load it from the file",
            )
        self._divisor = None
        if phy == "uart":
            assert baud is not None, "a UART has a rate"
            self._divisor = uart_divisor(clock_hz=clock_hz, baud=baud)
        self._core = Core(plan, model, loaded=False)
        self._endpoint = Endpoint(
            config=LinkConfig.of(model, score_bits=plan.head.score_bits),
            lanes=plan.i_lanes,
            model_sha256=model.sha256,
        )
        if phy == "uart":
            members = {"rx": In(1, init=1), "tx": Out(1, init=1)}
        else:
            members = {"i_bytes": In(stream.Signature(8)), "o_bytes": Out(stream.Signature(8))}
        self._marks = plan.objectness is not None
        if self._marks:
            members["found"] = Out(1)
        self._load = None
        if self.image is not None:
            self._load = LoadConfig.of(self.image, clock_hz=clock_hz)
            members |= {"flash": Out(FlashPins()), "loaded": Out(1)}
        super().__init__(members)

    @property
    def identity(self) -> Identity:
        """What the host is told."""
        return self._endpoint.identity

    @property
    def image(self) -> WeightImage | None:
        """What the board's flash memory must hold; None where it is not read."""
        return self._core.image

    @property
    def load(self) -> LoadConfig | None:
        """How that is loaded, and how long it takes."""
        return self._load

    @property
    def divisor(self) -> int | None:
        """Clock cycles per bit of the UART, or None without one."""
        return self._divisor

    def elaborate(self, platform) -> Module:
        m = Module()
        core, endpoint = self._core, self._endpoint
        m.submodules.endpoint = endpoint
        m.submodules.core = core
        connect(m, endpoint.o_stream, core.i_stream)
        if self._marks:
            self._watch(m)
        else:
            connect(m, core.o_stream, endpoint.i_stream)
        listens = Const(1)
        if self._load is not None:
            self._fill(m, self._load)
            listens = self.loaded
        if self._divisor is None:
            self._hear(m, self.i_bytes, listens)
            connect(m, endpoint.o_bytes, wiring.flipped(self.o_bytes))
            return m
        m.submodules.receiver = receiver = UartReceiver(divisor=self._divisor)
        m.submodules.transmitter = transmitter = UartTransmitter(divisor=self._divisor)
        self._hear(m, receiver.o_stream, listens)
        connect(m, endpoint.o_bytes, transmitter.i_stream)
        m.d.comb += [receiver.rx.eq(self.rx), self.tx.eq(transmitter.tx)]
        return m

    def _hear(self, m: Module, source: stream.Interface, listens: Value) -> None:
        """Bytes to the link; before it listens they are dropped, for a UART cannot wait."""
        sink = self._endpoint.i_bytes
        m.d.comb += [
            sink.payload.eq(source.payload),
            sink.valid.eq(source.valid & listens),
            source.ready.eq(sink.ready | ~listens),
        ]

    def _fill(self, m: Module, config: LoadConfig) -> None:
        """Weights from the flash memory."""
        m.submodules.reader = reader = FlashReader(config=config)
        m.submodules.loader = loader = WeightLoader(config=config)
        connect(m, reader.pins, wiring.flipped(self.flash))
        connect(m, reader.o_stream, loader.i_stream)
        connect(m, loader.bus, self._core.load)
        m.d.comb += [reader.run.eq(loader.run), self.loaded.eq(loader.loaded)]

    def _watch(self, m: Module) -> None:
        """Scores to the link without their marks, and what the marks of a whole frame say."""
        scores, answer = self._core.o_stream, self._endpoint.i_stream
        taken, seen, found = Signal(), Signal(), Signal()
        m.d.comb += [
            answer.valid.eq(scores.valid),
            answer.payload.data.eq(scores.payload.data),
            answer.payload.last.eq(scores.payload.last),
            scores.ready.eq(answer.ready),
            taken.eq(scores.valid & scores.ready),
            found.eq(seen | scores.payload.object),
        ]
        with m.If(taken):
            m.d.sync += seen.eq(found & ~scores.payload.last)
            with m.If(scores.payload.last):
                m.d.sync += self.found.eq(found)
