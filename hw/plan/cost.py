"""Area model: LUT sites, flip-flops, block RAMs and DSPs of each block.

LUTs are nextpnr's TRELLIS_COMB sites after packing, carry chains included. The
coefficients are fitted to the out-of-context place and route of
``benchmarks/size.py`` (tests/baselines/size.json); `docs/planner.md` tells how,
and how far off they are. Block RAM is counted, not fitted: a memory of a given
width and depth takes what Yosys maps it to.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import ceil
from typing import Protocol

from hw.plan.array import BLOCK_RAM_SHAPES, ArrayConfig, ThresholdConfig
from hw.plan.carry import chain_sites
from hw.plan.link import LinkConfig
from hw.plan.match_sum import MatchSumConfig
from hw.plan.stream import (
    ColumnOrderConfig,
    HeadConfig,
    LineBufferConfig,
    PoolConfig,
    WidthConfig,
)
from sw.errors import PlanError

__all__ = [
    "Budget",
    "Cost",
    "Share",
    "array_cost",
    "block_rams",
    "column_order_cost",
    "head_cost",
    "line_buffer_cost",
    "link_cost",
    "pool_cost",
    "rom_luts",
    "width_cost",
]


#: LUT sites that the two ends of a carry chain take.
CHAIN_ENDS = 1.6

#: LUTs that join one more page of 16 constants to the others.
MUX_LUTS = 1.25

#: LUTs of a bit of the multiplexer that joins one more page of a block RAM memory.
PAGE_MUX = 0.75

#: LUT sites of a 16 x 4 distributed RAM; its write port lies beside them.
LUT_RAM_SITES = 4

#: Sites and flip-flops of counters and handshakes.
ARRAY_CONTROL = 36
FIFO_CONTROL = 20
LINE_BUFFER_CONTROL = 60
POOL_CONTROL = 33

RESOURCES = ("lut", "ff", "bram", "dsp")


class Budget(Protocol):
    """What a device holds (`boards.DeviceBudget` is one)."""

    @property
    def lut(self) -> int: ...
    @property
    def ff(self) -> int: ...
    @property
    def bram(self) -> int: ...
    @property
    def dsp(self) -> int: ...


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Area of a block or of a whole design."""

    lut: int = 0
    ff: int = 0
    bram: int = 0
    dsp: int = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            lut=self.lut + other.lut,
            ff=self.ff + other.ff,
            bram=self.bram + other.bram,
            dsp=self.dsp + other.dsp,
        )

    def summary(self) -> dict[str, int]:
        return {name: getattr(self, name) for name in RESOURCES}


@dataclass(frozen=True, kw_only=True)
class Share:
    """Part of a device that the planner may fill, by its own prediction.

    The default leaves room for the router, which slows down and loses clock in a
    full device, and for the error of the area model. Block RAM is counted and not
    estimated, so nearly all of it may be used.
    """

    lut: float = 0.6
    ff: float = 0.6
    bram: float = 0.9
    dsp: float = 1.0

    def __post_init__(self) -> None:
        for name in RESOURCES:
            value = getattr(self, name)
            if not 0 < value <= 1:
                raise PlanError(
                    f"the share of {name} is {value}; it must be above 0 and at most 1",
                    "Give a share such as 0.6",
                )

    @classmethod
    def of(cls, value: Share | float | None) -> Share:
        """A share from what a caller may pass: a number stands for LUTs and flip-flops."""
        if value is None:
            return cls()
        return value if isinstance(value, Share) else cls(lut=value, ff=value)

    def usable(self, budget: Budget) -> Cost:
        """The most that may be used, rounded down."""
        return Cost(**{n: int(getattr(budget, n) * getattr(self, n)) for n in RESOURCES})


#: Everything outside the core but the ring of frames.
LINK = Cost(lut=1020, ff=550, bram=1)


@cache
def block_rams(width: int, depth: int) -> int:
    """Block RAMs of a memory of ``depth`` words of ``width`` bits."""
    return min(ceil(width / w) * ceil(depth / d) for w, d in BLOCK_RAM_SHAPES)


@cache
def rom_bits(width: int, depth: int) -> float:
    """Bits of a word that need logic of their own in a memory of constants.

    Yosys merges bits with the same contents, and constant ones vanish. Of
    ``2**depth`` possible contents, ``width`` random ones are distinct as this says.
    """
    if depth > 16:
        return width
    kinds = 2**depth
    return max(0, kinds - 2) * (1 - (1 - 1 / kinds) ** width)


