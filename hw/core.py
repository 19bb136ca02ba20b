"""The accelerator core: a plan's blocks, filled with a model's data and joined up."""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import Module, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.blocks.array import SystolicArray
from hw.blocks.columns import ColumnOrder
from hw.blocks.head import Head
from hw.blocks.line_buffer import LineBuffer
from hw.blocks.pool import Pool
from hw.blocks.width import WidthConverter
from hw.plan.layer import LayerPlan
from hw.plan.plan import Plan
from hw.plan.stages import ArrayStage, HeadStage, PoolStage, Stage, cut
from sw.model.model import Model

__all__ = ["Core", "Tap"]


@dataclass(frozen=True, kw_only=True)
class Tap:
    """A monitored stream: one stage's output.

    Attributes
    ----------
    port : str
        Name of the core's port, with members ``valid``, ``ready`` and ``payload``.
    tensor : str
        The graph's tensor that passes. An array without thresholds passes its
        matches A and not the accumulators; then ``is_code`` is False.
    lanes, bits : int
        Of a beat: lane i in bits ``[i*bits, (i+1)*bits)``.
    elements : int
        Elements of a frame, in raster order, channel fastest.
    is_code : bool
        True: elements are codes of the tensor's range. False: they are matches.
        The head's are scores, signed, `bits` wide, and one a beat.
    """

    port: str
    tensor: str
    kind: str
    lanes: int
    bits: int
    elements: int
    is_code: bool


class Core(wiring.Component):
    """The whole network as a pipeline of stages.

    The graph alone decides what is instantiated. Back-pressure is legal on both
    ports at any time.

    Parameters
    ----------
    plan : Plan
        Made from ``model``.
    model : Model
    taps : bool
        Add an output-only port ``tap_<i>`` for each stage, in stream order, for
        simulators to record; `taps` tells what passes there.

    Members
    -------
    i_stream : In(stream) of unsigned(plan.i_lanes * plan.i_bits)
        Codes of the frame's elements, in raster order, channel fastest.
    o_stream : Out(stream) of a structure
        ``data``, signed, one score a beat, or the index of the greatest; ``last``
        marks the last of a frame.
    """

    def __init__(self, plan: Plan, model: Model, *, taps: bool = False) -> None:
        self.plan = plan
        self._stages = cut(model.graph)
        assert [s.name for s in self._stages] == [layer.name for layer in plan.layers]
        score = data.StructLayout({"data": signed(plan.head.score_bits), "last": 1})
        members = {
            "i_stream": In(stream.Signature(plan.i_lanes * plan.i_bits)),
            "o_stream": Out(stream.Signature(score)),
        }
        self.taps: tuple[Tap, ...] = ()
        if taps:
            self.taps = tuple(_tap(i, layer) for i, layer in enumerate(plan.layers))
            for tap in self.taps:
                monitor = {"valid": Out(1), "ready": Out(1), "payload": Out(tap.lanes * tap.bits)}
                members[tap.port] = Out(wiring.Signature(monitor))
        super().__init__(members)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        source = wiring.flipped(self.i_stream)
        for index, (stage, layer) in enumerate(zip(self._stages, self.plan.layers, strict=True)):
            for name, block in _blocks(stage, layer):
                m.submodules[f"{name}_{index}"] = block
                wiring.connect(m, source, block.i_stream)
                source = block.o_stream
            if self.taps:
                port, tap = getattr(self, self.taps[index].port), self.taps[index]
                payload = source.payload.data if layer.head is not None else source.payload
                m.d.comb += [
                    port.valid.eq(source.valid),
                    port.ready.eq(source.ready),
                    port.payload.eq(payload),
                ]
                assert len(port.payload) == tap.lanes * tap.bits
        wiring.connect(m, source, wiring.flipped(self.o_stream))
        return m


def _tap(index: int, layer: LayerPlan) -> Tap:
    matches = layer.array is not None and layer.array.thresholds is None
    return Tap(
        port=f"tap_{index}",
        tensor=layer.tensor,
        kind=layer.kind,
        lanes=layer.lanes,
        bits=layer.bits,
        elements=layer.elements,
        is_code=not matches and layer.head is None,
    )


def _blocks(stage: Stage, layer: LayerPlan) -> list[tuple[str, wiring.Component]]:
    """The layer's blocks with their data, in stream order."""
    blocks: list[tuple[str, wiring.Component]] = []
    if layer.converter is not None:
        blocks.append(("width", WidthConverter(config=layer.converter)))
    if isinstance(stage, ArrayStage):
        assert layer.line_buffer is not None and layer.array is not None
        array = SystolicArray(
            config=layer.array,
            weights=stage.weights,
            thresholds=stage.thresholds,
            inverted=stage.inverted,
        )
        blocks += [("line_buffer", LineBuffer(config=layer.line_buffer)), ("array", array)]
        if layer.column_order is not None:
            blocks.append(("column_order", ColumnOrder(config=layer.column_order)))
    elif isinstance(stage, PoolStage):
        assert layer.pool is not None
        blocks.append(("pool", Pool(config=layer.pool, minimum=stage.minimum)))
    else:
        assert isinstance(stage, HeadStage) and layer.head is not None
        blocks.append(("head", Head(config=layer.head, constants=stage.constants)))
    return blocks
