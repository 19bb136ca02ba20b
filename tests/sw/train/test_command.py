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
    assert "there is no folder" in absent.stderr
    assert "Traceback" not in absent.stderr
    unknown = command("mnist", "-o", "a.npz")
    assert unknown.returncode == 2
    assert "'fashion'" in unknown.stderr
    none = command("fashion", "-o", "a.npz", "--epochs", "0")
    assert none.returncode == 2
    assert "'0' is not at least 1" in none.stderr
    shown = command("--help")
    assert shown.returncode == 0
    assert "checkpoint" in shown.stdout
