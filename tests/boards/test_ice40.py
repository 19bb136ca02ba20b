"""The PLL of iCE40, and the gate behind it."""

from __future__ import annotations

import pytest
from amaranth.hdl import ClockDomain, Elaboratable, Module, Signal

import boards
from boards.ice40 import (
    FILTERS,
    OUTPUT_RANGE,
    PFD_RANGE,
    SETTLE_SECONDS,
    VCO_RANGE,
    Input,
    solve_pll,
)
from sw.errors import PlanError


@pytest.mark.parametrize("asked", [*range(16, 136, 7), *range(140, 276, 20)])
def test_pll_is_within_the_data_sheet(asked: int) -> None:
    # The last divider is a power of two: steps are wide above 132 MHz.
    for tenths in range(10 * asked, 10 * min(asked + 1, 275), 3):
        try:
            plan = solve_pll(12.0, tenths / 10)
        except PlanError:
            assert asked > 132
            continue
        assert PFD_RANGE[0] <= plan.pfd_mhz <= PFD_RANGE[1]
        assert VCO_RANGE[0] <= plan.vco_mhz <= VCO_RANGE[1]
        assert OUTPUT_RANGE[0] <= plan.output_mhz <= OUTPUT_RANGE[1]
        assert 1 <= plan.reference_divider <= 16
        assert 1 <= plan.feedback_divider <= 128
        assert 1 <= plan.output_shift <= 6
        assert abs(plan.output_mhz - tenths / 10) <= 0.01 * tenths / 10


# Settings that icepll, of Project IceStorm, gives for these clocks from 12 MHz.
@pytest.mark.parametrize(
    ("asked", "divr", "divf", "divq", "filter_range"),
    [(24, 0, 63, 5, 1), (36, 0, 47, 4, 1), (48, 0, 63, 4, 1), (60, 0, 79, 4, 1)],
)
def test_settings_are_those_of_icepll(
    asked: int, divr: int, divf: int, divq: int, filter_range: int
) -> None:
    plan = solve_pll(12.0, asked)
    found = (plan.reference_divider - 1, plan.feedback_divider - 1, plan.output_shift)
    assert (*found, plan.filter_range) == (divr, divf, divq, filter_range)
    assert plan.hz == asked * 1_000_000


def test_every_phase_detector_has_a_filter() -> None:
    limits = [limit for limit, _ in FILTERS]
    assert limits == sorted(limits) and limits[-1] > PFD_RANGE[1]


@pytest.mark.parametrize("asked", [0.0, 15.9, 276.0, float("nan")])
def test_clock_out_of_range(asked: float) -> None:
    with pytest.raises(PlanError) as caught:
        solve_pll(12.0, asked)
    assert str(caught.value) == (
        f"A clock of {asked:g} MHz is out of the PLL's reach: it makes 16 to 275 MHz. "
        "Ask for a --clock in that range."
    )


def test_clock_between_two_settings() -> None:
    with pytest.raises(PlanError) as caught:
        solve_pll(12.0, 267)
    assert str(caught.value) == (
        "A clock of 267 MHz is more than 1% from any that the PLL makes of the board's "
        "12 MHz. Ask for the nearest one, --clock 270."
    )


@pytest.mark.parametrize(
    ("name", "cell"), [("icebreaker", "SB_PLL40_PAD"), ("ice40_hx8k", "SB_PLL40_CORE")]
)
def test_clock_waits_for_block_ram(name: str, cell: str) -> None:
    """The counter behind the lock is as long as block RAM needs, and the gate a LUT."""
    board = boards.find(name)
    clock = board.clock_plan(48.0)

    class Top(Elaboratable):
        def elaborate(self, platform: object) -> Module:
            m = Module()
            m.domains.sync = ClockDomain("sync", reset_less=True)
            m.submodules.clock = clock.generator()
            beat = Signal()
            m.d.sync += beat.eq(~beat)
            return m

    files = board.platform().prepare(Top(), "top", emit_src=False).files
    rtlil = str(files["top.il"])
    assert f"cell \\{cell} \\pll" in rtlil
    assert "cell \\SB_LUT4 \\gate" in rtlil and "cell \\SB_GB \\spread" in rtlil
    bits = (round(SETTLE_SECONDS * clock.hz) - 1).bit_length()
    assert f"wire width {bits} $signal" in rtlil or f"wire width {bits} \\wait" in rtlil
    assert 2**bits / clock.hz >= SETTLE_SECONDS


def test_an_input_is_a_pad_or_not() -> None:
    inputs: tuple[Input, ...] = ("pad", "core")
    assert [solve_pll(12.0, 48, input=kind).input for kind in inputs] == ["pad", "core"]
