"""The bundled Fashion-MNIST networks are what examples/README.md says they are."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import boards
from hw.plan.plan import make_plan
from sw import detect, golden
from sw.model import Model, load
from sw.model.ir import BIPOLAR, Add, Concat, Conv, Dense, Pool
from sw.train.datasets.idx import FASHION_CLASSES

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"

#: A paper's method by `benchmarks.papers`, and the example that is its first seed.
PAPERS = {
    "A": "fashion_high_precision_second",
    "B": "fashion_trained_binarization",
    "C": "fashion_dual_path",
    "D": "fashion_bireal",
}


@pytest.fixture(scope="module")
def model() -> Model:
    return load(EXAMPLES / "fashion.npz")


def test_has_every_kind_of_layer(model: Model) -> None:
    ops, types = model.graph.ops, model.graph.types
    assert any(isinstance(op, Conv) and op.padding and op.padding.value is None for op in ops)
    assert any(isinstance(op, Pool) for op in ops)
    assert sum(isinstance(op, Dense) for op in ops) == 2
    products = [op for op in ops if isinstance(op, Conv | Dense)]
    assert types[products[0].source].range.bits == 8
    assert all(types[op.source].range == BIPOLAR for op in products[1:])
    assert sum(op.weights.size for op in products) == 93_088


def test_vectors_are_the_first_test_frames(model: Model) -> None:
    with np.load(EXAMPLES / "fashion_frames.npz") as bundle:
        frames = bundle["frames"]
    np.testing.assert_array_equal(model.vectors.frames[..., 0], frames[:16])
    scores = golden.scores(model, model.vectors.frames)
    np.testing.assert_array_equal(scores, model.vectors.scores)


def test_accuracy_on_the_bundled_frames(model: Model) -> None:
    with np.load(EXAMPLES / "fashion_frames.npz") as bundle:
        frames, labels, classes = bundle["frames"], bundle["labels"], bundle["classes"]
    assert frames.shape == (512, 28, 28)
    assert frames.dtype == np.uint8
    assert tuple(classes) == model.classes == FASHION_CLASSES
    answers = model.classify(golden.scores(model, model.as_frames(frames)))
    assert (answers == labels).mean() >= 0.87


def test_wide_fills_the_spram_of_an_icebreaker() -> None:
    """More weights than a UP5K's block RAM holds, of the accuracy that is stated."""
    wide = load(EXAMPLES / "wide.npz")
    products = [op for op in wide.graph.ops if isinstance(op, Dense)]
    bits = sum(op.weights.size for op in products)
    budget = boards.find("icebreaker").budget
    assert bits == 668_672 > 5 * budget.bram * budget.bram_bits
    with np.load(EXAMPLES / "fashion_frames.npz") as bundle:
        frames, labels = wide.as_frames(bundle["frames"]), bundle["labels"]
    scores = golden.scores(wide, frames)
    np.testing.assert_array_equal(scores[:16], wide.vectors.scores)
    assert (wide.classify(scores) == labels).mean() >= 0.87
    made = make_plan(wide, board="icebreaker", size="UP5K", budget=budget, clock=24.0, fps=750)
    assert [layer.array.weight_memory for layer in made.layers if layer.array][:2] == ["spram"] * 2
    assert made.predicted.spram <= 4 and made.predicted.lut < 0.8 * budget.lut
    text = (EXAMPLES / "README.md").read_text()
    assert "python -m sw.train wide -o examples/wide.npz --seed 1" in text
    assert "--epochs 40 --batch 128 --seed 1" in wide.provenance


def test_says_where_it_comes_from(model: Model) -> None:
    text = (EXAMPLES / "README.md").read_text()
    assert "Zalando SE" in model.provenance
    assert "--epochs 40 --batch 128 --seed 1" in model.provenance
    assert "python -m sw.train fashion -o examples/fashion.npz --seed 1" in text


@pytest.mark.parametrize("method", PAPERS)
def test_networks_of_the_papers(method: str) -> None:
    """Each is the very file whose accuracy is in the table of docs/papers.md."""
    name = PAPERS[method]
    trained = load(EXAMPLES / f"{name}.npz")
    stored = json.loads((ROOT / "tests" / "baselines" / "papers.json").read_text())
    (figures,) = (e["figures"] for n, e in stored.items() if n.startswith(f"fashion/{method}/1 "))
    assert trained.sha256 == figures["sha256"]
    assert f"| `{name}.npz` |" in (EXAMPLES / "README.md").read_text()
    with np.load(EXAMPLES / "fashion_frames.npz") as bundle:
        frames, labels = trained.as_frames(bundle["frames"]), bundle["labels"]
    scores = golden.scores(trained, frames)
    np.testing.assert_array_equal(scores[:16], trained.vectors.scores)
    # A twentieth of the test frames, so within four standard errors of the figure.
    accuracy, all_of_them = (trained.classify(scores) == labels).mean(), figures["test_accuracy"]
    error = np.sqrt(all_of_them * (1 - all_of_them) / len(labels))
    assert abs(accuracy - all_of_them) < 4 * error
    made = make_plan(
        trained, board="ulx3s", size="12F", budget=boards.find("ulx3s", "12F").budget, clock=80.0
    )
    assert made.frames_per_second > 300


def test_papers_have_their_ops() -> None:
    """What tells the papers' networks from a plain chain of signs."""
    found = {}
    for method, name in PAPERS.items():
        graph = load(EXAMPLES / f"{name}.npz").graph
        joins = [sum(isinstance(op, kind) for op in graph.ops) for kind in (Add, Concat)]
        second = [op for op in graph.ops if isinstance(op, Conv)][1]
        read = graph.types[second.source].range
        found[method] = joins, (read.low, read.high, read.step), int(abs(second.weights).max())
    assert found == {
        "A": ([0, 0], (0, 127, 1), 127),
        "B": ([0, 0], (0, 1, 1), 1),
        "C": ([0, 2], (-1, 1, 1), 1),
        "D": ([4, 0], (-1, 1, 2), 1),
    }


def test_detector_of_plates() -> None:
    """Paper A's detector finds plates on its own test vectors, and they are the golden model's."""
    detector = load(EXAMPLES / "plates.npz")
    frames, scores = detector.vectors.frames, detector.vectors.scores
    np.testing.assert_array_equal(golden.scores(detector, frames), scores)
    assert detector.detection is not None
    assert detector.detection.classes == ("plate",)
    layers = [op for op in detector.graph.ops if isinstance(op, Conv)]
    assert [int(abs(op.weights).max()) > 1 for op in layers[:3]] == [True, True, False]
    assert detect.objects(detector, scores, 0.5).any(axis=(1, 2, 3)).all()
    assert "--net plate-detector --data plates:seed=1" in detector.provenance
    assert "| `plates.npz` |" in (EXAMPLES / "README.md").read_text()
