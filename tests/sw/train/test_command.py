"""The command's refusals, which need no PyTorch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sw.errors import ToolError, UserError
from sw.train.__main__ import main
from tests.idx import write_dataset

ROOT = Path(__file__).resolve().parents[3]


def test_without_torch(
    tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_dataset(tmp_path, rng)
    # None makes `import torch` fail, whether it is installed or not.
    monkeypatch.setitem(sys.modules, "torch", None)
    output = tmp_path / "out.npz"
    with pytest.raises(ToolError, match="training needs PyTorch") as caught:
        main(["fashion", "-o", str(output), "--data", str(tmp_path), "--batch", "50"])
    assert "make venv-train" in caught.value.remedy
    assert not output.exists()
    assert not list(tmp_path.glob(".out*"))


def test_batch_larger_than_the_data(tmp_path: Path, rng: np.random.Generator) -> None:
    write_dataset(tmp_path, rng, train=20)
    with pytest.raises(UserError, match="a batch of 21 is more than the 20 training frames"):
        main(["fashion", "-o", str(tmp_path / "a.npz"), "--data", str(tmp_path), "--batch", "21"])


def test_exit_statuses(tmp_path: Path) -> None:
    def command(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "sw.train", *arguments],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )

    absent = command("fashion", "-o", str(tmp_path / "a.npz"), "--data", str(tmp_path / "absent"))
    assert absent.returncode == 1
    assert "there is nothing at" in absent.stderr
    assert "Traceback" not in absent.stderr
    unknown = command("mnist", "-o", "a.npz")
    assert unknown.returncode == 2
    assert "fashion" in unknown.stderr and "bireal" in unknown.stderr
    none = command("fashion", "-o", "a.npz", "--epochs", "0")
    assert none.returncode == 2
    assert "'0' is not at least 1" in none.stderr
    shown = command("--help")
    assert shown.returncode == 0
    assert "checkpoint" in shown.stdout


@pytest.mark.parametrize(
    ("arguments", "message", "remedy"),
    [
        (["ste"], "recipe 'ste' needs a network", "Give --net, one of alexnet, "),
        (["ste", "--net", "lenet"], "there is no network 'lenet'; there are", "--net"),
        (
            ["fashion", "--net", "alexnet"],
            "recipe 'fashion' trains network 'fashion-binary', not 'alexnet'",
            "Leave out --net",
        ),
        (
            ["ste", "--net", "vgg-small", "--shortcuts", "each"],
            "network 'vgg-small' is a chain network and has no shortcuts",
            "Leave out --shortcuts",
        ),
        (
            ["bireal", "--net", "birealnet-18", "--activations", "ternary"],
            "ternary activations are not for network 'birealnet-18'",
            "sign or step",
        ),
        (
            ["bireal", "--net", "birealnet-18", "--second-layer", "8bit"],
            "whose second layer stays binary",
            "Leave out --second-layer",
        ),
        (
            ["ste", "--net", "plate-detector", "--head", "argmax"],
            "gives boxes, and no class to choose",
            "Leave out --head",
        ),
        (["ste", "--net", "fashion-cnn", "--shift", "-1"], "--shift is -1", "Give another"),
        (
            ["bireal", "--net", "vgg-small"],
            "recipe 'bireal' is not for network 'vgg-small', a chain network",
            "--net",
        ),
    ],
)
def test_what_does_not_go_together(
    arguments: list[str], message: str, remedy: str, tmp_path: Path
) -> None:
    """Refused before any data are read."""
    with pytest.raises(UserError) as caught:
        main([*arguments, "-o", str(tmp_path / "a.npz"), "--data", str(tmp_path / "absent")])
    assert message in caught.value.message
    assert remedy in caught.value.remedy
