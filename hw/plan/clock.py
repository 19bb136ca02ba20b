"""Model of the clock that a design reaches after routing.

A cycle is a few chains of logic and the routes between them. The logic is the same in
every design; routes grow with the distance between what belongs together, by about as
much for every doubling of the design. So

    period = ARRAY_NS + (ROUTE_NS + CHIP_NS) * log2(LUTs / REFERENCE)

for a design of `REFERENCE` LUTs or more, and no design is faster than what is outside
the core. `ARRAY_NS` and `ROUTE_NS` are fitted by ``python -m benchmarks.cost_model --fit``
to arrays that were placed and routed alone for an ECP5 of speed grade 6, of up to 15,000
LUTs. A whole chip has streams from one block to the next, and pins: `CHIP_NS` and
`LINK_NS` are from three of them, the MNIST CNN of Larq (2,656 LUTs, 139 MHz), TFC (14,532
LUTs, 122 MHz) and CNV (30,442 LUTs, 84 MHz), all of which they meet within 15 %.
"""

from __future__ import annotations

from math import log2

from hw.plan.cost import Cost

__all__ = ["ARRAY_NS", "CHIP_NS", "CLOCK_SHARE", "REFERENCE", "ROUTE_NS", "design_fmax"]

#: Part of the predicted Fmax that is asked of the tools: they must reach it.
CLOCK_SHARE = 0.85

#: LUTs of the array that `ARRAY_NS` is the cycle of, in nanoseconds.
REFERENCE = 1000
ARRAY_NS = 5.3

#: What every doubling of the design adds.
ROUTE_NS = 0.26

#: What it adds more in a whole chip.
CHIP_NS = 0.8

#: Shortest cycle of a chip: of its link, 6 ns alone.
LINK_NS = 7.0


def design_fmax(used: Cost) -> float:
    """Fmax in MHz of a design of so many LUTs, the link included."""
    doublings = log2(max(used.lut, REFERENCE) / REFERENCE)
    return 1e3 / max(LINK_NS, ARRAY_NS + (ROUTE_NS + CHIP_NS) * doublings)
