"""Model of the clock that a design reaches after routing.

A cycle is a few cells and, for the greater part, the routes between them. What makes the
slowest route longer shows in the slowest paths of whole chips:

1. *Fill*: in a full device neighbours are joined by detours, since others have taken the
   short ways. It grows with the part of the LUTs or flip-flops in use, the greater of both.
2. *Block RAMs* stand in a few columns. A weight memory of many reaches across the device,
   and so do the routes from its blocks to the rows that share it.
3. *Pools* hand on in the same cycle that what follows them takes no more. The slowest path
   is then one through a pool, from a converter or line buffer to a memory's address.

So

    period = BASE_NS + FILL_NS * fill + BLOCK_RAM_NS * memory + (POOL_NS with a pool)

with the block RAMs of the largest weight memory, for whole designs, link and pins included,
on an ECP5 of speed grade 6. The constants are fitted by ``python -m benchmarks.chip_clock
--fit`` to chips that were placed and routed; the same command shows how far off the model is
for chips that were left out of the fit.
"""

from __future__ import annotations

from hw.plan.cost import Budget, Cost
from hw.plan.fabric import fabric_of

__all__ = [
    "BASE_NS",
    "BLOCK_RAM_NS",
    "CLOCK_SHARE",
    "FILL_NS",
    "POOL_NS",
    "clock_terms",
    "design_fmax",
]

#: Part of the predicted Fmax that is asked of the tools: they must reach it.
CLOCK_SHARE = 0.85

#: Period of a small design, in nanoseconds.
BASE_NS = 5.611

#: What a full device would add.
FILL_NS = 2.7983

#: What a block RAM of the largest weight memory adds.
BLOCK_RAM_NS = 0.0842

#: What a pool adds.
POOL_NS = 1.529


def clock_terms(
    used: Cost, budget: Budget, *, memory: int, pools: bool
) -> tuple[float, float, float, float]:
    """What `BASE_NS`, `FILL_NS`, `BLOCK_RAM_NS` and `POOL_NS` are multiplied with.

    Parameters
    ----------
    used : Cost
        Of the whole design, the link included.
    budget : Budget
        Of the device.
    memory : int
        Block RAMs of the largest weight memory.
    pools : bool
        Whether there is a pool.
    """
    fill = max(used.lut / budget.lut, used.ff / budget.ff)
    return 1.0, fill, float(memory), float(pools)


def design_fmax(used: Cost, budget: Budget, *, memory: int, pools: bool) -> float:
    """Fmax in MHz of a design on a device; see `clock_terms`.

    On other devices than ECP5s the period is that times the factor of `hw.plan.fabric`, which
    may also have a limit for designs with multipliers.
    """
    constants = (BASE_NS, FILL_NS, BLOCK_RAM_NS, POOL_NS)
    terms = clock_terms(used, budget, memory=memory, pools=pools)
    period = sum(c * t for c, t in zip(constants, terms, strict=True))
    fabric = fabric_of(budget)
    fmax = 1e3 / (period * fabric.period)
    return min(fmax, fabric.dsp_mhz) if fabric.dsp_mhz and used.dsp else fmax
