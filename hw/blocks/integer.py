"""The integer array: convolutions with weights of 2 to 8 bits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from numpy.typing import ArrayLike, NDArray

from hw.blocks.coefficients import Rom, walk_channels
from hw.blocks.counters import Counter, delay, nest
from hw.blocks.credits import queue, take_on_credit
from hw.blocks.planes import PlaneRow
from hw.blocks.product_sum import ProductRow
from hw.blocks.weights import WeightMemory
from hw.plan.integer import IntegerArrayConfig

__all__ = ["IntegerArray"]


class IntegerArray(wiring.Component):
    """``acc = sum w * (step * code + low)`` of ``rows`` outputs side by side.

    All rows are a beat's in the same cycle, and share one memory of weights. Nothing in the
    array stalls: a fold's last beat is accepted against a credit for a place in the output
    FIFO.

    Input beats of a pixel: for each neuron fold n, for each pass (by bit planes there are
    ``weight_bits + 1``, else one), for each synapse fold s, the codes of taps ``s*simd ...``.
    Output beats of a pixel: for each n, row r's lane is acc of output ``n*rows + r``.

    Parameters
    ----------
    config : IntegerArrayConfig
    weights : int array (O, K)
        No greater than ``config.weight_limit`` in magnitude.
    start : int array (classes, O), or None
        ``low * sum w`` over the taps inside the map. None: over all of them.

    Attributes
    ----------
    i_stream : stream of unsigned(simd * lane_bits), in
    o_stream : stream of unsigned(rows * acc_bits), out
        Row r's acc in bits ``[r*acc_bits, (r+1)*acc_bits)``, in two's complement.
    """

    def __init__(
        self, *, config: IntegerArrayConfig, weights: ArrayLike, start: ArrayLike | None = None
    ) -> None:
        self.config = config
        self.weights = np.asarray(weights, np.int64)
        assert self.weights.shape == (config.outputs, config.fan_in), "shape of the weights"
        assert (abs(self.weights) <= config.weight_limit).all(), "a weight is too great"
        if start is None:
            start = np.tile(config.low * self.weights.sum(1), (config.classes, 1))
        self.start = np.asarray(start, np.int64)
        assert self.start.shape == (config.classes, config.outputs), "shape of the start values"
        assert config.has_start or not self.start.any(), "start values of a source from 0"
        super().__init__(
            {
                "i_stream": In(stream.Signature(config.simd * config.lane_bits)),
                "o_stream": Out(stream.Signature(config.rows * config.acc_bits)),
            }
        )

    @property
    def latency_cycles(self) -> int:
        return self.config.latency_cycles

    @property
    def cycles_per_frame(self) -> int:
        return self.config.cycles_per_frame

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        # Row 0's tags of a beat, and those of the cycles before.
        tags, address = self._schedule(m)
        for _ in range(config.result_cycles):
            tags.append(_Beat(*delay(m, Const(1, 1), tags[-1].signals(), 1)))
        m.submodules.weights = memory = WeightMemory(config=config.weights, words=self._words())
        m.d.comb += memory.address.eq(address)
        if config.weights.ninths:
            m.d.comb += [memory.ninth.eq(address[-1]), memory.taken.eq(tags[0].valid)]
        codes = self._codes(m)
        start = self._start_values(m, tags)
        beat, width = tags[config.sum_cycles], config.simd * config.word_bits
        results = []
        for number in range(config.rows):
            row = PlaneRow(config=config) if self._by_planes else ProductRow(config=config)
            m.submodules[f"row_{number}"] = row
            m.d.comb += [
                row.codes.eq(codes),
                row.weights.eq(memory.data.word_select(number, width)),
                row.valid.eq(beat.valid),
                row.keep.eq(beat.keep),
                row.last.eq(beat.last),
                row.start.eq(start.word_select(number, config.sum_bits)),
            ]
            results.append(row.result)
        queue(
            m,
            self.o_stream,
            complete=tags[config.result_cycles].last,
            word=Cat(*results),
            depth=config.fifo_depth,
        )
        return m

    @property
    def _by_planes(self) -> bool:
        return self.config.multiplier == "planes"

    def _schedule(self, m: Module) -> tuple[list[_Beat], Value]:
        """What the beat at hand is, and the address of its weights.

        The highest bit of the address tells ninth words where they are kept apart.
        """
        config = self.config
        beat = Counter(config.synapse_folds, "beat")
        turn = Counter(config.passes, "pass")
        fold = Counter(config.neuron_folds, "fold")
        address = Signal(range(config.weights.places))
        ninth = Signal()
        last = beat.last & turn.last
        accept = take_on_credit(m, self.i_stream, self.o_stream, last=last, credits=config.credits)
        nest(m, accept, beat, turn, fold)
        with m.If(accept):
            if config.weights.ninths:
                # It waits at each eighth word for the ninth.
                waits = address[:3].all() & ~ninth
                m.d.sync += [ninth.eq(waits), address.eq(address + ~waits)]
            else:
                m.d.sync += address.eq(address + 1)
            with m.If(last & fold.last):
                m.d.sync += [address.eq(0), ninth.eq(0)]
        later = beat.value.any()
        now = _Beat(
            valid=accept,
            # The plane of -1 is the last, and not doubled for.
            keep=later | turn.last if self._by_planes else later,
            first=accept & ~later & ~turn.value.any(),
            last=accept & last,
        )
        return [now], Cat(address, ninth) if config.weights.ninths else address

    def _codes(self, m: Module) -> Value:
        """What rows take: codes as late as their weights, and each as the sum wants it."""
        config = self.config
        delays = config.match_sum.delays if self._by_planes else (0,) * config.simd
        line: list[Value] = [self.i_stream.payload]
        for cycle in range(config.weights.latency_cycles + max(delays)):
            register = Signal(len(line[0]), name=f"codes_{cycle}", reset_less=True)
            m.d.sync += register.eq(line[-1])
            line.append(register)
        return Cat(
            line[config.weights.latency_cycles + late].word_select(lane, config.lane_bits)
            for lane, late in enumerate(delays)
        )

    def _start_values(self, m: Module, tags: list[_Beat]) -> Value:
        """Start values of all rows, when they take them: see `ProductRow` and `PlaneRow`."""
        config = self.config
        if not config.has_start:
            return Const(0, config.rows * config.sum_bits)
        start, bits = self.start, config.start_bits
        if self._by_planes:
            # Step 4 of bit planes in `hw.plan.integer`.
            high = 2**config.lane_bits - 1
            whole = config.fan_in << (config.weight_bits - 1)
            start = 2 * start - config.step * high * (whole - self.weights.sum(1))
        words = _packed((start >> config.start_shift).reshape(-1, config.rows), bits)
        at = tags[config.sum_cycles + self._by_planes - config.start_cycles]
        place = walk_channels(
            m,
            at.last if self._by_planes else at.first,
            folds=config.neuron_folds,
            y_classes=config.y_classes or (0,) * config.height,
            x_classes=config.x_classes or (0,) * config.width,
        )
        rom = Rom(kind=config.start_kind, cycles=config.start_cycles, enable=Const(1, 1))
        read = rom.read(m, "starts", words, config.rows * bits, place.address)
        zeros = Const(0, config.start_shift)
        return Cat(Cat(zeros, read.word_select(row, bits)) for row in range(config.rows))

    def _words(self) -> list[int]:
        """Words of the weight memory."""
        config = self.config
        # Output n*rows + r, tap s*simd + lane: to [n, s, r, lane].
        split = self.weights.reshape(
            config.neuron_folds, config.rows, config.synapse_folds, config.simd
        ).transpose(0, 2, 1, 3)
        if not self._by_planes:
            return _packed(split.reshape(config.weights.depth, -1), config.weight_bits)
        # Flips, planes from the highest to that of -1: to [n, pass, s, r, lane].
        raised = split + (1 << (config.weight_bits - 1))
        planes = [raised >> place & 1 ^ 1 for place in reversed(range(config.weight_bits))]
        flips = np.stack([*planes, np.ones_like(split)], axis=1)
        words = flips.reshape(config.weights.depth, config.rows, config.simd)
        # The address goes on when a beat is taken, valid or not what comes next. So the
        # word after a beat's own is always read a cycle later, and brings the late lanes.
        late = np.array(config.match_sum.flip_delays) > 0
        words[:, :, late] = np.roll(words, 1, axis=0)[:, :, late]
        return _packed(words.reshape(config.weights.depth, -1), 1)


@dataclass(frozen=True)
class _Beat:
    """What a beat is to the rows; ``first`` and ``last`` of a fold imply ``valid``.

    ``keep`` tells that it adds to the accumulator as it is.
    """

    valid: Value
    keep: Value
    first: Value
    last: Value

    def signals(self) -> list[Value]:
        return [self.valid, self.keep, self.first, self.last]


def _packed(rows: NDArray[np.int64], bits: int) -> list[int]:
    """Each row as a number, of which element 0 is the lowest ``bits`` bits."""
    mask = (1 << bits) - 1
    return [
        sum((int(value) & mask) << index * bits for index, value in enumerate(row)) for row in rows
    ]
