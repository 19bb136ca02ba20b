"""The integer graph: what a network computes, in integers and exactly.

`sw.golden` executes it and is the specification that the hardware equals bit for bit.
The ops are in `sw.model.ops`, the types of their tensors in `sw.model.shapes`; nothing
here checks legality: `sw.model.verify` does, and is run after every pass.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from sw.model.ops import (
    BIPOLAR,
    Add,
    Computed,
    Concat,
    Conv,
    Dense,
    Head,
    Input,
    IntegerRange,
    Joined,
    Op,
    Padding,
    Pool,
    Scale,
    TensorType,
    Threshold,
)
from sw.model.shapes import infer, output_size

__all__ = [
    "BIPOLAR",
    "Add",
    "Computed",
    "Concat",
    "Conv",
    "Dense",
    "Graph",
    "Head",
    "Input",
    "IntegerRange",
    "Joined",
    "Op",
    "Padding",
    "Pool",
    "Scale",
    "TensorType",
    "Threshold",
    "infer",
    "output_size",
]


@dataclass(frozen=True, kw_only=True, eq=False)
class Graph:
    """A legal-by-`verify` sequence of ops from one `Input` to one `Head`."""

    ops: tuple[Op, ...] = field(repr=False)

    def __getitem__(self, name: str) -> Op:
        return self._by_name[name]

    @cached_property
    def _by_name(self) -> dict[str, Op]:
        return {op.name: op for op in self.ops}

    @property
    def input(self) -> Input:
        op = self.ops[0]
        assert isinstance(op, Input)
        return op

    @property
    def head(self) -> Head:
        op = self.ops[-1]
        assert isinstance(op, Head)
        return op

    @cached_property
    def types(self) -> dict[str, TensorType]:
        """Type of every tensor, by name, as inferred from the input's."""
        types: dict[str, TensorType] = {}
        for op in self.ops:
            types[op.name] = infer(op, types)
        return types
