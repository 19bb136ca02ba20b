"""Block RAMs of the device families, by their shapes."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["DP16KD", "SB_RAM40", "SPRAM", "BlockRam"]


@dataclass(frozen=True, kw_only=True)
class BlockRam:
    """A kind of block RAM.

    Parameters
    ----------
    name : str
        Of the cell.
    shapes : tuple of (width, depth)
        Bits of a word, and words, the widest first.
    luts : int
        LUTs that one is worth: about as many as devices have for each, of which a plan fills
        fewer than of the block RAMs.
    """

    name: str
    shapes: tuple[tuple[int, int], ...]
    luts: int

    @property
    def width(self) -> int:
        """The most bits that it gives in a cycle."""
        return self.shapes[0][0]

    @property
    def bits(self) -> int:
        """Bits in its widest form."""
        return self.shapes[0][0] * self.shapes[0][1]

    @property
    def deepest(self) -> int:
        """Its most words."""
        return self.shapes[-1][1]


#: Of ECP5, which has 400 to 430 LUTs for each; Gowin's have the same shapes.
DP16KD = BlockRam(
    name="DP16KD",
    shapes=((36, 512), (18, 1024), (9, 2048), (4, 4096), (2, 8192), (1, 16384)),
    luts=270,
)

#: Of iCE40, where there are 176 (UP5K) or 240 (HX8K) logic cells for each.
SB_RAM40 = BlockRam(
    name="SB_RAM40_4K", shapes=((16, 256), (8, 512), (4, 1024), (2, 2048)), luts=130
)

#: Of the iCE40 UP5K beside those: one port, one shape, and empty after configuration. Nothing but
#: weights can use them, so they are worth less than the block RAM that they save.
SPRAM = BlockRam(name="SB_SPRAM256KA", shapes=((16, 16384),), luts=20)
