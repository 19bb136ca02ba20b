"""What each ONNX op on the activation adds to the float graph."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sw.errors import ModelError
from sw.importers.onnx_graph import Node
from sw.importers.onnx_state import Activation
from sw.model.float_ir import Rounding, Step, Uniform

__all__ = ["HANDLERS"]

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


def _arithmetic(tensor: Activation, node: Node) -> None:
    other = 1 if node.inputs[0] == tensor.name else 0
    value = tensor.per_channel(node, tensor.constant(node, other, "operand"))
    if node.op == "Sub":
        step = Step.sub(value) if other else Step.reverse_sub(value)
    elif node.op == "Div" and not other:
        raise ModelError(
            f"{node.label} divides a constant by the activation; allowed is the other way round",
            "Rewrite the network without it",
        )
    else:
        step = {"Add": Step.add, "Mul": Step.mul, "Div": Step.div}[node.op](value)
    tensor.chain.elementwise(node.name, step)


def _batch_norm(tensor: Activation, node: Node) -> None:
    # One value per channel, whichever axis that is; `check_steps` compares the lengths.
    gamma, beta, mean, variance = (
        np.ravel(tensor.constant(node, i, "parameter")) for i in (1, 2, 3, 4)
    )
    epsilon = float(node.attributes.get("epsilon", 1e-5))
    tensor.chain.elementwise(node.name, Step.batch_norm(gamma, beta, mean, variance, epsilon))


def _activation(tensor: Activation, node: Node) -> None:
    if node.op == "Relu":
        step = Step.relu()
    elif node.op == "LeakyRelu":
        step = Step.prelu(node.attributes.get("alpha", 0.01))
    elif node.op == "PRelu":
        step = Step.prelu(tensor.per_channel(node, tensor.constant(node, 1, "slope")))
    else:
        low, high = tensor.optional(node, 1), tensor.optional(node, 2)
        most = np.finfo(np.float32).max
        step = Step.clip(
            node.attributes.get("min", -most) if low is None else np.reshape(low, ()),
            node.attributes.get("max", most) if high is None else np.reshape(high, ()),
        )
    tensor.chain.elementwise(node.name, step)


def _bipolar(tensor: Activation, node: Node) -> None:
    scale = tensor.scalar(node, tensor.constant(node, 1, "scale"), "scale")
    tensor.chain.sign(node.name, scale=scale)


def _quant(tensor: Activation, node: Node) -> None:
    scale = tensor.scalar(node, tensor.constant(node, 1, "scale"), "scale")
    zero_point = tensor.scalar(node, tensor.constant(node, 2, "zero point"), "zero point")
    bits = tensor.scalar(node, tensor.constant(node, 3, "bit width"), "bit width")
    signed, narrow = bool(node.attributes.get("signed", 1)), bool(node.attributes.get("narrow", 1))
    mode = str(node.attributes.get("rounding_mode", "ROUND")).upper()
    if mode not in _ROUNDINGS or bits != int(bits) or not 1 <= bits <= 8 or zero_point % 1:
        raise ModelError(
            f"{node.label}: {bits:g} bits, zero point {zero_point:g}, rounding mode '{mode}'; "
            f"allowed are 1 to 8 bits, an integer zero point and {', '.join(_ROUNDINGS)}",
            "Quantise activations to at most 8 bits",
        )
    if bits == 1 and signed and zero_point == 0:
        tensor.chain.sign(node.name, scale=scale)
        return
    low, high = Uniform.bounds(int(bits), signed=signed, narrow=narrow)
    tensor.chain.uniform(
        node.name,
        low=low,
        high=high,
        scale=scale,
        zero_point=int(zero_point),
        rounding=_ROUNDINGS[mode],
    )


def _spatial(tensor: Activation, node: Node) -> None:
    if tensor.axes != "NCHW":
        raise ModelError(
            f"{node.label} works on an activation of axes {tensor.axes}; allowed is NCHW",
            "Export the network channels first, or transpose in front of it",
        )


def _window(
    tensor: Activation, node: Node, kernel: tuple[int, int]
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
        for size, k, s in zip(tensor.chain.shape[:2], kernel, stride, strict=True):
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


def _conv(tensor: Activation, node: Node) -> None:
    _spatial(tensor, node)
    weights = tensor.constant(node, 1, "weights")
    if node.attributes.get("group", 1) != 1 or weights.ndim != 4:
        raise ModelError(
            f"{node.label}: groups {node.attributes.get('group', 1)}, weights of shape "
            f"{weights.shape}; allowed is 1 group and (outputs, inputs, rows, columns)",
            "Use plain two-dimensional convolutions",
        )
    stride, padding = _window(tensor, node, (weights.shape[2], weights.shape[3]))
    value = 0.0
    if tensor.pad is not None:
        if any(padding) and tensor.pad[1] != 0:
            raise ModelError(
                f"{node.label} pads with 0 what a Pad has padded with {tensor.pad[1]:g}; allowed "
                "is one of them",
                "Pad once",
            )
        top, left, bottom, right = (a + b for a, b in zip(padding, tensor.pad[0], strict=True))
        padding, value = (top, left, bottom, right), tensor.pad[1]
        tensor.pad = None
    tensor.chain.conv(
        node.name,
        weights.transpose(0, 2, 3, 1),
        stride=stride,
        padding=padding,
        pad_value=value,
    )
    bias = tensor.optional(node, 2)
    if bias is not None:
        tensor.chain.elementwise(f"{node.name}_bias", Step.add(bias))


def _dense(tensor: Activation, node: Node) -> None:
    if tensor.axes != "NF":
        raise ModelError(
            f"{node.label} works on an activation of axes {tensor.axes}; allowed is a flat one",
            "Flatten in front of it",
        )
    if node.inputs[0] != tensor.name:
        raise ModelError(
            f"{node.label} multiplies a constant by the activation; allowed is the other way round",
            "Export the network once more",
        )
    weights = np.asarray(tensor.constant(node, 1, "weights"), np.float32)
    attributes = node.attributes
    if node.op == "MatMul" or not attributes.get("transB", 0):
        weights = weights.T
    if attributes.get("transA", 0) or weights.ndim != 2:
        raise ModelError(
            f"{node.label}: weights of shape {weights.shape}, transA "
            f"{attributes.get('transA', 0)}; allowed are a matrix and 0",
            "Export the network once more",
        )
    height, width, channels = tensor.chain.shape
    if tensor.flat == "CHW" and weights.shape[1] == height * width * channels:
        weights = weights.reshape(-1, channels, height, width).transpose(0, 2, 3, 1)
        weights = weights.reshape(len(weights), -1)
    tensor.chain.dense(node.name, weights)
    tensor.flat = ""
    if attributes.get("alpha", 1.0) != 1.0:
        tensor.chain.elementwise(f"{node.name}_alpha", Step.mul(attributes["alpha"]))
    bias = tensor.optional(node, 2)
    if bias is not None:
        bias = tensor.per_channel(node, bias) * np.float32(attributes.get("beta", 1.0))
        tensor.chain.elementwise(f"{node.name}_bias", Step.add(bias))


def _pool(tensor: Activation, node: Node) -> None:
    _spatial(tensor, node)
    rows, columns = (int(k) for k in node.attributes["kernel_shape"])
    stride, padding = _window(tensor, node, (rows, columns))
    height, width, _ = tensor.chain.shape
    ragged = (height - rows) % stride[0] or (width - columns) % stride[1]
    if any(padding) or (node.attributes.get("ceil_mode", 0) and ragged):
        raise ModelError(
            f"{node.label} pads {padding}, ceil_mode {node.attributes.get('ceil_mode', 0)}; "
            "allowed are whole windows without padding",
            "Use a pool whose windows cover the map",
        )
    tensor.chain.pool(node.name, (rows, columns), stride)


def _pad(tensor: Activation, node: Node) -> None:
    _spatial(tensor, node)
    pads = tensor.optional(node, 1)
    pads = [int(p) for p in (node.attributes.get("pads", []) if pads is None else pads)]
    value = tensor.optional(node, 2)
    value = float(node.attributes.get("value", 0.0) if value is None else np.reshape(value, ()))
    mode = node.attributes.get("mode", "constant")
    if mode != "constant" or len(pads) != 8 or any(pads[i] for i in (0, 1, 4, 5)) or min(pads) < 0:
        raise ModelError(
            f"{node.label}: mode '{mode}', pads {pads}; allowed is 'constant', of height and "
            "width only",
            "Pad with a constant in front of the convolution",
        )
    tensor.pad = ((pads[2], pads[3], pads[6], pads[7]), value)


def _reshape(tensor: Activation, node: Node) -> None:
    before = tensor.shape
    elements = int(np.prod(before))
    if node.op == "Flatten":
        axis = node.attributes.get("axis", 1)
        after = (1, elements) if axis in (1, 1 - len(before)) else ()
    else:
        wanted = tensor.constant(node, 1, "shape")
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
    tensor.flat, tensor.axes = tensor.axes[1:] if tensor.axes != "NF" else tensor.flat, "NF"


def _transpose(tensor: Activation, node: Node) -> None:
    order = list(node.attributes.get("perm", range(len(tensor.axes))[::-1]))
    axes = "".join(tensor.axes[i] for i in order) if len(order) == len(tensor.axes) else "?"
    if axes not in ("NCHW", "NHWC", "NF"):
        raise ModelError(
            f"{node.label} permutes {tensor.axes} by {order}; allowed results are NCHW and NHWC",
            "Remove it",
        )
    tensor.axes = axes


def _nothing(tensor: Activation, node: Node) -> None:
    """Ops without effect on values at inference."""


HANDLERS: dict[str, Callable[[Activation, Node], None]] = {
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
