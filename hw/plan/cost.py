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

from hw.plan.array import BLOCK_RAM_SHAPES, ArrayConfig, MatchSumConfig, ThresholdConfig
from hw.plan.link import LinkConfig
from hw.plan.stream import HeadConfig, LineBufferConfig, PoolConfig, WidthConfig
from sw.errors import PlanError

__all__ = [
    "Budget",
    "Cost",
    "Share",
    "array_cost",
    "block_rams",
    "head_cost",
    "line_buffer_cost",
    "link_cost",
    "pool_cost",
    "rom_luts",
    "width_cost",
]


#: LUT sites that the two ends of a carry chain take.
CHAIN_ENDS = 1.6

#: The same where lanes are wide and the adders have no carry input to use.
WIDE_ENDS = 4.0

#: Widest numbers that are added in plain LUTs, see `hw.blocks.popcount`.
NARROW = 4

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


def _count_luts(lanes: int, constant: bool) -> int:
    """LUTs of `hw.blocks.popcount`'s counter: see its ``_count``.

    A constant weight makes a lane's XNOR a wire or an inverter, which cost nothing.
    """
    if lanes <= 2:
        return 0 if constant and lanes == 1 else lanes
    middle = (lanes - 1) // 2
    rest = lanes - 1 - middle
    width = max(middle.bit_length(), rest.bit_length())
    return _count_luts(middle, constant) + _count_luts(rest, constant) + 2 * width


@cache
def match_sum_cost(config: MatchSumConfig, constant: bool) -> tuple[float, float]:
    """LUT sites and flip-flops of one match sum, level by level as it is built."""
    bits, counters, carries = config.lane_bits, config.counters, config.carries
    if bits == 1:
        counted = config.simd - carries
        numbers = [len(range(c, counted, counters)) for c in range(counters)]
        luts = float(sum(_count_luts(size, constant) for size in numbers))
        luts += 0 if constant else carries
        flip_flops = float(sum(size.bit_length() for size in numbers) + carries)
    else:
        numbers, more, flip_flops, _ = _add_level([2**bits - 1] * config.simd, 0, ends=WIDE_ENDS)
        # XNORs: in narrow sums all but one a pair of bits share a LUT with the adder.
        xnors = config.simd * bits if bits > NARROW else config.simd // 2 * (bits - 1)
        luts = more + xnors
    ends = CHAIN_ENDS if bits == 1 else WIDE_ENDS
    while len(numbers) > 1:
        numbers, more_luts, more_ffs, carries = _add_level(numbers, carries, ends=ends)
        luts, flip_flops = luts + more_luts, flip_flops + more_ffs
    return luts, flip_flops


def _add_level(
    numbers: list[int], carries: int, *, ends: float
) -> tuple[list[int], float, float, int]:
    """One level of ripple adders: maxima after it, LUT sites, flip-flops, carries left."""
    added, luts = [], 0.0
    for left, right in zip(numbers[0::2], numbers[1::2], strict=False):
        carry = min(1, carries)
        carries -= carry
        width = max(left.bit_length(), right.bit_length())
        added.append(left + right + carry)
        luts += 2 * width if width <= NARROW else adder(added[-1].bit_length() + carry, ends)
    if len(numbers) % 2:
        added.append(numbers[-1])
    flip_flops = sum(maximum.bit_length() for maximum in added) + carries
    return added, luts, float(flip_flops), carries


def array_cost(config: ArrayConfig) -> Cost:
    """Systolic array: PEs, weight memories, thresholds, hop registers, output FIFO."""
    luts, flip_flops = match_sum_cost(config.match_sum, config.weights.depth == 1)
    bits, rows, hops = config.match_bits, config.rows, config.hops
    weights, folds = config.weights, config.synapse_folds
    luts += adder(bits + 1) if folds > 1 or config.match_sum.carries else 0
    flip_flops += bits * (2 if folds > 1 else 1)
    luts, flip_flops, blocks = rows * luts, rows * flip_flops, 0
    if weights.depth > 1:
        flip_flops += hops * rom_bits(weights.width, weights.depth)
        if weights.memory == "block":
            blocks += hops * block_rams(weights.width, weights.depth)
            if weights.pages > 1:
                flip_flops += hops * weights.pages * weights.width
                luts += hops * weights.width * (weights.pages - 1) * PAGE_MUX
        else:
            luts += hops * rom_luts(weights.width, weights.depth)
    if config.thresholds is not None:
        more = _threshold_cost(config.thresholds, config)
        luts, flip_flops, blocks = luts + more[0], flip_flops + more[1], blocks + more[2]
    # The first two delays belong to the weights' latency; control hops along.
    delays = hops + 1
    flip_flops += delays * config.simd * config.lane_bits
    flip_flops += hops * ((weights.depth - 1).bit_length() + 2)
    word = rows * config.out_bits
    luts += lut_ram(word, config.fifo_depth) + FIFO_CONTROL + ARRAY_CONTROL
    flip_flops += word * (1 + (hops - 1) / (2 * config.segment)) + ARRAY_CONTROL / 2
    return count(lut=luts, ff=flip_flops, bram=blocks)


def _threshold_cost(config: ThresholdConfig, array: ArrayConfig) -> tuple[float, float, int]:
    depth = config.classes * array.neuron_folds
    width = config.levels * config.match_bits + 1
    luts = config.levels * adder(config.match_bits) + (
        config.levels * 1.5 if config.levels > 1 else 1
    )
    flip_flops = config.out_bits + (config.levels + 1 if config.levels > 1 else 0)
    blocks = 0
    if depth > 1:
        flip_flops += rom_bits(width, depth)
        if config.memory == "block":
            blocks = array.rows * block_rams(width, depth)
        else:
            luts += rom_luts(width, depth)
    hop_bits = array.hops * (depth - 1).bit_length()
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
