"""A binary network as a float ONNX graph, for ONNX Runtime to run on a CPU.

What a framework's float graph is after the usual folding, no slower for exactness:

1. ``acc >= T`` is ``acc - (T - 1/2) > 0`` for integers, so a convolution gets the bias
   ``1/2 - T`` and a `Sign` follows it: never of 0. An inverted channel has its weights
   and bias negated.
2. A minimum is the negated maximum of the negated map: the convolution before such a
   channel is negated once more, and so are the weights that read the channel.
3. Skipped taps are zero padding. All sums are integers below 2**24, exact in float32.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, checker, helper, numpy_helper

from sw.model.ir import BIPOLAR, Conv, Dense, Graph, Head, Input, Pool, Threshold

__all__ = ["float_model"]

#: Read by every ONNX Runtime of the extra's version.
OPSET, IR_VERSION = 17, 8


class Writer:
    """Nodes and constants of an ONNX graph, and the sign that each channel is held with."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []
        #: Sign by which a tensor's channels are negated, until a reader makes up for it.
        self.flips = {graph.input.name: np.ones(graph.input.type.channels, np.float32)}

    def constant(self, name: str, array: NDArray) -> str:
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def node(self, kind: str, inputs: list[str], name: str, **attributes: Any) -> None:
        self.nodes.append(helper.make_node(kind, inputs, [name], name=f"n.{name}", **attributes))

    def minimum(self, threshold: Threshold) -> NDArray[np.float32]:
        """-1 in the channels of which a pool behind the threshold takes the minimum."""
        for op in self.graph.ops:
            if isinstance(op, Pool) and op.source == threshold.name:
                return np.where(op.minimum, -1, 1).astype(np.float32)
        return np.ones(len(threshold.levels), np.float32)

    def array(self, op: Conv | Dense, after: Threshold | Head) -> None:
        """A convolution or matrix product, with the bias of what follows it."""
        source, weights = self.graph.types[op.source], op.weights.astype(np.float32)
        flips = self.flips[op.source]
        if isinstance(after, Head):
            bias, signs = after.bias.astype(np.float32), np.ones(op.outputs, np.float32)
        else:
            assert after.range == BIPOLAR, "the graph's activations are binary"
            signs = self.minimum(after)
            self.flips[after.name] = signs
            signs = signs * np.where(after.inverted, -1, 1).astype(np.float32)
            # A level that no sum reaches is as good one beyond the greatest.
            reach = self.graph.types[op.name].range.high + 1
            bias = signs * (0.5 - np.clip(after.levels[:, 0], -reach, reach)).astype(np.float32)
        if isinstance(op, Conv):
            weights = weights * flips * signs[:, None, None, None]
            pad = op.padding
            assert not pad or pad.value is None or pad.value == 0, "padding is of zeros"
            names = [
                self.constant(f"{op.name}.w", weights.transpose(0, 3, 1, 2)),
                self.constant(f"{op.name}.b", bias.astype(np.float32)),
            ]
            self.node(
                "Conv",
                [op.source, *names],
                op.name,
                strides=list(op.stride),
                pads=[pad.top, pad.left, pad.bottom, pad.right],
            )
            return
        # ONNX flattens a map channel by channel.
        weights = weights.reshape(op.outputs, *source.shape) * flips * signs[:, None, None, None]
        matrix = weights.transpose(0, 3, 1, 2).reshape(op.outputs, -1)
        names = [self.constant(f"{op.name}.w", matrix), self.constant(f"{op.name}.b", bias)]
        self.node("Flatten", [op.source], f"{op.name}.flat")
        self.node("Gemm", [f"{op.name}.flat", *names], op.name, transB=1)

    def pool(self, op: Pool) -> None:
        assert op.kind == "max"
        self.flips[op.name] = self.flips[op.source]
        size, stride, pad = list(op.size), list(op.stride), op.padding
        pads = [pad.top, pad.left, pad.bottom, pad.right]
        self.node("MaxPool", [op.source], op.name, kernel_shape=size, strides=stride, pads=pads)


def float_model(graph: Graph) -> ModelProto:
    """A chain of binary activations as ONNX: inputs (N, C, H, W), scores (N, outputs).

    Of any weights, and with a dense layer and a raw head last; the scores equal the golden
    model's exactly.
    """
    writer, (height, width, channels) = Writer(graph), graph.input.type.shape
    for op, after in zip(graph.ops, (*graph.ops[1:], None), strict=True):
        if isinstance(op, Conv | Dense):
            assert isinstance(after, Threshold | Head)
            writer.array(op, after)
        elif isinstance(op, Threshold):
            writer.node("Sign", [op.source], op.name)
        elif isinstance(op, Pool):
            writer.pool(op)
        else:
            assert isinstance(op, Input | Head), f"no float form of {op!r}"
    scores = graph.head.source
    assert isinstance(graph[scores], Dense) and graph.head.kind == "raw"
    count = graph.head.bias.size
    made = helper.make_graph(
        writer.nodes,
        "binary",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["n", channels, height, width])],
        [helper.make_tensor_value_info(scores, TensorProto.FLOAT, ["n", count])],
        writer.constants,
    )
    for node in made.node:
        for index, name in enumerate(node.input):
            if name == graph.input.name:
                node.input[index] = "input"
    opset = helper.make_opsetid("", OPSET)
    model = helper.make_model(made, opset_imports=[opset], ir_version=IR_VERSION)
    checker.check_model(model)
    return model
