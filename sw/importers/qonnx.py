"""QONNX files (Brevitas, FINN) to the float graph.

Reads both operator domains, `onnx.brevitas` and `qonnx.custom_op.general`, with the
package `onnx` alone. Nodes are walked in order; those of known inputs are folded
(Shape, Gather, Concat, Pow chains, weight quantisers, transposed weights), so that files
without inferred shapes need no clean-up. One path of activations is followed from the
input; ONNX's N x C x H x W becomes H x W x C, the dense weights after a flatten included.
"""

from __future__ import annotations

import os

import numpy as np
from numpy.typing import NDArray

from sw.errors import ModelError
from sw.importers.chain import Chain
from sw.importers.onnx_graph import QONNX_DOMAINS, Node, OnnxGraph, fold, load
from sw.importers.onnx_ops import HANDLERS
from sw.importers.onnx_state import Activation
from sw.model.float_ir import FloatGraph, Step

__all__ = ["load_qonnx"]

#: Ops that end a classifier without changing which logit is the greatest.
_ENDINGS = ("Softmax", "LogSoftmax", "ArgMax", "TopK")


def load_qonnx(path: str | os.PathLike[str], preprocess: tuple[Step, ...]) -> FloatGraph:
    """The float graph of a QONNX file.

    Parameters
    ----------
    path : path of the .onnx file
    preprocess : tuple of Step
        From a byte to the value that the file's input expects.

    Raises
    ------
    ModelError
        The file is not ONNX, not quantised, or holds what is not supported; the message
        names the node.
    ToolError
        The package `onnx` is missing.
    """
    graph = load(path)
    if not any(node.domain in QONNX_DOMAINS for node in graph.nodes):
        raise ModelError(
            f"'{path}' is not quantised: none of its {len(graph.nodes)} nodes is in the domains "
            f"{' or '.join(QONNX_DOMAINS)}",
            "Train a binary network, with Brevitas for example, and export it as QONNX",
        )
    return _Walk(graph, preprocess).run()


class _Walk:
    """State of one import."""

    def __init__(self, graph: OnnxGraph, preprocess: tuple[Step, ...]):
        self.graph = graph
        shape = graph.input_shape
        if len(shape) == 2:
            axes, size = "NF", (1, 1, shape[1])
        elif self._input_is_nhwc():
            axes, size = "NHWC", (shape[1], shape[2], shape[3])
        else:
            axes, size = "NCHW", (shape[2], shape[3], shape[1])
        height, width, channels = size
        self.tensor = Activation(
            Chain(height, width, channels, preprocess), dict(graph.constants), graph.input, axes
        )

    def _input_is_nhwc(self) -> bool:
        """Whether the file turns its own input into N x C x H x W."""
        return any(
            node.op == "Transpose" and list(node.attributes.get("perm", [])) == [0, 3, 1, 2]
            for node in self.graph.consumers(self.graph.input)
        )

    def run(self) -> FloatGraph:
        for node in self.graph.nodes:
            if self.tensor.name in self.graph.outputs:
                break
            self._visit(node)
        if self.tensor.name not in self.graph.outputs:
            raise ModelError(
                f"'{self.graph.path}': the output {self.graph.outputs[0]!r} does not follow from "
                f"the input by supported ops; they end at tensor {self.tensor.name!r}",
                "Export one network without branches",
            )
        return self.tensor.chain.graph()

    def _visit(self, node: Node) -> None:
        inputs = [name for name in node.inputs if name]
        if self.tensor.name not in inputs:
            unknown = [name for name in inputs if name not in self.tensor.constants]
            if unknown:
                raise ModelError(
                    f"{node.label} reads '{unknown[0]}', which another node has already taken on; "
                    "allowed is one path without branches",
                    "Use a network without shortcuts or several outputs",
                )
            self._store(
                node, fold(node, [self.tensor.constants[n] for n in inputs], self.graph.opset)
            )
            return
        if node.op == "Shape":
            self._store(node, [np.array(self.tensor.shape, np.int64)])
            return
        if node.op in _ENDINGS and set(node.outputs) & set(self.graph.outputs):
            self.tensor.name = self.graph.outputs[0]
            return
        quant = node.op in ("Quant", "IntQuant", "BipolarQuant")
        handler = HANDLERS.get(node.op)
        allowed_domains = QONNX_DOMAINS if quant else ("", "ai.onnx")
        if handler is None or node.domain not in allowed_domains:
            shown = f"'{node.domain}.{node.op}'" if node.domain else f"'{node.op}'"
            raise ModelError(
                f"node '{node.name}' is the unsupported op {shown}; supported on activations are "
                f"{', '.join(sorted({*HANDLERS, *_ENDINGS, 'Shape'}))}",
                "Rewrite the network in these ops; ONNX's Sign gives 0 at 0, use BipolarQuant"
                if node.op == "Sign"
                else "Rewrite the network in these ops",
            )
        if self.tensor.pad is not None and node.op not in ("Conv", "Identity"):
            raise ModelError(
                f"{node.label} follows a Pad; allowed there is only a Conv",
                "Pad directly in front of the convolution, after the quantiser",
            )
        try:
            handler(self.tensor, node)
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            # Attributes and operands are of any kind and number in a damaged file.
            raise ModelError(
                f"{node.label} has attributes or operands that do not fit it: {error}",
                "Export the network once more; its file is damaged or not valid ONNX",
            ) from None
        self.tensor.name = node.outputs[0]

    def _store(self, node: Node, values: list[NDArray]) -> None:
        self.tensor.constants.update(zip(node.outputs, values, strict=False))
