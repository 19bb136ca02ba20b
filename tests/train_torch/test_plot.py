"""The picture of a training run's curve."""

from __future__ import annotations

from pathlib import Path

from sw.train.plot import draw

ROWS = [
    {"epoch": 1, "loss": 2.0, "test_accuracy": 0.3, "seconds": 4.0},
    {"epoch": 2, "loss": 1.0, "test_accuracy": 0.6, "seconds": 4.0},
]


def test_picture(tmp_path: Path) -> None:
    path = tmp_path / "curve.png"
    assert draw(ROWS, path, title="a curve")
    assert path.read_bytes()[:4] == b"\x89PNG"
    assert [entry.name for entry in tmp_path.iterdir()] == ["curve.png"]
