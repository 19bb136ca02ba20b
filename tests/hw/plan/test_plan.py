"""The planner: what it chooses, what it says, what it refuses."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from hw.plan.cost import RESOURCES, Share
from hw.plan.foldings import foldings
from hw.plan.layer import segments
from hw.plan.plan import Plan, make_plan
from hw.plan.refusal import Candidate
from hw.plan.stages import cut
from sw.errors import PlanError
from sw.model.ir import Padding
from sw.model.model import Model
from tests.hw.plan.graphs import Builder, model_of


@dataclasses.dataclass(frozen=True, kw_only=True)
class Budget:
    """A device."""

    lut: int
    ff: int
    bram: int
    dsp: int = 0
    spram: int = 0


SMALL = Budget(lut=8_000, ff=8_000, bram=30)
MEDIUM = Budget(lut=24_000, ff=24_000, bram=56)
LARGE = Budget(lut=84_000, ff=84_000, bram=208)
CANDIDATES = [
    Candidate(board="board", size="L", budget=LARGE),
    Candidate(board="board", size="M", budget=MEDIUM),
    Candidate(board="board", size="S", budget=SMALL),
]


def network(seed: int = 0) -> Model:
    """A convolutional network with an 8-bit input."""
    around = Padding(top=1, left=1, bottom=1, right=1)
    builder = Builder(np.random.default_rng(seed), 16, 16, 1, "uint8")
    builder.conv(16, padding=around).threshold().pool()
    builder.conv(32, padding=around).threshold().pool()
    return model_of(builder.dense(64).threshold().dense(10).head(), "net")


def dense_network(width: int) -> Model:
    """Three dense layers: weights and little else."""
    builder = Builder(np.random.default_rng(0), 1, 1, width)
    for _ in range(2):
        builder.dense(width).threshold()
    return model_of(builder.dense(10).head("argmax"), "dense")


def plan(
    model: Model, budget: Budget, *, fps: float | None = None, share: Share | float | None = None
) -> Plan:
    return make_plan(
        model,
        board="board",
        size="X",
        budget=budget,
        clock=50,
        fps=fps,
        share=share,
        candidates=CANDIDATES,
    )


@pytest.fixture(scope="module")
def plans() -> dict[str, Plan]:
    """The network on each device."""
    return {name: plan(network(), budget) for name, budget in zip("SML", DEVICES, strict=True)}


DEVICES = (SMALL, MEDIUM, LARGE)


def test_a_plan_fits_its_share(plans: dict[str, Plan]) -> None:
    for name, budget in zip("SML", DEVICES, strict=True):
        usable = Share.of(None, budget).usable(budget)
        for resource in RESOURCES:
            assert getattr(plans[name].predicted, resource) <= getattr(usable, resource)


def test_a_larger_device_is_faster(plans: dict[str, Plan]) -> None:
    cycles = [plans[name].cycles_per_frame for name in "SML"]
    assert cycles[0] > cycles[1] >= cycles[2]


def test_cycles_are_those_of_the_slowest_layer(plans: dict[str, Plan]) -> None:
    for result in plans.values():
        assert result.cycles_per_frame == max(layer.cycles for layer in result.layers)
        assert result.bottleneck.cycles == result.cycles_per_frame
        assert result.frames_per_second == pytest.approx(50e6 / result.cycles_per_frame)


def test_no_layer_could_be_cheaper(plans: dict[str, Plan]) -> None:
    """A layer that is smaller in every resource would make the frame take longer."""
    result = plans["M"]
    groups = segments(cut(network().graph))
    chosen = {layer.name: layer for layer in result.layers}
    for group in groups:
        mine = chosen[group[0].name]
        assert mine.line_buffer is not None
        for option in foldings(group):
            other = option.layers[0]
            if other.lanes != mine.lanes or option.i_lanes != mine.line_buffer.i_lanes:
                continue
            bare = dataclasses.replace(mine, edges=())
            smaller = all(
                getattr(other.cost, n) < getattr(bare.cost, n) for n in ("lut", "ff", "bram")
            )
            assert not (smaller and option.cycles <= result.cycles_per_frame)


def test_plans_are_deterministic(plans: dict[str, Plan]) -> None:
    assert plan(network(), MEDIUM) == plans["M"]
    # Other weights of the same shape fold the same way.
    assert plan(network(seed=9), MEDIUM).layers == plans["M"].layers


def test_summary_has_the_keys_that_tools_rely_on(plans: dict[str, Plan]) -> None:
    summary = json.loads(json.dumps(plans["M"].summary()))
    assert list(summary) == [
        "board", "size", "clock_mhz", "fits", "limited_by", "gap", "predicted", "layers",
    ]  # fmt: skip
    assert list(summary["predicted"]) == [
        "lut", "ff", "bram", "dsp", "spram", "packed", "weights_bram", "weights_packed",
        "weights_packed_at_most", "fmax_mhz", "cycles_per_frame", "frames_per_second",
    ]  # fmt: skip
    assert summary["fits"] is True
    assert summary["board"] == "board"
    assert [layer["kind"] for layer in summary["layers"]] == [
        "array", "pool", "array", "pool", "array", "array", "head",
    ]  # fmt: skip
    assert summary["layers"][0]["rows"] * summary["layers"][0]["simd"] >= 1


def test_what_limits_is_a_resource_or_a_layer(plans: dict[str, Plan]) -> None:
    assert plans["S"].limited_by in RESOURCES
    names = {layer.name for layer in plans["L"].layers}
    assert plans["L"].limited_by in names | set(RESOURCES)


def test_fps_is_met_with_less_area(plans: dict[str, Plan]) -> None:
    slow = plan(network(), LARGE, fps=1000)
    assert slow.frames_per_second >= 1000
    assert slow.limited_by == "fps"
    assert slow.predicted.lut < plans["L"].predicted.lut


def test_share_bounds_the_area() -> None:
    result = plan(network(), LARGE, share=0.1)
    assert result.predicted.lut <= 8_400
    assert result.predicted.ff <= 8_400


def test_too_large_names_resource_amount_and_device() -> None:
    with pytest.raises(PlanError) as caught:
        plan(dense_network(1024), MEDIUM)
    assert caught.value.message.startswith("'dense' does not fit board X: it needs ")
    assert "block RAMs, " in caught.value.message
    assert "more than the 50 usable of 56" in caught.value.message
    assert caught.value.remedy == "Take board L, which it fits"


def test_too_large_for_every_device() -> None:
    with pytest.raises(PlanError) as caught:
        plan(dense_network(2048), MEDIUM)
    assert caught.value.remedy == (
        "Take a larger device, raise --share, or train a smaller network"
    )


def test_too_fast_says_what_can_be_reached(plans: dict[str, Plan]) -> None:
    fastest = plans["S"].frames_per_second
    with pytest.raises(PlanError) as caught:
        plan(network(), SMALL, fps=1.5 * fastest)
    assert f"reaches {fastest:.0f} frames/s within the device" in caught.value.message
    assert f"not the {1.5 * fastest:g} asked for" in caught.value.message
    assert (
        caught.value.remedy
        == f"Ask for at most {int(fastest)} frames/s or take board M, which it fits"
    )


def test_faster_than_any_folding() -> None:
    with pytest.raises(PlanError, match=r"layer '.*' takes at least \d+ cycles a frame"):
        plan(network(), LARGE, fps=1e7)


@pytest.mark.parametrize("fps", [0, -1])
def test_fps_must_be_positive(fps: float) -> None:
    with pytest.raises(PlanError, match=f"{fps} frames/s were asked for. Give a rate above 0."):
        plan(network(), LARGE, fps=fps)
