"""The papers' networks in hardware: the list, what is stored of it, and its tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import networks
from benchmarks.network_steps import STEPS, random_frames, widest_of
from benchmarks.networks import CASES, HEADINGS, MISSING, chosen, markdown, rows, run
from benchmarks.stored import stored
from sw.errors import UserError
from sw.train.recipe import RECIPES
from sw.train.zoo import NETWORKS, check_family

PREDICTED = {
    "lut": 4000, "ff": 3000, "bram": 40, "dsp": 4, "fmax_mhz": 126.5, "cycles_per_frame": 294_912,
}  # fmt: skip

#: What the steps of a network give, as far as the tables show it.
FIGURES: dict[str, Any] = {
    "core": {
        "frames": 10, "elements": 1_234_567, "tensors": 12, "predicted": PREDICTED,
        "cycles_per_frame": 294_912.0, "queues": 3,
    },
    "full": {
        "weight_bits": 4_570_000, "golden_seconds": 0.5, "refused": "it does not fit",
        "needs": PREDICTED,
    },
    "widest": {"width": 0.46875},
    "chip": {"lut": 4100, "ff": 3100, "bram": 40, "dsp": 4, "fmax_mhz": 118.0},
}  # fmt: skip


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of figures, and steps that take no time."""
    for step in STEPS:
        monkeypatch.setitem(networks.STEPS, step, lambda case, step=step: FIGURES[step])
    return tmp_path / "networks.json"


def test_every_network_of_the_papers_is_there() -> None:
    ours = {"fashion-cnn", "fashion-binary", "fashion-dense", "fashion-wide"}
    papers = set(NETWORKS) - ours
    assert set(CASES) == papers
    for case in CASES.values():
        check_family(RECIPES[case.recipe], NETWORKS[case.name])


def test_frames_differ_and_are_repeatable() -> None:
    frames = random_frames((20, 13, 3), 4, 7)
    assert frames.shape == (4, 20, 13, 3) and frames.dtype == np.uint8
    assert len(np.unique(frames.reshape(4, -1), axis=0)) == 4
    np.testing.assert_array_equal(frames, random_frames((20, 13, 3), 4, 7))


def test_each_step_is_stored(path: Path) -> None:
    """After an interruption only what is missing is measured."""
    case = CASES["vgg-small"]
    run([(case, "chip")], path)
    run([(case, "core")], path)
    entry = stored(path)["vgg-small"]
    assert entry["command"] == "python -m benchmarks.networks --run vgg-small"
    assert entry["figures"] == {"core": FIGURES["core"], "chip": FIGURES["chip"]}
    missing = chosen(["missing"], stored(path))
    assert [step for missed, step in missing if missed is case] == ["full", "widest"]
    assert len(missing) == len(CASES) * len(STEPS) - 2


@pytest.mark.parametrize("limit", [0.25, 0.5, 0.96875, 1.0])
def test_the_widest_that_fits(limit: float) -> None:
    assert widest_of(CASES["vgg-small"], lambda case: case.width <= limit) == limit


def test_figures_of_another_width_are_stale(path: Path) -> None:
    case = CASES["vgg-small"]
    run([(case, "core")], path)
    results = stored(path)
    results["vgg-small"]["case"]["width"] = 1.0
    assert (case, "core") in chosen(["missing"], results)
    assert MISSING in next(row for row in rows("Routed", results) if row[0] == "vgg-small")


def test_unknown_network() -> None:
    with pytest.raises(UserError) as caught:
        chosen(["lenet"], {})
    assert str(caught.value).startswith(
        "there is no network 'lenet' here: the networks are fashion-residual, "
    )


def test_tables(path: Path) -> None:
    run([(CASES["vgg-small"], step) for step in STEPS], path)
    results = stored(path)
    for title, headings in HEADINGS.items():
        table = list(rows(title, results))
        assert [row[0] for row in table] == list(CASES)
        assert {len(row) for row in table} == {len(headings)}
    lines = markdown(results).splitlines()
    assert lines[0] == "**At a width that fits**"
    assert (
        "| vgg-small | trained-binarization | 32 x 32 x 3 | 0.25 | 10 | 1,234,567 of 13 tensors "
        "| 294,912 | 294,912 | 3 |"
    ) in lines
    assert (
        "| vgg-small | 4,100 | 4,000 | 3,100 | 3,000 | 40 | 40 | 4 | 4 | 118 | 126 | 400 |" in lines
    )
    assert "| vgg-small | 4.57 | 0.50 s | no | 0.46875 | 40 | 4,000 | 294,912 |" in lines
    assert lines[-2] == "it does not fit"


def test_what_is_stored_is_of_networks() -> None:
    """No network that was measured differed, was slower than planned, or larger than the chip."""
    results = stored(networks.RESULTS)
    for name, entry in results.items():
        assert name in CASES
        assert set(entry) == {"command", "tools", "case", "figures"}
        core = entry["figures"].get("core")
        if core is not None:
            assert core["cycles_per_frame"] <= core["predicted"]["cycles_per_frame"]
