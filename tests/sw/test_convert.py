"""The command `python -m sw.convert`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sw.convert import main
from sw.errors import UserError
from sw.model import load

DATA = Path(__file__).parents[1] / "data"
ROOT = Path(__file__).parents[2]
TFC = DATA / "TFC_1W1A.onnx"


def _run(*arguments: object, status: int = 0) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sw.convert", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    return done


def test_qonnx_with_frames_and_names(tmp_path: Path) -> None:
    with np.load(DATA / "tfc_1w2a_frames.npz") as archive:
        frames, argmax = archive["inputs"], archive["argmax"]
    np.save(tmp_path / "frames.npy", frames)
    (tmp_path / "labels.txt").write_text("\n".join("abcdefghij"))
    out = tmp_path / "model.npz"
    names = ("--name", "tfc", "--labels-file", tmp_path / "labels.txt")
    vectors = ("--frames", tmp_path / "frames.npy", "--vectors", 20)
    done = _run(DATA / "TFC_1W2A.onnx", "-o", out, *names, *vectors, "--json")
    report, model = json.loads(done.stdout), load(out)
    assert report["sha256"] == model.sha256 and report["bytes"] == out.stat().st_size
    assert report["weights"] == 59_008 and report["macs"] == 59_008
    assert report["agreement"]["classes_equal"] == report["agreement"]["frames"] == 20
    assert report["agreement"]["greatest_logit_error"] < 1e-5
    threshold = report["layers"][2]
    assert (threshold["op"], threshold["range"], threshold["levels"]) == ("threshold", [-1, 1], 2)
    assert model.name == "tfc" and model.classes == tuple("abcdefghij")
    np.testing.assert_array_equal(model.classify(model.vectors.scores), argmax[:20])


def test_larq_and_an_argmax_head(tmp_path: Path) -> None:
    out = tmp_path / "model.npz"
    network = (DATA / "larq_mnist_cnn.h5", "-o", out, "--preprocess", "pixel>127")
    done = _run(*network)
    assert "2,320 binary weights, 114,856 binary MACs a frame, 8 test vectors" in done.stdout
    assert load(out).name == "larq_mnist_cnn"
    out.unlink()
    done = _run(*network, "--head", "argmax", status=1)
    assert "the argmax of its integers is not the network's answer" in done.stderr
    assert not list(tmp_path.iterdir())
    done = _run(TFC, "-o", out, "--head", "argmax", "--json")
    assert json.loads(done.stdout)["agreement"] is None
    assert load(out).graph.head.kind == "argmax"


def test_the_same_network_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.npz", "b.npz"):
        assert main([str(TFC), "-o", str(tmp_path / name)]) == 0
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing.onnx"], "cannot read 'nothing.onnx': No such file or directory."),
        (["model.pt"], "has the suffix '.pt'; allowed are .onnx, .h5, .hdf5, .keras."),
        ([TFC, "--classes", "a,b"], "there are 2 class names for 10 scores; allowed: one for each"),
        ([TFC, "--labels-file", "none"], "cannot read 'none'"),
        ([TFC, "--frames", "none.npy"], "there is no file 'none.npy'"),
        ([TFC, "--preprocess", "x"], "'x' is no preprocessing; allowed are"),
        ([TFC, "--name", "a b"], "the model's name is 'a b'; allowed"),
    ],
)
def test_bad_input_writes_nothing(tmp_path: Path, arguments: list[object], message: str) -> None:
    with pytest.raises(UserError) as caught:
        main([*map(str, arguments), "-o", str(tmp_path / "model.npz")])
    assert message in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_frames_of_another_shape(tmp_path: Path) -> None:
    np.save(tmp_path / "frames.npy", np.zeros((3, 28, 29), np.uint8))
    out = tmp_path / "model.npz"
    with pytest.raises(UserError, match=r"frames have shape \(3, 28, 29\)"):
        main([str(TFC), "-o", str(out), "--frames", str(tmp_path / "frames.npy")])
    assert not out.exists()


def test_frames_that_are_a_number(tmp_path: Path) -> None:
    np.save(tmp_path / "frames.npy", np.uint8(3))
    with pytest.raises(UserError, match=r"frames have shape \(1,\)"):
        main([str(TFC), "-o", str(tmp_path / "m.npz"), "--frames", str(tmp_path / "frames.npy")])


def test_unwritable_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot write"):
        main([str(TFC), "-o", str(tmp_path / "no" / "model.npz")])


def test_usage() -> None:
    assert "pixel>N" in _run("--help").stdout
    _run(status=2)
    _run("x.onnx", "-o", "y.npz", "--vectors", "0", status=2)
