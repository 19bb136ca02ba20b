"""Generated plates: exact boxes, frames that the seed fixes, folders whole or not at all."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from sw.errors import MissingToolError, UserError
from sw.train.datasets import open_dataset
from sw.train.plates import make_plates
from sw.train.plates.__main__ import main
from sw.train.plates.hangul import LEADS, TAILS, VOWELS, draw_syllable
from sw.train.plates.plate import COMMERCIAL, KINDS, LETTERS, REGIONS, draw_plate
from sw.train.plates.view import FINER, paste, rotated, seen

ROOT = Path(__file__).resolve().parents[4]


def test_corners_of_the_camera() -> None:
    np.testing.assert_allclose(rotated(4, 0, 0, 0)[0], [-0.5, -0.125])
    quarter = rotated(4, 0, 0, math.pi / 2)
    np.testing.assert_allclose(quarter[0], [0.125, -0.5], atol=1e-12)
    turned = rotated(4, math.radians(40), 0, 0)
    left, right = turned[3, 1] - turned[0, 1], turned[2, 1] - turned[1, 1]
    # What is turned away from the camera is the lower of the two edges.
    assert right > 0.25 > left
    assert np.ptp(turned[:, 0]) < 1


@pytest.mark.parametrize("case", range(12))
def test_boxes_are_the_extent_of_what_is_drawn(rng: np.random.Generator, case: int) -> None:
    """A white plate on black: the lit pixels span the box, to the finer pixel."""
    quad = rotated(rng.uniform(2, 5), *rng.uniform(-0.6, 0.6, 3)) * rng.uniform(20, 90)
    quad += 64 + rng.uniform(-0.5, 0.5, 2)
    frame = np.zeros((128, 128, 3), np.float32)
    paste(frame, Image.new("RGB", (97, 31), (255, 255, 255)), quad)
    lit = frame[..., 0] > 255 / FINER**2 / 2
    rows, columns = np.flatnonzero(lit.any(1)), np.flatnonzero(lit.any(0))
    measured = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
    inner, outer = np.ceil(seen(quad)), np.floor(seen(quad))
    low, high = np.minimum(inner, outer) - 1, np.maximum(inner, outer) + 1
    assert (low <= measured).all() and (measured <= high).all()
    area = 0.5 * abs(np.cross(np.append(quad[2] - quad[0], 0), np.append(quad[3] - quad[1], 0))[2])
    assert frame[..., 0].sum() / 255 == pytest.approx(area, rel=0.03)


def test_what_is_outside_of_the_frame_is_dropped() -> None:
    frame = np.zeros((16, 16, 3), np.float32)
    white = Image.new("RGB", (8, 8), (255, 255, 255))
    square = np.array([(0, 0), (8, 0), (8, 8), (0, 8)], np.float64)
    paste(frame, white, square + np.array([12, -4]))
    assert (frame[:4, 12:] == 255).all() and frame.sum() == 255 * 3 * 16
    paste(frame, white, square + np.array([40, 0]))
    assert frame.sum() == 255 * 3 * 16


def test_frames_do_not_depend_on_one_another() -> None:
    dataset = open_dataset("plates:seed=5,count=12,size=64,test=0.25", task="detect")
    assert (len(dataset.train_frames), len(dataset.test_frames)) == (9, 3)
    assert dataset.train_frames.shape[1:] == (64, 64, 3) and dataset.classes == ("plate",)
    assert "seed 5, 64 x 64" in dataset.source and "BSD-2-Clause" in dataset.source
    for split, frames, boxes in (
        (0, dataset.train_frames, dataset.train_boxes),
        (1, dataset.test_frames, dataset.test_boxes),
    ):
        for index in (0, 2):
            frame, found = make_plates(5, split, index, 64, 3)
            np.testing.assert_array_equal(frames[index], frame)
            np.testing.assert_array_equal(boxes[index].xywh, found.xywh)
    every = np.concatenate([dataset.train_frames[:], dataset.test_frames[:]])
    assert len({frame.tobytes() for frame in every}) == 12
    other, _ = make_plates(6, 0, 0, 64, 3)
    assert (other != dataset.train_frames[0]).any()


def test_boxes_are_plausible() -> None:
    """Inside the frame, apart, and of many sizes and numbers."""
    counts, widths = [], []
    for index in range(60):
        frame, boxes = make_plates(2, 0, index, 208, 1)
        assert frame.shape == (208, 208, 1) and frame.dtype == np.uint8
        corners = boxes.corners
        assert (corners >= -1e-6).all() and (corners <= 1 + 1e-6).all()
        counts.append(len(boxes))
        widths += boxes.xywh[:, 2].tolist()
        for one in range(len(boxes)):
            for two in range(one):
                first, second = corners[one], corners[two]
                assert (first[:2] > second[2:]).any() or (first[2:] < second[:2]).any()
    assert min(counts) == 0 and 2 <= max(counts) <= 3
    assert min(widths) < 0.15 and max(widths) > 0.35


def test_every_kind_of_plate(rng: np.random.Generator) -> None:
    sizes = {draw_plate(rng, 60).size for _ in range(80)}
    assert sizes == {(round(60 * k.size[0] / k.size[1]), 60) for k in KINDS.values()}


def test_every_syllable_is_drawn() -> None:
    drawn = set()
    letters = set(LETTERS + COMMERCIAL + "".join(REGIONS))
    for letter in letters:
        number = ord(letter) - 0xAC00
        assert number // 588 in LEADS and number % 588 // 28 in VOWELS and number % 28 in TAILS
        image = Image.new("RGB", (40, 40))
        draw_syllable(ImageDraw.Draw(image), letter, (4, 4, 36, 36), (255, 255, 255), 3)
        drawn.add(image.tobytes())
        assert np.asarray(image).any()
    assert len(drawn) == len(letters)


def test_folder_reads_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "plates"
    assert main(["-o", str(folder), "--count", "10", "--seed", "3", "--size", "96"]) == 0
    assert "9 training and 1 test frames" in capsys.readouterr().out
    read = open_dataset(str(folder), task="detect")
    made = open_dataset("plates:seed=3,count=10,size=96", task="detect")
    np.testing.assert_array_equal(read.train_frames[:], made.train_frames[:])
    np.testing.assert_array_equal(read.test_frames[:], made.test_frames[:])
    for one, two in zip(read.train_boxes, made.train_boxes, strict=True):
        np.testing.assert_allclose(one.xywh, two.xywh, atol=1e-6)
    assert (read.classes, read.source) == (made.classes, made.source)
    with pytest.raises(UserError, match="exists and is not an empty folder"):
        main(["-o", str(folder)])
    assert main(["-o", str(tmp_path / "grey"), "--count", "2", "--size", "32", "--grey"]) == 0
    assert open_dataset(str(tmp_path / "grey"), task="detect").train_frames.shape == (1, 32, 32, 1)


def test_sheet(tmp_path: Path) -> None:
    path = tmp_path / "sheet.png"
    assert main(["--sheet", str(path), "--size", "64", "--seed", "5"]) == 0
    sheet = np.asarray(Image.open(path))
    assert sheet.shape == (3 * 64, 6 * 64, 3)
    frame, boxes = make_plates(5, 0, 7, 64, 3)
    drawn = sheet[64:128, 64:128]
    different = (drawn != frame).any(2)
    assert different.any() == bool(len(boxes)) and different.mean() < 0.2
    with pytest.raises(UserError, match=r"'.xyz' is no format of pictures"):
        main(["--sheet", str(tmp_path / "a.xyz"), "--size", "32"])
    assert [path] == list(tmp_path.iterdir())


def test_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("sw.train.plates.make_plates", interrupted)
    with pytest.raises(KeyboardInterrupt):
        main(["-o", str(tmp_path / "plates"), "--count", "4", "--size", "32"])
    assert not list(tmp_path.iterdir())


def test_options_out_of_range(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for option, message in {
        "--count=1": "--count is 1; allowed are 2 to 1000000",
        "--seed=-1": "--seed is -1; allowed are 0 to 4294967295",
        "--size=2000": "--size is 2000; allowed are 32 to 1024",
        "--test=1": r"--test is 1.0; allowed is between 0 and 1",
    }.items():
        with pytest.raises(UserError, match=message):
            main(["-o", str(tmp_path / "a"), option])
    for spec, message in {
        "plates:count=1": "option 'count=1' of .* is not allowed; allowed: an integer from 2",
        "plates:side=64": "'side' is no option of .*; allowed: seed, count, size, grey, test",
        "plates:count=999999": "takes 129791870208 bytes; allowed are 8589934592",
    }.items():
        with pytest.raises(UserError, match=message):
            open_dataset(spec, task="detect")
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    with pytest.raises(MissingToolError, match="drawing plates needs Pillow"):
        main(["-o", str(tmp_path / "a")])


def test_the_command(tmp_path: Path) -> None:
    def command(*options: str) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-m", "sw.train.plates", *options]
        return subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)

    done = command("-o", str(tmp_path / "a"), "--count", "3", "--size", "40")
    assert (done.returncode, done.stderr) == (0, "")
    wrong = command("-o", str(tmp_path / "b"), "--count", "0")
    assert wrong.returncode == 1
    assert wrong.stderr.startswith("error: --count is 0") and "Traceback" not in wrong.stderr
