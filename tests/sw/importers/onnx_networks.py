"""Small QONNX networks, built node by node, and an executor of their own ops."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun

GENERAL, BREVITAS = "qonnx.custom_op.general", "onnx.brevitas"


def _quant(x, scale, zero_point, bits, signed, narrow):
    low, high = (-(2 ** (bits - 1)) + narrow, 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    y = np.round(np.clip(x / scale + zero_point, low, high))
    return ((y - zero_point) * scale).astype(np.float32)


class BipolarQuant(OpRun):
    """QONNX's definition: +1 at zero."""

    op_domain = GENERAL

    def _run(self, x: Any, scale: Any) -> tuple[Any]:
        return (np.where(x / scale >= 0, scale, -scale).astype(np.float32),)


class Quant(OpRun):
    """QONNX's definition, rounding half to even."""

    op_domain = GENERAL

    def _run(
        self, x: Any, scale: Any, zero_point: Any, bits: Any, signed=None, narrow=None, **_: Any
    ) -> tuple[Any]:
        return (_quant(x, scale, zero_point, int(bits), signed, narrow),)


class OldBipolarQuant(BipolarQuant):
    """The same in the domain of old files."""

    op_domain = BREVITAS


OldBipolarQuant.__name__ = "BipolarQuant"


class Builder:
    """An ONNX graph under construction, one activation path."""

    def __init__(self, shape: Sequence[Any], domain: str = GENERAL):
        self.domain = domain
        self.input = helper.make_tensor_value_info("in", TensorProto.FLOAT, shape)
        self.nodes: list[Any] = []
        self.constants: dict[str, np.ndarray] = {}
        self.last = "in"

    def constant(self, value: Any, dtype: Any = np.float32) -> str:
        name = f"c{len(self.constants)}"
        self.constants[name] = np.asarray(value, dtype)
        return name

    def node(self, op: str, *others: str, first: bool = True, domain: str = "", **attributes: Any):
        """A node on the activation (as first or last input), and its output as the new one."""
        output = f"t{len(self.nodes)}"
        inputs = [self.last, *others] if first else [*others, self.last]
        self.nodes.append(
            helper.make_node(
                op, inputs, [output], name=f"{op}_{len(self.nodes)}", domain=domain, **attributes
            )
        )
        self.last = output
        return self

    def off_path(self, op: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """A node beside the activation; returns its output."""
        output = f"t{len(self.nodes)}"
        self.nodes.append(
            helper.make_node(
                op, inputs, [output], name=f"{op}_{len(self.nodes)}", domain=domain, **attributes
            )
        )
        return output

    def weights(self, value: Any) -> str:
        """Real weights behind a 1-bit quantiser."""
        return self.off_path(
            "BipolarQuant", self.constant(value), self.constant(1.0), domain=self.domain
        )

    def sign(self, scale: float = 1.0):
        return self.node("BipolarQuant", self.constant(scale), domain=self.domain)

    def quant(self, bits: int, *, signed: int = 1, narrow: int = 0, scale: float = 1.0):
        constants = self.constant(scale), self.constant(0.0), self.constant(float(bits))
        return self.node(
            "Quant",
            *constants,
            domain=self.domain,
            signed=signed,
            narrow=narrow,
            rounding_mode="ROUND",
        )

    def batch_norm(self, rng: np.random.Generator, channels: int):
        operands = [rng.normal(0, 1, channels), rng.normal(0, 1, channels)]
        operands += [rng.normal(0, 4, channels), rng.uniform(1, 30, channels)]
        return self.node("BatchNormalization", *map(self.constant, operands), epsilon=1e-5)

    def model(self, outputs: Sequence[str] | None = None) -> Any:
        graph = helper.make_graph(
            self.nodes,
            "network",
            [self.input],
            [
                helper.make_tensor_value_info(n, TensorProto.FLOAT, None)
                for n in outputs or [self.last]
            ],
            [numpy_helper.from_array(value, name) for name, value in self.constants.items()],
        )
        # Opset 14 and later: before, the evaluator takes batch norm for training.
        opsets = [helper.make_opsetid("", 15), helper.make_opsetid(self.domain, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=8)

    def save(self, path: Any) -> str:
        onnx.save(self.model(), str(path))
        return str(path)

    def run(self, x: np.ndarray) -> np.ndarray:
        """What the network gives, by ONNX's reference evaluator, image by image."""
        evaluator = ReferenceEvaluator(self.model(), new_ops=[BipolarQuant, Quant, OldBipolarQuant])
        outputs: list[Any] = [list(evaluator.run(None, {"in": image[None]})) for image in x]
        return np.concatenate([output[0] for output in outputs]).reshape(len(x), -1)
