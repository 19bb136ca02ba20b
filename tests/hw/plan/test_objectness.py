"""Which objectness a plan has, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from boards import find
from hw.plan.join_cost import objectness_cost
from hw.plan.objectness import DEFAULT_OBJECTNESS, ObjectnessConfig
from hw.plan.plan import Plan, make_plan
from sw.errors import PlanError
from sw.model.model import Model
from tests.detectors import detector, random_detector
from tests.graphs import random_model


def planned(model: Model, objectness: float | None = None) -> Plan:
    board = find("ulx3s", "12F")
    return make_plan(
        model,
        board="ulx3s",
        size="12F",
        budget=board.budget,
        clock=50,
        fps=100,
        objectness=objectness,
    )


@pytest.mark.parametrize(("asked", "objectness"), [(None, DEFAULT_OBJECTNESS), (0.25, 0.25)])
def test_of_a_detector(asked: float | None, objectness: float) -> None:
    """The head's layer has the block and its area, and no more cycles."""
    plan = planned(detector(), asked)
    assert plan.objectness == objectness == plan.summary()["objectness"]
    layer = plan.layers[-1]
    config = ObjectnessConfig(
        elements=plan.head.elements, levels=1, score_bits=plan.head.score_bits
    )
    assert layer.objectness == config
    assert layer.cycles == config.cycles_per_frame == plan.head.cycles_per_frame
    cost = objectness_cost(config)
    assert layer.cost.lut > cost.lut > 0 and layer.cost.ff > cost.ff > 0


def test_levels_by_anchor(rng: np.random.Generator) -> None:
    config = planned(random_detector(rng)).layers[-1].objectness
    assert config is not None and config.levels == 3


def test_of_a_classifier(rng: np.random.Generator) -> None:
    model = random_model(rng, max_size=6, max_channels=6)
    plan = planned(model)
    assert plan.objectness is None and plan.layers[-1].objectness is None
    assert "objectness" not in plan.summary()
    with pytest.raises(PlanError) as caught:
        planned(model, 0.5)
    assert str(caught.value) == (
        f"an objectness of 0.5 was asked for, but model '{model.name}' is no detector: it gives "
        "scores and no boxes. Leave --objectness out, or give a detector."
    )


@pytest.mark.parametrize(
    ("asked", "shown"), [(0.0, "0"), (1.0, "1"), (-2.5, "-2.5"), (float("nan"), "nan")]
)
def test_out_of_range(asked: float, shown: str) -> None:
    with pytest.raises(PlanError) as caught:
        planned(detector(), asked)
    assert str(caught.value) == (
        f"an objectness of {shown} was asked for; allowed is above 0 and below 1. "
        "Give such as --objectness 0.5."
    )