@cache
def rom_luts(width: int, depth: int) -> float:
    """LUTs of a memory of constants: a LUT4 holds 16 bits, and multiplexers join them."""
    pages = ceil(depth / 16)
    return rom_bits(width, depth) * (pages + MUX_LUTS * (pages - 1))


def adder(bits: int, ends: float = CHAIN_ENDS) -> float:
    """LUT sites of a carry chain: a site a bit, in pairs, and its ends."""
    return 2 * ceil(bits / 2) + ends


@cache
def match_sum_cost(config: MatchSumConfig) -> tuple[int, int, int]:
    """LUT sites and flip-flops of one match sum, level by level as it is built.

    The third figure is the flip-flops, for all rows together, of codes that come late.
    """
    sites = sum(chain_sites(level.bits) for level in config.levels if level.bits)
    registers = sum(
        maximum.bit_length()
        for level in config.levels
        if level.registered
        for maximum in level.maxima
    )
    registers += sum(max(0, delay - 1) for delay in config.delays)
    return sites, registers, config.lane_bits * sum(config.delays)


def pe_cost(config: ArrayConfig) -> tuple[float, float]:
    """LUT sites and flip-flops of a PE: match sum, accumulator, result."""
    sites, registers, _ = match_sum_cost(config.match_sum)
    bits = config.match_bits + config.has_start
    folded = config.synapse_folds > 1
    if folded or config.has_start or config.match_sum.has_carry:
        sites += chain_sites([bits])
    if folded:
        registers += bits
    if not folded or config.thresholds is None or config.has_start:
        registers += config.pe_bits
    return sites, registers


def array_cost(config: ArrayConfig) -> Cost:
    """Systolic array: PEs, weight memories, thresholds, hop registers, output FIFO."""
    columns, hops, weights = config.columns, config.hops, config.weights
    luts, flip_flops = (config.rows * columns * part for part in pe_cost(config))
    blocks = 0
    if weights.depth > 1:
        if weights.memory == "block":
            # The register behind the memory is in the block RAM.
            blocks += hops * block_rams(weights.width, weights.depth)
            if weights.pages > 1:
                flip_flops += hops * weights.width
                luts += hops * weights.width * (weights.pages - 1) * PAGE_MUX
        else:
            luts += hops * rom_luts(weights.width, weights.depth)
            flip_flops += hops * rom_bits(weights.width, weights.depth)
    if config.thresholds is not None:
        more = _threshold_cost(config.thresholds, config)
        luts, flip_flops, blocks = luts + more[0], flip_flops + more[1], blocks + more[2]
    # Codes wait for their weights, hop along, and some ride late.
    delays = weights.latency_cycles + hops - 1
    late = match_sum_cost(config.match_sum)[2]
    flip_flops += columns * (delays * config.simd * config.lane_bits + late)
    # The weight address, and what tells PEs of a fold's beats.
    flip_flops += hops * ((weights.depth - 1).bit_length() + 2)
    word = config.rows * columns * config.out_bits
    luts += lut_ram(word, config.fifo_depth) + FIFO_CONTROL + ARRAY_CONTROL
    flip_flops += word * (1 + (hops - 1) / (2 * config.segment)) + ARRAY_CONTROL / 2
    return count(lut=luts, ff=flip_flops, bram=blocks)


def _threshold_cost(config: ThresholdConfig, array: ArrayConfig) -> tuple[float, float, int]:
    """Thresholds of all rows: their memories, and several levels' comparisons a column.

    A single level is compared in the accumulator, which starts from it; columns whose
    pixels have the same border classes share it.
    """
    depth = config.classes * array.neuron_folds
    luts, flip_flops, blocks = 0.0, 0.0, 0
    walks = len({config.x_classes[column :: array.columns] for column in range(array.columns)})
    if array.has_start:
        if depth > 1:
            luts += walks * rom_luts(config.match_bits + 1, depth)
        if depth > 16:
            flip_flops += walks * rom_bits(config.match_bits + 1, depth)
    else:
        width = config.levels * config.match_bits + 1
        luts += array.columns * config.levels * (adder(config.match_bits) + 1.5)
        flip_flops += array.columns * (config.out_bits + config.levels + 1)
        if depth > 1 and config.memory == "block":
            blocks = array.columns * array.rows * block_rams(width, depth)
        elif depth > 1:
            luts += array.columns * rom_luts(width, depth)
            flip_flops += array.columns * rom_bits(width, depth)
    hop_bits = walks * array.hops * (depth - 1).bit_length()
    return array.rows * luts, array.rows * flip_flops + hop_bits, blocks


