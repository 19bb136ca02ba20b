"""All rows of an array whose weights are logic."""

from __future__ import annotations

import dataclasses

import numpy as np
from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from numpy.typing import NDArray

from hw.blocks.constant import ConstantSums
from hw.blocks.threshold import ThresholdAddress, ThresholdUnit
from hw.blocks.weights import WeightMemory
from hw.plan.adders import Output
from hw.plan.array import ArrayConfig, ThresholdConfig
from hw.plan.weights import WEIGHT_LATENCY, WeightConfig

__all__ = ["ConstantRows"]


class ConstantRows(wiring.Component):
    """The outputs of a pixel a cycle, of one column of an array with weights as logic.

    Thresholds are moved onto the numbers that `ConstantSums` makes, so that no number
    is turned into matches; a single level of a single border class is a comparison with
    a constant.

    Parameters
    ----------
    config : ArrayConfig
        With weights as "logic".
    column : int
        Which of the array's columns; of account for border classes only.
    weights, thresholds, inverted
        As `SystolicArray`.

    Attributes
    ----------
    codes : unsigned(simd * lane_bits), in
    valid : unsigned(1), in
        The codes are a pixel's; pixels come in raster order, as the column has them.
    word : unsigned(rows * out_bits), out
        The rows' lanes, ``config.code_cycles`` after the codes.
    """

    def __init__(
        self,
        *,
        config: ArrayConfig,
        column: int,
        weights: NDArray[np.bool_],
        thresholds: NDArray[np.int64] | None = None,
        inverted: NDArray[np.bool_] | None = None,
    ) -> None:
        assert config.weight_memory == "logic", "weights of the wrong kind"
        self.config = config
        self.column = column
        self.thresholds = thresholds
        self.inverted = inverted
        self._sums = ConstantSums(weights=weights, lane_bits=config.lane_bits)
        super().__init__(
            {
                "codes": In(config.simd * config.lane_bits),
                "valid": In(1),
                "word": Out(config.rows * config.out_bits),
            }
        )

    @property
    def latency_cycles(self) -> int:
        return self.config.code_cycles

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config, given = self.config, self.config.thresholds
        m.submodules.sums = sums = self._sums
        classes = 1 if given is None else given.classes
        levels = 0 if given is None else given.levels

        # A register in front, and the time that the walk over border classes takes.
        first = min(output.adder.cycle for output in sums.plan.outputs)
        early = 1 if classes == 1 else max(1, 1 + WEIGHT_LATENCY - first)
        codes = _delayed(m, self.codes, early, "codes")[-1]
        m.d.comb += sums.codes.eq(codes)
        valid = _delayed(m, self.valid, early + sums.latency_cycles, "valid", reset_less=False)

        # By the cycles that an output's numbers are behind those of the first.
        addresses: list[Value] = [Const(0, 1)] * (sums.latency_cycles - first + 1)
        if given is not None and classes > 1:
            m.submodules.address = walk = ThresholdAddress(
                config=given,
                neuron_folds=1,
                x_classes=given.x_classes[self.column :: config.columns],
            )
            m.d.comb += walk.advance.eq(valid[early + first - WEIGHT_LATENCY - 1])
            addresses = _delayed(m, walk.address, len(addresses) - 1, "address")

        lanes: list[Value] = []
        for row, (number, output) in enumerate(zip(sums.numbers, sums.plan.outputs, strict=True)):
            at = early + output.adder.cycle
            address = addresses[output.adder.cycle - first]
            if given is None:
                lane = Signal(config.match_bits, name=f"matches_{row}", reset_less=True)
                matches = output.offset - number if output.negative else number - output.offset
                m.d.sync += lane.eq(matches)
            elif levels == 1:
                lane = self._code(m, row, number, output, address)
            else:
                lane = self._codes(m, given, row, number, output, address, valid[at])
            # What the weights left over of the cycles that any weights may take.
            left = config.code_cycles - at - (2 if levels > 1 else 1)
            lanes.append(_delayed(m, lane, left, f"lane_{row}")[-1])
        m.d.comb += self.word.eq(Cat(*lanes))
        return m

    def _levels(self, row: int, output: Output) -> tuple[NDArray[np.int64], bool]:
        """Levels (classes, L) on a row's numbers, ascending, and whether codes are inverted."""
        assert self.thresholds is not None and self.inverted is not None
        levels, inverted = self.thresholds[:, row], bool(self.inverted[row])
        high = output.adder.high
        if output.negative:
            # offset - number >= t where not number >= offset - t + 1.
            levels, inverted = (output.offset - levels + 1)[:, ::-1], not inverted
        else:
            levels = levels + output.offset
        return np.clip(levels, 0, high + 1), inverted

    def _code(self, m: Module, row: int, number: Value, output: Output, address: Value) -> Signal:
        """Code of a single level."""
        levels, inverted = self._levels(row, output)
        code = Signal(name=f"code_{row}", reset_less=True)
        words = [int(level) for level in levels[:, 0]]
        if len(set(words)) == 1:
            reached = _reaches(number, words[0])
        else:
            width = max(words).bit_length()
            memory = WeightMemory(
                config=WeightConfig(depth=len(words), width=width, memory="lut"), words=words
            )
            m.submodules[f"levels_{row}"] = memory
            m.d.comb += memory.address.eq(address)
            reached = number >= memory.data
        m.d.sync += code.eq(~reached if inverted else reached)
        return code

    def _codes(
        self,
        m: Module,
        given: ThresholdConfig,
        row: int,
        number: Value,
        output: Output,
        address: Value,
        fire: Value,
    ) -> Value:
        """Code of several levels, two cycles after the number."""
        levels, inverted = self._levels(row, output)
        m.submodules[f"threshold_{row}"] = unit = ThresholdUnit(
            config=dataclasses.replace(given, match_bits=len(number)),
            levels=levels,
            inverted=np.full(len(levels), inverted),
        )
        m.d.comb += [unit.address.eq(address), unit.matches.eq(number), unit.fire.eq(fire)]
        return unit.code


def _reaches(number: Value, level: int) -> Value:
    """``number >= level`` bit by bit, which takes a LUT for three bits and no carry chain."""
    if level >= 1 << len(number):
        return Const(0, 1)
    reached: Value = Const(1, 1)
    for place, bit in enumerate(number):
        reached = bit & reached if level >> place & 1 else bit | reached
    return reached


def _delayed(
    m: Module, value: Value, cycles: int, name: str, *, reset_less: bool = True
) -> list[Value]:
    """``value`` behind 0, 1, ... ``cycles`` registers."""
    line = [value]
    for cycle in range(cycles):
        register = Signal(len(value), name=f"{name}_behind_{cycle}", reset_less=reset_less)
        m.d.sync += register.eq(line[-1])
        line.append(register)
    return line
