"""The model file: round trips, and the same bytes each time."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sw.errors import ModelError, UserError
from sw.model import load, save
from sw.model.ir import Conv, Padding
from tests.dags import random_dag
from tests.graphs import random_model
from tests.sw.model.small import (
    replaced,
    residual_model,
    small_graph,
    small_model,
)

EXAMPLES = [
    path
    for path in (Path(__file__).resolve().parents[3] / "examples").glob("*.npz")
    if not path.name.endswith("_frames.npz")
]


def assert_equal(a: Any, b: Any) -> None:
    """Compare ops, types and arrays field by field."""
    if isinstance(a, np.ndarray):
        assert a.dtype == b.dtype
        assert a.shape == b.shape
        assert (a == b).all()
    elif hasattr(a, "__dataclass_fields__"):
        assert type(a) is type(b)
        for field in a.__dataclass_fields__:
            if field != "sha256":
                assert_equal(getattr(a, field), getattr(b, field))
    elif isinstance(a, tuple):
        assert len(a) == len(b)
        for one, other in zip(a, b, strict=True):
            assert_equal(one, other)
    else:
        assert a == b


def test_round_trip(rng: np.random.Generator, tmp_path: Path) -> None:
    for number in range(80):
        graph = random_dag(rng, max_channels=11) if number % 2 else None
        model = random_model(rng, graph=graph, max_channels=11)
        path = tmp_path / "model.npz"
        sha256 = save(model, path)
        loaded = load(path)
        assert_equal(model, loaded)
        assert loaded.sha256 == sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
        assert save(loaded, tmp_path / "again.npz") == sha256


def test_version(tmp_path: Path) -> None:
    """Old graphs are written as ever; what version 1 cannot say is of version 2."""
    for model, version in ((small_model(), 1), (residual_model(), 2)):
        sha256 = save(model, tmp_path / "model.npz")
        with np.load(tmp_path / "model.npz") as archive:
            assert json.loads(archive["header"].tobytes())["version"] == version
        loaded = load(tmp_path / "model.npz")
        assert_equal(model, loaded)
        assert save(loaded, tmp_path / "again.npz") == sha256


@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES))
def test_examples_stay(name: str, tmp_path: Path) -> None:
    """The bundled models are still written byte for byte."""
    path = next(path for path in EXAMPLES if path.name == name)
    save(load(path), tmp_path / "again.npz")
    assert (tmp_path / "again.npz").read_bytes() == path.read_bytes()


def test_padding_value_of_numpy(tmp_path: Path) -> None:
    """Integers of NumPy are as good as Python's."""
    padding = Padding(top=np.int64(1), value=np.int64(-1))  # type: ignore[arg-type]
    graph = replaced(small_graph(), "conv", padding=padding, stride=(np.int64(1), np.int64(1)))
    graph = replaced(graph, "dense", weights=np.ones((3, 5), np.int8))
    model = small_model(graph=graph)
    save(model, tmp_path / "model.npz")
    conv = load(tmp_path / "model.npz").graph["conv"]
    assert isinstance(conv, Conv)
    assert conv.padding == Padding(top=1, value=-1)
    assert type(conv.padding.value) is int


def test_bytes_do_not_change(tmp_path: Path) -> None:
    """The hash names the model, so the same model gives the same bytes."""
    one, other = tmp_path / "one.npz", tmp_path / "other.npz"
    assert save(small_model(), one) == save(small_model(), other)
    assert one.read_bytes() == other.read_bytes()
    assert save(small_model(name="other"), other) != hashlib.sha256(one.read_bytes()).hexdigest()


def test_plain_numpy_reads_it(tmp_path: Path) -> None:
    save(small_model(), tmp_path / "model.npz")
    with np.load(tmp_path / "model.npz", allow_pickle=False) as archive:
        header = json.loads(archive["header"].tobytes())
        assert header["format"] == "binarray-model"
        assert archive["graph.conv.weights"].shape == (5, 4)
        assert all(not archive[key].dtype.hasobject for key in archive.files)


def test_save_refuses_illegal(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"^the model's name is ''"):
        save(small_model(name=""), tmp_path / "model.npz")
    assert os.listdir(tmp_path) == []


def test_save_cannot_write(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "model.npz"
    with pytest.raises(UserError) as caught:
        save(small_model(), path)
    assert str(caught.value) == (
        f"cannot write '{path}': No such file or directory. Give a path in a folder that "
        "exists, that you may write to and that has room."
    )


def test_deflated(tmp_path: Path) -> None:
    """An archive that another tool has compressed is as good, under its own hash."""
    save(small_model(), tmp_path / "good.npz")
    with np.load(tmp_path / "good.npz") as good:
        np.savez_compressed(tmp_path / "deflated.npz", **good)
    assert_equal(load(tmp_path / "deflated.npz"), small_model())
