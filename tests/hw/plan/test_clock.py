"""The model of the clock: what makes a design slower."""

from __future__ import annotations

import pytest

from boards.ecp5 import BUDGETS
from hw.plan.clock import BASE_NS, BLOCK_RAM_NS, FILL_NS, POOL_NS, clock_terms, design_fmax
from hw.plan.cost import Cost

LARGE, SMALL = BUDGETS["85F"], BUDGETS["12F"]


def test_terms() -> None:
    """Fill is of LUTs or flip-flops, whichever are scarcer."""
    used = Cost(lut=SMALL.lut // 4, ff=SMALL.ff // 2, bram=40)
    assert clock_terms(used, SMALL, memory=7, pools=True) == (1.0, 0.5, 7.0, 1.0)
    used = Cost(lut=SMALL.lut // 2, ff=SMALL.ff // 4)
    assert clock_terms(used, SMALL, memory=0, pools=False) == (1.0, 0.5, 0.0, 0.0)


def test_each_constant_is_a_part_of_the_period() -> None:
    constants = (BASE_NS, FILL_NS, BLOCK_RAM_NS, POOL_NS)
    assert min(constants) > 0
    used = Cost(lut=LARGE.lut, bram=100)
    period = BASE_NS + FILL_NS + 30 * BLOCK_RAM_NS + POOL_NS
    assert design_fmax(used, LARGE, memory=30, pools=True) == pytest.approx(1e3 / period)
    assert design_fmax(Cost(), LARGE, memory=0, pools=False) == pytest.approx(1e3 / BASE_NS)


def test_the_same_design_is_slower_in_a_smaller_device() -> None:
    used = Cost(lut=12_000, ff=9_000, bram=20)
    small, large = (design_fmax(used, budget, memory=4, pools=False) for budget in (SMALL, LARGE))
    assert small < large
