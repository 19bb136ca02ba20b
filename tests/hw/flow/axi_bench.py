"""cocotb bench of an exported core, driven by the AXI4-Stream models of cocotbext-axi.

Data, as bytes of ``tdata``, lowest first: ``frames`` (frames, beats, bytes) and what the core
shall answer, ``scores`` (frames, scores, bytes); ``marks`` (frames, scores), 1 for a box that is
marked; ``cut`` and ``short``: the scores of each frame when all its beats but the first
``cut[i]`` are 0.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge
from cocotbext.axi import AxiStreamBus, AxiStreamSink, AxiStreamSource

from tests.cocotb_runner import DATA_VARIABLE

DATA = np.load(os.environ[DATA_VARIABLE])
FRAMES, SCORES, MARKS = (DATA[name] for name in ("frames", "scores", "marks"))
CUT, SHORT = DATA["cut"], DATA["short"]

#: Nothing takes so many cycles.
LIMIT = 200_000

#: Probabilities that source and sink pause in a cycle.
PAUSES = [(0.0, 0.0), (0.6, 0.0), (0.3, 0.5)]


def pauses(probability: float) -> Iterator[bool]:
    while True:
        yield random.random() < probability


class Bench:
    """A core between a source and a sink."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        dut.aresetn.value = 1
        cocotb.start_soon(Clock(dut.aclk, 10, "ns").start())
        ports = (dut.aclk, dut.aresetn)
        self.source = AxiStreamSource(
            AxiStreamBus.from_prefix(dut, "s_axis"), *ports, reset_active_level=False
        )
        self.sink = AxiStreamSink(
            AxiStreamBus.from_prefix(dut, "m_axis"), *ports, reset_active_level=False
        )
        for port in (self.source, self.sink):
            port.log.setLevel("ERROR")
        cocotb.start_soon(self._watch())

    async def _watch(self) -> None:
        """A beat once offered stays until it is taken."""
        dut, held = self.dut, None
        while True:
            await RisingEdge(dut.aclk)
            if not int(dut.aresetn.value):
                assert not int(dut.m_axis_tvalid.value) and not int(dut.s_axis_tready.value)
                held = None
                continue
            beat = None
            if int(dut.m_axis_tvalid.value):
                ports = (dut.m_axis_tdata, dut.m_axis_tlast, dut.m_axis_tuser)
                beat = tuple(int(port.value) for port in ports)
            assert held is None or beat == held
            held = None if int(dut.m_axis_tready.value) else beat

    def pause(self, source: float, sink: float) -> None:
        self.source.set_pause_generator(pauses(source))
        self.sink.set_pause_generator(pauses(sink))

    async def send(self, beats: np.ndarray) -> None:
        await self.source.send(beats.tobytes())

    async def check(self, number: int, *, bad: bool = False, scores: Any = None) -> None:
        """The next packet of scores is that of a frame, or has the mark of none."""
        expected = SCORES[number] if scores is None else scores
        frame = await self.sink.recv(compact=False)
        assert bytes(frame.tdata) == expected.tobytes(), f"frame {number}"
        user = np.array(frame.tuser).reshape(expected.shape)[:, 0]
        last = np.zeros(len(user), int)
        last[-1] = bad
        assert np.array_equal(user & 1, last)
        if scores is None:
            assert np.array_equal(user >> 1, MARKS[number])

    async def idle(self) -> None:
        """Nothing is left in the core."""
        for _ in range(200):
            await RisingEdge(self.dut.aclk)
        assert self.sink.empty()


@cocotb.test(timeout_time=LIMIT * 10, timeout_unit="ns")
async def frames_back_to_back(dut: Any) -> None:
    """All frames at each rate, in order, with no reset before."""
    bench = Bench(dut)
    for source, sink in PAUSES:
        bench.pause(source, sink)
        for beats in FRAMES:
            await bench.send(beats)
        for number in range(len(FRAMES)):
            await bench.check(number)
    await bench.idle()


@cocotb.test(timeout_time=LIMIT * 10, timeout_unit="ns")
async def misplaced_ends(dut: Any) -> None:
    """Packets too short and too long among frames: a packet for each, and no other harm."""
    bench = Bench(dut)
    for source, sink in PAUSES:
        bench.pause(source, sink)
        kinds = [random.choice(("right", "short", "long")) for _ in FRAMES]
        kinds[:4] = ["short", "long", "short", "right"]
        for number, kind in enumerate(kinds):
            beats = FRAMES[number]
            if kind == "short":
                beats = beats[: CUT[number]]
            elif kind == "long":
                more = random.randrange(1, 2 * len(beats) + 2)
                beats = np.concatenate([beats, *[FRAMES[0]] * 3])[: len(beats) + more]
            await bench.send(beats)
        for number, kind in enumerate(kinds):
            scores = SHORT[number] if kind == "short" else None
            await bench.check(number, bad=kind != "right", scores=scores)
    await bench.idle()


@cocotb.test(timeout_time=LIMIT * 10, timeout_unit="ns")
async def reset_at_any_time(dut: Any) -> None:
    """What was in the core is gone, and the next frame is whole."""
    bench = Bench(dut)
    for source, sink in PAUSES:
        bench.pause(source, sink)
        for beats in (*FRAMES, FRAMES[0][:1]):
            await bench.send(beats)
        for _ in range(random.randrange(1, 4 * len(FRAMES[0]))):
            await RisingEdge(dut.aclk)
        dut.aresetn.value = 0
        bench.source.clear()
        # One edge is enough for the core, and a second for the models.
        for _ in range(2):
            await RisingEdge(dut.aclk)
        bench.sink.clear()
        dut.aresetn.value = 1
        for beats in FRAMES:
            await bench.send(beats)
        for number in range(len(FRAMES)):
            await bench.check(number)
    await bench.idle()
