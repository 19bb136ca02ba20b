"""Training end to end on tiny data: learns, resumes, exports exactly, with several processes."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from sw import golden
from sw.errors import UserError
from sw.model import load
from sw.train import __main__ as command
from sw.train.datasets import open_dataset
from sw.train.engine.build import build
from sw.train.engine.frames import Loader, augment
from sw.train.engine.loop import pretraining_epochs, rate_at, train
from sw.train.engine.network import Network
from sw.train.engine.run import Run
from sw.train.engine.task import Classification
from sw.train.recipe import RECIPES, Recipe
from sw.train.zoo import NETWORKS
from tests.idx import write_dataset

ROOT = Path(__file__).resolve().parents[2]
QUICK = replace(RECIPES["trained-binarization"], epochs=4, batch=20, rate=5e-3)
WIDTH = 0.125

clip = Network.clip


def make_run(folder: Path, **changes: object) -> Run:
    run = Run(
        recipe=QUICK,
        net="fashion-cnn",
        width=WIDTH,
        seed=3,
        flip=True,
        shift=1,
        checkpoint=folder / "run.checkpoint.pt",
        curve=folder / "run.csv",
    )
    return replace(run, **changes)  # type: ignore[arg-type]


def start(run: Run, folder: Path, *, resume: bool = False) -> Network:
    """Train on the data in ``folder``, as the command does."""
    dataset = open_dataset(str(folder))
    torch.manual_seed(run.seed)
    height, width, channels = dataset.train_frames.shape[1:]
    network = build(NETWORKS[run.net], run.recipe, (height, width, channels), 10, run.width)
    return train(run, network, Classification(dataset, run.recipe.smoothing), resume=resume)


@pytest.mark.parametrize("head", ["raw", "argmax"])
def test_command_end_to_end(
    head: str, tmp_path: Path, rng: np.random.Generator, capsys: pytest.CaptureFixture[str]
) -> None:
    write_dataset(tmp_path, rng, train=400, side=12)
    output = tmp_path / "tiny.npz"
    arguments = ["ste", "--net", "fashion-cnn", "--width", "0.25", "-o", str(output)]
    arguments += ["--data", str(tmp_path), "--threads", "1", "--json", "--head", head]
    arguments += ["--precision", "float32", "--epochs", "8", "--batch", "20", "--rate", "0.01"]
    assert command.main([*arguments, "--no-flip", "--shift", "0"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["mismatches"] == 0
    assert figures["test_accuracy"] > 0.5  # of ten classes
    model = load(output)
    assert model.sha256 == figures["sha256"]
    assert model.name == "fashion-cnn-ste"
    assert len(model.vectors.frames) == 16
    assert "ste --net fashion-cnn" in model.provenance
    assert "--width 0.25 --epochs 8 --batch 20 --seed 1 --rate 0.01 --no-flip" in model.provenance
    np.testing.assert_array_equal(golden.scores(model, model.vectors.frames), model.vectors.scores)
    with (tmp_path / "tiny.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == [str(n) for n in range(1, 9)]
    assert float(rows[-1]["loss"]) < float(rows[0]["loss"])
    assert (tmp_path / "tiny.png").read_bytes()[:4] == b"\x89PNG"


def test_bundled_preset(
    tmp_path: Path, rng: np.random.Generator, capsys: pytest.CaptureFixture[str]
) -> None:
    write_dataset(tmp_path, rng, side=8)
    output = tmp_path / "fashion.npz"
    arguments = ["fashion", "-o", str(output), "--data", str(tmp_path), "--width", "0.125"]
    arguments += ["--epochs", "1", "--batch", "20", "--precision", "bfloat16", "--threads", "1"]
    assert command.main(arguments) == 0
    assert "0 scores of the golden model unlike PyTorch's" in capsys.readouterr().err
    assert load(output).name == "fashion"


@pytest.mark.parametrize("pretraining", [0.0, 0.5])
def test_resuming_gives_what_an_unbroken_run_gives(
    pretraining: float, tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With pretraining, too, where the break is at the change to binary weights."""
    write_dataset(tmp_path, rng, side=8)
    recipe = replace(QUICK, weights="mean", pretraining=pretraining)
    whole = start(make_run(tmp_path, recipe=recipe, checkpoint=tmp_path / "whole.pt"), tmp_path)
    broken = make_run(tmp_path, recipe=recipe)

    def interrupt(*_: object) -> None:
        # In the third epoch, once two are in the checkpoint.
        if len(broken.rows) == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Network, "clip", lambda self: interrupt() or clip(self))
        with pytest.raises(KeyboardInterrupt):
            start(broken, tmp_path)
    resumed = make_run(tmp_path, recipe=recipe)
    again = start(resumed, tmp_path, resume=True)
    for key, value in whole.state_dict().items():
        assert torch.equal(value, again.state_dict()[key]), key
    assert [row["epoch"] for row in resumed.rows] == [1, 2, 3, 4]


