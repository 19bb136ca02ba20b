"""What a design takes of a device, and what a device has.

LUTs are nextpnr's TRELLIS_COMB sites after packing, carry chains included. A block's
area is a sum of terms (`hw.plan.area`): most are counted, cell by cell, as the block is
built; `LUT` and `FLIP_FLOP` say what one of the others takes. These few are fitted to
the place and route of single blocks (tests/baselines/size.json) by
``python -m benchmarks.cost_model``, which also tells how far off the model is for
blocks that it was not fitted to. Block RAM is counted.
"""

from __future__ import annotations

from dataclasses import dataclass
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
from hw.plan.link import LinkConfig
from hw.plan.memory import block_rams
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

#: LUT sites of a term.
LUT: dict[str, float] = {
    "sites": 1.0,
    "rom": 1.0,
    "start": 0.65,
    "array": 36.0,
    "border": 60.0,
    "page": 0.75,
    "serial": 60.0,
    "loop": 14.0,
    "mask": 1.0,
    "rotate": 1.0,
    "parallel": 90.0,
    "window": 1.15,
    "window parts": 2.4,
    "wide lanes": 0.6,
    "pool": 35.0,
    "pool word": 1.5,
    "pool compare": 1.0,
    "order": 60.0,
    "order word": 0.6,
    "head": 10.0,
    "head word": 1.0,
}

#: Flip-flops of a term.
FLIP_FLOP: dict[str, float] = {
    "registers": 1.0,
    "array": 30.0,
    "serial": 60.0,
    "parallel": 30.0,
    "window": 2.5,
    "pool": 25.0,
    "order": 40.0,
    "head": 10.0,
}

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
    ff: float = 0.75
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
LINK = Cost(lut=1150, ff=700, bram=1)


def total(terms: Terms) -> Cost:
    """The area of some terms, rounded up."""
    return Cost(
        lut=ceil(sum(LUT[name] * number for name, number in terms.lut.items())),
        ff=ceil(sum(FLIP_FLOP[name] * number for name, number in terms.ff.items())),
        bram=terms.bram,
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
    return LINK + Cost(bram=block_rams(9, config.buffer_bytes))
