"""A trained network as a float graph: the very numbers that its evaluation uses."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sw.model.float_ir import (
    Elementwise,
    FloatConv,
    FloatDense,
    FloatGraph,
    FloatInput,
    FloatOp,
    FloatPool,
    Sign,
    Step,
    Uniform,
)
from sw.train.layers import BinaryConv, sign
from sw.train.network import Block, Network

__all__ = ["to_float_graph"]


@torch.no_grad()
def to_float_graph(network: Network) -> FloatGraph:
    """The float graph of ``network`` in evaluation mode, from raw pixels to logits.

    Convolution weights change from (outputs, inputs, rows, columns) to (outputs,
    rows, columns, inputs). Dense weights stay: the network reads maps in raster order.
    """
    height, width, channels = network.shape
    ops: list[FloatOp] = [
        FloatInput(name="pixels", height=height, width=width, channels=channels),
        # Pixels are integers already: this states their range and changes nothing.
        Uniform(name="input", source="pixels", scale=1.0, low=0, high=255),
    ]
    for index, block in enumerate(network.blocks):
        assert isinstance(block, Block)
        ops += _block(block, index, ops[-1].name)
    head = network.head
    weights = _array(sign(head.dense.weight))
    ops.append(FloatDense(name="head", source=ops[-1].name, weights=weights))
    steps = (Step.add(_array(head.offsets())), Step.mul(_array(head.log_scale.exp())))
    ops.append(Elementwise(name="logits", source="head", steps=steps))
    return FloatGraph(ops=tuple(ops))


def _block(block: Block, index: int, source: str) -> list[FloatOp]:
    weights = _array(sign(block.product.weight))
    ops: list[FloatOp] = []
    if isinstance(block.product, BinaryConv):
        name, pad = f"conv{index}", block.product.padding
        ops.append(
            FloatConv(
                name=name,
                source=source,
                weights=weights.transpose(0, 2, 3, 1),
                padding=(pad, pad, pad, pad),
            )
        )
    else:
        name = f"dense{index}"
        ops.append(FloatDense(name=name, source=source, weights=weights))
    if block.pool > 1:
        size = (block.pool, block.pool)
        ops.append(FloatPool(name=f"pool{index}", source=name, size=size, stride=size))
        name = f"pool{index}"
    scale, shift = block.norm.affine()
    steps = (Step.mul(_array(scale)), Step.add(_array(shift)))
    ops.append(Elementwise(name=f"norm{index}", source=name, steps=steps))
    ops.append(Sign(name=f"sign{index}", source=f"norm{index}", zero=1))
    return ops


def _array(value: Tensor) -> NDArray[np.float32]:
    return value.numpy().astype(np.float32)
