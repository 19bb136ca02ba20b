"""What memories take: block RAMs, distributed RAM, constants in LUTs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import ceil
from typing import Literal

from hw.plan.block_ram import DP16KD, SB_RAM40
from hw.plan.weights import WeightConfig

__all__ = [
    "Memory",
    "block_rams",
    "fifo_of",
    "lut_ram",
    "memory_cost",
    "memory_of",
    "rom_bits",
    "rom_luts",
    "small_block_rams",
    "weights_of",
]

#: Bits, for each such block RAM that it would take, up to which Yosys makes a memory of
#: flip-flops where there is no memory of LUTs.
FEW_BITS = 64

#: LUTs that join one more page of 16 constants to the others, as Yosys does it, and that
#: such a page of up to four takes.
MUX_LUTS = 1.6
SHORT_PAGE_LUTS = 0.4

#: LUT sites of a 16 x 4 distributed RAM: four hold it, its write port keeps two from use.
LUT_RAM_SITES = 6


@cache
def block_rams(width: int, depth: int) -> int:
    """Block RAMs of a memory of ``depth`` words of ``width`` bits."""
    return min(ceil(width / w) * ceil(depth / d) for w, d in DP16KD.shapes)


@cache
def small_block_rams(width: int, depth: int) -> int:
    """The same of block RAMs of 4 Kbit, iCE40's."""
    return min(ceil(width / w) * ceil(depth / d) for w, d in SB_RAM40.shapes)


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Memories that are alike, for families whose memories are others than ECP5's.

    Parameters
    ----------
    width, depth : int
        Bits of a word, and words.
    kind : "block", "lut" or "fifo"
        Block RAM; LUTs, read through a register; LUTs, read without one.
    number : int
    """

    width: int
    depth: int
    kind: Literal["block", "lut", "fifo"]
    number: int = 1

    @property
    def lut_sites(self) -> float:
        """LUT sites of ECP5 that it takes."""
        return 0.0 if self.kind == "block" else self.number * lut_ram(self.width, self.depth)

    @property
    def small_bram(self) -> int:
        """Block RAMs of 4 Kbit, without memories of LUTs."""
        blocks = small_block_rams(self.width, self.depth)
        few = self.width * self.depth <= FEW_BITS * blocks
        if self.kind == "fifo" or (self.kind == "lut" and few):
            return 0
        return self.number * blocks

    @property
    def small_ff(self) -> int:
        """Flip-flops, without memories of LUTs."""
        return 0 if self.small_bram else self.number * self.width * self.depth


def memory_of(width: int, depth: int, kind: str, number: int = 1) -> tuple[Memory, ...]:
    """``number`` memories, as one, that are written and read through a register."""
    kind = "block" if kind == "block" else "lut"
    return (Memory(width=width, depth=depth, kind=kind, number=number),)


def fifo_of(width: int, depth: int) -> tuple[Memory, ...]:
    """The FIFO behind an array."""
    return (Memory(width=width, depth=depth, kind="fifo"),)


def weights_of(config: WeightConfig, number: int) -> tuple[Memory, ...]:
    """``number`` memories of weights, which is one for each block RAM."""
    whole, rest = divmod(config.row_width, config.block_width)
    parts = ((config.block_width, whole), (rest, 1))
    return tuple(
        Memory(width=width, depth=config.page_depth, kind="block", number=number * parts_of_it)
        for width, parts_of_it in parts
        if width and parts_of_it
    )


@cache
def rom_bits(width: float, depth: int) -> float:
    """Bits of a word that need logic of their own in a memory of constants.

    Yosys merges bits with the same contents, and constant ones vanish. Of
    ``2**depth`` possible contents, ``width`` random ones are distinct as this says.
    """
    if depth > 16:
        return width
    kinds = 2**depth
    return max(0, kinds - 2) * (1 - (1 - 1 / kinds) ** width)


@cache
def rom_luts(width: float, depth: int) -> float:
    """LUTs of a memory of constants: a LUT4 holds 16 bits, and multiplexers join them.

    A last page of up to four words is mostly part of its multiplexer.
    """
    pages, left = divmod(depth, 16)
    if pages and 0 < left <= 4:
        return rom_bits(width, depth) * (pages + MUX_LUTS * (pages - 1) + SHORT_PAGE_LUTS)
    pages += left > 0
    return rom_bits(width, depth) * (pages + MUX_LUTS * (pages - 1))


def lut_ram(width: int, depth: int) -> float:
    """LUT sites of a memory in distributed RAM, with multiplexers between its pages."""
    pages = ceil(depth / 16)
    return ceil(width / 4) * pages * LUT_RAM_SITES + width * (pages - 1)


def memory_cost(width: int, depth: int, kind: str) -> tuple[float, int]:
    """LUT sites and block RAMs of a memory that is written and read."""
    if kind == "block":
        return 0.0, block_rams(width, depth)
    return lut_ram(width, depth), 0
