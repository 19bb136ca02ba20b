"""The rPLL of Gowin's devices, and the pins of a board that amaranth-boards does not have."""

from __future__ import annotations

import pytest

from boards.gowin import LIMITS, OUTPUT_DIVIDERS, solve_pll
from boards.tang_nano import TangNano20kPlatform
from sw.errors import PlanError


@pytest.mark.parametrize("device", LIMITS)
def test_pll_is_within_the_data_sheet(device: str) -> None:
    limits = LIMITS[device]
    refused = 0
    clocks = [4, 5, 10, *range(16, 130, 3), *range(140, 601, 60)]
    for asked in clocks:
        try:
            plan = solve_pll(limits, 27.0, asked)
        except PlanError:
            # 27 MHz divided by at most 9 leaves steps of 3 MHz and more.
            refused += 1
            continue
        assert limits.pfd[0] <= plan.pfd_mhz <= limits.pfd[1]
        assert limits.vco[0] <= plan.vco_mhz <= limits.vco[1]
        assert limits.output[0] <= plan.output_mhz <= limits.output[1]
        assert 1 <= plan.reference_divider <= 64
        assert 1 <= plan.feedback_divider <= 64
        assert plan.output_divider in OUTPUT_DIVIDERS
        assert abs(plan.output_mhz - asked) <= 0.01 * asked
    assert refused < len(clocks) / 3


def test_pll_is_exact_where_it_can_be() -> None:
    for device, limits in LIMITS.items():
        for asked in (12, 24, 27, 36, 48, 60, 72, 81, 96, 108):
            plan = solve_pll(limits, 27.0, asked)
            assert plan.hz == asked * 1_000_000, device


@pytest.mark.parametrize("asked", [0.0, 3.0, 601.0, float("nan")])
def test_clock_out_of_range(asked: float) -> None:
    with pytest.raises(PlanError) as caught:
        solve_pll(LIMITS["GW1NR-9"], 27.0, asked)
    assert str(caught.value) == (
        f"A clock of {asked:g} MHz is out of the PLL's reach: it makes 3.126 to 600 MHz. "
        "Ask for a --clock in that range."
    )


def test_clock_between_two_settings() -> None:
    with pytest.raises(PlanError) as caught:
        solve_pll(LIMITS["GW2AR-18"], 27.0, 20)
    assert str(caught.value) == (
        "A clock of 20 MHz is more than 1% from any that the PLL makes of the board's "
        "27 MHz. Ask for the nearest one, --clock 20.25."
    )


def test_pins_of_the_20k() -> None:
    platform = TangNano20kPlatform()
    assert platform.lookup("clk27").ios[0].names == ["4"]
    assert [pin.ios[0].names for pin in platform.lookup("uart").ios] == [["70"], ["69"]]
