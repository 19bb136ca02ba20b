"""docs/data.md: its detection example runs, and it names every option and file format."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import numpy as np
import pytest

from sw.train.datasets import Boxes, DetectionDataset, boxes, folder, svhn
from sw.train.plates import open_plates
from tests.detectors import detector

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "data.md").read_text()


def test_example_of_detection(rng: np.random.Generator) -> None:
    block = next(
        part for part in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if "find" in part
    )
    frames = rng.integers(0, 256, (3, 6, 8, 3), np.uint8)
    truth = tuple(Boxes.of(np.array([[0.1, 0.1, 0.4, 0.3]]), np.zeros(1, np.int64)) for _ in frames)
    dataset = DetectionDataset(
        train_frames=frames,
        train_boxes=truth,
        test_frames=frames,
        test_boxes=truth,
        classes=("plate",),
    )
    names: dict[str, object] = {"model": detector(), "frames": frames, "dataset": dataset}
    exec(compile(block, "data.md", "exec"), names)
    figures = names["figures"]
    assert getattr(figures, "true", None) == 3


@pytest.mark.parametrize("module", [boxes, folder, svhn, open_plates], ids=lambda m: m.__name__)
def test_options(module: object) -> None:
    """Each option that is read has a row."""
    source = inspect.getsource(module)  # type: ignore[arg-type]
    names = set(re.findall(r'options\.(?:integer|fraction|size)\("(\w+)"', source))
    assert names
    for name in names:
        assert re.search(rf"^\| [^|]*`{name}`[^|]*\|", PAGE, re.MULTILINE), name


def test_picture_is_there() -> None:
    assert (ROOT / "docs" / re.findall(r"!\[.*?\]\((.*?)\)", PAGE)[0]).is_file()
