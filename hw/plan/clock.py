"""Model of the clock that a design reaches after routing.

A cycle is a few chains of logic and the routes between them. The logic is the same in
every design; routes grow with the distance between what belongs together, by about as
much for every doubling of the design. So

    period = ARRAY_NS + ROUTE_NS * log2(LUTs / REFERENCE)

for a design with arrays of `REFERENCE` LUTs or more, and no design is faster than the
link. The figures are those of arrays of binary lanes placed and routed alone for an
ECP5 of speed grade 6: 16 x 64 (1,926 LUTs) 176 MHz, 32 x 64 x 2 columns (7,292 LUTs)
162 MHz; the link alone reached 167 to 185 MHz.
"""

from __future__ import annotations

from math import log2

from hw.plan.cost import Cost

__all__ = ["CLOCK_SHARE", "design_fmax"]

#: Part of the predicted Fmax that is asked of the tools: they must reach it.
CLOCK_SHARE = 0.85

#: LUTs of the array that `ARRAY_NS` is the cycle of, in nanoseconds.
REFERENCE = 1926
ARRAY_NS = 5.68

#: What every doubling of the design adds.
ROUTE_NS = 0.24

#: Shortest cycle of the link.
LINK_NS = 5.95


def design_fmax(used: Cost) -> float:
    """Fmax in MHz of a design of so many LUTs, the link included."""
    doublings = log2(max(used.lut, REFERENCE) / REFERENCE)
    return 1e3 / max(LINK_NS, ARRAY_NS + ROUTE_NS * doublings)
