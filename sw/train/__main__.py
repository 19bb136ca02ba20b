"""``python -m sw.train RECIPE --net NET -o model.npz``: train, export, prove the export."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sw import golden
from sw.cli import atomic_write, console, progress, run
from sw.errors import MissingToolError, ModelError, UserError
from sw.model import Model, save
from sw.train.datasets import Dataset, DetectionDataset, open_dataset
from sw.train.options import arguments, augmentation, choose, provenance
from sw.train.recipe import Recipe
from sw.train.zoo import Net

if TYPE_CHECKING:
    from sw.train.engine.network import Network
    from sw.train.engine.run import Run
    from sw.train.engine.task import Task
    from sw.train.engine.team import Team

#: Test frames embedded in the model as vectors.
VECTORS = 16


def require_torch() -> Any:
    """The module `torch`.

    Raises
    ------
    MissingToolError
        It is not installed.
    """
    try:
        return importlib.import_module("torch")
    except ImportError as error:
        raise MissingToolError(
            f"training needs PyTorch, which cannot be imported ({error})",
            "Run 'make venv-train', or 'pip install torch'",
        ) from None


def main(argv: list[str] | None = None) -> int:
    args = arguments(argv)
    recipe, net = choose(args)
    # Found out before the work: the data, PyTorch, and that the output can be written.
    task = "detect" if net.family == "detector" else "classify"
    dataset = open_dataset(args.data, task=task)
    if recipe.batch > len(dataset.train_frames):
        raise UserError(
            f"a batch of {recipe.batch} is more than the {len(dataset.train_frames)} training "
            "frames",
            "Give --batch at most that many",
        )
    torch = require_torch()
    args.threads = args.threads or len(os.sched_getaffinity(0))
    torch.set_num_threads(args.threads)
    if args.precision == "auto":
        fast = torch.cuda.is_available() or torch.ops.mkldnn._is_mkldnn_bf16_supported()
        args.precision = "bfloat16" if fast else "float32"
    from sw.train.engine.team import join

    with join() as team:
        with atomic_write(args.output) if team.leads else nullcontext() as temporary:
            figures = produce(args, recipe, net, dataset, team, temporary)
        if team.leads:
            report(args, figures)
    return 0


def report(args: argparse.Namespace, figures: dict[str, Any]) -> None:
    """Print the figures."""
    if args.json:
        print(json.dumps(figures))
        return
    known = {key: value for key, value in figures.items() if key.startswith("test_")}
    shown = ", ".join(
        f"{key[5:].replace('_', ' ')} {value:.2%}"
        for key, value in known.items()
        if isinstance(value, float) and not key.endswith("loss")
    )
    console.print(
        f"{args.output}: {shown} of {figures['test_frames']:,} test frames, "
        f"{figures['mismatches']} scores of the golden model unlike PyTorch's, "
        f"sha256 {figures['sha256']}"
    )


def produce(
    args: argparse.Namespace,
    recipe: Recipe,
    net: Net,
    dataset: Dataset | DetectionDataset,
    team: Team,
    output: Path | None,
) -> dict[str, Any]:
    """Train; the first process exports to ``output`` and compares. The figures.

    Raises
    ------
    ModelError
        The exported model does not give the scores of the trained network.
    """
    import torch

    from sw.train.engine.build import build
    from sw.train.engine.loop import train
    from sw.train.engine.run import Run

    flip, shift = augmentation(args, dataset)
    run_ = Run(
        recipe=recipe,
        net=net.name,
        width=args.width,
        seed=args.seed,
        bfloat16=args.precision == "bfloat16",
        flip=flip,
        shift=shift,
        checkpoint=args.output.with_suffix(".checkpoint.pt"),
        curve=args.output.with_suffix(".csv"),
    )
    torch.manual_seed(args.seed)
    height, width, channels = dataset.train_frames.shape[1:]
    network = build(net, recipe, (height, width, channels), len(dataset.classes), args.width)
    task = make_task(dataset, recipe, network)
    train(run_, network, task, team=team, resume=args.resume)
    if output is None:
        return {}
    return prove(args, run_, network, task, dataset, output)


def make_task(dataset: Dataset | DetectionDataset, recipe: Recipe, network: Network) -> Task:
    """What ``network`` is to learn from ``dataset``."""
    from sw.train.engine.detection import BoxFinding
    from sw.train.engine.task import Classification

    if isinstance(dataset, Dataset):
        return Classification(dataset, recipe.smoothing)
    return BoxFinding(dataset, network)


def prove(
    args: argparse.Namespace,
    run_: Run,
    network: Network,
    task: Task,
    dataset: Dataset | DetectionDataset,
    output: Path,
) -> dict[str, Any]:
    """Export, compare the scores of the whole test set, save; the figures."""
    from sw.train.engine.detection import BoxFinding
    from sw.train.engine.network import to_model
    from sw.train.engine.task import scores_of

    frames = dataset.test_frames
    classes = dataset.classes if isinstance(dataset, Dataset) else ()
    model = to_model(
        network,
        name=args.recipe if args.net is None else f"{run_.net}-{args.recipe}",
        classes=classes,
        provenance=provenance(args, run_.recipe, dataset.source),
        head=args.head,
        detection=task.detection if isinstance(task, BoxFinding) else None,
        vector_frames=np.ascontiguousarray(frames[:VECTORS]),
    )
    expected = scores_of(network, frames)
    got = golden_scores(model, frames)
    if args.head == "argmax":
        expected = expected.argmax(1)[:, None]
    mismatches = int((got != expected).sum())
    if mismatches:
        raise ModelError(
            f"the exported model and PyTorch disagree on {mismatches} of {expected.size} scores; "
            "allowed is none",
            "Report this as a bug, with the checkpoint",
        )
    return {
        "model": str(args.output),
        "sha256": save(model, output),
        **task.judge(model, got),
        "test_frames": len(frames),
        "mismatches": mismatches,
        "binary_weights": network.binary_weights,
        "other_weights": network.other_weights,
        "epochs": run_.recipe.epochs,
        "seed": args.seed,
    }


def golden_scores(model: Model, frames: Any) -> NDArray[np.int32]:
    """Scores of ``frames`` by the golden model."""
    scores, batch = [], 500
    with progress("golden model", len(frames), "frames") as advance:
        for start in range(0, len(frames), batch):
            part = np.ascontiguousarray(frames[start : start + batch])
            scores.append(golden.scores(model, part))
            advance(len(part))
    return np.concatenate(scores)


if __name__ == "__main__":
    run(lambda: main(sys.argv[1:]))
