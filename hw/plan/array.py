"""Configurations of the systolic array and of the units inside it.

Shapes, pipeline depths and cycle counts are declared here and only here; the
blocks of `hw.blocks` are built from these objects and the tests hold the
measured latency and throughput equal to the declared ones.

How the cycles of an array come about, with the last beat of a neuron fold
accepted in cycle 0 (``hop`` is the index of a group of rows):

1. its weights are read ahead of it: address in cycle ``hop``, block RAM in
   ``hop + 1``, weight register in ``hop + 2``, where the activation joins them; a
   memory of several pages takes a cycle more (`WeightConfig.latency_cycles`);
2. the match sum takes `MatchSumConfig.latency_cycles`, the accumulator one more;
3. several levels of thresholds take `ThresholdConfig.latency_cycles`;
4. the last group of rows is ``hops - 1`` behind the first, and completes the word;
5. the output FIFO shows the word `FIFO_LATENCY` cycles later.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal

from hw.plan.block_ram import DP16KD, SB_RAM40, BlockRam
from hw.plan.constant import sum_cycles
from hw.plan.match_sum import MatchSumConfig, require_positive
from hw.plan.weights import WeightConfig, weight_memory
from sw.errors import PlanError

__all__ = [
    "FEW_STARTS",
    "FIFO_LATENCY",
    "ArrayConfig",
    "MatchSumConfig",
    "ThresholdConfig",
    "WeightKind",
]

#: Cycles from a write into an empty output FIFO to the word on its output.
FIFO_LATENCY = 2

#: What weights are kept in.
WeightKind = Literal["lut", "block", "spram", "logic"]

#: Start values, of thresholds of one level, that are a LUT a bit.
FEW_STARTS = 16

#: Rows that a result may cross without a register; bounds the length of a wire.
_LONGEST_SEGMENT = 16


def _require_divides(config: object, part: str, whole: str) -> None:
    small, large = getattr(config, part), getattr(config, whole)
    if large % small:
        divisors = [d for d in range(1, large + 1) if large % d == 0]
        nearest = min(divisors, key=lambda d: (abs(d - small), d))
        raise PlanError(
            f"{type(config).__name__}.{part} is {small}, which does not divide {whole} = {large}",
            f"Choose a divisor of {large}, for instance {nearest}",
        )


@dataclass(frozen=True, kw_only=True)
class ThresholdConfig:
    """Thresholds of the channels of a feature map, per border class.

    Parameters
    ----------
    channels : int
        Channels of the map.
    levels : int
        Levels L of a channel; the output is a code of 0 to L.
    match_bits : int
        Width of the matches A that are compared.
    y_classes, x_classes : tuple of int
        Border class of each output row (length: height of the map) and column;
        the class of a pixel is ``y_class * (max(x_classes) + 1) + x_class``.
    memory : "lut" or "block"
        Where the levels are kept; of one level, up to `FEW_STARTS` are in LUTs either way.
    """

    channels: int
    levels: int
    match_bits: int
    y_classes: tuple[int, ...]
    x_classes: tuple[int, ...]
    memory: Literal["lut", "block"] = "lut"

    def __post_init__(self) -> None:
        require_positive(self, "channels", "levels", "match_bits")
        for name in ("y_classes", "x_classes"):
            classes = getattr(self, name)
            if not classes or min(classes) < 0:
                raise PlanError(
                    f"ThresholdConfig.{name} is {classes!r}, but must be one class >= 0 a row"
                    " or column of the output map",
                    "Give a border class for each, all 0 where there is no border",
                )

    @property
    def height(self) -> int:
        return len(self.y_classes)

    @property
    def width(self) -> int:
        return len(self.x_classes)

    @property
    def classes(self) -> int:
        """Number of border classes."""
        return (max(self.y_classes) + 1) * (max(self.x_classes) + 1)

    @property
    def out_bits(self) -> int:
        """Width of an output code."""
        return self.levels.bit_length()

    @property
    def latency_cycles(self) -> int:
        """Cycles from matches to code: to compare and to count several levels.

        A single level is in the accumulator, and its code there together with the matches.
        """
        return 0 if self.levels == 1 else 2


@dataclass(frozen=True, kw_only=True)
class ArrayConfig:
    """A systolic array: ``rows`` PEs of ``simd`` lanes, time-shared by the outputs of a layer.

    Parameters
    ----------
    outputs : int
        Output channels O; a multiple of ``rows``.
    fan_in : int
        Taps K of an output; a multiple of ``simd``.
    rows, simd : int
        Output channels and taps worked on side by side.
    lane_bits : int
        Width of an input code.
    height, width : int
        Output pixels of a frame.
    weight_memory : "lut", "block", "spram" or "logic"
        Where the weights are kept. "spram": memories that are loaded after configuration,
        `WeightConfig`. "logic": there is no memory, each weight is part of
        the logic that it is used in; then the array is as large as the layer, with
        ``rows == outputs`` and ``simd == fan_in``.
    pipeline : int
        See `MatchSumConfig`.
    thresholds : ThresholdConfig or None
        None: the array emits the matches A themselves.
    rows_per_hop : int
        Neighbouring rows that share one activation register and one weight
        memory; a divisor of ``rows``. More than one suits narrow PEs, whose
        weights would fill a fraction of a block RAM's width.
    columns : int
        Neighbouring pixels of an output row worked on side by side, with the same
        weights; a divisor of ``width``.
    """

    outputs: int
    fan_in: int
    rows: int
    simd: int
    lane_bits: int = 1
    height: int = 1
    width: int = 1
    weight_memory: WeightKind = "block"
    pipeline: int = 2
    thresholds: ThresholdConfig | None = None
    rows_per_hop: int = 1
    columns: int = 1
    block_ram: BlockRam = DP16KD

    def __post_init__(self) -> None:
        require_positive(self, "outputs", "fan_in", "rows", "simd", "lane_bits")
        require_positive(self, "height", "width", "pipeline", "rows_per_hop", "columns")
        _require_divides(self, "rows", "outputs")
        _require_divides(self, "simd", "fan_in")
        _require_divides(self, "rows_per_hop", "rows")
        _require_divides(self, "columns", "width")
        self._check_memory()
        if self.thresholds is not None:
            self._check_thresholds(self.thresholds)

    def _check_memory(self) -> None:
        if self.weight_memory not in ("lut", "block", "spram", "logic"):
            raise PlanError(
                f"the weight memory is {self.weight_memory!r}, but must be 'lut', 'block',"
                " 'spram' or 'logic'",
                "Choose 'lut' for constants in logic, 'block' for block RAM, 'spram' for the"
                " memories of 256 Kbit or 'logic' for weights that are part of the sums",
            )
        if self.weight_memory == "logic" and self.neuron_folds * self.synapse_folds > 1:
            raise PlanError(
                f"weights as logic need one PE an output and one lane a tap, but there are"
                f" {self.rows} rows for {self.outputs} outputs and {self.simd} lanes for"
                f" {self.fan_in} taps",
                f"Set rows to {self.outputs} and simd to {self.fan_in}, or keep the weights in"
                " a memory",
            )

    def _check_thresholds(self, given: ThresholdConfig) -> None:
        for what, got, expected in (
            ("channels", given.channels, self.outputs),
            ("match_bits", given.match_bits, self.match_bits),
            ("output rows (length of y_classes)", given.height, self.height),
            ("output columns (length of x_classes)", given.width, self.width),
        ):
            if got != expected:
                raise PlanError(
                    f"the thresholds are for {got} {what}, but the array has {expected}",
                    "Make the ThresholdConfig from the same layer as the ArrayConfig",
                )

    @property
    def neuron_folds(self) -> int:
        """Turns in which the rows work off the outputs of a pixel."""
        return self.outputs // self.rows

    @property
    def synapse_folds(self) -> int:
        """Beats in which the lanes work off the taps of an output."""
        return self.fan_in // self.simd

    @property
    def pixels(self) -> int:
        return self.height * self.width

    @property
    def match_max(self) -> int:
        """Greatest value of the matches A of an output."""
        return self.fan_in * (2**self.lane_bits - 1)

    @property
    def match_bits(self) -> int:
        """Width of the matches A."""
        return self.match_max.bit_length()

    @property
    def out_bits(self) -> int:
        """Width of a row's lane in an output beat."""
        return self.match_bits if self.thresholds is None else self.thresholds.out_bits

    @property
    def has_start(self) -> bool:
        """Whether the accumulators start from a threshold: where there is a single level."""
        return self.thresholds is not None and self.thresholds.levels == 1

    @property
    def pe_bits(self) -> int:
        """Width of a PE's result: matches, or already a code."""
        return 1 if self.has_start else self.match_bits

    @property
    def hops(self) -> int:
        """Groups of rows, each one register behind the one before it.

        Weights as logic make one group of all rows, which share their sums.
        """
        return 1 if self.weight_memory == "logic" else self.rows // self.rows_per_hop

    @property
    def match_sum(self) -> MatchSumConfig:
        """Config of each PE's match sum."""
        return _match_sum(self.simd, self.lane_bits, self.pipeline)

    @property
    def weights(self) -> WeightConfig:
        """Config of each group's weight memory: lane s of the group's row j is bit j*simd + s."""
        depth = self.neuron_folds * self.synapse_folds
        width = self.rows_per_hop * self.simd
        if self.weight_memory == "block":
            return weight_memory(width, depth, self.block_ram)
        memory = "spram" if self.weight_memory == "spram" else "lut"
        return WeightConfig(depth=depth, width=width, memory=memory)

    @property
    def early_matches(self) -> bool:
        """Whether a lane's match is made in front of the register that its flip would have.

        On iCE40 the register behind block RAM or SPRAM takes a logic cell whose LUT is free, which
        makes the match there; behind it, it would take a LUT more. Of lanes whose flips come a
        cycle late, or that other columns share, the flip is kept.
        """
        ice40 = self.block_ram == SB_RAM40 and self.weight_memory in ("block", "spram")
        return ice40 and self.weights.depth > 1 and self.columns == 1 and self.lane_bits == 1

    @property
    def segment(self) -> int:
        """Hops whose results stand still until the word that they make up is complete.

        A row's result stands for at least ``synapse_folds`` cycles, so that many
        hops need no register of their own to wait for one another.
        """
        return min(self.synapse_folds, self.hops, _LONGEST_SEGMENT)

    @property
    def result_cycles(self) -> int:
        """Cycles from a fold's last beat to row 0's matches, see steps 1 and 2 above.

        With weights as logic: a register, the sums, and another, behind the comparison.
        """
        if self.weight_memory == "logic":
            return 1 + sum_cycles(self.rows, self.simd, self.lane_bits) + 1
        return self.weights.latency_cycles + self.match_sum.latency_cycles + 1

    @property
    def code_cycles(self) -> int:
        """Cycles from a fold's last beat to row 0's output lane, see step 3 above."""
        after = 0 if self.thresholds is None else self.thresholds.latency_cycles
        return self.result_cycles + after

    @property
    def pipeline_cycles(self) -> int:
        """Cycles from the transfer of a fold's last beat to that of its result.

        Counted with the output ready and the output FIFO empty.
        """
        return self.code_cycles + self.hops - 1 + FIFO_LATENCY

    @property
    def latency_cycles(self) -> int:
        """Cycles from the transfer of a frame's first input beat to that of its first output beat.

        Counted in an idle array, with the input always valid and the output ready.
        """
        return self.synapse_folds - 1 + self.pipeline_cycles

    @property
    def credits(self) -> int:
        """Neuron folds that may be under way or wait in the output FIFO.

        A credit taken in cycle 0 is back in the count in cycle ``pipeline_cycles + 1``, and
        the input, whose ``ready`` is a register, is open while two are left: enough of them
        to accept a fold each ``synapse_folds`` cycles.
        """
        return -(-self.pipeline_cycles // self.synapse_folds) + 2

    @property
    def fifo_depth(self) -> int:
        """Words of the output FIFO; its output register is not counted as a place."""
        return self.credits + 1

    @property
    def cycles_per_frame(self) -> int:
        """Cycles of a frame when the input is always valid and the output always ready."""
        return self.pixels // self.columns * self.neuron_folds * self.synapse_folds


@cache
def _match_sum(simd: int, lane_bits: int, pipeline: int) -> MatchSumConfig:
    """One object for many arrays: a planner looks at thousands."""
    return MatchSumConfig(simd=simd, lane_bits=lane_bits, pipeline=pipeline)
