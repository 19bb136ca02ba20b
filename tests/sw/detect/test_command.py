"""The command: boxes in the pictures' own pixels, drawn pictures, refusals."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sw.detect.__main__ import main
from sw.detect.decoding import Found
from sw.detect.drawing import COLOUR, draw
from sw.errors import MissingToolError, ModelError, UserError
from sw.model import save
from tests.detectors import detector
from tests.sw.model.small import small_model

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def model(tmp_path: Path) -> str:
    path = tmp_path / "detector.npz"
    save(detector(), path)
    return str(path)


def lit(path: Path, width: int, height: int, box: tuple[int, int, int, int]) -> str:
    """A black picture with a bright rectangle."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[box[1] : box[3], box[0] : box[2]] = 255
    Image.fromarray(pixels).save(path)
    return str(path)


def test_boxes_in_the_pictures_own_pixels(
    tmp_path: Path, model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A grid of 8 x 6: a picture of 80 x 60 fills the frame."""
    full = lit(tmp_path / "full.png", 80, 60, (50, 20, 60, 30))
    assert main([model, full, "--json", "--threshold", "0.9"]) == 0
    (result,) = json.loads(capsys.readouterr().out)
    assert (result["picture"], result["width"], result["height"]) == (full, 80, 60)
    corners = np.array([box["corners"] for box in result["boxes"]])
    # Both anchors' boxes are around the cell, which reaches from (50, 20) to (60, 30).
    centres = (corners[:, :2] + corners[:, 2:]) / 2
    assert len(centres) and ((centres > [50, 20]) & (centres < [60, 30])).all()
    assert all(0.9 <= box["objectness"] <= 1 for box in result["boxes"])


def test_grey_around_a_picture_is_taken_off(
    tmp_path: Path, model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    wide = lit(tmp_path / "wide.png", 160, 40, (0, 0, 160, 40))
    assert main([model, wide, "--json"]) == 0
    (result,) = json.loads(capsys.readouterr().out)
    corners = np.array([box["corners"] for box in result["boxes"]])
    assert (corners >= 0).all() and (corners <= [160, 40, 160, 40]).all()
    # The picture is two cells high, and in its pixels a cell is 20 x 20.
    assert corners[:, 3].max() == 40 and corners[:, 2].max() > 140


def test_drawn_pictures(tmp_path: Path, model: str, capsys: pytest.CaptureFixture[str]) -> None:
    one = lit(tmp_path / "one.png", 80, 60, (50, 20, 60, 30))
    two = lit(tmp_path / "two.png", 40, 30, (0, 0, 0, 0))
    assert main([model, one, "-o", str(tmp_path / "out.png")]) == 0
    output = capsys.readouterr().out
    assert output.startswith(f"{one}: ") and "plate" in output and "  0.98  x " in output
    drawn = np.asarray(Image.open(tmp_path / "out.png"))
    assert drawn.shape == (60, 80, 3) and (drawn == COLOUR).all(2).any()
    assert main([model, one, two, "-o", str(tmp_path / "folder")]) == 0
    assert f"{two}: 0 plates" in capsys.readouterr().out
    assert sorted(path.name for path in (tmp_path / "folder").iterdir()) == ["one.png", "two.png"]
    assert not np.asarray(Image.open(tmp_path / "folder/two.png")).any()


def test_drawing() -> None:
    found = Found(corners=np.array([[0.25, 0.5, 0.75, 1]]), objectness=np.array([0.87]))
    drawn = np.asarray(draw(np.zeros((40, 80, 1), np.uint8), found))
    ink = (drawn == COLOUR).all(2)
    assert (
        ink[20, 20:60].all() and ink[39, 20:60].all() and ink[20:, 20].all() and ink[20:, 59].all()
    )
    assert not ink[:, :19].any() and not ink[:5].any()
    assert drawn[21:39, 60:].sum() == 0


def test_refusals(tmp_path: Path, model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = lit(tmp_path / "a.png", 8, 6, (0, 0, 1, 1))
    save(small_model(), tmp_path / "small.npz")
    save(detector(channels=2), tmp_path / "two.npz")
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "b").mkdir()
    Image.open(picture).save(tmp_path / "b/a.png")
    cases: list[tuple[list[str], type[UserError], str]] = [
        ([str(tmp_path / "small.npz"), picture], ModelError, "model 'small' is no detector"),
        ([str(tmp_path / "two.npz"), picture], UserError, "takes frames of 2 channels; pictures"),
        ([model, str(tmp_path / "none.png")], UserError, "none.png' is no picture"),
        ([model, str(tmp_path / "text.png")], UserError, "text.png' is no picture"),
        ([model, picture, "--threshold", "1"], ModelError, "the threshold is 1.0"),
        ([model, picture, "-o", str(tmp_path / "a.xyz")], UserError, "'.xyz' is no format"),
        ([model, picture, "-o", str(tmp_path)], UserError, "cannot write"),
        (
            [model, picture, str(tmp_path / "b/a.png"), "-o", str(tmp_path / "c")],
            UserError,
            "two pic",
        ),
    ]
    before = sorted(tmp_path.iterdir())
    for arguments, kind, message in cases:
        with pytest.raises(kind, match=message) as caught:
            main(arguments)
        assert caught.value.remedy
    assert sorted(tmp_path.iterdir()) == before
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(MissingToolError, match="reading pictures needs Pillow"):
        main([model, picture])


def test_exit_statuses(tmp_path: Path, model: str) -> None:
    picture = lit(tmp_path / "a.png", 8, 6, (0, 0, 1, 1))
    for arguments, status in (([model, picture], 0), ([picture, picture], 1), ([model], 2)):
        line = [sys.executable, "-m", "sw.detect", *arguments]
        done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == status, done.stderr
        assert "Traceback" not in done.stderr
