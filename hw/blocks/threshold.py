"""Thresholds: per channel, count the levels that the matches reach.

A single level needs no unit, as the accumulators start from it: `StartValues` has
what from. `ThresholdUnit` compares with several.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from numpy.typing import ArrayLike

from hw.blocks.weights import WeightMemory
from hw.plan.array import FEW_STARTS, ThresholdConfig
from hw.plan.weights import WeightConfig

__all__ = ["StartValues", "ThresholdAddress", "ThresholdUnit"]


class StartValues(wiring.Component):
    """Start values of the accumulators of one row.

    Parameters
    ----------
    words : sequence of int
    width : int
        Bits of a word.
    memory : "lut" or "block"
        What more than `FEW_STARTS` words are in. On ECP5 block RAM is too slow without a
        register behind it, for which there is no cycle; iCE40's clocks leave it the time.

    Attributes
    ----------
    address : unsigned, in
    data : unsigned(width), out
        `latency_cycles` behind the address; a constant where there is one word.
    """

    @staticmethod
    def latency_of(depth: int) -> int:
        """A register behind all but those memories that are one LUT a bit."""
        return int(depth > FEW_STARTS)

    def __init__(
        self, *, words: Sequence[int], width: int, memory: Literal["lut", "block"] = "lut"
    ) -> None:
        self.words = [int(word) for word in words]
        self._block = memory == "block" and len(self.words) > FEW_STARTS
        super().__init__({"address": In(range(len(self.words))), "data": Out(width)})

    @property
    def latency_cycles(self) -> int:
        return self.latency_of(len(self.words))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        if len(self.words) == 1:
            m.d.comb += self.data.eq(self.words[0])
            return m
        # The address comes from a register of its own in each row, so none is needed here.
        m.submodules.memory = memory = Memory(
            shape=len(self.data),
            depth=len(self.words),
            init=self.words,
            attrs={"ram_style": "block" if self._block else "logic"},
        )
        if self._block:
            port = memory.read_port(domain="sync")
            m.d.comb += [port.addr.eq(self.address), self.data.eq(port.data)]
            return m
        port = memory.read_port(domain="comb")
        m.d.comb += port.addr.eq(self.address)
        if not self.latency_cycles:
            m.d.comb += self.data.eq(port.data)
            return m
        data = Signal(len(self.data), reset_less=True)
        m.d.sync += data.eq(port.data)
        m.d.comb += self.data.eq(data)
        return m


class ThresholdUnit(wiring.Component):
    """Thresholds of the channels that share one row, of two levels or more.

    ``n = number of i with matches >= levels[address, i]``, and the code is
    n, or L - n where the channel is inverted.

    Parameters
    ----------
    config : ThresholdConfig
    levels : int array (depth, L)
        Ascending along L; levels beyond the range of the matches are legal.
    inverted : bool array (depth,)

    Attributes
    ----------
    address : unsigned, in
        Read ahead: `WEIGHT_LATENCY` cycles before the matches it belongs to.
    matches : unsigned(match_bits), in
    fire : unsigned(1), in
        The matches are a finished sum.
    code : unsigned(out_bits), out
        Of the latest ``fire``, from `latency_cycles` after it until the next.
    """

    def __init__(self, *, config: ThresholdConfig, levels: ArrayLike, inverted: ArrayLike) -> None:
        self.config = config
        # 2**match_bits is a level that is never reached, and the greatest needed.
        self._levels = np.clip(np.asarray(levels, np.int64), 0, 2**config.match_bits)
        self._inverted = np.array(inverted, np.bool_)
        assert config.levels > 1, "a single level is in the accumulator"
        assert self._levels.shape == (len(self._inverted), config.levels), "shapes disagree"
        super().__init__(
            {
                "address": In(range(len(self._inverted))),
                "matches": In(config.match_bits),
                "fire": In(1),
                "code": Out(config.out_bits),
            }
        )

    @property
    def latency_cycles(self) -> int:
        return self.config.latency_cycles

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        level_bits = max(1, int(self._levels.max()).bit_length())
        words = [
            sum(int(level) << (i * level_bits) for i, level in enumerate(row))
            + (int(inverted) << (config.levels * level_bits))
            for row, inverted in zip(self._levels, self._inverted, strict=True)
        ]
        m.submodules.memory = memory = WeightMemory(
            config=WeightConfig(
                depth=len(words), width=config.levels * level_bits + 1, memory=config.memory
            ),
            words=words,
        )
        m.d.comb += memory.address.eq(self.address)
        inverted = memory.data[-1]
        # Where the channel is inverted, L - n is the number of levels not reached.
        reached = Cat(
            (self.matches >= memory.data.word_select(i, level_bits)) ^ inverted
            for i in range(config.levels)
        )
        code = Signal(config.out_bits, reset_less=True)
        hits = Signal(config.levels, reset_less=True)
        fire = Signal()
        m.d.sync += [hits.eq(reached), fire.eq(self.fire)]
        with m.If(fire):
            m.d.sync += code.eq(_ones(list(hits)))
        m.d.comb += self.code.eq(code)
        return m


def _ones(bits: list[Value]) -> Value:
    """Number of ones among ``bits``."""
    if len(bits) == 1:
        return bits[0]
    middle = len(bits) // 2
    return _ones(bits[:middle]) + _ones(bits[middle:])


class ThresholdAddress(wiring.Component):
    """Address of the thresholds of the fold at hand: border class and neuron fold.

    Walks the map in raster order, ``neuron_folds`` folds a pixel; the address is
    ``class * neuron_folds + neuron fold``.

    Parameters
    ----------
    config : ThresholdConfig
    neuron_folds : int
    x_classes : tuple of int, or None
        Classes of the pixels walked over in an output row, where these are not all.

    Attributes
    ----------
    advance : unsigned(1), in
    address : unsigned, out
        From the cycle after the i-th ``advance``: the address of the i-th fold.
    """

    def __init__(
        self,
        *,
        config: ThresholdConfig,
        neuron_folds: int,
        x_classes: tuple[int, ...] | None = None,
    ) -> None:
        self.config = config
        self.x_classes = config.x_classes if x_classes is None else x_classes
        self.neuron_folds = neuron_folds
        depth = config.classes * neuron_folds
        super().__init__({"advance": In(1), "address": Out(range(depth))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        step = self.advance
        offsets: list[Value] = []
        strides = (1, self.neuron_folds, self.neuron_folds * (max(config.x_classes) + 1))
        walks = (range(self.neuron_folds), self.x_classes, config.y_classes)
        # Fastest first. A map of one class is the same everywhere: nothing to walk.
        for name, stride, values in zip(("fold", "x", "y"), strides, walks, strict=True):
            if name != "fold" and config.classes == 1:
                break
            position = Signal(range(len(values)), name=name)
            at_end = position == len(values) - 1
            with m.If(step):
                m.d.sync += position.eq(position + 1)
                with m.If(at_end):
                    m.d.sync += position.eq(0)
            step = step & at_end
            offset = Signal(range(stride * max(values) + 1), name=f"{name}_offset")
            _look_up(m, position, [stride * value for value in values], offset)
            offsets.append(offset)
        address = Const(0, 1)
        for offset in offsets:
            address = address + offset
        with m.If(self.advance):
            m.d.sync += self.address.eq(address)
        return m


def _look_up(m: Module, index: Signal, values: list[int], result: Signal) -> None:
    """``result = values[index]``, one case for each value that differs from the commonest."""
    if values == list(range(len(values))):
        m.d.comb += result.eq(index)
        return
    common = max(set(values), key=values.count)
    m.d.comb += result.eq(common)
    with m.Switch(index):
        for position, value in enumerate(values):
            if value != common:
                with m.Case(position):
                    m.d.comb += result.eq(value)
