"""The systolic array."""

from __future__ import annotations

from itertools import groupby

import numpy as np
from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out
from numpy.typing import ArrayLike

from hw.blocks.constant_rows import ConstantRows
from hw.blocks.load import WORD_CYCLES, LoadBus
from hw.blocks.pe import PE
from hw.blocks.threshold import StartValues, ThresholdAddress, ThresholdUnit
from hw.blocks.weights import WeightMemory, columns
from hw.plan.array import ArrayConfig
from hw.plan.weights import WEIGHT_LATENCY

__all__ = ["SystolicArray"]


class SystolicArray(wiring.Component):
    """Rows of PEs that the activations hop down, one register a cycle.

    Everything that a row needs hops along with its activations: the weight address
    a memory's latency ahead of them, the accumulator's control and the threshold
    address behind. No net reaches all rows, and nothing in the array stalls: a
    fold's last beat is accepted against a credit for a place in the output FIFO.

    Input beats of ``columns`` pixels side by side: for each neuron fold n, for each
    synapse fold s, the codes of taps ``s*simd ...`` (the same for every n). Output
    beats of these pixels: for each n, row r's lane is output ``n*rows + r``: its code,
    or its matches A where there are no thresholds. The columns of a row are PEs that
    share its weights.

    Parameters
    ----------
    config : ArrayConfig
    weights : bool array (O, K)
        True is +1.
    thresholds : int array (classes, C, L), or None
        Levels on the matches A, ascending along L.
    inverted : bool array (C,), or None
    loaded : bool
        Weights in SPRAM are there from the start, as on no device.

    Attributes
    ----------
    i_stream : stream of unsigned(columns * simd * lane_bits), in
        Column j's lanes from bit ``j * simd * lane_bits``.
    o_stream : stream of unsigned(columns * rows * out_bits), out
        Column j's rows from bit ``j * rows * out_bits``.
    load : LoadBus(sprams), in
        Where weights are in SPRAM and not ``loaded``; the first beat may come two cycles after
        the last word.
    """

    def __init__(
        self,
        *,
        config: ArrayConfig,
        weights: ArrayLike,
        thresholds: ArrayLike | None = None,
        inverted: ArrayLike | None = None,
        loaded: bool = True,
    ) -> None:
        self.config = config
        self.weights = np.asarray(weights, np.bool_)
        assert self.weights.shape == (config.outputs, config.fan_in), "shape of the weights"
        self._flips = ~self.weights
        if config.thresholds is not None:
            given = config.thresholds
            self.thresholds = np.asarray(thresholds, np.int64)
            self.inverted = np.asarray(inverted, np.bool_)
            expected = (given.classes, given.channels, given.levels)
            assert self.thresholds.shape == expected, "shape of the thresholds"
            assert self.inverted.shape == (given.channels,), "shape of the inversions"
            if config.has_start:
                # A < t where channels are inverted: max - A >= max - t + 1, with the
                # weights negated.
                self._flips[self.inverted] ^= True
                moved = config.match_max - self.thresholds + 1
                self._moved = np.where(self.inverted[:, None], moved, self.thresholds)
        members = {
            "i_stream": In(stream.Signature(config.columns * config.simd * config.lane_bits)),
            "o_stream": Out(stream.Signature(config.columns * config.rows * config.out_bits)),
        }
        self.sprams = config.hops * config.weights.sprams
        self._loaded = loaded or not self.sprams
        if not self._loaded:
            assert config.hops < WORD_CYCLES, "the address is at the last row in time"
            members["load"] = In(LoadBus(self.sprams))
        super().__init__(members)

    @property
    def latency_cycles(self) -> int:
        return self.config.latency_cycles

    @property
    def cycles_per_frame(self) -> int:
        return self.config.cycles_per_frame

    def spram_words(self) -> list[list[int]]:
        """What each SPRAM of the weights holds, in the order of ``load``'s bits."""
        width = self.config.weights.width
        hops = range(self.config.hops if self.sprams else 0)
        return [column for hop in hops for column in columns(self._words(hop), width)]

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        if config.weight_memory == "logic":
            self._constant_rows(m)
            return m
        hops = config.hops
        accept, later_beat, last_beat, address = self._schedule(m)

        # Signal k cycles behind the input, for every k that some row needs.
        depth = config.code_cycles + hops
        valid = _delays(m, accept, config.result_cycles + hops, name="valid")
        later = _delays(m, later_beat, config.result_cycles + hops, name="later", reset_less=True)
        last = _delays(m, accept & last_beat, depth, name="last")
        codes = _delays(
            m,
            self.i_stream.payload,
            config.weights.latency_cycles + hops + config.match_sum.delays[-1],
            name="codes",
            reset_less=True,
        )
        addresses = _delays(m, address, hops, name="weight_address", reset_less=True)
        walks = self._walks(m, valid, later, last)

        sum_cycles = config.result_cycles - 1
        words: list[list[Value]] = [[] for _ in range(config.columns)]
        for hop in range(hops):
            m.submodules[f"weights_{hop}"] = memory = WeightMemory(
                config=config.weights,
                words=self._words(hop),
                loaded=self._loaded,
                early=config.early_matches,
            )
            m.d.comb += memory.address.eq(addresses[hop])
            if not self._loaded:
                count = config.weights.sprams
                m.d.comb += [
                    memory.load.data.eq(self.load.data),
                    memory.load.write.eq(self.load.write.word_select(hop, count)),
                ]
            if config.weights.ninths:
                m.d.comb += [memory.ninth.eq(addresses[hop][-1]), memory.taken.eq(valid[hop])]
            for row in range(hop * config.rows_per_hop, (hop + 1) * config.rows_per_hop):
                starts = {
                    classes: self._start(m, f"start_{row}_{number}", row, walk[hop])
                    for number, (classes, walk) in enumerate(walks.items())
                    if config.has_start
                }
                for column, word in enumerate(words):
                    m.submodules[f"pe_{row}_{column}"] = pe = PE(config=config)
                    lanes, flips = self._operands(m, row, column, memory, codes)
                    m.d.comb += [
                        pe.codes.eq(lanes),
                        pe.flips.eq(flips),
                        pe.valid.eq(valid[sum_cycles + hop]),
                        pe.later.eq(later[sum_cycles + hop]),
                        pe.last.eq(last[sum_cycles + hop]),
                    ]
                    classes = self._classes(column)
                    if config.has_start:
                        m.d.comb += pe.start.eq(starts[classes])
                    if config.thresholds is None or config.has_start:
                        word.append(pe.result)
                        continue
                    m.submodules[f"threshold_{row}_{column}"] = unit = self._threshold_unit(row)
                    m.d.comb += [
                        unit.address.eq(walks[classes][hop]),
                        unit.matches.eq(pe.result),
                        unit.fire.eq(last[config.result_cycles + hop]),
                    ]
                    word.append(unit.code)
            complete = last[config.code_cycles + hop]
            if hop == hops - 1:
                self._write(m, complete, Cat(*(lane for word in words for lane in word)))
            elif hop % config.segment == config.segment - 1:
                words = [[self._gather(m, f"{hop}_{i}", complete, w)] for i, w in enumerate(words)]
        return m

    def _constant_rows(self, m: Module) -> None:
        """All rows at once, a pixel of each column a cycle."""
        config = self.config
        accept, *_ = self._schedule(m)
        complete = _delays(m, accept, config.code_cycles + 1, name="valid")[-1]
        words = []
        for column in range(config.columns):
            m.submodules[f"rows_{column}"] = rows = ConstantRows(
                config=config,
                column=column,
                weights=self.weights,
                thresholds=self.thresholds if config.thresholds is not None else None,
                inverted=self.inverted if config.thresholds is not None else None,
            )
            width = len(rows.codes)
            m.d.comb += [
                rows.codes.eq(self.i_stream.payload.word_select(column, width)),
                rows.valid.eq(accept),
            ]
            words.append(rows.word)
        self._write(m, complete, Cat(*words))

    def _operands(
        self, m: Module, row: int, column: int, memory: WeightMemory, codes: list[Value]
    ) -> tuple[Value, Value]:
        """Codes and flips of a PE, or matches, whose flips are 0: see `early_matches`."""
        config = self.config
        hop, place = divmod(row, config.rows_per_hop)
        lanes = self._codes_of(column, hop, codes)
        flips = memory.data.word_select(place, config.simd)
        if not config.early_matches:
            return lanes, flips
        sums = config.match_sum
        early = [not any(pair) for pair in zip(sums.delays, sums.flip_delays, strict=True)]
        before = codes[config.weights.latency_cycles + hop - 1]
        soon = before ^ memory.early.word_select(place, config.simd)
        matches = Signal(sum(early), name=f"matches_{row}", reset_less=True)
        m.d.sync += matches.eq(Cat(soon[i] for i, is_early in enumerate(early) if is_early))
        found = iter(matches)
        chosen = [next(found) if is_early else lanes[i] for i, is_early in enumerate(early)]
        flips = [Const(0, 1) if is_early else flips[i] for i, is_early in enumerate(early)]
        return Cat(*chosen), Cat(*flips)

    def _codes_of(self, column: int, hop: int, codes: list[Value]) -> Value:
        """What the PEs of a hop take: each lane as late as the match sum wants it."""
        config = self.config
        behind = config.weights.latency_cycles + hop
        runs, lane = [], 0
        for delay, group in groupby(config.match_sum.delays):
            count = len(list(group))
            first = (column * config.simd + lane) * config.lane_bits
            runs.append(codes[behind + delay][first : first + count * config.lane_bits])
            lane += count
        return Cat(*runs)

    def _gather(self, m: Module, name: str, complete: Value, word: list[Value]) -> Value:
        """The lanes of a column so far, as they are when the fold is complete."""
        lanes = Cat(*word)
        so_far = Signal(len(lanes), name=f"word_{name}", reset_less=True)
        with m.If(complete):
            m.d.sync += so_far.eq(lanes)
        return so_far

    def _classes(self, column: int) -> tuple[int, ...]:
        """Border classes of the pixels that a column works on, within an output row."""
        given = self.config.thresholds
        return () if given is None else given.x_classes[column :: self.config.columns]

    def _walks(
        self, m: Module, valid: list[Value], later: list[Value], last: list[Value]
    ) -> dict[tuple[int, ...], list[Value]]:
        """Addresses of thresholds, by the classes of a column, for each hop."""
        config = self.config
        walks: dict[tuple[int, ...], list[Value]] = {}
        if config.thresholds is None:
            return walks
        sum_cycles = config.result_cycles - 1
        if config.has_start:
            # With the fold's first sum; a cycle for the walk, one where the memory takes it.
            at = sum_cycles - 1 - StartValues.latency_of(self._moved[:, :: config.rows].size)
            advance = valid[at] & ~later[at]
        else:
            # With the fold's matches; a cycle for the walk, some for the memory.
            advance = last[sum_cycles - WEIGHT_LATENCY]
        for column in range(config.columns):
            classes = self._classes(column)
            if classes in walks:
                continue
            m.submodules[f"threshold_address_{column}"] = walk = ThresholdAddress(
                config=config.thresholds,
                neuron_folds=config.neuron_folds,
                x_classes=classes,
            )
            m.d.comb += walk.advance.eq(advance)
            name = f"threshold_address_{column}"
            walks[classes] = _delays(m, walk.address, config.hops, name=name, reset_less=True)
        return walks

    def _start(self, m: Module, name: str, row: int, address: Value) -> Value:
        """Start value of a row's accumulators; see `PE`."""
        config = self.config
        limit = 2**config.match_bits
        levels = self._moved[:, row :: config.rows].reshape(-1)
        m.submodules[name] = memory = StartValues(
            words=(limit - np.clip(levels, 0, limit)).tolist(),
            width=config.match_bits + 1,
            memory="lut" if config.thresholds is None else config.thresholds.memory,
        )
        m.d.comb += memory.address.eq(address)
        return memory.data

    def _schedule(self, m: Module) -> tuple[Value, Value, Value, Value]:
        """Count the input's beats; returns transfer, whether not the first of a fold,

        whether the last, and the weight address, which goes on as soon as a beat is taken;
        its highest bit tells ninth words where they are kept apart. What loads SPRAM counts
        words by the same counters.
        """
        config = self.config
        accept = Signal()
        beat = Signal(range(config.synapse_folds))
        fold = Signal(range(config.neuron_folds))
        address = Signal(range(config.weights.places))
        ninth = Signal()
        last_beat = Signal()
        credits_left = Signal(range(config.credits + 1), init=config.credits)
        # A register, for what stands before the array is far away; it comes a cycle late,
        # so it is low already when one credit is left.
        ready = Signal(init=1)
        m.d.sync += ready.eq(credits_left[1:].any())
        m.d.comb += [
            last_beat.eq(beat == config.synapse_folds - 1),
            self.i_stream.ready.eq(ready),
            accept.eq(self.i_stream.valid & ready),
        ]
        last_fold, step = fold == config.neuron_folds - 1, accept
        if not self._loaded:
            written = Signal()
            m.d.sync += written.eq(self.load.write.any())
            step = accept | written
            m.d.comb += self.load.end.eq((last_beat & last_fold).replicate(self.sprams))
        with m.If(step):
            m.d.sync += beat.eq(beat + 1)
            if config.weights.ninths:
                # It waits at each eighth word for the ninth.
                waits = address[:3].all() & ~ninth
                m.d.sync += [ninth.eq(waits), address.eq(address + ~waits)]
            else:
                m.d.sync += address.eq(address + 1)
            with m.If(last_beat):
                m.d.sync += [beat.eq(0), fold.eq(fold + 1)]
                with m.If(last_fold):
                    m.d.sync += [fold.eq(0), address.eq(0), ninth.eq(0)]
        given, returned = accept & last_beat, self.o_stream.valid & self.o_stream.ready
        with m.If(given & ~returned):
            m.d.sync += credits_left.eq(credits_left - 1)
        with m.If(returned & ~given):
            m.d.sync += credits_left.eq(credits_left + 1)
        whole = Cat(address, ninth) if config.weights.ninths else address
        return accept, beat.any(), last_beat, whole

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

    def _words(self, hop: int) -> list[int]:
        """Flips of a group of rows: word n*synapse_folds + s, row j in lanes j*simd ..."""
        config = self.config
        # Output n*rows + hop*rows_per_hop + j, tap s*simd + lane: to [n, s, j, lane].
        split = self._flips.reshape(
            config.neuron_folds, config.hops, config.rows_per_hop, config.synapse_folds, config.simd
        )
        words = split[:, hop].transpose(0, 2, 1, 3).reshape(config.weights.depth, -1, config.simd)
        # The address goes on when a beat is taken, valid or not what comes next. So the
        # word after a beat's own is always read a cycle later, and brings the late lanes.
        late = np.array(config.match_sum.flip_delays) > 0
        # Not in place: with one row this is still a view of the array's own.
        words = np.where(late, np.roll(words, 1, axis=0), words).reshape(config.weights.depth, -1)
        packed = np.packbits(words, axis=1, bitorder="little")
        return [int.from_bytes(row.tobytes(), "little") for row in packed]

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
