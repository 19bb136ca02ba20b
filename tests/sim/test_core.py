"""The compiled core against the golden model: real networks and random ones."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pytest

from hw.options import planned
from hw.plan.plan import Plan
from sim.core import CoreRun, CoreSimulator, Stall
from sw import golden
from sw.detect import objects
from sw.model import Model, load
from tests.detectors import detector, random_detector
from tests.graphs import random_model

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def plan_for(model: Model, fps: float | None = None, objectness: float | None = None) -> Plan:
    options = argparse.Namespace(
        board="ulx3s",
        size="85F",
        clock=None,
        fps=fps,
        share=None,
        objectness=objectness,
        link="uart",
    )
    return planned(options, model).plan


def check(model: Model, inputs: np.ndarray, result: CoreRun) -> None:
    """Every watched tensor and every score, element by element."""
    expected = golden.run(model.graph, inputs)
    for name, tensor in result.tensors.items():
        np.testing.assert_array_equal(tensor, expected[name], err_msg=name)
    scores = expected[model.graph.head.name].reshape(len(inputs), -1)
    np.testing.assert_array_equal(result.scores, scores)
    assert (result.objects is None) == (model.detection is None)


# Frames per second are chosen so that the C++ compiles in seconds.
@pytest.mark.parametrize(
    ("name", "frames_of", "frames", "fps"),
    [
        ("tfc_mnist", "mnist", 100, 50_000),
        ("tfc_mnist_1w2a", "mnist", 100, 50_000),
        ("larq_mnist", "mnist", 100, None),
        ("fashion", "fashion", 100, 10_000),
        ("lfc_mnist", "mnist", 10, 10_000),
        ("cnv_cifar10", "cifar10", 4, 500),
    ],
)
def test_real_networks_are_computed_exactly(name, frames_of, frames, fps):
    model = load(EXAMPLES / f"{name}.npz")
    with np.load(EXAMPLES / f"{frames_of}_frames.npz") as bundle:
        inputs = model.preprocessing.apply(model.as_frames(bundle["frames"][:frames]))
    plan = plan_for(model, fps)
    result = CoreSimulator(plan, model, taps=True).run(inputs)
    check(model, inputs, result)
    assert len(result.tensors) >= 3
    assert result.cycles_per_frame == plan.cycles_per_frame


def test_stalls_change_nothing_but_time(rng):
    model = load(EXAMPLES / "larq_mnist.npz")
    with np.load(EXAMPLES / "mnist_frames.npz") as bundle:
        inputs = model.preprocessing.apply(model.as_frames(bundle["frames"][:10]))
    simulator = CoreSimulator(plan_for(model), model, taps=True)
    free = simulator.run(inputs)
    for stall in ((0.5, 0.0), (0.0, 0.9), (0.3, 0.3)):
        i, o = stall
        result = simulator.run(inputs, stall=Stall(i=i, o=o, seed=int(rng.integers(2**31))))
        check(model, inputs, result)
        assert result.done_cycles[-1] > free.done_cycles[-1]


@pytest.mark.parametrize("case", range(6))
def test_random_networks_are_computed_exactly(rng, case):
    model = random_model(rng, max_size=12, max_channels=24)
    plan = plan_for(model, fps=float(rng.choice([100.0, 20_000.0])))
    frames = rng.integers(0, 256, (5, *model.graph.input.type.shape), dtype=np.uint8)
    inputs = model.preprocessing.apply(frames)
    simulator = CoreSimulator(plan, model, taps=True)
    result = simulator.run(inputs)
    check(model, inputs, result)
    assert result.cycles_per_frame == plan.cycles_per_frame
    stalls = Stall(i=float(rng.uniform()) / 2, o=float(rng.uniform()) / 2, seed=case)
    check(model, inputs, simulator.run(inputs, stall=stalls))


@pytest.mark.parametrize("objectness", [None, 0.7])
def test_boxes_are_marked_exactly(rng, objectness):
    """A detector of a binary and an integer layer, with the default objectness and another."""
    model = random_detector(rng)
    frames = rng.integers(0, 256, (40, *model.graph.input.type.shape), dtype=np.uint8)
    inputs = model.preprocessing.apply(frames)
    simulator = CoreSimulator(plan_for(model, fps=100, objectness=objectness), model, taps=True)
    for stall in (Stall(), Stall(i=0.2, o=0.4, seed=int(rng.integers(2**31)))):
        result = simulator.run(inputs, stall=stall)
        check(model, inputs, result)
        assert result.objects is not None
        expected = objects(model, result.scores, objectness or 0.5)
        assert 0.05 < expected.mean() < 0.95
        np.testing.assert_array_equal(result.objects, expected)


def test_frames_marked_one_by_one(rng):
    """The first mark of a frame has nothing of the frame before it."""
    model = detector(4, 6)
    plan = plan_for(model, fps=100)
    frames = np.full((4, 4, 6, 3), 10, np.uint8)
    frames[1, 3, 5] = frames[2, 0, 0] = 200
    result = CoreSimulator(plan, model).run(model.preprocessing.apply(frames))
    assert result.objects is not None
    places = [
        sorted({(y, x) for y, x, _ in np.argwhere(frame).tolist()}) for frame in result.objects
    ]
    assert places == [[], [(3, 5)], [(0, 0)], []]
