"""A curve without Matplotlib; tests/train_torch draws one with it."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from sw.train.plot import draw

ROWS = [
    {"epoch": 1, "loss": 2.0, "test_accuracy": 0.3, "seconds": 4.0},
    {"epoch": 2, "loss": 1.0, "test_accuracy": 0.6, "seconds": 4.0},
]


def test_without_matplotlib(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert not draw(ROWS, tmp_path / "curve.png", title="a curve")
    assert not list(tmp_path.iterdir())