def test_checkpoints_that_cannot_be_resumed(tmp_path: Path, rng: np.random.Generator) -> None:
    write_dataset(tmp_path, rng, side=8)
    run = make_run(tmp_path, recipe=replace(QUICK, epochs=1))
    with pytest.raises(UserError, match="there is no checkpoint"):
        start(run, tmp_path, resume=True)
    start(run, tmp_path)
    other = "is of a run with other settings: seed is 3, not 4"
    with pytest.raises(UserError, match=other) as caught:
        start(replace(run, seed=4), tmp_path, resume=True)
    assert "without --resume" in caught.value.remedy
    whole = run.checkpoint.read_bytes()
    for damaged in (b"", whole[: len(whole) // 2], b"x" * 100):
        run.checkpoint.write_bytes(damaged)
        with pytest.raises(UserError, match="is damaged"):
            start(run, tmp_path, resume=True)


def test_rate() -> None:
    recipe = Recipe(name="a", epochs=10, rate=1.0, warmup=1.0)
    assert rate_at(recipe, 0) == pytest.approx(0.05)
    assert rate_at(recipe, 5) == pytest.approx(0.5)
    assert rate_at(recipe, 10) == pytest.approx(0)
    linear = replace(recipe, schedule="linear", pretraining=0.4)
    assert pretraining_epochs(linear) == 4
    # Down to 0 in pretraining, and again after it.
    assert rate_at(linear, 2) == pytest.approx(0.5)
    assert rate_at(linear, 7) == pytest.approx(0.5)


def test_a_loss_that_is_no_number(tmp_path: Path, rng: np.random.Generator) -> None:
    write_dataset(tmp_path, rng, side=8)
    run = make_run(tmp_path, recipe=replace(QUICK, rate=1e38))
    with pytest.raises(UserError, match=r"the loss is (nan|inf) in batch .* of epoch 1") as caught:
        start(run, tmp_path)
    assert "--rate" in caught.value.remedy


def torchrun(processes: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    prefix = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    return subprocess.run(
        [*prefix, f"--nproc-per-node={processes}", "-m", "sw.train", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_two_processes(tmp_path: Path, rng: np.random.Generator) -> None:
    write_dataset(tmp_path, rng, side=8)
    output = tmp_path / "two.npz"
    arguments = ["ste", "--net", "fashion-cnn", "--width", "0.125", "-o", str(output)]
    arguments += ["--data", str(tmp_path), "--threads", "1", "--json"]
    arguments += ["--epochs", "2", "--batch", "20", "--precision", "float32"]
    done = torchrun(2, *arguments)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["mismatches"] == 0
    assert "2 processes" in done.stderr
    assert done.stderr.count("epoch 1 of 2") == 1
    assert load(output).sha256
    # A finished run has nothing left to do but its export; the first process has read it.
    again = torchrun(2, *arguments, "--resume")
    assert json.loads(again.stdout)["sha256"] == json.loads(done.stdout)["sha256"]
    # Nothing else lies about.
    names = {path.name for path in tmp_path.iterdir() if path.name.startswith((".", "two"))}
    assert names == {"two.npz", "two.csv", "two.png", "two.checkpoint.pt"}


def test_interrupted(tmp_path: Path, rng: np.random.Generator) -> None:
    """Ctrl-C: the checkpoint stays, no output, one line."""
    write_dataset(tmp_path, rng, side=8)
    output = tmp_path / "cut.npz"
    arguments = ["ste", "--net", "fashion-cnn", "--width", "0.125", "-o", str(output)]
    arguments += ["--data", str(tmp_path), "--threads", "1", "--epochs", "100000"]
    with subprocess.Popen(
        [sys.executable, "-m", "sw.train", *arguments, "--batch", "20"],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("epoch 1 "):
                break
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
    assert process.returncode == 130
    assert "error: interrupted" in rest
    assert "Traceback" not in rest
    names = {path.name for path in tmp_path.iterdir() if path.name.startswith((".", "cut"))}
    assert names == {"cut.csv", "cut.png", "cut.checkpoint.pt"}


def test_augmentation_moves_and_mirrors_whole_frames(rng: np.random.Generator) -> None:
    frames = torch.from_numpy(rng.integers(1, 256, (40, 1, 5, 6), np.uint8))
    generator = torch.Generator().manual_seed(int(rng.integers(1 << 31)))
    result = augment(frames, shift=1, flip=True, generator=generator)
    assert result.dtype == torch.uint8
    seen = set()
    for before, after in zip(frames, result, strict=True):
        found = []
        for mirrored in (False, True):
            source = before.flip(2) if mirrored else before
            padded = torch.nn.functional.pad(source, (1, 1, 1, 1))
            for y in range(3):
                for x in range(3):
                    if torch.equal(padded[:, y : y + 5, x : x + 6], after):
                        found.append((mirrored, y, x))
        assert found, "not a moved copy"
        seen.add(found[0])
    assert len(seen) > 6


class FromFiles:
    """Frames that are read when asked for."""

    def __init__(self, array: np.ndarray) -> None:
        self.array, self.shape, self.dtype = array, array.shape, array.dtype

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, index) -> np.ndarray:
        return self.array[index]


def test_frames_that_are_read_ahead(rng: np.random.Generator) -> None:
    array = rng.integers(0, 256, (30, 4, 5, 3), np.uint8)
    orders = list(torch.randperm(30).split(7))
    resident = Loader(array, torch.device("cpu"))
    read = Loader(FromFiles(array), torch.device("cpu"))
    pairs = zip(resident.batches(orders), read.batches(orders), orders, strict=True)
    for first, second, chosen in pairs:
        assert torch.equal(first, second)
        np.testing.assert_array_equal(first.permute(0, 2, 3, 1).numpy(), array[chosen.numpy()])
    assert not list(read.batches([]))
