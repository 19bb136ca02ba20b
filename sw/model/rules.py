"""The rules of each kind of op: when one is legal, as a table.

A rule looks at one op and the type of its source (of a `Joined` op: a tuple of types),
and returns None or a `Fault`. `sw.model.verify` applies the rules of an op's kind in
order and raises the first fault, so each rule may rely on those before it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sw.model import array_rules, stream_rules
from sw.model.faults import MAX_DIMENSION, Fault, integer_fault, range_fault
from sw.model.ir import (
    Add,
    Concat,
    Conv,
    Dense,
    Head,
    Input,
    Op,
    Pool,
    Scale,
    Threshold,
)

__all__ = ["RULES", "SOURCES"]

Rule = Callable[[Any, Any], Fault | None]


def _input_shape(op: Input, _: object) -> Fault | None:
    for what in ("height", "width", "channels"):
        if fault := integer_fault(getattr(op.type, what), what, 1, MAX_DIMENSION):
            return fault
    return None


def _input_range(op: Input, _: object) -> Fault | None:
    return range_fault(op.type.range, "the input's range")


#: The rules of each kind of op, in the order in which they are applied.
RULES: dict[type[Op], tuple[Rule, ...]] = {
    Input: (_input_shape, _input_range),
    Conv: array_rules.CONV,
    Dense: array_rules.DENSE,
    Threshold: array_rules.THRESHOLD,
    Scale: stream_rules.SCALE,
    Add: stream_rules.ADD,
    Concat: stream_rules.CONCAT,
    Pool: stream_rules.POOL,
    Head: array_rules.HEAD,
}

#: Tensors of few bits, which are held as codes and not as accumulators.
_QUANTISED = (Input, Threshold, Scale, Add, Concat, Pool)

#: What each kind of op may take as its sources.
SOURCES: dict[type[Op], tuple[type[Op], ...]] = {
    Conv: _QUANTISED,
    Dense: _QUANTISED,
    Threshold: (Conv, Dense, Scale, Add, Pool),
    Scale: (Conv, Dense, Add, Pool),
    Add: _QUANTISED,
    Concat: _QUANTISED,
    Pool: (*_QUANTISED, Conv, Dense),
    Head: (Conv, Dense),
}
