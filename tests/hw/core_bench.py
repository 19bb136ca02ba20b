"""Run a core in Amaranth's simulator, recording every stage's output."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from amaranth.sim import Simulator, SimulatorContext
from numpy.typing import NDArray

from hw.core import Core, Tap
from sw.model.ir import Conv, Dense, Graph
from tests.hw.blocks.bench import pack, unpack

__all__ = ["Run", "simulate"]


@dataclass(frozen=True, kw_only=True)
class Run:
    """What a core gave.

    Attributes
    ----------
    scores : (frames, output beats)
    o_cycles : (frames,), the cycle of each frame's last output beat
    i_cycles : (frames,), the cycle of each frame's first input beat
    tensors : name to (frames, elements), values of the graph's range; an array
        without thresholds is not among them
    matches : name to (frames, elements), of such arrays
    objects : (frames, output beats), the marks of a detector; None of another core
    """

    scores: NDArray[np.int64]
    o_cycles: NDArray[np.int64]
    i_cycles: NDArray[np.int64]
    tensors: dict[str, NDArray[np.int64]]
    matches: dict[str, NDArray[np.int64]]
    objects: NDArray[np.int64] | None = None

    @property
    def cycles_per_frame(self) -> int:
        """Between the last two frames."""
        return int(self.o_cycles[-1] - self.o_cycles[-2])


class _Seen:
    """What went over a core's ports."""

    def __init__(self, taps: tuple[Tap, ...], frames: int) -> None:
        self._taps, self._frames = taps, frames
        self.taken: list[int] = []
        self.scores: list[int] = []
        self.last: list[int] = []
        self.objects: list[int] = []
        self.last_cycles: list[int] = []
        self.payloads: list[list[int]] = [[] for _ in taps]

    def score(self, cycle: int, score: int, end: int, marks: list[int]) -> None:
        self.scores.append(score)
        self.last.append(end)
        self.objects.extend(marks)
        if end:
            self.last_cycles.append(cycle)

    def tap(self, values: list[int]) -> None:
        """Record what passes: of each tap valid, ready and payload."""
        for tap, payloads in enumerate(self.payloads):
            valid, ready, payload = values[3 * tap : 3 * tap + 3]
            if valid and ready:
                payloads.append(payload)

    @property
    def whole(self) -> bool:
        """Whether all that the taps are to record has come."""
        return all(
            len(payloads) * tap.lanes >= self._frames * tap.elements
            for tap, payloads in zip(self._taps, self.payloads, strict=True)
        )

    def __str__(self) -> str:
        counts = zip(self._taps, self.payloads, strict=True)
        return str({tap.tensor: len(payloads) for tap, payloads in counts})


def simulate(
    core: Core,
    graph: Graph,
    inputs: NDArray,
    *,
    rng: np.random.Generator,
    i_rate: float = 1.0,
    o_rate: float = 1.0,
) -> Run:
    """Stream ``inputs`` (N, H, W, C) through ``core``, which has taps.

    Each port is willing in a cycle with its rate's probability; an offered beat stays.
    """
    plan, frames = core.plan, len(inputs)
    beats = pack(graph.input.type.range.encode(inputs), plan.i_lanes, plan.i_bits)
    per_frame, scores_per_frame = len(beats) // frames, plan.head.output_beats
    limit = int((frames + 6) * plan.cycles_per_frame / min(i_rate, o_rate) * 4) + 4000
    seen = _Seen(core.taps, frames)

    async def bench(ctx: SimulatorContext) -> None:
        i_stream, o_stream = core.i_stream, core.o_stream
        ports = (getattr(core, tap.port) for tap in core.taps)
        watched = [s for port in ports for s in (port.valid, port.ready, port.payload)]
        marked = [] if plan.objectness is None else [o_stream.payload.object]
        offered = False
        for cycle in range(limit):
            offered = len(seen.taken) < len(beats) and (offered or rng.random() < i_rate)
            willing = rng.random() < o_rate
            ctx.set(i_stream.valid, offered)
            ctx.set(i_stream.payload, beats[len(seen.taken)] if offered else 0)
            ctx.set(o_stream.ready, willing)
            _, _, ready, valid, score, end, *values = await ctx.tick().sample(
                i_stream.ready, o_stream.valid, o_stream.payload.data, o_stream.payload.last,
                *watched, *marked,
            )  # fmt: skip
            if offered and ready:
                seen.taken.append(cycle)
                offered = False
            if willing and valid:
                seen.score(cycle, score, end, values[len(watched) :])
            seen.tap(values)
            # Beats that no later window needs may still be on their way.
            if len(seen.taken) == len(beats) and seen.whole:
                return
        raise AssertionError(f"in {limit} cycles {len(seen.taken)} of {len(beats)} beats, {seen}")

    simulator = Simulator(core)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    assert seen.last == ([0] * (scores_per_frame - 1) + [1]) * frames, "`last` marks frames"
    tensors, matches = _recorded(core.taps, seen.payloads, graph, frames)
    return Run(
        scores=np.array(seen.scores, np.int64).reshape(frames, -1),
        o_cycles=np.array(seen.last_cycles),
        i_cycles=np.array(seen.taken[::per_frame]),
        tensors=tensors,
        matches=matches,
        objects=None if plan.objectness is None else np.array(seen.objects).reshape(frames, -1),
    )


def _recorded(
    taps: tuple[Tap, ...], seen: list[list[int]], graph: Graph, frames: int
) -> tuple[dict[str, NDArray[np.int64]], dict[str, NDArray[np.int64]]]:
    tensors: dict[str, NDArray[np.int64]] = {}
    matches: dict[str, NDArray[np.int64]] = {}
    for tap, payloads in zip(taps, seen, strict=True):
        if tap.kind == "head":
            continue
        values = unpack(payloads, tap.lanes, tap.bits).reshape(frames, tap.elements)
        if tap.is_code:
            tensors[tap.tensor] = graph.types[tap.tensor].range.decode(values)
        else:
            assert isinstance(graph[tap.tensor], Conv | Dense)
            matches[tap.tensor] = values
    return tensors, matches
