"""QONNX files (Brevitas, FINN) to the float graph.

Reads both operator domains, `onnx.brevitas` and `qonnx.custom_op.general`, with the
package `onnx` alone. Nodes are walked in order; those of known inputs are folded
(Shape, Gather, Concat, Pow chains, weight quantisers, transposed weights), so that files
without inferred shapes need no clean-up. One path of activations is followed from the
input; ONNX's N x C x H x W becomes H x W x C, the dense weights after a flatten included.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sw.errors import ModelError
from sw.importers.chain import Chain
from sw.importers.onnx_graph import QONNX_DOMAINS, Node, OnnxGraph, fold, load
from sw.model.float_ir import FloatGraph, Rounding, Step, Uniform

__all__ = ["load_qonnx"]

_ROUNDINGS: dict[str, Rounding] = {
    "ROUND": "half_even",
    "HALF_EVEN": "half_even",
    "HALF_UP": "half_away",
    "HALF_DOWN": "half_to_zero",
    "FLOOR": "floor",
    "CEIL": "ceil",
    "UP": "away",
    "DOWN": "to_zero",
    "ROUND_TO_ZERO": "to_zero",
}

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
    """State of one import: known constants, and the one activation followed.

    ``axes`` says what the dimensions of the foreign activation are: "NCHW", "NHWC",
    "NF", or "NF" with ``flat`` telling in which order ("CHW" or "HWC") it was flattened.
    """

    def __init__(self, graph: OnnxGraph, preprocess: tuple[Step, ...]):
        self.graph = graph
        self.constants = dict(graph.constants)
        self.current = graph.input
        self.flat = ""
        self.pad: tuple[tuple[int, int, int, int], float] | None = None
        shape = graph.input_shape
        if len(shape) == 2:
            self.axes, size = "NF", (1, 1, shape[1])
        elif self._input_is_nhwc():
            self.axes, size = "NHWC", shape[1:]
        else:
            self.axes, size = "NCHW", (shape[2], shape[3], shape[1])
        self.chain = Chain(*size, preprocess)

    def _input_is_nhwc(self) -> bool:
        """Whether the file turns its own input into N x C x H x W."""
        return any(
            node.op == "Transpose" and list(node.attributes.get("perm", [])) == [0, 3, 1, 2]
            for node in self.graph.consumers(self.graph.input)
        )

    def run(self) -> FloatGraph:
        for node in self.graph.nodes:
            if self.current in self.graph.outputs:
                break
            self._visit(node)
        if self.current not in self.graph.outputs:
            raise ModelError(
                f"'{self.graph.path}': the output {self.graph.outputs[0]!r} does not follow from "
                f"the input by supported ops; they end at tensor {self.current!r}",
                "Export one network without branches",
            )
        return self.chain.graph()

    def _visit(self, node: Node) -> None:
        inputs = [name for name in node.inputs if name]
        if self.current not in inputs:
            unknown = [name for name in inputs if name not in self.constants]
            if unknown:
                raise ModelError(
                    f"{node.label} reads '{unknown[0]}', which another node has already taken on; "
                    "allowed is one path without branches",
                    "Use a network without shortcuts or several outputs",
                )
            self._store(node, fold(node, [self.constants[n] for n in inputs], self.graph.opset))
            return
        if node.op == "Shape":
            self._store(node, [np.array(self._shape(), np.int64)])
            return
        if node.op in _ENDINGS and set(node.outputs) & set(self.graph.outputs):
            self.current = self.graph.outputs[0]
            return
        quant = node.op in ("Quant", "IntQuant", "BipolarQuant")
        handler = _HANDLERS.get(node.op)
        allowed_domains = QONNX_DOMAINS if quant else ("", "ai.onnx")
        if handler is None or node.domain not in allowed_domains:
            shown = f"'{node.domain}.{node.op}'" if node.domain else f"'{node.op}'"
            raise ModelError(
                f"node '{node.name}' is the unsupported op {shown}; supported on activations are "
                f"{', '.join(sorted({*_HANDLERS, *_ENDINGS, 'Shape'}))}",
                "Rewrite the network in these ops; ONNX's Sign gives 0 at 0, use BipolarQuant"
                if node.op == "Sign"
                else "Rewrite the network in these ops",
            )
        if self.pad is not None and node.op not in ("Conv", "Identity"):
            raise ModelError(
                f"{node.label} follows a Pad; allowed there is only a Conv",
                "Pad directly in front of the convolution, after the quantiser",
            )
        handler(self, node)
        self.current = node.outputs[0]

    def _store(self, node: Node, values: list[NDArray]) -> None:
        self.constants.update(zip(node.outputs, values, strict=False))

    def _shape(self) -> tuple[int, ...]:
        """Shape of the foreign activation, batch 1."""
        height, width, channels = self.chain.shape
        if self.axes == "NF":
            return 1, height * width * channels
        return (1, channels, height, width) if self.axes == "NCHW" else (1, height, width, channels)

    # Helpers of the handlers.

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
                f"{self._shape()}; allowed is one value, or one per channel",
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


def _arithmetic(walk: _Walk, node: Node) -> None:
    other = 1 if node.inputs[0] == walk.current else 0
    value = walk.per_channel(node, walk.constant(node, other, "operand"))
    if node.op == "Sub":
        step = Step.sub(value) if other else Step.reverse_sub(value)
    elif node.op == "Div" and not other:
        raise ModelError(
            f"{node.label} divides a constant by the activation; allowed is the other way round",
            "Rewrite the network without it",
        )
    else:
        step = {"Add": Step.add, "Mul": Step.mul, "Div": Step.div}[node.op](value)
    walk.chain.elementwise(node.name, step)


def _batch_norm(walk: _Walk, node: Node) -> None:
    # One value per channel, whichever axis that is; `check_steps` compares the lengths.
    operands = [np.ravel(walk.constant(node, i, "parameter")) for i in (1, 2, 3, 4)]
    epsilon = float(node.attributes.get("epsilon", 1e-5))
    walk.chain.elementwise(node.name, Step.batch_norm(*operands, epsilon))


def _activation(walk: _Walk, node: Node) -> None:
    if node.op == "Relu":
        step = Step.relu()
    elif node.op == "LeakyRelu":
        step = Step.prelu(node.attributes.get("alpha", 0.01))
    elif node.op == "PRelu":
        step = Step.prelu(walk.per_channel(node, walk.constant(node, 1, "slope")))
    else:
        low, high = walk.optional(node, 1), walk.optional(node, 2)
        most = np.finfo(np.float32).max
        step = Step.clip(
            node.attributes.get("min", -most) if low is None else np.reshape(low, ()),
            node.attributes.get("max", most) if high is None else np.reshape(high, ()),
        )
    walk.chain.elementwise(node.name, step)


def _bipolar(walk: _Walk, node: Node) -> None:
    scale = walk.scalar(node, walk.constant(node, 1, "scale"), "scale")
    walk.chain.sign(node.name, scale=scale)


def _quant(walk: _Walk, node: Node) -> None:
    scale = walk.scalar(node, walk.constant(node, 1, "scale"), "scale")
    zero_point = walk.scalar(node, walk.constant(node, 2, "zero point"), "zero point")
    bits = walk.scalar(node, walk.constant(node, 3, "bit width"), "bit width")
    signed, narrow = bool(node.attributes.get("signed", 1)), bool(node.attributes.get("narrow", 1))
    mode = str(node.attributes.get("rounding_mode", "ROUND")).upper()
    if mode not in _ROUNDINGS or bits != int(bits) or not 1 <= bits <= 8 or zero_point % 1:
        raise ModelError(
            f"{node.label}: {bits:g} bits, zero point {zero_point:g}, rounding mode '{mode}'; "
            f"allowed are 1 to 8 bits, an integer zero point and {', '.join(_ROUNDINGS)}",
            "Quantise activations to at most 8 bits",
        )
    if bits == 1 and signed and zero_point == 0:
        walk.chain.sign(node.name, scale=scale)
        return
    low, high = Uniform.bounds(int(bits), signed=signed, narrow=narrow)
    walk.chain.uniform(
        node.name,
        low=low,
        high=high,
        scale=scale,
        zero_point=int(zero_point),
        rounding=_ROUNDINGS[mode],
    )


def _spatial(walk: _Walk, node: Node) -> None:
    if walk.axes != "NCHW":
        raise ModelError(
            f"{node.label} works on an activation of axes {walk.axes}; allowed is NCHW",
            "Export the network channels first, or transpose in front of it",
        )


def _window(
    walk: _Walk, node: Node, kernel: tuple[int, int]
) -> tuple[tuple[int, int], tuple[int, int, int, int]]:
    """Stride and padding (top, left, bottom, right) of a Conv or MaxPool."""
    stride = node.attributes.get("strides", [1, 1])
    pads = node.attributes.get("pads", [0, 0, 0, 0])
    auto = node.attributes.get("auto_pad", "NOTSET")
    if any(d != 1 for d in node.attributes.get("dilations", [])):
        raise ModelError(
            f"{node.label} has dilations {node.attributes['dilations']}; allowed is 1",
            "Use a convolution without dilation",
        )
    if auto in ("SAME_UPPER", "SAME_LOWER"):
        before, after = [], []
        for size, k, s in zip(walk.chain.shape[:2], kernel, stride, strict=True):
            total = max((-(-size // s) - 1) * s + k - size, 0)
            first = total // 2 if auto == "SAME_UPPER" else total - total // 2
            before.append(first)
            after.append(total - first)
        pads = before + after
    return (int(stride[0]), int(stride[1])), (
        int(pads[0]),
        int(pads[1]),
        int(pads[2]),
        int(pads[3]),
    )


def _conv(walk: _Walk, node: Node) -> None:
    _spatial(walk, node)
    weights = walk.constant(node, 1, "weights")
    if node.attributes.get("group", 1) != 1 or weights.ndim != 4:
        raise ModelError(
            f"{node.label}: groups {node.attributes.get('group', 1)}, weights of shape "
            f"{weights.shape}; allowed is 1 group and (outputs, inputs, rows, columns)",
            "Use plain two-dimensional convolutions",
        )
    stride, padding = _window(walk, node, (weights.shape[2], weights.shape[3]))
    value = 0.0
    if walk.pad is not None:
        if any(padding) and walk.pad[1] != 0:
            raise ModelError(
                f"{node.label} pads with 0 what a Pad has padded with {walk.pad[1]:g}; allowed "
                "is one of them",
                "Pad once",
            )
        top, left, bottom, right = (a + b for a, b in zip(padding, walk.pad[0], strict=True))
        padding, value = (top, left, bottom, right), walk.pad[1]
        walk.pad = None
    walk.chain.conv(
        node.name,
        weights.transpose(0, 2, 3, 1),
        stride=stride,
        padding=padding,
        pad_value=value,
    )
    bias = walk.optional(node, 2)
    if bias is not None:
        walk.chain.elementwise(f"{node.name}_bias", Step.add(bias))


def _dense(walk: _Walk, node: Node) -> None:
    if walk.axes != "NF":
        raise ModelError(
            f"{node.label} works on an activation of axes {walk.axes}; allowed is a flat one",
            "Flatten in front of it",
        )
    if node.inputs[0] != walk.current:
        raise ModelError(
            f"{node.label} multiplies a constant by the activation; allowed is the other way round",
            "Export the network once more",
        )
    weights = np.asarray(walk.constant(node, 1, "weights"), np.float32)
    attributes = node.attributes
    if node.op == "MatMul" or not attributes.get("transB", 0):
        weights = weights.T
    if attributes.get("transA", 0) or weights.ndim != 2:
        raise ModelError(
            f"{node.label}: weights of shape {weights.shape}, transA "
            f"{attributes.get('transA', 0)}; allowed are a matrix and 0",
            "Export the network once more",
        )
    height, width, channels = walk.chain.shape
    if walk.flat == "CHW" and weights.shape[1] == height * width * channels:
        weights = weights.reshape(-1, channels, height, width).transpose(0, 2, 3, 1)
        weights = weights.reshape(len(weights), -1)
    walk.chain.dense(node.name, weights)
    walk.flat = ""
    if attributes.get("alpha", 1.0) != 1.0:
        walk.chain.elementwise(f"{node.name}_alpha", Step.mul(attributes["alpha"]))
    bias = walk.optional(node, 2)
    if bias is not None:
        bias = walk.per_channel(node, bias) * np.float32(attributes.get("beta", 1.0))
        walk.chain.elementwise(f"{node.name}_bias", Step.add(bias))


def _pool(walk: _Walk, node: Node) -> None:
    _spatial(walk, node)
    rows, columns = (int(k) for k in node.attributes["kernel_shape"])
    stride, padding = _window(walk, node, (rows, columns))
    height, width, _ = walk.chain.shape
    ragged = (height - rows) % stride[0] or (width - columns) % stride[1]
    if any(padding) or (node.attributes.get("ceil_mode", 0) and ragged):
        raise ModelError(
            f"{node.label} pads {padding}, ceil_mode {node.attributes.get('ceil_mode', 0)}; "
            "allowed are whole windows without padding",
            "Use a pool whose windows cover the map",
        )
    walk.chain.pool(node.name, (rows, columns), stride)


def _pad(walk: _Walk, node: Node) -> None:
    _spatial(walk, node)
    pads = walk.optional(node, 1)
    pads = [int(p) for p in (node.attributes.get("pads", []) if pads is None else pads)]
    value = walk.optional(node, 2)
    value = float(node.attributes.get("value", 0.0) if value is None else np.reshape(value, ()))
    mode = node.attributes.get("mode", "constant")
    if mode != "constant" or len(pads) != 8 or any(pads[i] for i in (0, 1, 4, 5)) or min(pads) < 0:
        raise ModelError(
            f"{node.label}: mode '{mode}', pads {pads}; allowed is 'constant', of height and "
            "width only",
            "Pad with a constant in front of the convolution",
        )
    walk.pad = ((pads[2], pads[3], pads[6], pads[7]), value)


def _reshape(walk: _Walk, node: Node) -> None:
    before = walk._shape()
    elements = int(np.prod(before))
    if node.op == "Flatten":
        axis = node.attributes.get("axis", 1)
        after = (1, elements) if axis in (1, 1 - len(before)) else ()
    else:
        wanted = walk.constant(node, 1, "shape")
        after = tuple(before[i] if size == 0 else int(size) for i, size in enumerate(wanted))
        # Batch 1 was fed into any shape that the file computes.
        if -1 in after:
            known = -int(np.prod(after))
            after = tuple(elements // max(known, 1) if size == -1 else size for size in after)
    if after == before:
        return
    if after != (1, elements):
        raise ModelError(
            f"{node.label} reshapes {before} to {after}; allowed is a flattening to "
            f"(1, {elements})",
            "Flatten in front of the first dense layer, and reshape nowhere else",
        )
    walk.flat, walk.axes = walk.axes[1:] if walk.axes != "NF" else walk.flat, "NF"


def _transpose(walk: _Walk, node: Node) -> None:
    order = list(node.attributes.get("perm", range(len(walk.axes))[::-1]))
    axes = "".join(walk.axes[i] for i in order) if len(order) == len(walk.axes) else "?"
    if axes not in ("NCHW", "NHWC", "NF"):
        raise ModelError(
            f"{node.label} permutes {walk.axes} by {order}; allowed results are NCHW and NHWC",
            "Remove it",
        )
    walk.axes = axes


def _nothing(walk: _Walk, node: Node) -> None:
    """Ops without effect on values at inference."""


_HANDLERS: dict[str, Callable[[Any, Node], None]] = {
    "Add": _arithmetic,
    "BatchNormalization": _batch_norm,
    "BipolarQuant": _bipolar,
    "Cast": _nothing,
    "Clip": _activation,
    "Conv": _conv,
    "Div": _arithmetic,
    "Dropout": _nothing,
    "Flatten": _reshape,
    "Gemm": _dense,
    "Identity": _nothing,
    "IntQuant": _quant,
    "LeakyRelu": _activation,
    "MatMul": _dense,
    "MaxPool": _pool,
    "Mul": _arithmetic,
    "PRelu": _activation,
    "Pad": _pad,
    "Quant": _quant,
    "Relu": _activation,
    "Reshape": _reshape,
    "Sub": _arithmetic,
    "Transpose": _transpose,
}
