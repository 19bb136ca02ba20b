"""The speed benchmark: the float graphs give the golden model's scores; the command runs."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks import golden_speed
from benchmarks.golden_speed import CNV, measure, session_of, vgg_small
from sw import golden
from sw.model import Model, load
from sw.model.ir import Conv, Dense
from tests.graphs import random_frames, random_model


def float_scores(model: Model, frames: np.ndarray) -> np.ndarray:
    values = model.preprocessing.apply(frames).transpose(0, 3, 1, 2).astype(np.float32)
    return np.asarray(session_of(model.graph).run(None, {"input": values})[0])


def test_cnv() -> None:
    model = load(CNV)
    assert (float_scores(model, model.vectors.frames) == model.vectors.scores).all()


def test_random_graphs(rng: np.random.Generator) -> None:
    """Minima, inverted channels, skipped taps and unreachable levels, as floats."""
    done = 0
    while done < 25:
        model = random_model(rng, binary=True, tiled_pools=False)
        graph = model.graph
        padded = any(isinstance(op, Conv) and op.padding.value for op in graph.ops)
        if graph.head.kind != "raw" or padded or not isinstance(graph.ops[-2], Dense):
            continue
        frames = random_frames(rng, graph, 4)
        assert (float_scores(model, frames) == golden.scores(model, frames)).all()
        done += 1


def test_vgg_small() -> None:
    """VGG-Small's shapes: 4.57 million binary weights, and 8-bit ones at both ends."""
    graph = vgg_small().graph
    arrays = [op for op in graph.ops if isinstance(op, Conv | Dense)]
    assert [op.weight_bits for op in arrays] == [8, 1, 1, 1, 1, 1, 8]
    assert sum(op.weights.size for op in arrays[1:-1]) == 4_571_136
    assert [graph.types[op.name].shape for op in arrays] == [
        (32, 32, 128),
        (32, 32, 128),
        (16, 16, 256),
        (16, 16, 256),
        (8, 8, 512),
        (8, 8, 512),
        (1, 1, 10),
    ]


def test_measure() -> None:
    """The scores of VGG-Small are equal, which `measure` checks, and its figures are whole."""
    result = measure(vgg_small(), batch=1, repeats=1)
    ours, theirs = (result[f"{name}_frames_per_second"] for name in ("golden", "onnxruntime"))
    assert result["equal"]
    assert result["ratio"] == pytest.approx(ours / theirs, rel=0.02, abs=0.01)


def test_command(capsys: pytest.CaptureFixture[str]) -> None:
    golden_speed.main(["--batch", "2", "--repeats", "1", "--json"])
    results = json.loads(capsys.readouterr().out)
    assert [(each["network"], each["batch"]) for each in results] == [
        ("cnv_cifar10", 2),
        ("vgg_small", 2),
    ]
    golden_speed.main(["--batch", "1", "--repeats", "1"])
    assert "ONNX Runtime frames/s" in capsys.readouterr().out
