"""Equality with the reference executors, tensor by tensor, and accuracy.

Converts networks that other people trained, runs the golden model on every frame of
their fixtures, and compares every tensor that the fixtures hold.

The command is ``python -m benchmarks.accuracy FOLDER``, the folder holding the networks,
their ``*.fixture.npz``, and ``mnist_t10k.npz`` for the accuracy on the whole test set.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sw import cli, golden
from sw.convert import read_network
from sw.errors import ModelError
from sw.lower import lower
from sw.model.ir import Conv, Dense, Pool, Threshold
from sw.model.model import Model

__all__ = ["NETWORKS", "Comparison", "Network", "compare"]

Fixture = dict[str, NDArray]

#: Greatest difference of float logits that rounding explains.
LOGIT_TOLERANCE = 1e-4


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One tensor of a fixture against the golden model's."""

    tensor: str
    frames: int
    elements: int
    mismatches: int


def _signs(packed: NDArray[np.uint8], shape: tuple[int, int, int], axes: str) -> NDArray:
    """+-1 (N, H, W, C) from bits packed little-endian in the order ``axes``."""
    height, width, channels = shape
    bits = np.unpackbits(packed, axis=1, bitorder="little")[:, : height * width * channels]
    signs = bits.astype(np.int32) * 2 - 1
    if axes == "CHW":
        return signs.reshape(-1, channels, height, width).transpose(0, 2, 3, 1)
    return signs.reshape(-1, height, width, channels)


def _arrays(model: Model) -> list[str]:
    return [op.name for op in model.graph.ops if isinstance(op, Conv | Dense)]


def _activations(model: Model) -> list[str]:
    """Each layer's last tensor: its threshold's, or that of the pool behind it."""
    ops = model.graph.ops
    return [
        ops[i + 1].name if isinstance(ops[i + 1], Pool) else op.name
        for i, op in enumerate(ops)
        if isinstance(op, Threshold)
    ]


def _tfc_1w1a(model: Model, fixture: Fixture) -> Iterator[tuple[str, str, NDArray]]:
    quantised = [model.graph.input.name, *_activations(model)]
    for i, name in enumerate(_arrays(model)):
        yield f"MatMul_{i}", name, fixture[f"MatMul_{i}"]
        key = f"BipolarQuant_{i + 4}_out"
        signs = _signs(fixture[key], model.graph.types[quantised[i]].shape, "HWC")
        yield key, quantised[i], signs


def _tfc_1w2a(model: Model, fixture: Fixture) -> Iterator[tuple[str, str, NDArray]]:
    quantised = [model.graph.input.name, *_activations(model)]
    for i, name in enumerate(_arrays(model)):
        yield f"MatMul_{i}", name, fixture[f"MatMul_{i}"]
        yield f"Quant_{i}_out", quantised[i], fixture[f"Quant_{i}_out"]


def _lfc(model: Model, fixture: Fixture) -> Iterator[tuple[str, str, NDArray]]:
    activations = _activations(model)
    for i, name in enumerate(_arrays(model)):
        op = model.graph[name]
        assert isinstance(op, Dense)
        # Matches of 784 pixels; the pad bits of the first layer never match.
        matches = fixture[f"popcount{i}"].astype(np.int32)[:, : op.outputs]
        yield f"popcount{i}", name, 2 * matches - op.fan_in
        if i < len(activations):
            key = f"act{i}_packed_le"
            shape = model.graph.types[activations[i]].shape
            yield key, activations[i], _signs(fixture[key], shape, "HWC")


def _cnv(model: Model, fixture: Fixture) -> Iterator[tuple[str, str, NDArray]]:
    arrays, activations = _arrays(model), _activations(model)
    for i, name in enumerate(activations):
        dots = fixture[f"dot{i}_first20"]
        yield f"dot{i}", arrays[i], dots.transpose(0, 2, 3, 1) if dots.ndim == 4 else dots
        packed = fixture[f"act{i}_first20_packed_le"]
        yield f"act{i}", name, _signs(packed, model.graph.types[name].shape, "CHW")
    last = model.graph[arrays[-1]]
    assert isinstance(last, Dense)
    matches = fixture["popcount_last"].astype(np.int32)
    yield "popcount_last", arrays[-1], 2 * matches - last.fan_in


def _larq(model: Model, fixture: Fixture) -> Iterator[tuple[str, str, NDArray]]:
    thresholds = [op.name for op in model.graph.ops if isinstance(op, Threshold)]
    for i, name in enumerate(_arrays(model)):
        yield name, name, fixture[name]
        if i < len(thresholds):
            key = "batch_normalization" + (f"_{i}" if i else "")
            yield key, thresholds[i], np.where(fixture[key] >= 0, 1, -1)


@dataclass(frozen=True, kw_only=True)
class Network:
    """One network in the folder, and how its fixture's tensors are named."""

    file: str
    fixture: str
    tensors: Callable[[Model, Fixture], Iterator[tuple[str, str, NDArray]]]
    frames: str = "inputs"
    logits: str | None = None
    preprocess: str = "unit"
    whole: str | None = "mnist_t10k.npz"


