"""Training end to end on a tiny data set: learns, resumes, exports exactly."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from sw import golden
from sw.errors import UserError
from sw.lower import lower
from sw.model import load
from sw.train import __main__ as command
from sw.train.data import load_idx_dataset
from sw.train.export import to_float_graph
from sw.train.loop import Run, augment, evaluate, train
from sw.train.network import Block, Network
from sw.train.recipe import ConvLayer, DenseLayer, Recipe
from tests.idx import write_dataset

TINY = Recipe(
    name="tiny",
    source="patterns made by the test",
    layers=(
        ConvLayer(outputs=8, pool=2),
        ConvLayer(outputs=16, kernel=1),
        ConvLayer(outputs=16, pool=2),
        DenseLayer(outputs=32),
    ),
    epochs=4,
    batch=20,
)

clip = Network.clip


def make_run(folder: Path, **changes: object) -> Run:
    run = Run(
        recipe=TINY,
        dataset=load_idx_dataset(folder),
        seed=3,
        bfloat16=False,
        checkpoint=folder / "run.checkpoint.pt",
        curve=folder / "run.csv",
    )
    return replace(run, **changes)  # type: ignore[arg-type]


def test_command_end_to_end(
    tmp_path: Path,
    rng: np.random.Generator,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_dataset(tmp_path, rng, train=400)
    monkeypatch.setitem(command.RECIPES, "fashion", TINY)
    output = tmp_path / "tiny.npz"
    arguments = ["fashion", "-o", str(output), "--data", str(tmp_path), "--threads", "1", "--json"]
    assert command.main([*arguments, "--precision", "float32", "--epochs", "20"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["mismatches"] == 0
    assert figures["accuracy"] > 0.5  # of ten classes
    model = load(output)
    assert model.sha256 == figures["sha256"]
    assert model.name == "tiny"
    assert len(model.vectors.frames) == 16
    assert "--epochs 20 --batch 20 --seed 1" in model.provenance
    np.testing.assert_array_equal(golden.scores(model, model.vectors.frames), model.vectors.scores)
    with (tmp_path / "tiny.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == [str(n) for n in range(1, 21)]
    assert float(rows[-1]["loss"]) < float(rows[0]["loss"])


@pytest.mark.parametrize("head", ["raw", "argmax"])
def test_export_is_the_evaluated_network(rng: np.random.Generator, head: str) -> None:
    """Random weights and batch norms, negative and zero gammas included."""
    torch.manual_seed(int(rng.integers(1 << 31)))
    network = Network(TINY, (9, 11, 3), 7).eval()
    with torch.no_grad():
        for block in network.blocks:
            assert isinstance(block, Block)
            norm = block.norm
            norm.gamma.copy_(torch.randn_like(norm.gamma))
            norm.gamma[::5] = 0
            norm.beta.copy_(torch.randn_like(norm.beta))
            norm.variance.uniform_(1, 300)
            norm.mean.normal_(0, 10)
        network.head.bias.normal_(0, 6)
    frames = rng.integers(0, 256, (50, 9, 11, 3), np.uint8)
    model = lower(to_float_graph(network), name="tiny", head=head)  # type: ignore[arg-type]
    scores = golden.scores(model, frames)
    np.testing.assert_array_equal(model.classify(scores), evaluate(network, frames))
    if head == "raw":
        with torch.no_grad():
            logits = network(torch.from_numpy(frames).permute(0, 3, 1, 2).float()).numpy()
        np.testing.assert_allclose(model.logits(scores), logits, rtol=1e-5, atol=1e-5)


def test_resuming_gives_what_an_unbroken_run_gives(
    tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_dataset(tmp_path, rng)
    whole = train(make_run(tmp_path, checkpoint=tmp_path / "whole.pt"))
    broken = make_run(tmp_path)

    def interrupt(*_: object) -> None:
        # In the third epoch, once two are in the checkpoint.
        if len(broken.rows) == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Network, "clip", lambda self: interrupt() or clip(self))
        with pytest.raises(KeyboardInterrupt):
            train(broken)
    resumed = make_run(tmp_path)
    again = train(resumed, resume=True)
    for key, value in whole.state_dict().items():
        assert torch.equal(value, again.state_dict()[key]), key
    assert [row["epoch"] for row in resumed.rows] == [1, 2, 3, 4]


def test_checkpoints_that_cannot_be_resumed(tmp_path: Path, rng: np.random.Generator) -> None:
    write_dataset(tmp_path, rng)
    run = make_run(tmp_path, recipe=replace(TINY, epochs=1))
    with pytest.raises(UserError, match="there is no checkpoint"):
        train(run, resume=True)
    train(run)
    with pytest.raises(UserError, match="is of a run with other settings") as caught:
        train(replace(run, seed=4), resume=True)
    assert "without --resume" in caught.value.remedy
    whole = run.checkpoint.read_bytes()
    for damaged in (b"", whole[: len(whole) // 2], b"x" * 100):
        run.checkpoint.write_bytes(damaged)
        with pytest.raises(UserError, match="is damaged"):
            train(run, resume=True)


def test_augmentation_moves_and_mirrors_whole_frames(rng: np.random.Generator) -> None:
    frames = torch.from_numpy(rng.integers(1, 256, (40, 1, 5, 6), np.uint8))
    generator = torch.Generator().manual_seed(int(rng.integers(1 << 31)))
    result = augment(frames, replace(TINY, shift=1, flip=True), generator)
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


def test_frames_too_small_for_the_pools() -> None:
    with pytest.raises(UserError, match="frames of 3 x 3 pixels are too small for recipe 'tiny'"):
        Network(TINY, (3, 3, 1), 10)
