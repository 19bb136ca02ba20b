"""The systolic array."""

from __future__ import annotations

import numpy as np
from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out
from numpy.typing import ArrayLike

from hw.blocks.pe import PE
from hw.blocks.threshold import ThresholdAddress, ThresholdUnit
from hw.blocks.weights import WeightMemory
from hw.plan.array import WEIGHT_LATENCY, ArrayConfig

__all__ = ["SystolicArray"]


class SystolicArray(wiring.Component):
    """Rows of PEs that the activations hop down, one register a cycle.

    Everything that a row needs hops along with its activations: the weight address
    a memory's latency ahead of them, the accumulator's control and the threshold
    address behind. No net reaches all rows, and nothing in the array stalls: a
    fold's last beat is accepted against a credit for a place in the output FIFO.

    Input beats of a pixel: for each neuron fold n, for each synapse fold s, the
    codes of taps ``s*simd ...`` (the same for every n). Output beats of a pixel: for
    each n, row r's lane is output ``n*rows + r``: its code, or its matches A where
    there are no thresholds.

    Parameters
    ----------
    config : ArrayConfig
    weights : bool array (O, K)
        True is +1.
    thresholds : int array (classes, C, L), or None
        Levels on the matches A, ascending along L.
    inverted : bool array (C,), or None

    Attributes
    ----------
    i_stream : stream of unsigned(simd * lane_bits), in
    o_stream : stream of unsigned(rows * out_bits), out
    """

    def __init__(
        self,
        *,
        config: ArrayConfig,
        weights: ArrayLike,
        thresholds: ArrayLike | None = None,
        inverted: ArrayLike | None = None,
    ) -> None:
        self.config = config
        self.weights = np.asarray(weights, np.bool_)
        assert self.weights.shape == (config.outputs, config.fan_in), "shape of the weights"
        if config.thresholds is not None:
            given = config.thresholds
            self.thresholds = np.asarray(thresholds, np.int64)
            self.inverted = np.asarray(inverted, np.bool_)
            expected = (given.classes, given.channels, given.levels)
            assert self.thresholds.shape == expected, "shape of the thresholds"
            assert self.inverted.shape == (given.channels,), "shape of the inversions"
        super().__init__(
            {
                "i_stream": In(stream.Signature(config.simd * config.lane_bits)),
                "o_stream": Out(stream.Signature(config.rows * config.out_bits)),
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
        hops, weight_cycles = config.hops, config.weights.latency_cycles
        accept, last_beat, address = self._schedule(m)

        # Signal k cycles behind the input, for every k that some row needs.
        depth = config.code_cycles + hops
        valid = _delays(m, accept, config.result_cycles + hops, name="valid")
        last = _delays(m, accept & last_beat, depth, name="last")
        codes = _delays(
            m, self.i_stream.payload, weight_cycles + hops, name="codes", reset_less=True
        )
        addresses = _delays(m, address, hops, name="weight_address", reset_less=True)
        sum_cycles = config.result_cycles - 1
        threshold_addresses = []
        if config.thresholds is not None:
            m.submodules.threshold_address = walk = ThresholdAddress(
                config=config.thresholds, neuron_folds=config.neuron_folds
            )
            # One cycle for the walk's own register, and as many as the memory needs.
            m.d.comb += walk.advance.eq(last[sum_cycles - WEIGHT_LATENCY])
            threshold_addresses = _delays(
                m, walk.address, hops, name="threshold_address", reset_less=True
            )

        word: list[Value] = []
        for hop in range(hops):
            m.submodules[f"weights_{hop}"] = memory = self._weight_memory(hop)
            m.d.comb += memory.address.eq(addresses[hop])
            for j in range(config.rows_per_hop):
                row = hop * config.rows_per_hop + j
                m.submodules[f"pe_{row}"] = pe = PE(config=config)
                m.d.comb += [
                    pe.codes.eq(codes[weight_cycles + hop]),
                    pe.weights.eq(memory.data.word_select(j, config.simd)),
                    pe.valid.eq(valid[sum_cycles + hop]),
                    pe.last.eq(last[sum_cycles + hop]),
                ]
                if config.thresholds is None:
                    word.append(pe.matches)
                    continue
                m.submodules[f"threshold_{row}"] = unit = self._threshold_unit(row)
                m.d.comb += [
                    unit.address.eq(threshold_addresses[hop]),
                    unit.matches.eq(pe.matches),
                    unit.fire.eq(last[config.result_cycles + hop]),
                ]
                word.append(unit.code)
            complete = last[config.code_cycles + hop]
            if hop == hops - 1:
                self._write(m, complete, Cat(*word))
            elif hop % config.segment == config.segment - 1:
                so_far = Signal(len(Cat(*word)), name=f"word_{hop}", reset_less=True)
                with m.If(complete):
                    m.d.sync += so_far.eq(Cat(*word))
                word = [so_far]
        return m

    def _schedule(self, m: Module) -> tuple[Value, Value, Value]:
        """Count the input's beats; returns transfer, last of a fold, weight address."""
        config = self.config
        accept = Signal()
        beat = Signal(range(config.synapse_folds))
        fold = Signal(range(config.neuron_folds))
        address = Signal(range(config.weights.depth))
        last_beat = Signal()
        credits_left = Signal(range(config.credits + 1), init=config.credits)
        m.d.comb += [
            last_beat.eq(beat == config.synapse_folds - 1),
            self.i_stream.ready.eq(~last_beat | credits_left.any()),
            accept.eq(self.i_stream.valid & self.i_stream.ready),
        ]
        with m.If(accept):
            m.d.sync += [beat.eq(beat + 1), address.eq(address + 1)]
            with m.If(last_beat):
                m.d.sync += [beat.eq(0), fold.eq(fold + 1)]
                with m.If(fold == config.neuron_folds - 1):
                    m.d.sync += [fold.eq(0), address.eq(0)]
        given, returned = accept & last_beat, self.o_stream.valid & self.o_stream.ready
        with m.If(given & ~returned):
            m.d.sync += credits_left.eq(credits_left - 1)
        with m.If(returned & ~given):
            m.d.sync += credits_left.eq(credits_left + 1)
        return accept, last_beat, address

    def _write(self, m: Module, complete: Value, word: Value) -> None:
        """Queue finished words; the credits see to it that there is always a place."""
        m.submodules.fifo = fifo = SyncFIFOBuffered(width=len(word), depth=self.config.fifo_depth)
        m.d.comb += [
            fifo.w_en.eq(complete),
            fifo.w_data.eq(word),
            self.o_stream.valid.eq(fifo.r_rdy),
            self.o_stream.payload.eq(fifo.r_data),
            fifo.r_en.eq(self.o_stream.ready),
        ]

    def _weight_memory(self, hop: int) -> WeightMemory:
        """Weights of a group of rows: word n*synapse_folds + s, row j in lanes j*simd ..."""
        config = self.config
        # Output n*rows + hop*rows_per_hop + j, tap s*simd + lane: to [n, s, j, lane].
        split = self.weights.reshape(
            config.neuron_folds, config.hops, config.rows_per_hop, config.synapse_folds, config.simd
        )
        words = split[:, hop].transpose(0, 2, 1, 3).reshape(config.weights.depth, -1)
        return WeightMemory(
            config=config.weights,
            words=[int.from_bytes(row.tobytes(), "little")
                   for row in np.packbits(words, axis=1, bitorder="little")],
        )  # fmt: skip

    def _threshold_unit(self, row: int) -> ThresholdUnit:
        """Thresholds of a row: entry class*neuron_folds + n."""
        config = self.config.thresholds
        assert config is not None
        levels = self.thresholds[:, row :: self.config.rows]
        inverted = np.broadcast_to(self.inverted[row :: self.config.rows], levels.shape[:2])
        return ThresholdUnit(
            config=config,
            levels=levels.reshape(-1, config.levels),
            inverted=inverted.reshape(-1),
        )


def _delays(
    m: Module, value: Value, count: int, *, name: str, reset_less: bool = False
) -> list[Value]:
    """``value`` behind 0, 1, ... ``count - 1`` registers."""
    line = [value]
    for k in range(1, count):
        register = Signal(len(value), name=f"{name}_{k}", reset_less=reset_less)
        m.d.sync += register.eq(line[-1])
        line.append(register)
    return line
