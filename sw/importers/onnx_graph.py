"""Reading an ONNX file and folding its constants, by the `onnx` package alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sw.errors import MissingToolError, ModelError

__all__ = ["QONNX_DOMAINS", "Node", "OnnxGraph", "fold", "load", "quantise_constant"]

#: Domains of the quantisation ops: old Brevitas exports, and QONNX since.
QONNX_DOMAINS = ("onnx.brevitas", "qonnx.custom_op.general")

_REEXPORT = "Export the network once more, as QONNX (Brevitas: export_qonnx)"


@dataclass(frozen=True, kw_only=True, eq=False)
class Node:
    """One ONNX node, with its attributes as plain Python or NumPy values."""

    op: str
    name: str
    domain: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any]
    proto: Any

    @property
    def label(self) -> str:
        """How messages call it."""
        return f"node '{self.name}' ({self.op})"


@dataclass(frozen=True, kw_only=True, eq=False)
class OnnxGraph:
    """What of an ONNX file matters here."""

    path: str
    nodes: tuple[Node, ...]
    constants: dict[str, NDArray]
    input: str
    input_shape: tuple[int, ...]
    outputs: tuple[str, ...]
    opset: int

    def consumers(self, tensor: str) -> Iterator[Node]:
        return (node for node in self.nodes if tensor in node.inputs)


def import_onnx() -> Any:
    """The `onnx` package.

    Raises
    ------
    MissingToolError
        It is not installed.
    """
    try:
        import onnx
        import onnx.reference
    except ImportError:
        raise MissingToolError(
            "the Python package 'onnx', which reads .onnx files, is not installed",
            "Run: pip install 'binarray[qonnx]'",
        ) from None
    return onnx


def load(path: str | os.PathLike[str]) -> OnnxGraph:
    """The graph of an ONNX file.

    Raises
    ------
    ModelError
        No such file, not ONNX, truncated, several inputs, or shapes that are not fixed.
    MissingToolError
        The package `onnx` is missing.
    """
    onnx = import_onnx()
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        raise ModelError(
            f"cannot read '{path}': {error.strerror or error}", "Give the path of an ONNX file"
        ) from None
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
        whole = model.ir_version > 0 and len(model.graph.node) > 0
    except Exception as error:
        # The class of protobuf's error differs between its implementations.
        if type(error).__name__ != "DecodeError":
            raise
        whole = False
    if not whole:
        raise ModelError(
            f"'{path}' is not an ONNX file, or is truncated ({len(data)} bytes)",
            "Give a whole ONNX file; copy or download it again",
        )
    constants = {
        _text(tensor.name): _array(onnx, tensor, str(path)) for tensor in model.graph.initializer
    }
    inputs = [value for value in model.graph.input if _text(value.name) not in constants]
    if len(inputs) != 1 or not model.graph.output:
        names = ", ".join(_text(value.name) for value in inputs) or "none"
        raise ModelError(
            f"'{path}' has {len(inputs)} inputs ({names}); allowed is 1, and at least one output",
            _REEXPORT,
        )
    opsets = [entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")]
    return OnnxGraph(
        path=str(path),
        nodes=tuple(_node(onnx, proto, i, str(path)) for i, proto in enumerate(model.graph.node)),
        constants=constants,
        input=_text(inputs[0].name),
        input_shape=_input_shape(inputs[0]),
        outputs=tuple(_text(value.name) for value in model.graph.output),
        opset=opsets[0] if opsets else 13,
    )


def _array(onnx: Any, tensor: Any, path: str) -> NDArray:
    reason = "its data lie in another file"
    try:
        if not tensor.external_data:
            return onnx.numpy_helper.to_array(tensor)
    except (ValueError, TypeError, KeyError, OverflowError, MemoryError) as error:
        reason = str(error)
    raise ModelError(
        f"'{path}': cannot read the constant '{tensor.name}': {reason}",
        "Save the ONNX model whole, with its weights inside",
    )


def _text(value: str | bytes) -> str:
    """A name; protobuf gives bytes where a damaged one is not UTF-8."""
    return value if isinstance(value, str) else bytes(value).decode(errors="replace")


def _node(onnx: Any, proto: Any, index: int, path: str) -> Node:
    attributes = {}
    for attribute in proto.attribute:
        value = onnx.helper.get_attribute_value(attribute)
        if isinstance(value, onnx.TensorProto):
            value = _array(onnx, value, path)
        elif isinstance(value, bytes):
            value = value.decode(errors="replace")
        elif not isinstance(value, int | float | str):
            value = list(value) if hasattr(value, "__iter__") else value
        attributes[attribute.name] = value
    return Node(
        op=_text(proto.op_type),
        name=_text(proto.name) or f"{_text(proto.op_type)}_{index}",
        domain=_text(proto.domain),
        inputs=tuple(map(_text, proto.input)),
        outputs=tuple(map(_text, proto.output)),
        attributes=attributes,
        proto=proto,
    )


def _input_shape(value: Any) -> tuple[int, ...]:
    """Shape of the input with batch 1; all but the batch must be fixed."""
    dims = value.type.tensor_type.shape.dim
    shown = [dim.dim_param or dim.dim_value or "?" for dim in dims]
    sizes = [int(dim.dim_value) for dim in dims]
    if len(sizes) not in (2, 4) or min(sizes[1:]) < 1:
        raise ModelError(
            f"input '{value.name}' has shape ({', '.join(map(str, shown))}); allowed is "
            "(batch, channels, height, width) or (batch, features), fixed but for the batch",
            "Export the network with a fixed image size",
        )
    return (1, *sizes[1:])


def fold(node: Node, inputs: list[NDArray], opset: int) -> list[NDArray]:
    """Outputs of a node whose inputs are all known, by ONNX's reference evaluator.

    Raises
    ------
    ModelError
        The evaluator does not know the op.
    """
    try:
        if node.op in ("Quant", "IntQuant", "BipolarQuant") and node.domain in QONNX_DOMAINS:
            return [quantise_constant(node, inputs)]
        return _evaluate(node, inputs, opset)
    except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError) as error:
        raise ModelError(
            f"{node.label} computes a constant in a way that is not supported: {error}",
            "Simplify the ONNX file first (qonnx-cleanup), or export it once more",
        ) from None


def _evaluate(node: Node, inputs: list[NDArray], opset: int) -> list[NDArray]:
    onnx = import_onnx()
    helper, numpy_helper = onnx.helper, onnx.numpy_helper
    names = [name for name in node.inputs if name]
    graph = helper.make_graph(
        [node.proto],
        "constant",
        [],
        [helper.make_empty_tensor_value_info(name) for name in node.outputs],
        [numpy_helper.from_array(a, n) for a, n in zip(inputs, names, strict=True)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    evaluator = onnx.reference.ReferenceEvaluator(model)
    return [np.asarray(value) for value in evaluator.run(None, {})]


def quantise_constant(node: Node, inputs: list[NDArray]) -> NDArray[np.float32]:
    """Weights after their quantiser, as QONNX defines it; 1-bit kinds only.

    Raises
    ------
    ModelError
        More than 1 bit.
    """
    weights, scale = np.asarray(inputs[0], np.float32), np.asarray(inputs[1], np.float32)
    if node.op != "BipolarQuant":
        zero_point, bits = inputs[2], float(np.max(inputs[3]))
        if bits != 1 or not node.attributes.get("signed", 1) or np.any(zero_point):
            raise ModelError(
                f"{node.label} quantises weights to {bits:g} bits, signed="
                f"{node.attributes.get('signed', 1)}, zero point {np.max(zero_point):g}; allowed "
                "are 1-bit signed weights with zero point 0",
                "Train the network with binary weights",
            )
    return np.where(weights / scale >= 0, scale, -scale).astype(np.float32)
