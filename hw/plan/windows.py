"""When the windows of a feature map can leave a line buffer.

Pure arithmetic on shapes, used by `hw.plan.stream.LineBufferConfig` to size the
memory and to declare its cycles. Times are in cycles, addresses in *places*: a
place is what one input beat fills.

The argument, in numbered steps:

1. A period of ``P = max(input beats, service cycles)`` cannot be beaten. Take it
   as given and ask how many places a schedule of that period needs.
2. Everything in a line buffer is "not before": a window is not served before its
   last element is there nor before its predecessor is done; a beat is not written
   before its place is free. Such a system is monotone: events that are allowed
   earlier make nothing later. So the worst producer is one that delivers beat j
   only at ``j * P / beats``, just fast enough; one that is always ready is better.
3. With that producer, window n ends at
   ``e(n) = max(e(n - 1), arrival(n)) + service(n)``, which in closed form is a
   running maximum over the windows of the frame and of the frame before it.
4. At ``e(n)`` the places before the first one that window n + 1 needs become free.
   The most that is held at any such moment is what the memory must hold.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["WindowWalk", "outside"]

#: Cycles from writing a beat until it can be read, and from reading the last of
#: a window until its place is seen to be free: registers of the block itself.
_LATE = 4


@dataclass(frozen=True, kw_only=True)
class WindowWalk:
    """The windows of one frame, in raster order; arrays of equal length.

    Parameters
    ----------
    first : places before this one are not needed by this window or a later one;
        negative in the padding above and to the left of the map
    end : number of input beats that must have been written, in the frame, before
        the window is complete
    service : cycles that the consumer takes for the window
    beats : input beats in a frame
    release : cycles before its end at which a window begins to free a place a
        cycle; 0 where it frees all of them at its end
    """

    first: NDArray[np.int64]
    end: NDArray[np.int64]
    service: NDArray[np.int64]
    beats: int
    release: int = 0

    @property
    def period(self) -> int:
        """Cycles per frame with a memory that is large enough."""
        return max(self.beats, int(self.service.sum()))

    @property
    def lead(self) -> int:
        """The most places by which a window's first one is ahead of what is written."""
        following = np.append(self.first[1:], self.first[0] + self.beats)
        return max(0, int((following - self.end).max()))

    def written(self) -> NDArray[np.int64]:
        """Beats of the frame written, at most, when each window frees its places."""
        pace = self.period / self.beats
        done = np.cumsum(self.service)
        arrival = self.end * pace + _LATE - (done - self.service)
        # The first pass starts from nothing; a second knows when the frame before
        # it ended, and a third would repeat the second.
        ends, earlier = done, -np.inf
        for _ in range(2):
            ends = done + np.maximum.accumulate(np.maximum(arrival, earlier))
            earlier = ends[-1] - self.period
        return np.ceil((ends - self.release + _LATE) / pace).astype(np.int64)

    def places(self) -> int:
        """Places needed where each is freed on its own."""
        return int((self.written() - self.first).max())

    def waiting(self, capacity: int) -> int:
        """The most windows that are complete while none has been begun of them.

        Of as many frames as ``capacity`` places hold; in raster order, so that a
        window which is complete before its predecessor waits for it.
        """
        frames = capacity // self.beats + 2
        offsets = np.arange(frames)[:, None] * self.beats
        first = (offsets + self.first).ravel()
        complete = np.maximum.accumulate((offsets + self.end).ravel())
        after = np.searchsorted(complete, first + capacity, side="right")
        return int((after - np.arange(len(first))).max())

    def rows(self, row: int) -> int:
        """Rows of ``row`` places needed where a row is taken and freed as one."""
        return int(((self.written() - 1) // row - self.first // row).max()) + 1


def outside(
    outputs: int, kernel: int, stride: int, before: int, size: int
) -> dict[int, tuple[bool, ...]]:
    """Positions 0 to ``outputs`` - 1 at which taps of the kernel are not in the map."""
    table = {}
    for out in range(outputs):
        taps = tuple(not 0 <= out * stride - before + k < size for k in range(kernel))
        if any(taps):
            table[out] = taps
    return table
