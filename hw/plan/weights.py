"""Memories of weights: how they lie in block RAM, and how few block RAMs could hold them.

What the folding of a layer allows, `least_block_rams`, on ECP5:

1. a block RAM of an ECP5 (DP16KD) gives at most 36 bits a cycle: as one port of 36 bits,
   or as two of 18;
2. it holds 18,432 bits, as 512 words of 36, and as many in 1,024 of 18 and 2,048 of 9;
3. an array takes ``rows * simd`` weights a cycle, and goes through ``neuron_folds *
   synapse_folds`` such words;
4. so with W bits a word and D words no memory has fewer block RAMs than
   ``max(ceil(W / 36), ceil(W * D / 18432))``. The first is the greater where D < 512: what
   a folding with many lanes then leaves unused, no arrangement of the words can use.

How `weight_memory` comes near that, hop by hop:

1. *Ninth bits.* A block RAM has nine bits for each eight, but weights come in powers of
   two. Where the words are a multiple of nine, as with kernels of 3x3, every ninth word is
   kept in the ninth bits of the eight words before it, an eighth of it in each. These are
   read on the way to it anyway: it is gathered in a register, and takes its turn from there.
   Then 9 D words of 8 W bits take the place of 8 D words of 9 W bits.
2. *Pages.* Words that are more than a block RAM of some shape has places lie side by side,
   page beside page, in rows of ``pages`` words, and a multiplexer takes one of them. So pages
   share block RAMs that none of them fills.
3. Of all shapes, with ninth bits and without, the one of least area is taken, a block RAM
   counted as `BlockRam.luts`.
4. Neighbouring rows of the array share a memory where that makes the rows of the memory a
   better multiple of a block RAM's (`hw.plan.foldings`).

An iCE40 UP5K has four memories of 256 Kbit beside its block RAMs, of one shape (`SPRAM`). Words
of a memory in these lie across ``ceil(width / 16)`` of them, one behind the other, bits 0 to 15
in the first. They are empty after configuration: what loads them is no part of the memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import ceil
from typing import Literal

from hw.plan.block_ram import DP16KD, SPRAM, BlockRam
from hw.plan.match_sum import require_positive
from sw.errors import PlanError

__all__ = [
    "WEIGHT_LATENCY",
    "Packing",
    "WeightConfig",
    "least_block_rams",
    "weight_memory",
]

#: Most pages that a multiplexer takes one of in a cycle, unless a memory is deeper still.
MOST_PAGES = 9

#: Cycles from the address of a memory of one page to the register behind it.
WEIGHT_LATENCY = 2

#: Words that ninth bits are spread over, and their bits that hold each such word.
_EIGHT = 8


@dataclass(frozen=True, kw_only=True)
class WeightConfig:
    """A memory of weights, or of thresholds.

    Parameters
    ----------
    depth, width : int
        Words, and bits of a word.
    memory : "lut", "block" or "spram"
        Constants in logic, block RAM followed by a register, or `SPRAM` followed by two.
    pages : int
        Parts of the words that lie side by side. What is read of them has a register before
        one is chosen, so that block RAM and multiplexer share no cycle.
    ninths : bool
        Every ninth word is kept in eight parts beside the eight words before it; see above.
        Words must then be read in their order, each at least once.
    far : bool
        A second register behind block RAM: its places are few, and the way from them
        to a large array's PEs takes half a cycle.
    block_ram : BlockRam
        The device's.
    """

    depth: int
    width: int
    memory: Literal["lut", "block", "spram"] = "block"
    pages: int = 1
    ninths: bool = False
    far: bool = False
    block_ram: BlockRam = DP16KD

    def __post_init__(self) -> None:
        require_positive(self, "depth", "width", "pages")
        if self.memory not in ("lut", "block", "spram"):
            raise PlanError(
                f"the memory is {self.memory!r}, but must be 'lut', 'block' or 'spram'",
                "Choose 'lut' for constants in logic, 'block' for block RAM or 'spram' for the"
                " memories of 256 Kbit",
            )
        if self.memory == "spram":
            self._check_spram()
        if self.ninths and (self.depth % (_EIGHT + 1) or self.width % _EIGHT):
            raise PlanError(
                f"{self.depth} words of {self.width} bits are to be kept in ninth bits, but that"
                " takes a multiple of 9 words of a multiple of 8 bits",
                "Leave ninths out",
            )

    def _check_spram(self) -> None:
        if self.depth > SPRAM.deepest:
            raise PlanError(
                f"{self.depth} words are to lie in SPRAM, which holds {SPRAM.deepest}",
                "Read wider words, so that there are fewer, or choose another memory",
            )
        if self.pages > 1 or self.ninths:
            raise PlanError(
                "the memory is 'spram', which has neither pages nor ninth bits",
                "Leave pages and ninths out",
            )

    @property
    def places(self) -> int:
        """Words that have an address: all, or eight of nine."""
        return self.depth // (_EIGHT + 1) * _EIGHT if self.ninths else self.depth

    @property
    def page_depth(self) -> int:
        """Words of a page: all, or a power of two."""
        if self.pages == 1:
            return self.places
        return 1 << (-(-self.places // self.pages) - 1).bit_length()

    @property
    def part(self) -> int:
        """Bits of a ninth word that are kept beside each of the eight before it."""
        return self.width // _EIGHT if self.ninths else 0

    @property
    def address_bits(self) -> int:
        """Bits that tell a word: its address, and whether it is a ninth one."""
        return (self.places - 1).bit_length() + self.ninths

    @property
    def latency_cycles(self) -> int:
        """Cycles from the address to the register behind the memory."""
        later = self.pages > 1 or self.far or self.ninths
        return WEIGHT_LATENCY + (self.memory == "spram" or (self.memory == "block" and later))

    @property
    def block_width(self) -> int:
        """Bits of the rows that lie in one block RAM: of its widest shape that is deep enough.

        The blocks make a memory of each, so that Yosys stacks none on another, with a
        multiplexer right behind them.
        """
        shapes = [w for w, d in self.block_ram.shapes if d >= self.page_depth]
        return max(shapes, default=self.row_width)

    @property
    def row_width(self) -> int:
        """Bits that are read at a time: a word of each page, and parts of ninth words."""
        return self.pages * (self.width + self.part)

    @property
    def block_rams(self) -> int:
        """Block RAMs that it takes; none as constants in logic, or of a single word."""
        if self.memory != "block" or self.depth == 1:
            return 0
        return ceil(self.row_width / self.block_width)

    @property
    def sprams(self) -> int:
        """Memories of 256 Kbit that it takes; none in any other memory, or of a single word."""
        if self.memory != "spram" or self.depth == 1:
            return 0
        return ceil(self.width / SPRAM.width)

    @property
    def area(self) -> float:
        """Block RAMs and what they need beside them, in LUTs.

        A multiplexer of n inputs takes about n - 1 LUTs a bit; the register that gathers
        ninth words is one input more, and counts half as much again for its flip-flop.
        """
        multiplexers = (self.width + self.part) * (self.pages - 1)
        gathered = 1.5 * self.width * self.ninths
        return self.block_ram.luts * self.block_rams + multiplexers + gathered


@dataclass(frozen=True, kw_only=True)
class Packing:
    """How full the block RAMs are that hold weights.

    Parameters
    ----------
    bits : int
        Weights in block RAM.
    block_rams : int
        Block RAMs that hold them.
    least : int
        Block RAMs that the folding allows to do with, `least_block_rams`.
    block_bits : int
        Bits of each.
    """

    bits: int = 0
    block_rams: int = 0
    least: int = 0
    block_bits: int = DP16KD.bits

    def __add__(self, other: Packing) -> Packing:
        return Packing(
            bits=self.bits + other.bits,
            block_rams=self.block_rams + other.block_rams,
            least=self.least + other.least,
            # Nothing, which a sum begins with, has ECP5's.
            block_bits=min(self.block_bits, other.block_bits),
        )

    @property
    def packed(self) -> float | None:
        """Part of the block RAMs' bits that are weights; None where there are no block RAMs."""
        return self.bits / (self.block_rams * self.block_bits) if self.block_rams else None

    @property
    def packed_at_most(self) -> float | None:
        """The same of the fewest block RAMs that the folding allows."""
        return self.bits / (self.least * self.block_bits) if self.least else None

    def summary(self) -> dict[str, float | int | None]:
        """What `hw.plan --json` prints."""
        parts = {"weights_packed": self.packed, "weights_packed_at_most": self.packed_at_most}
        rounded = {name: part and round(part, 4) for name, part in parts.items()}
        return {"weights_bram": self.block_rams, **rounded}


@cache
def least_block_rams(width: int, depth: int, block_ram: BlockRam = DP16KD) -> int:
    """The fewest block RAMs that could hold and give ``depth`` words of ``width`` bits.

    See the steps above; ``width`` is that of all rows of an array.
    """
    return max(ceil(width / block_ram.width), ceil(width * depth / block_ram.bits))


@cache
def weight_memory(width: int, depth: int, block_ram: BlockRam = DP16KD) -> WeightConfig:
    """The block RAM of least area for ``depth`` words of ``width`` weights."""
    divisible = depth % (_EIGHT + 1) == 0 and width % _EIGHT == 0
    options = []
    for ninths in (False, True) if divisible else (False,):
        places = depth // (_EIGHT + 1) * _EIGHT if ninths else depth
        for _, deep in block_ram.shapes:
            pages = ceil(places / deep)
            if pages <= MOST_PAGES or deep == block_ram.deepest:
                options.append(
                    WeightConfig(
                        depth=depth,
                        width=width,
                        pages=pages,
                        ninths=ninths,
                        far=True,
                        block_ram=block_ram,
                    )
                )
    return min(options, key=lambda option: (option.area, option.pages))
