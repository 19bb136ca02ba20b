"""The accelerator core: a plan's blocks, filled with a model's data and joined up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Cat, Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.blocks.array import SystolicArray
from hw.blocks.columns import ColumnOrder
from hw.blocks.fifo import StreamFifo
from hw.blocks.fork import Fork
from hw.blocks.head import Head, head_layout
from hw.blocks.integer import IntegerArray
from hw.blocks.join import Add, Concat
from hw.blocks.line_buffer import LineBuffer
from hw.blocks.load import LoadBus
from hw.blocks.objectness import Objectness, object_layout
from hw.blocks.pool import Pool
from hw.blocks.scale import Scale
from hw.blocks.stream_threshold import StreamThreshold
from hw.blocks.width import WidthConverter
from hw.blocks.window_pool import WindowPool
from hw.plan.join import AddConfig, ConcatConfig
from hw.plan.layer import EdgePlan, LayerPlan
from hw.plan.objectness import least_scores
from hw.plan.plan import Plan
from hw.plan.pool import WindowPoolConfig
from hw.plan.scale import ScaleConfig
from hw.plan.stages import (
    AddStage,
    ArrayStage,
    ConcatStage,
    HeadStage,
    IntegerStage,
    PoolStage,
    ScaleStage,
    Stage,
    ThresholdStage,
    cut,
)
from hw.plan.stream_threshold import StreamThresholdConfig
from hw.spram.image import WeightImage
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
        matches A and not the accumulators, an integer array those in two's complement;
        then ``is_code`` is False.
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
    loaded : bool
        Weights in SPRAM are there from the start, for simulation: on a device they are not.

    Attributes
    ----------
    image : WeightImage or None
        What its SPRAMs hold; None without any.

    Members
    -------
    i_stream : In(stream) of unsigned(plan.i_lanes * plan.i_bits)
        Codes of the frame's elements, in raster order, channel fastest.
    o_stream : Out(stream) of a structure
        ``data``, signed, one score a beat, or the index of the greatest; ``last``
        marks the last of a frame. Of a detector's plan also ``object``: the score is
        an objectness that reaches the plan's.
    load : In(LoadBus(image.sprams))
        Where there are weights in SPRAM and it is not ``loaded``: brings them, the words of
        `image` in their order, before the first frame.
    """

    def __init__(
        self, plan: Plan, model: Model, *, taps: bool = False, loaded: bool = True
    ) -> None:
        self.plan = plan
        self._stages = cut(model.graph, least_scores(model, plan.objectness))
        assert [s.name for s in self._stages] == [layer.name for layer in plan.layers]
        layout = head_layout if plan.objectness is None else object_layout
        members = {
            "i_stream": In(stream.Signature(plan.i_lanes * plan.i_bits)),
            "o_stream": Out(stream.Signature(layout(plan.head.score_bits))),
        }
        self._arrays = {
            layer.name: _array(stage, layer, loaded=loaded)
            for stage, layer in zip(self._stages, plan.layers, strict=True)
            if isinstance(stage, ArrayStage)
        }
        words = [column for array in self._arrays.values() for column in array.spram_words()]
        self.image = WeightImage.of(words) if words else None
        if self.image is not None and not loaded:
            members["load"] = In(LoadBus(self.image.sprams))
        self.taps: tuple[Tap, ...] = ()
        if taps:
            types = model.graph.types
            self.taps = tuple(_tap(i, layer, types) for i, layer in enumerate(plan.layers))
            for tap in self.taps:
                monitor = {"valid": Out(1), "ready": Out(1), "payload": Out(tap.lanes * tap.bits)}
                members[tap.port] = Out(wiring.Signature(monitor))
        super().__init__(members)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        readers = Counter(name for stage in self._stages for name in stage.sources)
        streams: dict[str, Iterator[stream.Interface]] = {}
        loads: list[Any] = []
        source = self.plan.layers[0].edges[0].source
        width = self.plan.i_lanes * self.plan.i_bits
        streams[source] = _forked(m, "input", wiring.flipped(self.i_stream), width, readers[source])
        for index, (stage, layer) in enumerate(zip(self._stages, self.plan.layers, strict=True)):
            beats = [
                _read(m, f"{index}_{place}", edge, next(streams[edge.source]))
                for place, edge in enumerate(layer.edges)
            ]
            output: Any = None
            for name, block in _blocks(stage, layer, self._arrays.get(layer.name)):
                m.submodules[f"{name}_{index}"] = block
                if "load" in block.signature.members:
                    loads.append(block.load)
                for beat, i_stream in zip(beats, _inputs(block), strict=True):
                    wiring.connect(m, beat, i_stream)
                output = block.o_stream
                beats = [output]
            if self.taps:
                port, tap = getattr(self, self.taps[index].port), self.taps[index]
                payload = output.payload.data if layer.head is not None else output.payload
                m.d.comb += [
                    port.valid.eq(output.valid),
                    port.ready.eq(output.ready),
                    port.payload.eq(payload),
                ]
                assert len(port.payload) == tap.lanes * tap.bits
            if layer.head is not None:
                wiring.connect(m, output, wiring.flipped(self.o_stream))
                break
            streams[layer.tensor] = _forked(
                m, str(index), output, layer.lanes * layer.bits, readers[layer.tensor]
            )
        if loads:
            m.d.comb += [load.data.eq(self.load.data) for load in loads]
            m.d.comb += Cat(load.write for load in loads).eq(self.load.write)
            m.d.comb += self.load.end.eq(Cat(load.end for load in loads))
        return m


