"""A detector in the model file: read as it was written, and refused where it does not fit."""

from __future__ import annotations

import dataclasses
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sw.errors import ModelError
from sw.model import Detection, Model, load, save
from sw.model.header import describe, parse
from tests.detectors import ANCHORS, detector
from tests.sw.model.small import replaced, small_model


def test_round_trip(tmp_path: Path) -> None:
    model = detector()
    sha256 = save(model, tmp_path / "a.npz")
    loaded = load(tmp_path / "a.npz")
    assert loaded.detection is not None
    np.testing.assert_array_equal(loaded.detection.anchors, ANCHORS)
    assert loaded.detection.anchors.dtype == np.float32
    assert loaded.detection.classes == ("plate",)
    assert loaded.grid == (6, 8)
    assert save(loaded, tmp_path / "b.npz") == sha256
    with zipfile.ZipFile(tmp_path / "a.npz") as archive:
        assert "detection.anchors.npy" in archive.namelist()


def test_version() -> None:
    """A detector needs version 2; without one nothing is written of it."""
    header, arrays = describe(detector())
    assert header["version"] == 2 and "detection.anchors" in arrays
    plain, arrays = describe(small_model())
    assert plain["version"] == 1 and "detection" not in plain and "detection.anchors" not in arrays
    with pytest.raises(ModelError, match="the header has an unknown 'detection'"):
        parse(plain | {"detection": header["detection"]})


def described(**fields: Any) -> Model:
    detection = detector().detection
    assert detection is not None
    return detector(detection=dataclasses.replace(detection, **fields))


def headed(**fields: Any) -> Model:
    model = detector()
    return dataclasses.replace(model, graph=replaced(model.graph, "head", **fields))


def negative() -> np.ndarray:
    scale = detector().graph.head.scale.copy()
    scale[14] = -1
    return scale


CASES = {
    "dtype": (described(anchors=ANCHORS.astype(float)), "anchors .*float64.*; allowed: float32"),
    "shape": (described(anchors=ANCHORS[0]), r"the anchors .*\(2,\)"),
    "zero": (described(anchors=ANCHORS * 0), "anchors hold 0.0; allowed: fractions of the frame"),
    "large": (described(anchors=ANCHORS * 4), "anchors hold 2.0; allowed: fractions"),
    "nan": (described(anchors=ANCHORS * np.float32(np.nan)), "anchors .*nan"),
    "none": (described(anchors=ANCHORS[:0]), "anchors"),
    "fewer": (described(anchors=ANCHORS[:1]), "of 1 anchors has 10 channels; allowed: 5 for each"),
    "classes": (
        described(classes=("a", "b")),
        r"classes are \('a', 'b'\); allowed: a tuple of one",
    ),
    "number": (described(classes=(1,)), r"classes are \(1,\); allowed: a tuple of one name"),
    "scores": (detector(classes=("a",) * 480), "has classes for its scores; allowed: none"),
    "argmax": (
        headed(kind="argmax", scale=np.ones(480, np.float32)),
        "has an argmax head; allowed: raw",
    ),
    "scale": (headed(scale=negative()), "a scale of objectness is not positive"),
}


@pytest.mark.parametrize("case", sorted(CASES))
def test_illegal(case: str, tmp_path: Path) -> None:
    model, message = CASES[case]
    with pytest.raises(ModelError, match=message):
        save(model, tmp_path / "a.npz")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"anchors": [2]}, "'anchors' of 'detection' of the header is not 2 integers"),
        ({"anchors": [0, 2]}, r"is \[0, 2\], not positive"),
        ({"classes": "plate"}, "'classes' of 'detection' of the header is not a list"),
        ({"extra": 1}, "'detection' of the header has an unknown 'extra'"),
    ],
)
def test_damaged_header(change: dict[str, Any], message: str) -> None:
    header = json.loads(json.dumps(describe(detector())[0]))
    header["detection"] |= change
    with pytest.raises(ModelError, match=message):
        parse(header)
    header["detection"] = None
    with pytest.raises(ModelError, match="'detection' of the header is not an object"):
        parse(header)


def test_detection_is_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Detection(anchors=ANCHORS, classes=("a",)).classes = ()  # type: ignore[misc]
