"""A recipe's network as a PyTorch module."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from sw.errors import UserError
from sw.train.layers import ApproxSign, BatchNorm, BinaryConv, BinaryDense, Head
from sw.train.recipe import ConvLayer, Recipe

__all__ = ["Block", "Network"]


class Block(nn.Module):
    """One hidden layer: binary product, max pool, batch norm, sign."""

    def __init__(self, product: BinaryConv | BinaryDense, channels: int, pool: int) -> None:
        super().__init__()
        self.product = product
        self.pool = pool
        self.norm = BatchNorm(channels)
        self.sign = ApproxSign()

    def forward(self, x: Tensor) -> Tensor:
        if isinstance(self.product, BinaryDense) and x.dim() == 4:
            x = raster(x)
        x = self.product(x)
        if self.pool > 1:
            x = functional.max_pool2d(x, self.pool)
        return self.sign(self.norm(x))


def raster(x: Tensor) -> Tensor:
    """Maps (N, C, H, W) as vectors in raster order, channel fastest."""
    return x.permute(0, 2, 3, 1).flatten(1)


class Network(nn.Module):
    """The network of a recipe: pixels (N, C, H, W), 0 to 255, to logits (N, classes).

    Parameters
    ----------
    recipe : Recipe
    shape : (height, width, channels) of a frame
    classes : int

    Raises
    ------
    UserError
        The frames are too small for the recipe's pools.
    """

    def __init__(self, recipe: Recipe, shape: tuple[int, int, int], classes: int) -> None:
        super().__init__()
        height, width, channels = shape
        blocks: list[Block] = []
        features = height * width * channels
        for layer in recipe.layers:
            first = not blocks
            if isinstance(layer, ConvLayer):
                conv = BinaryConv(channels, layer.outputs, layer.kernel, exact=first)
                blocks.append(Block(conv, layer.outputs, layer.pool))
                channels = layer.outputs
                height, width = height // layer.pool, width // layer.pool
                features = height * width * channels
            else:
                dense = BinaryDense(features, layer.outputs, exact=first)
                blocks.append(Block(dense, layer.outputs, 1))
                features = layer.outputs
            if not features:
                raise UserError(
                    f"frames of {shape[0]} x {shape[1]} pixels are too small for recipe "
                    f"'{recipe.name}', whose pools leave nothing of them",
                    "Give larger frames",
                )
        self.shape = shape
        self.blocks = nn.ModuleList(blocks)
        self.head = Head(features, classes)

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x)
        return self.head(raster(x) if x.dim() == 4 else x)

    def train_in(self, dtype: torch.dtype) -> None:
        """Let products run in ``dtype`` while training."""
        for module in self.modules():
            if isinstance(module, BinaryConv | BinaryDense):
                module.dtype = dtype

    def clip(self) -> None:
        """Clip the latent weights; after each step."""
        for module in self.modules():
            if isinstance(module, BinaryConv | BinaryDense):
                module.clip()

    @property
    def binary_weights(self) -> int:
        """How many +-1 weights there are."""
        return sum(
            module.weight.numel()
            for module in self.modules()
            if isinstance(module, BinaryConv | BinaryDense)
        )
