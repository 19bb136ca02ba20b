"""``python -m sw.train fashion -o fashion.npz``: train, export, prove the export."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sw import golden
from sw.cli import atomic_write, console, progress, run
from sw.errors import MissingToolError, ModelError, UserError
from sw.lower import lower
from sw.model import Model, save
from sw.train.data import Dataset, load_idx_dataset
from sw.train.recipe import RECIPES, Recipe

if TYPE_CHECKING:
    from sw.train.network import Network

#: Test frames embedded in the model as vectors.
VECTORS = 16

#: Frames that the golden model executes at once.
GOLDEN_BATCH = 500


def positive(text: str) -> int:
    """An integer of at least 1, for argparse."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not at least 1")
    return value


def arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m sw.train",
        description="Train a binary network and write it as model.npz. Beside the output lie "
        "a checkpoint (.checkpoint.pt), written after each epoch, and the curve (.csv).",
    )
    parser.add_argument("recipe", choices=sorted(RECIPES), help="what to train")
    parser.add_argument("-o", "--output", type=Path, required=True, help="model.npz to write")
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="folder of idx files, .gz or not; default: Debian's package of the data set",
    )
    parser.add_argument("--epochs", type=positive, help="default: the recipe's")
    parser.add_argument("--batch", type=positive, help="frames per step; default: the recipe's")
    parser.add_argument("--seed", type=int, default=1, help="default: 1")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint")
    parser.add_argument("--threads", type=positive, help="of PyTorch; default: one per core")
    parser.add_argument(
        "--precision",
        choices=("auto", "float32", "bfloat16"),
        default="auto",
        help="of products while training; auto: bfloat16 where the CPU multiplies it fast. "
        "Evaluation is exact in either case",
    )
    parser.add_argument("--head", choices=("raw", "argmax"), default="raw", help="default: raw")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    return parser.parse_args(argv)


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
    recipe = RECIPES[args.recipe]
    recipe = replace(recipe, epochs=args.epochs or recipe.epochs, batch=args.batch or recipe.batch)
    # Found out before the work: the data, PyTorch, and that the output can be written.
    dataset = load_idx_dataset(args.data)
    if recipe.batch > len(dataset.train_frames):
        raise UserError(
            f"a batch of {recipe.batch} is more than the {len(dataset.train_frames)} training "
            "frames",
            "Give --batch at most that many",
        )
    torch = require_torch()
    with atomic_write(args.output) as temporary:
        if args.precision == "auto":
            fast = torch.ops.mkldnn._is_mkldnn_bf16_supported()
            args.precision = "bfloat16" if fast else "float32"
        args.threads = args.threads or len(os.sched_getaffinity(0))
        torch.set_num_threads(args.threads)
        figures = produce(args, recipe, dataset, temporary)
    if args.json:
        print(json.dumps(figures))
    else:
        console.print(
            f"{args.output}: {figures['accuracy']:.2%} of {figures['test_frames']:,} test frames "
            f"by the golden model, {figures['mismatches']} classes unlike PyTorch's, "
            f"sha256 {figures['sha256']}"
        )
    return 0


def produce(
    args: argparse.Namespace, recipe: Recipe, dataset: Dataset, output: Path
) -> dict[str, Any]:
    """Train, export to ``output`` and compare; the figures.

    Raises
    ------
    ModelError
        The exported model does not classify as the trained network does.
    """
    from sw.train.loop import Run, evaluate, train

    network = train(
        Run(
            recipe=recipe,
            dataset=dataset,
            seed=args.seed,
            bfloat16=args.precision == "bfloat16",
            checkpoint=args.output.with_suffix(".checkpoint.pt"),
            curve=args.output.with_suffix(".csv"),
        ),
        resume=args.resume,
    )
    model = export(network, recipe, dataset, args)
    expected = evaluate(network, dataset.test_frames)
    classes = classify(model, dataset.test_frames)
    mismatches = int((classes != expected).sum())
    if mismatches:
        raise ModelError(
            f"the exported model and PyTorch disagree on {mismatches} of {len(classes)} test "
            "frames; allowed is none",
            "Report this as a bug, with the checkpoint",
        )
    return {
        "model": str(args.output),
        "sha256": save(model, output),
        "accuracy": float((classes == dataset.test_labels).mean()),
        "test_frames": len(classes),
        "mismatches": mismatches,
        "binary_weights": network.binary_weights,
        "epochs": recipe.epochs,
        "seed": args.seed,
    }


def export(network: Network, recipe: Recipe, dataset: Dataset, args: argparse.Namespace) -> Model:
    """The integer model of ``network``, with test frames as vectors."""
    from sw.train.export import to_float_graph

    provenance = (
        f"Trained by 'python -m sw.train {args.recipe} --epochs {recipe.epochs} "
        f"--batch {recipe.batch} --seed {args.seed} --precision {args.precision} "
        f"--threads {args.threads}' of Binarray (BSD-2-Clause) on {recipe.source}"
    )
    return lower(
        to_float_graph(network),
        name=recipe.name,
        classes=dataset.classes,
        provenance=provenance,
        head=args.head,
        vector_frames=dataset.test_frames[:VECTORS],
    )


def classify(model: Model, frames: np.ndarray) -> np.ndarray:
    """Class of each of ``frames`` by the golden model."""
    classes = []
    with progress("golden model", len(frames), "frames") as advance:
        for start in range(0, len(frames), GOLDEN_BATCH):
            batch = frames[start : start + GOLDEN_BATCH]
            classes.append(model.classify(golden.scores(model, batch)))
            advance(len(batch))
    return np.concatenate(classes)


if __name__ == "__main__":
    run(lambda: main(sys.argv[1:]))
