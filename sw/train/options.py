"""The training command's options, and the recipe and network they ask for; no PyTorch."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from sw.errors import UserError
from sw.train.datasets import Dataset, DetectionDataset
from sw.train.recipe import PRESETS, RECIPES, Recipe
from sw.train.zoo import NETWORKS, Net, check_family, network

__all__ = ["arguments", "augmentation", "choose", "provenance"]

#: Options that change a recipe, by the recipe's field.
CHANGES = ("epochs", "batch", "rate", "smoothing", "pretraining", "shortcuts", "activations")


def positive(text: str) -> int:
    """An integer of at least 1, for argparse."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not at least 1")
    return value


def above_zero(text: str) -> float:
    """A number above 0, for argparse."""
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"'{text}' is not above 0")
    return value


def share(text: str) -> float:
    """A number from 0 to 0.9, for argparse."""
    value = float(text)
    if not 0 <= value <= 0.9:
        raise argparse.ArgumentTypeError(f"'{text}' is not 0 to 0.9")
    return value


def arguments(argv: list[str] | None) -> argparse.Namespace:
    """The parsed command line."""
    parser = argparse.ArgumentParser(
        prog="python -m sw.train",
        description="Train a binary network and write it as model.npz. Beside the output lie a "
        "checkpoint (.checkpoint.pt), written after each epoch, and the curve (.csv, .png). "
        "Under torchrun, several processes train together.",
    )
    parser.add_argument(
        "recipe", choices=sorted({*RECIPES, *PRESETS}), help="how to train; docs/training.md"
    )
    parser.add_argument("-o", "--output", type=Path, required=True, help="model.npz to write")
    parser.add_argument("--net", metavar="NET", help=f"one of {', '.join(sorted(NETWORKS))}")
    parser.add_argument(
        "--data",
        metavar="DATA",
        help="folder or file, see docs/data.md; default: Fashion-MNIST, where Debian's package "
        "puts it",
    )
    parser.add_argument("--width", type=above_zero, default=1.0, help="of all layers; default: 1")
    _add_recipe_options(parser)
    parser.add_argument("--seed", type=int, default=1, help="default: 1")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint")
    parser.add_argument("--threads", type=positive, help="of PyTorch; default: one per core")
    parser.add_argument(
        "--precision",
        choices=("auto", "float32", "bfloat16"),
        default="auto",
        help="of products while training; auto: bfloat16 on a GPU, and where the CPU multiplies "
        "it fast. Evaluation is exact in either case",
    )
    parser.add_argument("--head", choices=("raw", "argmax"), default="raw", help="default: raw")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    return parser.parse_args(argv)


def _add_recipe_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("changes to the recipe; default: what the recipe says")
    group.add_argument("--epochs", type=positive)
    group.add_argument("--batch", type=positive, help="frames per step, over all processes")
    group.add_argument("--rate", type=above_zero, help="Adam's")
    group.add_argument("--smoothing", type=share, help="of labels")
    group.add_argument(
        "--second-layer", choices=("binary", "8bit"), help="weights of the second layer"
    )
    group.add_argument(
        "--activations", choices=("sign", "step", "ternary"), help="what binary layers read"
    )
    group.add_argument("--shortcuts", choices=("each", "pair", "none"), help="of residual networks")
    group.add_argument(
        "--pretraining",
        type=share,
        help="share of the epochs with real weights and clipped activations, before the others",
    )
    group.add_argument(
        "--flip",
        action=argparse.BooleanOptionalAction,
        help="mirror half of the frames; default: unless they are digits or plates",
    )
    group.add_argument(
        "--shift",
        type=int,
        help="move frames by up to so many pixels; default: an eighth of their height at most 4, "
        "and 1 below 32 pixels",
    )


