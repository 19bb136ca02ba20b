"""The one activation that is followed through an ONNX graph, and known constants."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sw.errors import ModelError
from sw.importers.chain import Chain
from sw.importers.onnx_graph import Node

__all__ = ["Activation"]


class Activation:
    """The foreign activation beside the float graph that has been built so far.

    Parameters
    ----------
    chain : Chain
        The float graph; its maps are H x W x C.
    constants : dict
        Every tensor whose value is known.
    name : str
        The activation's tensor.
    axes : "NCHW", "NHWC" or "NF"
        What the dimensions of the foreign activation are.

    Members
    -------
    flat : "CHW", "HWC" or ""
        With axes "NF": the order in which a map was flattened.
    pad : None or ((top, left, bottom, right), value)
        A Pad that the next convolution takes on.
    """

    def __init__(self, chain: Chain, constants: dict[str, NDArray], name: str, axes: str):
        self.chain = chain
        self.constants = constants
        self.name = name
        self.axes = axes
        self.flat = ""
        self.pad: tuple[tuple[int, int, int, int], float] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the foreign activation, batch 1."""
        height, width, channels = self.chain.shape
        if self.axes == "NF":
            return 1, height * width * channels
        return (1, channels, height, width) if self.axes == "NCHW" else (1, height, width, channels)

    def constant(self, node: Node, index: int, what: str) -> NDArray:
        """Input ``index`` of ``node``, which must be known."""
        name = node.inputs[index]
        if name not in self.constants:
            raise ModelError(
                f"{node.label}: its {what} '{name}' is not constant; allowed are constants",
                "Use a network without shortcuts; only weights may be the second operand",
            )
        return self.constants[name]

    def optional(self, node: Node, index: int) -> NDArray | None:
        """Input ``index`` where it is given at all."""
        if index >= len(node.inputs) or not node.inputs[index]:
            return None
        return self.constant(node, index, "operand")

    def per_channel(self, node: Node, value: NDArray) -> NDArray[np.float32]:
        """``value``, which ONNX broadcasts over the activation, as () or (channels,)."""
        value = np.asarray(value, np.float32)
        height, width, channels = self.chain.shape
        if value.size == 1:
            return value.reshape(())
        rank = len(self.axes)
        full = value.reshape((1,) * (rank - value.ndim) + value.shape)
        axis = {"NCHW": 1, "NHWC": 3, "NF": 1}[self.axes]
        flat_pixels = height * width if self.axes == "NF" else 1
        if full.ndim != rank or full.size != full.shape[axis] or flat_pixels != 1:
            raise ModelError(
                f"{node.label}: an operand of shape {value.shape} on an activation of shape "
                f"{self.shape}; allowed is one value, or one per channel",
                "Use per-tensor or per-channel parameters",
            )
        if full.shape[axis] != channels:
            raise ModelError(
                f"{node.label}: {full.shape[axis]} values for {channels} channels",
                "Export the network once more; its shapes do not agree",
            )
        return full.reshape(-1)

    def scalar(self, node: Node, value: NDArray, what: str) -> float:
        values = np.unique(value)
        if values.size != 1:
            raise ModelError(
                f"{node.label}: its {what} has {values.size} values from {values[0]:.6g} to "
                f"{values[-1]:.6g}; allowed is one for the tensor",
                "Quantise activations per tensor",
            )
        return float(values[0])
