"""What is trained and how, as data; needs no PyTorch. docs/training.md has the reasons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["PRESETS", "RECIPES", "Preset", "Recipe", "Shortcuts"]

#: Residual networks: one identity per convolution (Bi-Real Net), one per pair (ResNet), none.
Shortcuts = Literal["each", "pair", "none"]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A way to train a binary network.

    Parameters
    ----------
    name : str
    weights : {"ste", "mean", "magnitude", "trained"}
        See `sw.train.layers.products.WeightKind`.
    weight_derivative : {"clip", "approx", "tight", "through"}
        Of the sign of a weight, see `sw.train.layers.gradients`.
    activations : {"sign", "step", "ternary"}
        What binary layers read: -1 and +1, 0 and 1, or -1, 0 and +1.
    derivative : {"clip", "approx", "tight"}
        Of the activations' step; "ternary" has its own.
    second_bits : int
        Weight bits of the second layer, 1 or 8.
    shortcuts : Shortcuts or None
        Of residual networks; None: the network's own.
    families : tuple of str
        Networks it is for, see `sw.train.zoo`.
    pretraining : float
        Share of the epochs that train real weights and clipped activations first.
    scale_decay : float
        L2 regularisation of trained weight scales.
    epochs, batch : int
    rate : float
        Adam's.
    schedule : {"cosine", "linear"}
        How the rate falls to 0.
    warmup : float
        Epochs over which the rate rises first.
    smoothing : float
        Label smoothing.
    """

    name: str
    weights: Literal["ste", "mean", "magnitude", "trained"] = "ste"
    weight_derivative: Literal["clip", "approx", "tight", "through"] = "clip"
    activations: Literal["sign", "step", "ternary"] = "sign"
    derivative: Literal["clip", "approx", "tight"] = "clip"
    second_bits: int = 1
    shortcuts: Shortcuts | None = None
    families: tuple[str, ...] = ("chain", "dual", "residual", "detector")
    pretraining: float = 0.0
    scale_decay: float = 0.0
    epochs: int = 40
    batch: int = 128
    rate: float = 2e-3
    schedule: Literal["cosine", "linear"] = "cosine"
    warmup: float = 1.0
    smoothing: float = 0.05


#: Recipes by name.
RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe(name="ste"),
        Recipe(name="xnor", weights="mean"),
        Recipe(
            name="trained-binarization",
            weights="trained",
            weight_derivative="tight",
            activations="step",
            derivative="tight",
            scale_decay=1e-4,
            families=("chain", "residual", "detector"),
        ),
        Recipe(
            name="bireal",
            weights="magnitude",
            derivative="approx",
            schedule="linear",
            smoothing=0.1,
            families=("residual",),
        ),
        Recipe(name="dual-path", activations="ternary", families=("dual",)),
        Recipe(name="high-precision-second", second_bits=8, families=("chain", "detector")),
    )
}


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A recipe, a network and data under one name.

    Parameters
    ----------
    name : str
    recipe : Recipe
    net : str
        Of `sw.train.zoo.NETWORKS`.
    """

    name: str
    recipe: Recipe
    net: str


def _bundled(name: str, net: str) -> Preset:
    recipe = Recipe(name=name, weight_derivative="through", derivative="approx", rate=5e-3)
    return Preset(name=name, recipe=recipe, net=net)


#: The bundled examples: the very networks and training of examples/fashion.npz and so on.
PRESETS = {
    preset.name: preset
    for preset in (
        _bundled("fashion", "fashion-binary"),
        _bundled("tiny", "fashion-dense"),
        _bundled("wide", "fashion-wide"),
    )
}
