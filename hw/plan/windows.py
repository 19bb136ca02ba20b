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
5. A producer that delivers in bursts, such as a pool, which is silent for a row
   and then emits one, is later than step 2's by up to one row. One more row of
   places makes up for it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["WindowWalk", "places_needed"]

#: Cycles from writing a beat until it can be read, and from reading the last of
#: a window until its place is seen to be free: registers of the block itself.
_LATE = 6


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
    row : input beats in a row of the map
    """

    first: NDArray[np.int64]
    end: NDArray[np.int64]
    service: NDArray[np.int64]
    beats: int
    row: int

    @property
    def period(self) -> int:
        """Cycles per frame with a memory that is large enough."""
        return max(self.beats, int(self.service.sum()))


def places_needed(walk: WindowWalk) -> int:
    """Places with which the period of ``walk`` is reached; see the module's text."""
    pace = walk.period / walk.beats
    done = np.cumsum(walk.service)
    before = done - walk.service
    arrival = walk.end * pace + _LATE
    # The first pass starts from nothing; a second knows when the frame before
    # it ended, and a third would repeat the second.
    earlier = -np.inf
    ends = done
    for _ in range(2):
        ready = np.maximum(arrival - before, earlier)
        ends = done + np.maximum.accumulate(ready)
        earlier = ends[-1] - walk.period
    written = np.ceil((ends + _LATE) / pace).astype(np.int64)
    return int((written - walk.first).max()) + walk.row