def _forked(
    m: Module, name: str, source: Any, width: int, readers: int
) -> Iterator[stream.Interface]:
    """The stream for each of its readers."""
    if readers == 1:
        return iter([source])
    m.submodules[f"fork_{name}"] = fork = Fork(shape=width, outputs=readers)
    wiring.connect(m, source, fork.i_stream)
    return iter([fork.o_streams[index] for index in range(readers)])


def _read(m: Module, name: str, edge: EdgePlan, source: Any) -> Any:
    """A stream behind its queue and its width converter."""
    if edge.fifo is not None:
        m.submodules[f"queue_{name}"] = fifo = StreamFifo(config=edge.fifo)
        wiring.connect(m, source, fifo.i_stream)
        source = fifo.o_stream
    if edge.converter is not None:
        m.submodules[f"width_{name}"] = width = WidthConverter(config=edge.converter)
        wiring.connect(m, source, width.i_stream)
        source = width.o_stream
    return source


def _inputs(block: Any) -> list[Any]:
    """A block's input streams."""
    if isinstance(block, Add):
        return list(block.i_streams)
    if isinstance(block, Concat):
        return [block.i_streams[index] for index in range(len(block.config.channels))]
    return [block.i_stream]


def _tap(index: int, layer: LayerPlan, types: Mapping[str, object]) -> Tap:
    """What watches a layer; accumulators turned into codes are still the graph's tensor."""
    matches = layer.array is not None and layer.array.thresholds is None
    return Tap(
        port=f"tap_{index}",
        tensor=layer.tensor if layer.tensor in types else layer.edges[0].source,
        kind=layer.kind,
        lanes=layer.lanes,
        bits=layer.bits,
        elements=layer.elements,
        is_code=not matches and layer.kind not in ("integer", "head"),
    )


def _array(stage: ArrayStage, layer: LayerPlan, *, loaded: bool) -> SystolicArray:
    """The array of a layer, with its data."""
    assert layer.array is not None
    return SystolicArray(
        config=layer.array,
        weights=stage.weights,
        thresholds=stage.thresholds,
        inverted=stage.inverted,
        loaded=loaded,
    )


def _blocks(stage: Stage, layer: LayerPlan, array: SystolicArray | None) -> list[tuple[str, Any]]:
    """The layer's blocks with their data, in stream order; an ``array`` is made already."""
    if isinstance(stage, ArrayStage):
        assert layer.line_buffer is not None and array is not None
        blocks = [("line_buffer", LineBuffer(config=layer.line_buffer)), ("array", array)]
        if layer.column_order is not None:
            blocks.append(("column_order", ColumnOrder(config=layer.column_order)))
        return blocks
    if isinstance(stage, IntegerStage):
        assert layer.line_buffer is not None and layer.integer is not None
        integer = IntegerArray(config=layer.integer, weights=stage.weights, start=stage.starts)
        return [("line_buffer", LineBuffer(config=layer.line_buffer)), ("array", integer)]
    if isinstance(stage, HeadStage):
        assert layer.head is not None
        head = ("head", Head(config=layer.head, constants=stage.constants))
        if layer.objectness is None:
            return [head]
        assert stage.objects is not None, "made for the levels of the same model"
        return [head, ("objectness", Objectness(config=layer.objectness, levels=stage.objects))]
    return [(layer.kind, _follower(stage, layer))]


def _follower(stage: Stage, layer: LayerPlan) -> Any:
    """The block of a stage that takes beats as they come."""
    if isinstance(stage, PoolStage) and layer.pool is not None:
        return Pool(config=layer.pool, minimum=stage.minimum)
    if isinstance(stage, PoolStage):
        assert isinstance(layer.block, WindowPoolConfig)
        return WindowPool(config=layer.block, minimum=stage.minimum)
    if isinstance(stage, ScaleStage):
        assert isinstance(layer.block, ScaleConfig)
        return Scale(config=layer.block, gain=stage.gain, offset=stage.offset)
    if isinstance(stage, ThresholdStage):
        assert isinstance(layer.block, StreamThresholdConfig)
        return StreamThreshold(config=layer.block, levels=stage.thresholds, inverted=stage.inverted)
    if isinstance(stage, AddStage):
        assert isinstance(layer.block, AddConfig)
        return Add(config=layer.block)
    assert isinstance(stage, ConcatStage) and isinstance(layer.block, ConcatConfig)
    return Concat(config=layer.block)
