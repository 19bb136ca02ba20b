"""What a design takes of a device, and what a device has.

LUTs are nextpnr's TRELLIS_COMB sites after packing, carry chains included. A block's
area is a sum of terms (`hw.plan.area`): most are counted, cell by cell, as the block is
built; `LUT` and `FLIP_FLOP` say what one of the others takes. These few are fitted to
the place and route of single blocks (tests/baselines/size.json) by
``python -m benchmarks.cost_model``, which also tells how far off the model is for
blocks that it was not fitted to. Block RAM is counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from math import ceil
from typing import Protocol

from hw.plan.area import (
    Terms,
    array_terms,
    column_order_terms,
    head_terms,
    line_buffer_terms,
    pool_terms,
    width_terms,
)
from hw.plan.array import ArrayConfig
from hw.plan.block_ram import DP16KD
from hw.plan.link import TRANSMIT_BYTES, LinkConfig
from hw.plan.memory import lut_ram, small_block_rams
from hw.plan.stream import (
    ColumnOrderConfig,
    HeadConfig,
    LineBufferConfig,
    PoolConfig,
    WidthConfig,
)
from sw.errors import PlanError

__all__ = [
    "FLIP_FLOP",
    "LOADER",
    "LUT",
    "Budget",
    "Cost",
    "Share",
    "array_cost",
    "column_order_cost",
    "head_cost",
    "line_buffer_cost",
    "link_cost",
    "pool_cost",
    "width_cost",
]

#: LUT sites of each of a term; what is counted site by site ("sites", "rom") takes one.
LUT: dict[str, float] = {
    "array": 30.9,
    "address": 0.59,
    "start": 0.95,
    "logic": 20.0,
    "border": 34.4,
    "page": 0.75,
    "serial": 38.0,
    "counter": 5.8,
    "columns": 28.0,
    "parallel": 109.0,
    "parts": 65.0,
    "pool": 70.0,
    "order": 35.0,
    "head": 4.7,
}

#: Flip-flops of each of a term; of "registers" one.
FLIP_FLOP: dict[str, float] = {
    "array": 17.0,
    "logic": 55.0,
    "serial": 24.0,
    "counter": 3.35,
    "parallel": 65.0,
    "pool": 24.0,
    "order": 16.0,
}

#: Terms that are counted, one each, and not fitted.
COUNTED = ("sites", "rom", "registers")

RESOURCES = ("lut", "ff", "bram", "dsp", "spram")


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
    @property
    def spram(self) -> int: ...


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Area of a block or of a whole design.

    ``bram_bits`` are the bits kept in its block RAMs, of ``bram_size`` bits each. What follows
    tells of its memories on families whose memories are others than ECP5's: ``ram_lut`` are
    the LUTs that are memories, and where there are none such and block RAMs have 4 Kbit, all
    memories together take ``small_bram`` block RAMs and ``small_ff`` flip-flops.
    """

    lut: int = 0
    ff: int = 0
    bram: int = 0
    dsp: int = 0
    spram: int = 0
    bram_bits: int = 0
    ram_lut: int = 0
    small_bram: int = 0
    small_ff: int = 0
    bram_size: int = DP16KD.bits

    def __add__(self, other: Cost) -> Cost:
        # Fields one by one: a search adds hundreds of thousands.
        return Cost(
            lut=self.lut + other.lut,
            ff=self.ff + other.ff,
            bram=self.bram + other.bram,
            dsp=self.dsp + other.dsp,
            spram=self.spram + other.spram,
            bram_bits=self.bram_bits + other.bram_bits,
            ram_lut=self.ram_lut + other.ram_lut,
            small_bram=self.small_bram + other.small_bram,
            small_ff=self.small_ff + other.small_ff,
            # Nothing, which a sum begins with, has ECP5's.
            bram_size=min(self.bram_size, other.bram_size),
        )

    @property
    def packed(self) -> float | None:
        """Part of the block RAMs' bits that is used; None where there are no block RAMs."""
        return self.bram_bits / (self.bram * self.bram_size) if self.bram else None

    def summary(self) -> dict[str, int]:
        return {name: getattr(self, name) for name in RESOURCES}


