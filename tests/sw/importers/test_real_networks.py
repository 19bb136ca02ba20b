"""Networks that other people trained, against their own executors, tensor by tensor."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.accuracy import NETWORKS, compare
from sw import golden
from sw.convert import read_network
from sw.lower import lower
from sw.model import load
from sw.model.ir import Conv, Dense, Threshold
from sw.model.model import Model

ROOT = Path(__file__).parents[3]
DATA = ROOT / "tests" / "data"
EXAMPLES = ROOT / "examples"

#: Network: its fixture's cut, and the number of tensors that are compared.
FIXTURES = {
    "tfc_mnist": ("tfc_1w1a_frames.npz", 10),
    "tfc_mnist_1w2a": ("tfc_1w2a_frames.npz", 10),
    "lfc_mnist": ("lfc_frames.npz", 8),
    "cnv_cifar10": ("cnv_frames.npz", 18),
    "larq_mnist": ("larq_frames.npz", 7),
}
CONVERTED = ("tfc_mnist", "tfc_mnist_1w2a", "larq_mnist")


def _fixture(name: str) -> dict[str, np.ndarray]:
    with np.load(DATA / FIXTURES[name][0]) as archive:
        return dict(archive)


def _convert(name: str) -> Model:
    network = NETWORKS[name]
    graph = read_network(str(DATA / network.file), network.preprocess)
    frames = _fixture(name)[network.frames][:8]
    return lower(graph, name=name, vector_frames=frames)


def _check(name: str, model: Model) -> None:
    comparisons = compare(NETWORKS[name], model, _fixture(name))
    assert len(comparisons) == FIXTURES[name][1]
    assert not [c for c in comparisons if c.mismatches]


@pytest.mark.parametrize("name", CONVERTED)
def test_converted_networks_equal_the_reference_in_every_tensor(name: str) -> None:
    _check(name, _convert(name))


@pytest.mark.parametrize("name", FIXTURES)
def test_bundled_models_equal_the_reference_in_every_tensor(name: str) -> None:
    model = load(EXAMPLES / f"{name}.npz")
    _check(name, model)
    golden.check_vectors(model)
    assert len(model.vectors.frames) >= 8 and len(model.classes) == 10 and model.provenance


@pytest.mark.parametrize("name", CONVERTED)
def test_bundled_models_are_what_conversion_gives(name: str) -> None:
    bundled, converted = load(EXAMPLES / f"{name}.npz"), _convert(name)
    np.testing.assert_array_equal(bundled.preprocessing.table, converted.preprocessing.table)
    assert [op.name for op in bundled.graph.ops] == [op.name for op in converted.graph.ops]
    for ours, theirs in zip(converted.graph.ops, bundled.graph.ops, strict=True):
        for field in ("weights", "levels", "inverted", "minimum", "bias", "scale", "offset"):
            if hasattr(ours, field):
                np.testing.assert_array_equal(getattr(ours, field), getattr(theirs, field))


def test_the_networks_hold_what_is_hard() -> None:
    """Negative gamma, several levels, skipped taps and an 8-bit input do occur."""
    models = {name: load(EXAMPLES / f"{name}.npz") for name in FIXTURES}
    thresholds = {
        name: [op for op in model.graph.ops if isinstance(op, Threshold)]
        for name, model in models.items()
    }
    assert sum(op.inverted.sum() for op in thresholds["tfc_mnist"]) > 0
    assert all(op.levels.shape[1] == 2 for op in thresholds["tfc_mnist_1w2a"])
    assert models["cnv_cifar10"].graph.input.type.range.bits == 8
    larq = [op for op in models["larq_mnist"].graph.ops if isinstance(op, Conv)]
    # {0, 1} holds zero; after a sign the taps are skipped.
    assert [op.padding.value for op in larq] == [0, None]
    sizes = [op.weights.size for op in models["cnv_cifar10"].graph.ops if isinstance(op, Conv)]
    assert sum(sizes) == 1_144_512
    assert models["lfc_mnist"].graph.head.bias.tolist()[:3] == [-304, -266, -264]
    assert isinstance(models["lfc_mnist"].graph.ops[1], Dense)


@pytest.mark.parametrize(
    ("name", "frames", "correct"),
    [
        ("tfc_mnist", "mnist_frames", 193),
        ("tfc_mnist_1w2a", "mnist_frames", 191),
        ("lfc_mnist", "mnist_frames", 200),
        ("larq_mnist", "mnist_frames", 172),
        ("cnv_cifar10", "cifar10_frames", 83),
    ],
)
def test_bundled_frames_have_the_labels_of_their_networks(
    name: str, frames: str, correct: int
) -> None:
    """As many as by the reference executors."""
    model = load(EXAMPLES / f"{name}.npz")
    with np.load(EXAMPLES / f"{frames}.npz") as archive:
        images, labels = archive["frames"], archive["labels"]
        assert archive["classes"].tolist() == list(model.classes)
    classes = model.classify(golden.scores(model, model.as_frames(images)))
    assert (classes == labels).sum() == correct
