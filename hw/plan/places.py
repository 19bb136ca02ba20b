"""Where a line buffer in serial mode keeps the words of a map, and how it reads them.

Pure arithmetic on shapes. A *word* is one input beat; words of all frames are
numbered on and on in the order in which they come. With one column a word's *place*
is its number, and its address the number's low bits.

With C columns the words lie in C banks, so that C neighbouring windows are read at
once, each word of them from another bank:

1. Let s be the stride along a row and ``x = (q*C + bank)*s + phase``, the phase
   below s and the bank below C. Pixel x is in that bank, in group q. A group is a
   *cell* of ``s * beats`` places in each bank, phase by phase; a row is as many
   cells as it takes, in the last of which some places may stay empty.
2. Windows j = 0 to C - 1 of group g want, for tap kx, the pixels
   ``x = (g*C + j)*s + kx - left``. Write ``kx - left = (a*C + r)*s + phase``: the
   phase is the same for all, and window j finds its pixel in bank ``(r + j) mod C``,
   in cell ``g + a``, or one further on if ``r + j >= C``.
3. So every bank is read exactly once: banks from r on at one place, those below r a
   cell further on; and what leaves them is rotated by r, which depends on kx alone.
4. The writer may go on while no place that is still needed is overwritten. Its
   distance d from the first word that is needed, which begins a cell, is counted in
   words. Empty places, ``waste`` words a row, come on top: d words span at most
   ``d // row + 1`` ends of rows, and so less than
   ``(d + (d // row + 1) * waste) / C + cell`` places.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

__all__ = ["Places"]


@dataclass(frozen=True, kw_only=True)
class Places:
    """Places of a map and of the taps of its windows.

    Parameters
    ----------
    width, beats : pixels of a row, words of a pixel
    columns : windows side by side
    kernel_width, stride, left : along a row
    """

    width: int
    beats: int
    columns: int
    kernel_width: int
    stride: int
    left: int

    @property
    def cell(self) -> int:
        """Places of a group of pixels in each bank; with one column, of a pixel."""
        return self.beats if self.columns == 1 else self.stride * self.beats

    @property
    def step(self) -> int:
        """Places from a group of windows to the next in its row."""
        return self.stride * self.beats

    @property
    def row(self) -> int:
        """Places of a row."""
        group = 1 if self.columns == 1 else self.stride * self.columns
        return -(-self.width // group) * self.cell

    @cached_property
    def taps(self) -> tuple[tuple[int, int], ...]:
        """For each kx: its place against the window's pixel 0, and its rotation."""
        found = []
        for kx in range(self.kernel_width):
            if self.columns == 1:
                found.append(((kx - self.left) * self.beats, 0))
                continue
            pixel, phase = divmod(kx - self.left, self.stride)
            group, rotation = divmod(pixel, self.columns)
            found.append((group * self.cell + phase * self.beats, rotation))
        return tuple(found)

    @property
    def origin(self) -> int:
        """Word, in its row, at which the first group of windows begins to need places."""
        if self.columns == 1:
            return -self.left * self.beats
        group = self.stride * self.columns
        return -self.left // group * group * self.beats

    @property
    def waste(self) -> int:
        """Words that would still have found room at the end of a row."""
        return self.row * self.columns - self.width * self.beats

    def capacity(self, depth: int) -> int:
        """Words, from the first that is needed, that banks of ``depth`` places hold."""
        if self.columns == 1:
            return depth
        room, row, waste = (depth - self.cell) * self.columns, self.width * self.beats, self.waste
        if room < waste:
            return 0
        rows = (room - waste) // (row + waste)
        return 1 + min(room - (rows + 1) * waste, (rows + 1) * row - 1)
