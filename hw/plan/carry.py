"""How additions are laid out on carry chains; see `hw.blocks.carry`.

A field adds two numbers of k bits in k + 1 sites: its boundary, where its rider comes
in, and one a bit; the next boundary takes its highest bit. Fields stand in order on
chains of about ``longest`` sites. The last field of a chain needs a boundary too,
and sites come in pairs.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["LONGEST_CHAIN", "SHORT_CHAIN", "chain_sites", "chains"]

#: Sites of a chain that has a cycle to itself; a longer one would be slow from end to end.
LONGEST_CHAIN = 48

#: Sites of a chain that has not: lanes come late from the weights' memory (the levels up to
#: the second register), or another chain stands in front of it or behind it.
SHORT_CHAIN = 16


def chains(bits: Sequence[int], longest: int = LONGEST_CHAIN) -> list[range]:
    """Fields of each chain, for fields of operands of ``bits``."""
    count = -(-(sum(bits) + len(bits)) // longest)
    each = -(-len(bits) // count)
    return [range(at, min(at + each, len(bits))) for at in range(0, len(bits), each)]


def chain_sites(bits: Sequence[int], longest: int = LONGEST_CHAIN) -> int:
    """LUT sites of all those chains."""
    sites = 0
    for fields in chains(bits, longest):
        needed = sum(bits[field] + 1 for field in fields) + 1
        sites += needed + needed % 2
    return sites
