"""The compiled accelerator core: frames in, every tensor out, cycles counted."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hw.core import Core
from hw.plan.plan import Plan
from sw.model import Model
from sw.model.model import BOX_CHANNELS

from .beats import pack_beats, unpack_beats
from .cxxrtl import Streams, TapPorts, compile_rtl, words_of

__all__ = ["CoreRun", "CoreSimulator", "Stall"]

#: Cycles without a transfer after which a core is declared stuck, beside those that
#: its layers need for a frame one after the other, and times what stalls may cost.
_IDLE_CYCLES = 10_000
_STALL_FACTOR = 20


@dataclass(frozen=True, kw_only=True)
class Stall:
    """Probabilities that the bench withholds ``valid`` and ``ready`` in a cycle."""

    i: float = 0.0
    o: float = 0.0
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class CoreRun:
    """What a run of the core gave.

    Attributes
    ----------
    scores : int32 array (frames, scores)
    tensors : tensor name -> int array (frames, H, W, C)
        Values (not codes) of every watched tensor; empty without taps.
    done_cycles : int64 array (frames,)
        Cycle at which each frame's last score was taken.
    latency_cycles : int
        From the first beat's transfer to the first frame's last score, both counted.
    objects : bool array (frames, H, W, anchors) or None
        Of a detector: the boxes that the core marks.
    """

    scores: NDArray[np.int32]
    tensors: dict[str, NDArray[np.int64]] = field(repr=False)
    done_cycles: NDArray[np.int64] = field(repr=False)
    latency_cycles: int
    objects: NDArray[np.bool_] | None = field(default=None, repr=False)

    @property
    def cycles_per_frame(self) -> float | None:
        """Mean distance of frames in the later half of the run; None for one frame."""
        frames = len(self.done_cycles)
        if frames < 2:
            return None
        start = frames // 2 if frames > 3 else 0
        return float(self.done_cycles[-1] - self.done_cycles[start]) / (frames - 1 - start)


class _Tap(ctypes.Structure):
    _fields_ = [
        ("beats", ctypes.c_void_p),
        ("words", ctypes.c_uint64),
        ("limit", ctypes.c_uint64),
        ("count", ctypes.c_uint64),
    ]


class CoreSimulator:
    """The RTL of a plan's core, compiled.

    Parameters
    ----------
    plan : Plan
    model : Model
        The model that ``plan`` was made for.
    taps : bool
        Watch the output of every stage as well. The logic is the same.
    compiler : callable
        `sim.cxxrtl.compile_rtl`, or `sim.netlist.compile_netlist` for the netlist that
        place and route would get.
    """

    def __init__(
        self,
        plan: Plan,
        model: Model,
        *,
        taps: bool = False,
        compiler: Callable[..., ctypes.CDLL] = compile_rtl,
    ) -> None:
        self._plan = plan
        self._model = model
        core = Core(plan, model, taps=taps)
        # An array without thresholds passes matches, which the scores behind it show.
        self._taps = tuple(tap for tap in core.taps if tap.is_code)
        self._o_width = len(core.o_stream.payload.as_value())
        self._score_bits = plan.head.score_bits
        streams = Streams(
            i_width=plan.i_lanes * plan.i_bits,
            o_width=self._o_width,
            taps=tuple(
                TapPorts(
                    valid=f"{tap.port}__valid",
                    ready=f"{tap.port}__ready",
                    payload=f"{tap.port}__payload",
                    width=tap.lanes * tap.bits,
                )
                for tap in self._taps
            ),
        )
        ports = [
            value.as_value() if hasattr(value, "as_value") else value
            for _, _, value in core.signature.flatten(core)
        ]
        self._library = compiler(
            core, ports=ports, interface=streams, name=f"the core of {model.name}"
        )
        self._library.bench_new.restype = ctypes.c_void_p
        self._library.bench_stream.restype = ctypes.c_uint64

    def run(self, inputs: NDArray, *, stall: Stall | None = None) -> CoreRun:
        """Stream frames through a freshly reset core.

        Parameters
        ----------
        inputs : int array (frames, H, W, C)
            Preprocessed frames, values of the input's range.
        stall : Stall, optional
            Without one the bench never withholds anything.
        """
        stall = stall or Stall()
        graph = self._model.graph
        frames = len(inputs)
        beats = pack_beats(
            graph.input.type.range.encode(inputs), lanes=self._plan.i_lanes, bits=self._plan.i_bits
        )
        scores = graph.types[graph.head.name].size
        o_count = frames * scores
        buffers = [
            np.zeros(
                (frames * tap.elements // tap.lanes, words_of(tap.lanes * tap.bits)), np.uint32
            )
            for tap in self._taps
        ]
        o_beats, i_cycles, o_cycles = self._stream(beats, o_count, buffers, stall)
        data = unpack_beats(o_beats, lanes=1, bits=self._score_bits, signed=True)
        beside = unpack_beats(o_beats, lanes=1, bits=self._o_width)[:, 0] >> self._score_bits
        expected = np.arange(o_count) % scores == scores - 1
        assert ((beside & 1) == expected).all(), "the core's frames do not end where they should"
        done = o_cycles.astype(np.int64)[scores - 1 :: scores]
        return CoreRun(
            scores=data.reshape(frames, scores).astype(np.int32),
            tensors={
                tap.tensor: graph.types[tap.tensor]
                .range.decode(unpack_beats(buffer, lanes=tap.lanes, bits=tap.bits))
                .reshape(frames, *graph.types[tap.tensor].shape)
                for tap, buffer in zip(self._taps, buffers, strict=True)
            },
            done_cycles=done,
            latency_cycles=int(done[0]) - int(i_cycles[0]) + 1,
            objects=self._objects((beside >> 1).reshape(frames, scores)),
        )

    def _stream(
        self, beats: NDArray, o_count: int, buffers: Sequence[NDArray], stall: Stall
    ) -> tuple[NDArray, NDArray, NDArray]:
        """Feed ``beats``, and fill ``buffers``, one for each tap.

        Returns output beats, and the cycle of each input beat and of each output beat.
        """
        o_beats = np.zeros((o_count, words_of(self._o_width)), np.uint32)
        i_cycles = np.zeros(len(beats), np.uint64)
        o_cycles = np.zeros(o_count, np.uint64)
        taps = (_Tap * max(1, len(buffers)))(
            *(_Tap(b.ctypes.data, b.shape[1], b.shape[0], 0) for b in buffers)
        )
        bench = ctypes.c_void_p(self._library.bench_new())
        try:
            received = self._library.bench_stream(
                bench,
                _pointer(beats),
                ctypes.c_uint64(len(beats)),
                _pointer(i_cycles),
                _pointer(o_beats),
                ctypes.c_uint64(o_count),
                _pointer(o_cycles),
                taps,
                ctypes.c_uint32(int(stall.i * 2**32)),
                ctypes.c_uint32(int(stall.o * 2**32)),
                ctypes.c_uint64(stall.seed),
                ctypes.c_uint64(
                    _IDLE_CYCLES + _STALL_FACTOR * sum(layer.cycles for layer in self._plan.layers)
                ),
            )
        finally:
            self._library.bench_delete(bench)
        assert received == o_count, f"the core stopped after {received} of {o_count} scores"
        for tap, state in zip(self._taps, taps, strict=False):
            assert state.count == state.limit, f"{tap.tensor} stopped after {state.count} beats"
        return o_beats, i_cycles, o_cycles

    def _objects(self, marks: NDArray[np.int64]) -> NDArray[np.bool_] | None:
        """The marks (frames, scores) on boxes."""
        if self._plan.objectness is None:
            return None
        boxes = marks.reshape(len(marks), *self._model.grid, -1, BOX_CHANNELS)
        assert not boxes[..., :-1].any(), "only an objectness is marked"
        return boxes[..., -1] == 1


def _pointer(array: NDArray) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)
