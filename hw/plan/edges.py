"""A network's layers joined up: forks, queues and width converters.

A tensor that several stages read is forked. A queue stands wherever one of these may have
to wait for another: before each stage that joins tensors, but where what it reads arrives
just as it is taken, and before an array that the folding search did not tie to its source.

How deep (the argument that no network then stands still is in docs/architecture.md):

1. For the plan's cycles P per frame there are times at which every beat may leave its layer,
   with queues of any depth (`hw.plan.schedule`).
2. The beats in a queue are those that have come and were not yet taken; the most that there
   ever are under these times, `most_held`, is the depth. So the same times are possible
   with the queues as deep as that, and no beat has to leave later.
3. Of a tensor that is forked to a join and to what the join waits for, the k-th of its beats
   that the join takes leaves the queue once N(k) of the tensor have come. The fork hands out
   a beat when all have the one before it. So with less than the greatest N(k) - 1 - k places
   the network stands still, which is `EdgePlan.least`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np

from hw.plan.cost import Cost, width_cost
from hw.plan.join import FifoConfig
from hw.plan.join_cost import fifo_cost, fork_cost
from hw.plan.layer import EdgePlan, LayerPlan, Segment, converter, feeders, segments
from hw.plan.schedule import Schedule, Times, most_held
from hw.plan.stages import AddStage, ConcatStage, Stage, WindowStage

__all__ = ["join"]


def join(stages: tuple[Stage, ...], chosen: tuple[Segment, ...]) -> tuple[LayerPlan, ...]:
    """The layers of a whole network, in the order of ``stages``, with all between them.

    Parameters
    ----------
    stages : tuple of Stage
        From `hw.plan.stages.cut`.
    chosen : tuple of Segment
        A folding of each of `segments`.
    """
    joining = _Joining(stages, chosen)
    made: list[LayerPlan] = []
    for stage in stages:
        made.append(joining.layer(stage))
    return tuple(made)


@dataclass(frozen=True, kw_only=True)
class _Tensor:
    """Beats of a tensor, and how many stages read it."""

    lanes: int
    bits: int
    elements: int
    readers: int


class _Joining:
    """Layers, joined up from the front, with the times of their beats."""

    def __init__(self, stages: tuple[Stage, ...], chosen: tuple[Segment, ...]) -> None:
        self._stages = stages
        groups = segments(stages)
        feeds = feeders(groups)
        self._bare = {layer.name: layer for segment in chosen for layer in segment.layers}
        readers = Counter(name for stage in stages for name in stage.sources)
        self._group = {stage.name: index for index, group in enumerate(groups) for stage in group}
        # Joined to its source by the search: the array behind the segment before its own.
        self._tied = {
            group[0].name
            for index, (group, feed) in enumerate(zip(groups, feeds, strict=True))
            if (index == 0 and feed is None) or (feed is not None and feed == index - 1)
        }
        # Cycles that the tied array takes for a beat of the segment before it.
        self._pace = [1] * len(groups)
        for index, feed in enumerate(feeds):
            if feed is not None and feed == index - 1:
                self._pace[feed] = -(-chosen[feed].o_lanes // chosen[index].i_lanes)
        self._made_by = {stage.tensor: stage for stage in stages}
        (source,) = {name for stage in stages for name in stage.sources} - set(self._made_by)
        first = chosen[0]
        self._input = source
        self._tensors = {
            source: _Tensor(
                lanes=first.i_lanes,
                bits=first.i_bits,
                elements=first.i_elements,
                readers=readers[source],
            )
        }
        for stage in stages:
            layer = self._bare[stage.name]
            self._tensors[stage.tensor] = _Tensor(
                lanes=layer.lanes,
                bits=layer.bits,
                elements=layer.elements,
                readers=readers[stage.tensor],
            )
        self._period = max(segment.cycles for segment in chosen)
        self._schedule = Schedule(period=self._period)
        # A chain has no queues, and needs no times.
        self._times: dict[str, Times] = {}
        self._joins = any(count > 1 for count in readers.values())
        if self._joins:
            self._times[source] = self._schedule.input(first.i_elements // first.i_lanes)
        self._order = {stage.name: index for index, stage in enumerate(stages)}

    def layer(self, stage: Stage) -> LayerPlan:
        """The layer of a stage, all stages before it having been seen."""
        bare = self._bare[stage.name]
        edges = [self._edge(stage, bare, index) for index in range(len(stage.sources))]
        if self._joins:
            edges = self._timed(stage, bare, edges)
        cost, cycles = bare.cost, bare.cycles
        for edge in edges:
            cost += _cost(edge)
            if edge.converter is not None:
                lanes = min(edge.lanes, edge.converter.o_lanes)
                cycles = max(cycles, self._tensors[edge.source].elements // lanes)
            tensor = self._tensors[edge.source]
            if edge.source == self._input and stage is self._first_reader(edge.source):
                cost += fork_cost(tensor.readers)
        cost += fork_cost(self._tensors[stage.tensor].readers)
        return replace(bare, edges=tuple(edges), cost=cost, cycles=cycles)

    def _first_reader(self, name: str) -> Stage:
        return next(stage for stage in self._stages if name in stage.sources)

    def _edge(self, stage: Stage, layer: LayerPlan, index: int) -> EdgePlan:
        """What must be there whatever the times: a converter."""
        tensor = self._tensors[stage.sources[index]]
        wanted = layer.line_buffer.i_lanes if layer.line_buffer is not None else layer.lanes
        if layer.head is not None:
            wanted = layer.head.lanes
        return EdgePlan(
            source=stage.sources[index],
            lanes=tensor.lanes,
            bits=tensor.bits,
            converter=(
                None if tensor.lanes == wanted else converter(tensor.lanes, wanted, tensor.bits)
            ),
        )

    def _timed(self, stage: Stage, layer: LayerPlan, edges: list[EdgePlan]) -> list[EdgePlan]:
        """The edges with their queues; the times of the stage's beats are found on the way."""
        if isinstance(stage, AddStage | ConcatStage):
            return self._joined(stage, layer, edges)
        untied = isinstance(stage, WindowStage) and stage.name not in self._tied
        arrivals = self._times[edges[0].source]
        times = self._schedule.through(arrivals, edges[0], queued=untied)
        if layer.head is None:
            self._times[stage.tensor] = self._schedule.left(layer, times)
        if not untied:
            return edges
        held = most_held(arrivals, _last_taken(edges[0], times), self._period)
        return [_with_queue(edges[0], held, 0)]

    def _joined(self, stage: Stage, layer: LayerPlan, edges: list[EdgePlan]) -> list[EdgePlan]:
        """The edges into a join: with a queue each, but where what it reads is taken at once."""
        schedule, pace = self._schedule, self._pace[self._group[stage.name]]
        queued = [self._apart(stage, edge) for edge in edges]
        while True:
            sources = [
                schedule.through(self._times[edge.source], edge, queued=through)
                for edge, through in zip(edges, queued, strict=True)
            ]
            fired = schedule.fired(layer, sources, pace)
            held = []
            for index, edge in enumerate(edges):
                taken = _last_taken(edge, schedule.taken(layer, index, fired))
                held.append(most_held(self._times[edge.source], taken, self._period))
            waits = [through or most > 1 for through, most in zip(queued, held, strict=True)]
            if waits == queued:
                break
            queued = waits
        self._times[stage.tensor] = schedule.left(layer, fired)
        return [
            _with_queue(edge, held[index], self._least(stage, index)) if queued[index] else edge
            for index, edge in enumerate(edges)
        ]

    def _apart(self, stage: Stage, edge: EdgePlan) -> bool:
        """Whether an edge comes from another segment, or from a fork."""
        maker = self._made_by.get(edge.source)
        other = maker is None or self._group[maker.name] != self._group[stage.name]
        return other or self._tensors[edge.source].readers > 1

    def _least(self, stage: Stage, index: int) -> int:
        """Step 3; 0 where the other sources are not made of this one."""
        name, order = stage.sources[index], Schedule(period=None)
        tensor = self._tensors[name]
        times = {name: order.input(tensor.elements // tensor.lanes)}
        for other in self._stages[: self._order[stage.name] + 1]:
            if not any(source in times for source in other.sources):
                continue
            layer, sources = self._bare[other.name], []
            for place, source in enumerate(other.sources):
                edge = self._edge(other, layer, place)
                beats = self._tensors[source].elements // edge.lanes
                sources.append(order.through(times.get(source, np.zeros(beats)), edge))
            if other is stage:
                edge, fired = self._edge(stage, layer, index), order.fired(layer, sources)
                taken = _last_taken(edge, order.taken(layer, index, fired))
                came = times[name]
                return int((came - np.searchsorted(np.sort(taken), came, "right")).max())
            fired = sources[0]
            if isinstance(other, AddStage | ConcatStage):
                fired = order.fired(layer, sources)
            times[other.tensor] = order.left(layer, fired)
        return 0


def _last_taken(edge: EdgePlan, taken: Times) -> Times:
    """When the last of each of the edge's beats is taken, from when converted beats are."""
    if edge.converter is None:
        return taken
    elements = len(taken) * edge.converter.o_lanes
    ends = np.arange(1, elements // edge.lanes + 1) * edge.lanes
    if edge.converter.i_beats > 1 and edge.converter.o_beats > 1:
        # A whole group is collected before its first beat leaves.
        block = edge.converter.block_lanes
        return taken[(ends - 1) // block * edge.converter.o_beats]
    return taken[(ends - 1) // edge.converter.o_lanes]


def _with_queue(edge: EdgePlan, held: int, least: int) -> EdgePlan:
    depth = max(1, held, least)
    full_rate = FifoConfig(width=edge.lanes * edge.bits, depth=depth).full_rate_depth
    fifo = FifoConfig(width=edge.lanes * edge.bits, depth=max(depth, full_rate))
    return replace(edge, fifo=fifo, least=least)


def _cost(edge: EdgePlan) -> Cost:
    cost = Cost()
    if edge.converter is not None:
        cost += width_cost(edge.converter)
    if edge.fifo is not None:
        cost += fifo_cost(edge.fifo)
    return cost
