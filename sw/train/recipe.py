"""What is trained and how, as data; needs no PyTorch."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["RECIPES", "ConvLayer", "DenseLayer", "Recipe"]


@dataclass(frozen=True, kw_only=True)
class ConvLayer:
    """Binary convolution, max pool, batch norm, sign.

    Zero padding after a sign is no bit: such taps are skipped. Before the first
    layer the padding is a black pixel. Pooling the accumulators, and not the
    bits, keeps the threshold in the middle of what it divides.

    Parameters
    ----------
    outputs : int
    kernel : int
        Side of the square kernel; odd, stride 1, padded so that the map keeps its size.
    pool : int
        Side and stride of the max pool; 1 for none.
    """

    outputs: int
    kernel: int = 3
    pool: int = 1


@dataclass(frozen=True, kw_only=True)
class DenseLayer:
    """Binary matrix product, batch norm, sign."""

    outputs: int


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A network and the way to train it.

    Layers are binary throughout: the weights of every one are +-1, the first
    reads 8-bit pixels, the others bits. The head is one more binary matrix
    product with an integer bias per class and one scale.

    Parameters
    ----------
    name : str
        Name of the model.
    source : str
        Where the data comes from, and its licence; part of the model's provenance.
    layers : tuple of ConvLayer and DenseLayer
        Hidden layers; convolutions before dense ones.
    epochs, batch : int
    rate : float
        Adam's rate, which rises over ``warmup`` epochs and falls to 0 by a cosine.
    smoothing : float
        Label smoothing.
    flip : bool
        Mirror half of the training frames left to right.
    shift : int
        Move training frames by up to so many pixels in both axes.
    """

    name: str
    source: str
    layers: tuple[ConvLayer | DenseLayer, ...]
    epochs: int = 40
    batch: int = 128
    rate: float = 5e-3
    warmup: float = 1.0
    smoothing: float = 0.05
    flip: bool = True
    shift: int = 1


RECIPES = {
    "fashion": Recipe(
        name="fashion",
        source="Fashion-MNIST, Copyright 2017 Zalando SE, MIT licence",
        layers=(
            ConvLayer(outputs=32, pool=2),
            ConvLayer(outputs=64, pool=2),
            ConvLayer(outputs=64, pool=2),
            DenseLayer(outputs=64),
        ),
    ),
}