NETWORKS = {
    "tfc_mnist": Network(
        file="TFC_1W1A.onnx",
        fixture="TFC_1W1A.fixture.npz",
        tensors=_tfc_1w1a,
        logits="logits",
    ),
    "tfc_mnist_1w2a": Network(
        file="TFC_1W2A.onnx",
        fixture="TFC_1W2A.fixture.npz",
        tensors=_tfc_1w2a,
        logits="logits",
    ),
    "lfc_mnist": Network(
        file="LFC_1W1A_mnist.onnx", fixture="LFC_1W1A_mnist.fixture.npz", tensors=_lfc
    ),
    "cnv_cifar10": Network(
        file="CNV_1W1A_cifar10.onnx",
        fixture="CNV_1W1A_cifar10.fixture.npz",
        tensors=_cnv,
        whole=None,
    ),
    "larq_mnist": Network(
        file="larq_mnist_cnn.h5",
        fixture="larq_mnist_cnn.fixture.npz",
        tensors=_larq,
        frames="inputs_uint8",
        logits="batch_normalization_2",
        preprocess="pixel>127",
    ),
}


def compare(network: Network, model: Model, fixture: Fixture) -> list[Comparison]:
    """Every tensor of ``fixture``, its classes and its logits against the golden model's."""
    frames = model.as_frames(fixture[network.frames])
    tensors = golden.run(model.graph, model.preprocessing.apply(frames))
    result = []
    for key, name, wanted in network.tensors(model, fixture):
        got = tensors[name][: len(wanted)].reshape(wanted.shape)
        result.append(_comparison(key, got != wanted))
    scores = tensors[model.graph.head.name].reshape(len(frames), -1)
    wrong = model.classify(scores) != fixture["argmax"]
    result.append(_comparison("argmax", wrong))
    if network.logits:
        error = np.abs(model.logits(scores) - fixture[network.logits])
        result.append(_comparison(network.logits, ~(error <= LOGIT_TOLERANCE)))
    return result


def _comparison(tensor: str, wrong: NDArray[np.bool_]) -> Comparison:
    return Comparison(
        tensor=tensor, frames=len(wrong), elements=wrong.size, mismatches=int(wrong.sum())
    )


def _top1(model: Model, frames: NDArray[np.uint8], labels: NDArray) -> float:
    return float((model.classify(golden.scores(model, frames)) == labels).mean())


def measure(folder: Path, name: str) -> dict[str, Any]:
    """Convert, compare and measure one network of ``folder``."""
    network = NETWORKS[name]
    started = time.monotonic()
    model = lower(read_network(str(folder / network.file), network.preprocess), name=name)
    fixture = _load(folder / network.fixture)
    comparisons = compare(network, model, fixture)
    frames, labels = model.as_frames(fixture[network.frames]), fixture["labels"]
    report = {
        "network": name,
        "tensors": len(comparisons),
        "frames": len(frames),
        "elements": sum(c.elements for c in comparisons),
        "mismatches": sum(c.mismatches for c in comparisons),
        "unequal": [c.tensor for c in comparisons if c.mismatches],
        "top1_fixture": _top1(model, frames, labels),
        "top1_test_set": None,
    }
    if network.whole and (folder / network.whole).exists():
        whole = _load(folder / network.whole)
        report["top1_test_set"] = _top1(model, model.as_frames(whole["images"]), whole["labels"])
    report["seconds"] = round(time.monotonic() - started, 1)
    return report


def _load(path: Path) -> Fixture:
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files}
    except (OSError, ValueError) as error:
        raise ModelError(
            f"cannot read '{path}': {error}", "Give the folder of the fixtures"
        ) from None


def main() -> int:
    """The command; exit status 1 where anything differs."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.accuracy", description=__doc__)
    parser.add_argument("folder", type=Path, help="networks and their fixtures")
    parser.add_argument("--network", choices=sorted(NETWORKS), help="this one only")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    arguments = parser.parse_args()
    names = [arguments.network] if arguments.network else list(NETWORKS)
    reports = [measure(arguments.folder, name) for name in names]
    if arguments.json:
        print(json.dumps(reports, indent=2))
    else:
        print(
            "| network | frames | tensors | elements | mismatches | top-1 | top-1, whole test set |"
        )
        print("|---|---|---|---|---|---|---|")
        for r in reports:
            whole = f"{r['top1_test_set']:.2%}" if r["top1_test_set"] is not None else ""
            print(
                f"| {r['network']} | {r['frames']:,} | {r['tensors']} | {r['elements']:,} | "
                f"{r['mismatches']} | {r['top1_fixture']:.2%} | {whole} |"
            )
    for r in reports:
        if r["unequal"]:
            print(f"{r['network']}: unequal: {', '.join(r['unequal'])}", file=sys.stderr)
    return 1 if any(r["mismatches"] for r in reports) else 0


if __name__ == "__main__":
    cli.run(main)
