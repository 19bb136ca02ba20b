"""Networks of a given shape, with random weights, for the tests of planner and core."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from hw.plan.cost import Cost
from hw.plan.edges import join
from hw.plan.foldings import foldings
from hw.plan.layer import Segment, feeders, named, segments
from hw.plan.objectness import least_scores
from hw.plan.plan import Plan
from hw.plan.stages import cut
from sw.model.ir import (
    BIPOLAR,
    Conv,
    Dense,
    Graph,
    Head,
    Input,
    IntegerRange,
    Op,
    Padding,
    Pool,
    TensorType,
    Threshold,
    infer,
)
from sw.model.model import Model, Vectors
from tests.graphs import random_preprocessing

RANGES = {
    "bipolar": BIPOLAR,
    "ternary": IntegerRange(low=-1, high=1),
    "unsigned2": IntegerRange(low=0, high=3),
    "odd": IntegerRange(low=-5, high=4, step=3),
    "uint8": IntegerRange(low=0, high=255),
    "int8": IntegerRange(low=-128, high=127),
}


class Builder:
    """A chain of ops with random weights and thresholds that split the data."""

    def __init__(
        self,
        rng: np.random.Generator,
        height: int,
        width: int,
        channels: int,
        kind: str = "bipolar",
    ) -> None:
        self.rng = rng
        source = TensorType(height=height, width=width, channels=channels, range=RANGES[kind])
        self.ops: list[Op] = []
        self.types: dict[str, TensorType] = {}
        self._add(Input(name="input", type=source))

    def _add(self, op: Op) -> Builder:
        self.ops.append(op)
        self.types[op.name] = infer(op, self.types)
        return self

    @property
    def type(self) -> TensorType:
        return self.types[self.ops[-1].name]

    def _name(self, kind: str) -> dict[str, Any]:
        return {"name": f"{kind}{len(self.ops)}", "source": self.ops[-1].name}

    def _signs(self, *shape: int) -> np.ndarray:
        return self.rng.choice(np.array([-1, 1], np.int8), shape)

    def conv(
        self,
        outputs: int,
        kernel: tuple[int, int] = (3, 3),
        stride: tuple[int, int] = (1, 1),
        padding: Padding | None = None,
    ) -> Builder:
        weights = self._signs(outputs, *kernel, self.type.channels)
        return self._add(
            Conv(
                **self._name("conv"),
                weights=weights,
                stride=stride,
                padding=padding or Padding(),
            )
        )

    def dense(self, outputs: int) -> Builder:
        return self._add(Dense(**self._name("dense"), weights=self._signs(outputs, self.type.size)))

    def threshold(self, levels: int = 1, low: int = -1, step: int = 2) -> Builder:
        """Levels about the middle of the source, some channels constant, some inverted."""
        source, channels = self.type, self.type.channels
        middle = (source.range.low + source.range.high) / 2
        spread = max(1.0, (source.range.high - source.range.low) / 12)
        values = np.rint(self.rng.normal(middle, spread, (channels, levels)))
        never = self.rng.random(channels) < 0.1
        values[never] = source.range.high + 1
        always = self.rng.random(channels) < 0.1
        values[always] = source.range.low
        return self._add(
            Threshold(
                **self._name("threshold"),
                levels=np.sort(values, axis=1).astype(np.int32),
                inverted=self.rng.random(channels) < 0.3,
                low=low,
                step=step,
            )
        )

    def pool(self, size: tuple[int, int] = (2, 2)) -> Builder:
        minimum = self.rng.random(self.type.channels) < 0.3
        return self._add(Pool(**self._name("pool"), size=size, stride=size, minimum=minimum))

    def head(self, kind: str = "raw") -> Graph:
        size = self.type.size
        argmax = kind == "argmax"
        self._add(
            Head(
                name="head",
                source=self.ops[-1].name,
                kind="argmax" if argmax else "raw",
                bias=self.rng.integers(-9, 9, size).astype(np.int32),
                scale=np.ones(size, np.float32),
                offset=np.zeros(size, np.float32),
            )
        )
        return Graph(ops=tuple(self.ops))


def model_of(graph: Graph, name: str = "test") -> Model:
    """A model around a graph; its vectors are empty."""
    source = graph.input.type
    scores = graph.types[graph.head.name].channels
    return Model(
        name=name,
        graph=graph,
        preprocessing=random_preprocessing(np.random.default_rng(0), graph),
        vectors=Vectors(
            frames=np.zeros((0, *source.shape), np.uint8),
            scores=np.zeros((0, scores), np.int32),
        ),
    )


def resnet18_chain(rng: np.random.Generator) -> Model:
    """The convolutions of a ResNet-18 for images of 224 x 224, one after the other."""
    seven, three = (Padding(top=n, left=n, bottom=n, right=n) for n in (3, 1))
    builder = Builder(rng, 224, 224, 3, "uint8")
    builder.conv(64, (7, 7), (2, 2), seven).threshold().pool()
    for index, channels in enumerate(np.repeat([64, 128, 256, 512], 4).tolist()):
        down = index in (4, 8, 12)
        builder.conv(channels, stride=(2, 2) if down else (1, 1), padding=three).threshold()
    return model_of(builder.pool((7, 7)).dense(1000).head(), "resnet18")


def random_plan(
    rng: np.random.Generator,
    model: Model,
    *,
    most_cycles: int,
    wanted: Callable[[Segment], bool] = lambda segment: True,
    objectness: float | None = None,
) -> Plan:
    """A plan with a random folding of each segment, within ``most_cycles`` where that can be.

    Of these a ``wanted`` one where there is any. Of a detector with an ``objectness`` or without.
    """
    chosen: list[Segment] = []
    stages = cut(model.graph, least_scores(model, objectness))
    groups = segments(stages)
    for index, (group, feeder) in enumerate(zip(groups, feeders(groups), strict=True)):
        # Only a segment joined to the one before it must keep up with its beats.
        takes = chosen[-1].takes if index and feeder == index - 1 else 1
        every = [segment for segment in foldings(group) if segment.i_lanes >= takes]
        quick = [segment for segment in every if segment.cycles <= most_cycles]
        quick = quick or [min(every, key=lambda segment: segment.cycles)]
        options = [segment for segment in quick if wanted(segment)] or quick
        choice = options[int(rng.integers(len(options)))]
        chosen.append(named(choice, group))
    return Plan(
        model=model.name,
        board="none",
        size=None,
        clock_mhz=1.0,
        i_lanes=chosen[0].i_lanes,
        i_bits=chosen[0].i_bits,
        i_elements=chosen[0].i_elements,
        layers=join(stages, tuple(chosen)),
        predicted=Cost(),
        cycles_per_frame=max(segment.cycles for segment in chosen),
        limited_by="chance",
        objectness=objectness,
    )
