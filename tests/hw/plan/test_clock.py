"""The model of the clock against arrays that were placed and routed alone."""

from __future__ import annotations

import pytest

from benchmarks.cost_model import cases, clock_cases, clock_errors
from hw.plan.clock import design_fmax
from hw.plan.cost import Cost


def test_arrays_within_fifteen_percent() -> None:
    """With the figures of today, and with such as were fitted to the other arrays."""
    found = clock_errors(clock_cases(cases()))
    assert len(found) >= 8
    wrong = [
        f"{e.case.name}: {e.fitted:+.1%}, left out {e.crossed:+.1%}"
        for e in found
        if max(abs(e.fitted), abs(e.crossed)) > 0.15
    ]
    assert not wrong


def test_larger_designs_are_slower() -> None:
    clocks = [design_fmax(Cost(lut=lut)) for lut in (2_000, 20_000, 40_000, 80_000)]
    assert clocks == sorted(clocks, reverse=True)
    assert clocks[1] > clocks[2] > clocks[3]


def test_no_design_is_faster_than_the_link() -> None:
    assert design_fmax(Cost()) == design_fmax(Cost(lut=1_000)) == pytest.approx(143, abs=1)