def lut_ram(width: int, depth: int) -> float:
    """LUT sites of a memory in distributed RAM, with multiplexers between its pages."""
    pages = ceil(depth / 16)
    return ceil(width / 4) * pages * LUT_RAM_SITES + width * (pages - 1)


def memory_cost(width: int, depth: int, kind: str) -> tuple[float, int]:
    """LUT sites and block RAMs of a memory that is written and read."""
    if kind == "block":
        return 0.0, block_rams(width, depth)
    return lut_ram(width, depth), 0


@cache
def line_buffer_cost(config: LineBufferConfig) -> Cost:
    """Line buffer: memories, window registers in parallel mode, counters."""
    if config.mode == "wire":
        return Cost()
    word = config.i_lanes * config.lane_bits
    luts, blocks = memory_cost(word, config.depth, config.memory)
    if config.mode == "serial":
        luts, blocks = config.columns * luts, config.columns * blocks
        word *= config.columns
        places = config.depth.bit_length()
        luts += 8 * places + 0.3 * word + LINE_BUFFER_CONTROL
        return count(lut=luts, ff=2 * word + 5 * places + LINE_BUFFER_CONTROL / 2, bram=blocks)
    # Columns that shift, a copy of the window, and a multiplexer where it goes out in parts.
    window = config.fan_in * config.lane_bits
    luts *= config.banks
    luts += window * (1.15 if config.window_beats == 1 else 2.4)
    luts += window * (0.6 if config.lane_bits > 1 else 0)
    return count(
        lut=luts + 1.5 * LINE_BUFFER_CONTROL,
        ff=2.5 * window + LINE_BUFFER_CONTROL / 2,
        bram=config.banks * blocks,
    )


@cache
def column_order_cost(config: ColumnOrderConfig) -> Cost:
    """Column order: a memory a column, or a register, and a multiplexer between them."""
    if config.columns == 1:
        return Cost()
    word = config.lanes * config.lane_bits
    luts = word * config.columns * 0.6 + 20
    if config.depth:
        luts += config.columns * lut_ram(word, config.depth)
        return count(lut=luts, ff=word + 30)
    return count(lut=luts, ff=config.columns * word + 10)


@cache
def pool_cost(config: PoolConfig) -> Cost:
    """Pool: a comparison a lane, a row of partial results."""
    word = config.lanes * config.lane_bits
    luts, blocks = memory_cost(word, config.depth, config.memory)
    luts += word * (2.6 if config.lane_bits == 1 else 3.5) + POOL_CONTROL
    whole = config.pixel_beats == 1
    luts += 0 if whole else POOL_CONTROL
    return count(lut=luts, ff=word * (3 if whole else 2) + 15, bram=blocks)


@cache
def width_cost(config: WidthConfig) -> Cost:
    """Width converter: a shift register, or two of a whole group where neither side divides."""
    i_bits, o_bits = config.i_lanes * config.lane_bits, config.o_lanes * config.lane_bits
    if i_bits == o_bits:
        return Cost()
    if o_bits % i_bits == 0:
        return count(lut=8, ff=o_bits + 5)
    if i_bits % o_bits == 0:
        return count(lut=1.15 * i_bits + 3, ff=i_bits + 5)
    group = config.block_lanes * config.lane_bits
    return count(lut=1.07 * group + 5, ff=2 * group + 10)


@cache
def head_cost(config: HeadConfig) -> Cost:
    """Head: the beat's shift register, constants, an adder, and argmax's comparison."""
    word, argmax = config.lanes * config.match_bits, config.kind == "argmax"
    luts = rom_luts(config.score_bits, config.elements) + 8 + (word if config.lanes > 1 else 0)
    luts += adder(config.score_bits) * (2 if argmax else 1) + (20 if argmax else 0)
    return count(lut=luts, ff=word + config.score_bits * (4 if argmax else 2) + 10)


def link_cost(config: LinkConfig) -> Cost:
    """UART, packets, CRC, the ring of frames, clock and reset: all outside the core."""
    buffer = block_rams(9, config.buffer_bytes)
    return LINK + Cost(bram=buffer)


def count(**parts: float) -> Cost:
    """A cost from estimates, rounded up."""
    return Cost(**{name: ceil(value) for name, value in parts.items()})