@dataclass(frozen=True, kw_only=True)
class Share:
    """Part of a device that the planner may fill, by its own prediction.

    The default leaves room for the router, which slows down and loses clock in a
    full device, and for the error of the area model. Block RAM is counted and not
    estimated, so nearly all of it may be used. Of a large device less is taken: see
    `LARGE_SHARE`.
    """

    lut: float = 0.6
    ff: float = 0.75
    bram: float = 0.9
    dsp: float = 1.0
    spram: float = 1.0

    def __post_init__(self) -> None:
        for name in RESOURCES:
            value = getattr(self, name)
            if not 0 < value <= 1:
                raise PlanError(
                    f"the share of {name} is {value}; it must be above 0 and at most 1",
                    "Give a share such as 0.6",
                )

    @classmethod
    def of(cls, value: Share | float | None, budget: Budget) -> Share:
        """A share from what a caller may pass: a number stands for LUTs and flip-flops."""
        if value is None and budget.lut >= LARGE_LUTS:
            return LARGE_SHARE
        if isinstance(value, Share):
            return value
        small = getattr(budget, "bram_bits", DP16KD.bits) < DP16KD.bits
        share = SMALL_SHARE if small else cls()
        return share if value is None else replace(share, lut=value, ff=value)

    def usable(self, budget: Budget) -> Cost:
        """The most that may be used, rounded down."""
        return Cost(**{n: int(getattr(budget, n) * getattr(self, n)) for n in RESOURCES})


#: LUTs from which on a device is large.
LARGE_LUTS = 60_000

#: What is filled of a large device by default. At 49 % of the LUTs and 61 % of the
#: flip-flops of an 85F, CNV took the router 95 passes; wires are what it then lacks.
LARGE_SHARE = Share(lut=0.5, ff=0.62)

#: What is filled of an iCE40. All block RAMs: they are counted, and a ring of frames alone takes a
#: third of them. Of the logic cells as many as leave room for what is predicted too low, up to a
#: sixth: at up to 84 % of a UP5K's, designs routed as any others; at 93 % there was no placement.
SMALL_SHARE = Share(lut=0.75, bram=1.0)

#: Everything outside the core but the ring of frames.
LINK = Cost(lut=1150, ff=700, bram=1)

#: What loads memories of 256 Kbit from the board's flash memory, in a design that has any.
LOADER = Cost(lut=110, ff=85)

#: Bits of a frame's number (`hw.link.endpoint`).
NUMBER_BITS = 16


def total(
    terms: Terms, lut: Mapping[str, float] = LUT, flip_flop: Mapping[str, float] = FLIP_FLOP
) -> Cost:
    """The area of some terms, rounded up, with the coefficients of each."""
    return Cost(
        lut=ceil(weighed(terms.lut, lut)),
        ff=ceil(weighed(terms.ff, flip_flop)),
        bram=terms.bram,
        spram=terms.spram,
        bram_bits=terms.bram_bits,
        ram_lut=round(sum(memory.lut_sites for memory in terms.memories)),
        small_bram=sum(memory.small_bram for memory in terms.memories),
        small_ff=sum(memory.small_ff for memory in terms.memories),
    )


def weighed(terms: Mapping[str, float], coefficients: Mapping[str, float]) -> float:
    """Sum of the terms, each times its coefficient."""
    return sum(
        number * (1.0 if name in COUNTED else coefficients[name]) for name, number in terms.items()
    )


def array_cost(config: ArrayConfig) -> Cost:
    """Systolic array: PEs, weight memories, thresholds, hop registers, output FIFO."""
    return total(array_terms(config))


@cache
def line_buffer_cost(config: LineBufferConfig) -> Cost:
    """Line buffer: memories, window registers in parallel mode, counters."""
    return total(line_buffer_terms(config))


@cache
def column_order_cost(config: ColumnOrderConfig) -> Cost:
    """Column order: a memory a column, or a register, and a multiplexer between them."""
    return total(column_order_terms(config))


@cache
def pool_cost(config: PoolConfig) -> Cost:
    """Pool: a comparison a lane, a row of partial results."""
    return total(pool_terms(config))


@cache
def width_cost(config: WidthConfig) -> Cost:
    """Width converter: a shift register, or two of a whole group where neither side divides."""
    return total(width_terms(config))


@cache
def head_cost(config: HeadConfig) -> Cost:
    """Head: the beat's shift register, constants, an adder, and argmax's comparison."""
    return total(head_terms(config))


def link_cost(config: LinkConfig) -> Cost:
    """UART, packets, CRC, the ring of frames, clock and reset: all outside the core."""
    bits = 8 * (config.buffer_bytes + TRANSMIT_BYTES)
    pages = config.buffer_pages
    if len(pages) > 1:
        pages = tuple(1 << (depth - 1).bit_length() for depth in pages)
    small = [small_block_rams(8, depth) for depth in (*pages, TRANSMIT_BYTES)]
    return LINK + Cost(
        bram=config.buffer_blocks,
        bram_bits=bits,
        # Numbers of the frames that are inside, read without a register.
        ram_lut=round(lut_ram(NUMBER_BITS, config.slots)),
        small_bram=sum(small),
        small_ff=NUMBER_BITS * config.slots,
    )