def choose(args: argparse.Namespace) -> tuple[Recipe, Net]:
    """The recipe with its changes, and the network.

    Raises
    ------
    UserError
        A network is missing, unknown or beside a preset's own; or the options contradict.
    """
    if preset := PRESETS.get(args.recipe):
        if args.net not in (None, preset.net):
            raise UserError(
                f"recipe '{args.recipe}' trains network '{preset.net}', not '{args.net}'",
                f"Leave out --net, or choose one of {', '.join(sorted(RECIPES))}",
            )
        recipe, net = preset.recipe, network(preset.net)
    else:
        if args.net is None:
            raise UserError(
                f"recipe '{args.recipe}' needs a network",
                f"Give --net, one of {', '.join(sorted(NETWORKS))}",
            )
        recipe, net = RECIPES[args.recipe], network(args.net)
    changes: dict[str, Any] = {
        key: getattr(args, key) for key in CHANGES if getattr(args, key) is not None
    }
    if net.batch and args.batch is None:
        changes["batch"] = net.batch
    if args.second_layer:
        changes["second_bits"] = 1 if args.second_layer == "binary" else 8
    recipe = replace(recipe, **changes)
    _check_options(recipe, net, args)
    return recipe, net


def _check_options(recipe: Recipe, net: Net, args: argparse.Namespace) -> None:
    """Refuse what the network has no place for."""
    check_family(recipe, net)
    if args.shortcuts and net.family != "residual":
        raise UserError(
            f"network '{net.name}' is a {net.family} network and has no shortcuts",
            "Leave out --shortcuts, or choose a residual network",
        )
    if recipe.activations == "ternary" and net.family == "residual":
        raise UserError(
            f"ternary activations are not for network '{net.name}', a residual network",
            "Choose sign or step with --activations, or another network",
        )
    if recipe.second_bits > 1 and net.family == "residual":
        raise UserError(
            f"network '{net.name}' is a residual network, whose second layer stays binary",
            "Leave out --second-layer, or choose a chain or detector network",
        )
    if net.family == "detector" and args.head == "argmax":
        raise UserError(
            f"network '{net.name}' gives boxes, and no class to choose", "Leave out --head"
        )
    if net.family == "detector" and recipe.pretraining:
        raise UserError(
            f"network '{net.name}' is a detector and is not pretrained", "Leave out --pretraining"
        )
    if args.shift is not None and args.shift < 0:
        raise UserError(f"--shift is {args.shift}; allowed is 0 and more", "Give another")


def augmentation(args: argparse.Namespace, dataset: Dataset | DetectionDataset) -> tuple[bool, int]:
    """Whether to mirror frames, and how far to move them."""
    if isinstance(dataset, DetectionDataset):
        # The boxes would have to move with the frames; generated sets vary enough.
        if args.flip or args.shift:
            raise UserError(
                "frames with boxes are neither mirrored nor moved", "Leave out --flip and --shift"
            )
        return False, 0
    flip = args.flip
    if flip is None:
        flip = not all(name.isdecimal() for name in dataset.classes)
    height = dataset.train_frames.shape[1]
    shift = (1 if height < 32 else 4) if args.shift is None else args.shift
    return flip, shift


def provenance(args: argparse.Namespace, recipe: Recipe, data: str) -> str:
    """How a model came about: the command that remakes it, and the data."""
    words = [args.recipe]
    if args.net:
        words += ["--net", args.net]
    if args.data:
        words += ["--data", Path(args.data).name]
    if args.width != 1:
        words += ["--width", f"{args.width:g}"]
    words += [
        "--epochs",
        f"{recipe.epochs}",
        "--batch",
        f"{recipe.batch}",
        "--seed",
        f"{args.seed}",
    ]
    for key in ("rate", "smoothing", "pretraining", "second_layer", "activations", "shortcuts"):
        if getattr(args, key) is not None:
            words += [f"--{key.replace('_', '-')}", f"{getattr(args, key)}"]
    if args.flip is not None:
        words.append("--flip" if args.flip else "--no-flip")
    if args.shift is not None:
        words += ["--shift", f"{args.shift}"]
    words += ["--precision", args.precision, "--threads", f"{args.threads}"]
    return f"Trained by 'python -m sw.train {' '.join(words)}' of Binarray (BSD-2-Clause) on {data}"
