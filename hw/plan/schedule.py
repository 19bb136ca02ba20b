"""When the beats of a frame leave each layer: in time, or in nothing but their order.

In time, for a period of P cycles per frame:

1. Every block is "not before": a beat leaves not before the beats that it is made of have
   come, nor before its predecessor has left. Nothing is lost if a beat leaves later than it
   could, as long as all that follow keep to the times that they were given.
2. So times are made from the front: the input's beats at an even pace, a frame in P; then of
   each layer the earliest that its sources' times and its own latency allow (`_LATE` more, for
   what stands between layers). Frames repeat each other P cycles apart: each block is idle
   for a moment in P cycles, so a second pass over the frame, which knows when the one before
   it ended, is the last.

In order only, every block takes no time, and the time of a beat is the number of beats of a
chosen tensor that must have come for it to leave. Nothing then depends on the period.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from hw.plan.join import ConcatConfig
from hw.plan.layer import EdgePlan, LayerPlan
from hw.plan.pool import WindowPoolConfig
from hw.plan.stream import LineBufferConfig, PoolConfig, WidthConfig

__all__ = ["Schedule", "most_held"]

#: Of a beat each. In order only they are numbers of beats.
Times = NDArray[np.float64]

#: Cycles that a beat may take through a queue and on.
_QUEUE = 4

#: Cycles that a line buffer may take from a window being complete to its first beat, beside
#: those of its memory and of the columns behind the map.
_FETCH = 8


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Times of beats; ``period`` in cycles, None for their order only."""

    period: int | None

    def input(self, beats: int) -> Times:
        """An even pace, or one after the other."""
        pace = 1.0 if self.period is None else self.period / beats
        return np.linspace(pace, beats * pace, beats, dtype=np.float64)

    def through(self, times: Times, edge: EdgePlan, *, queued: bool = False) -> Times:
        """From a tensor's beats to those behind a queue and a converter."""
        late = times + self._cycles(_QUEUE if queued else 0)
        return late if edge.converter is None else self._converted(late, edge.converter)

    def fired(self, layer: LayerPlan, sources: list[Times], pace: int = 1) -> Times:
        """When a layer that joins tensors takes what its beats are made of.

        Where what follows takes ``pace`` cycles for a beat, they come no faster.
        """
        if self.period is not None:
            pace = min(pace, self.period // (layer.elements // layer.lanes))
        if isinstance(layer.block, ConcatConfig):
            parts = [
                times.reshape(layer.block.pixels, beats)
                for times, beats in zip(sources, layer.block.source_beats, strict=True)
            ]
            return self._spaced(np.concatenate(parts, axis=1).ravel(), pace)
        return self._spaced(np.maximum.reduce(sources), pace)

    def left(self, layer: LayerPlan, times: Times) -> Times:
        """When a layer's beats leave, from when they are taken, or an array's fetched."""
        if layer.line_buffer is not None:
            return self._array(layer, layer.line_buffer, times)
        if layer.pool is not None:
            ends = _simple_ends(layer.pool)
            return self._spaced(times[ends] + self._cycles(3 + layer.pool.read_cycles), 1)
        if isinstance(layer.block, WindowPoolConfig):
            pool = layer.block
            reads = pool.columns.read_cycles + pool.rows.read_cycles
            return self._spaced(times[_window_ends(pool)] + self._cycles(4 + reads), 1)
        assert layer.block is not None, "nothing reads what leaves the head"
        return self._spaced(times + self._cycles(layer.block.latency_cycles), 1)

    def taken(self, layer: LayerPlan, index: int, fired: Times) -> Times:
        """Of the times when a join takes beats those of the beats of source ``index``."""
        if not isinstance(layer.block, ConcatConfig):
            return fired
        beats = layer.block.source_beats
        first = sum(beats[:index])
        pixels = fired.reshape(layer.block.pixels, sum(beats))
        return pixels[:, first : first + beats[index]].ravel()

    def _cycles(self, cycles: int) -> int:
        return 0 if self.period is None else cycles

    def _spaced(self, times: Times, gap: int) -> Times:
        """One after the other, ``gap`` cycles apart, none before its time."""
        steps = self._cycles(gap) * np.arange(len(times))
        times = np.maximum.accumulate(times - steps)
        if self.period is not None:
            times = np.maximum(times, times[-1] + steps[-1] + gap - self.period)
        return times + steps

    def _converted(self, times: Times, config: WidthConfig) -> Times:
        out = len(times) * config.i_lanes // config.o_lanes
        group, beat = np.divmod(np.arange(out), config.o_beats)
        if config.i_beats > 1 and config.o_beats > 1:
            # Neither side divides the other: a whole group is collected.
            last = (group + 1) * config.i_beats - 1
        else:
            needed = -(-(beat + 1) * config.o_lanes // config.i_lanes)
            last = group * config.i_beats + needed - 1
        return self._spaced(times[last] + self._cycles(config.latency_cycles), 1)

    def _array(self, layer: LayerPlan, config: LineBufferConfig, times: Times) -> Times:
        """Windows as they are complete, and their folds."""
        array = layer.array or layer.integer
        assert array is not None
        walk, folds = config.walk, array.neuron_folds
        complete: Times = times[walk.end - 1]
        if self.period is None:
            ends = np.maximum.accumulate(complete)
        else:
            done = np.cumsum(walk.service, dtype=np.float64)
            late = _FETCH + config.read_cycles + config.kernel[1]
            arrival = complete + late - (done - walk.service)
            ends, earlier = done, -np.inf
            for _ in range(2):
                ends = done + np.maximum.accumulate(np.maximum(arrival, earlier))
                earlier = ends[-1] - self.period
            ends = ends + array.pipeline_cycles
        if layer.column_order is not None:
            late = self._cycles(layer.column_order.latency_cycles)
            return self._spaced(np.repeat(ends + late, folds * config.columns), 1)
        fold = self._cycles(config.fold // folds)
        return cast(Times, (ends[:, None] - fold * np.arange(folds)[::-1]).ravel())


def _simple_ends(pool: PoolConfig) -> NDArray[np.int64]:
    """Beat of the source that ends the window of each beat."""
    rows = np.arange(1, pool.output_height + 1) * pool.size[0] - 1
    columns = np.arange(1, pool.output_width + 1) * pool.size[1] - 1
    return _beats(rows, columns, pool.width, pool.pixel_beats)


def _window_ends(pool: WindowPoolConfig) -> NDArray[np.int64]:
    """The same where windows overlap and leave the map."""
    rows = np.arange(pool.output_height) * pool.stride[0] - pool.top + pool.size[0] - 1
    columns = np.arange(pool.output_width) * pool.stride[1] - pool.left + pool.size[1] - 1
    inside = np.minimum(rows, pool.height - 1), np.minimum(columns, pool.width - 1)
    return _beats(*inside, pool.width, pool.pixel_beats)


def _beats(
    rows: NDArray[np.int64], columns: NDArray[np.int64], width: int, beats: int
) -> NDArray[np.int64]:
    pixels = np.add.outer(rows * width, columns)
    return np.add.outer(pixels * beats, np.arange(beats)).ravel()


def most_held(arrivals: Times, departures: Times, period: int) -> int:
    """The most beats that have come and not gone, frames of both repeating each ``period``.

    A beat that leaves as another comes is still counted.
    """
    frames = int((departures.max() - arrivals.min()) // period) + 2
    shifts = period * np.arange(frames)[:, None]
    came = np.sort((arrivals + shifts).ravel())
    went = np.sort((departures + shifts).ravel())
    last = np.sort(arrivals) + shifts[-1]
    held = np.searchsorted(came, last, "right") - np.searchsorted(went, last, "left")
    return int(held.max())
