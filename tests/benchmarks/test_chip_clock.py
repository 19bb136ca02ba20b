"""The model of the clock against whole chips that were placed and routed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmarks import chip_clock
from benchmarks.chip_clock import (
    CHIPS,
    TODAY,
    Routed,
    errors,
    fit,
    foldings,
    markdown,
    routed,
    run,
)
from benchmarks.routed_chip import plan_options
from benchmarks.stored import named, stored
from hw.options import planned
from hw.plan.clock import CLOCK_SHARE
from sw.errors import UserError
from sw.model import load


def _chips(constants: tuple[float, ...]) -> list[Routed]:
    """Chips that follow the model exactly."""
    terms = [
        (1.0, fill, memory, pool)
        for fill, memory, pool in (
            (0.1, 3, 1),
            (0.2, 1, 0),
            (0.1, 29, 0),
            (0.7, 2, 0),
            (0.4, 15, 1),
            (0.3, 9, 1),
        )
    ]
    return [
        Routed(name=str(i), lut=i, terms=t, fmax_mhz=1e3 / float(np.dot(t, constants)))
        for i, t in enumerate(terms)
    ]  # fmt: skip


def test_the_fit_finds_the_constants_of_the_model() -> None:
    constants = (5.0, 3.0, 0.02, 1.5)
    chips = _chips(constants)
    assert fit(chips) == pytest.approx(constants, abs=1e-3)
    assert max(abs(error.left_out) for error in errors(chips)) < 1e-3


def test_every_chip_is_met_within_fifteen_percent() -> None:
    found = errors(routed())
    assert len(found) >= 6
    wrong = [f"{e.chip.name}: {e.left_out:+.1%}" for e in found if abs(e.left_out) > 0.15]
    assert not wrong


def test_the_constants_are_those_of_the_fit() -> None:
    """After new chips: ``python -m benchmarks.chip_clock --fit``."""
    chips = routed()
    fitted = fit(chips)
    for chip in chips:
        assert np.dot(chip.terms, TODAY) == pytest.approx(np.dot(chip.terms, fitted), rel=0.02)


def test_no_chip_is_asked_for_more_than_it_reaches() -> None:
    for error in errors(routed()):
        assert CLOCK_SHARE * (1 + error.fitted) <= 1, error.chip.name


def test_markdown_has_a_line_a_chip() -> None:
    found = errors(_chips((5.0, 3.0, 0.02, 1.5)))
    lines = markdown(found).splitlines()
    assert len(lines) == len(found) + 2
    # 1 / (5 + 3 * 0.1 + 0.02 * 3 + 1.5) ns
    assert lines[2].startswith("| `0` | 0 | 146 MHz | ")


def test_runs_are_stored(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "chips.json"
    monkeypatch.setattr(chip_clock, "measure", lambda chip: {"model": chip.model})
    first, second = list(CHIPS.values())[:2]
    run([second, first], path)
    assert list(stored(path)) == [first.name, second.name]
    entry = stored(path)[first.name]
    assert entry["figures"] == {"model": first.model}
    assert entry["command"] == f"python -m benchmarks.chip_clock --run {first.name}"
    assert named(["missing"], CHIPS, stored(path), what="chip") == list(CHIPS)[2:]


def test_unknown_chip() -> None:
    with pytest.raises(UserError) as caught:
        chip_clock.main(["--run", "fashion-1F"])
    assert str(caught.value).startswith("there is no chip 'fashion-1F': the chips are larq_mnist-")


def test_what_is_stored_is_of_chips() -> None:
    for name, entry in stored(chip_clock.RESULTS).items():
        assert name in CHIPS
        assert set(entry) == {"command", "tools", "figures"}


def test_area_of_chips_that_are_planned_as_they_were_routed() -> None:
    compared = 0
    for name, entry in stored(chip_clock.RESULTS).items():
        chip, figures = CHIPS[name], entry["figures"]
        made = planned(
            plan_options(chip.arguments), load(chip_clock.EXAMPLES / f"{chip.model}.npz")
        )
        if foldings(made.plan) == figures["foldings"]:
            area = made.plan.predicted
            assert area.bram == figures["bram"], name
            for resource in ("lut", "ff"):
                assert getattr(area, resource) == pytest.approx(figures[resource], rel=0.07), name
            compared += 1
    assert compared >= 8
