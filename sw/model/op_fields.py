"""Each kind of op as fields of the header and named arrays, and back.

Version 1 of the format knows chains of `V1_OPS` with weights of -1 and +1 and plain
maxima. Version 2 adds the other ops, and says ``weight_bits`` of a `Conv` or `Dense`
and ``kind`` and ``padding`` of a `Pool`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sw.errors import ModelError
from sw.model.fields import REMEDY, Array, Fields
from sw.model.ir import (
    Add,
    Concat,
    Conv,
    Dense,
    Graph,
    Head,
    Input,
    IntegerRange,
    Op,
    Padding,
    Pool,
    Scale,
    TensorType,
    Threshold,
)

__all__ = ["OPS", "VERSION", "Arrays", "Draft", "describe_op", "parse_op", "version_of"]

#: The newest version of the format.
VERSION = 2
#: Ops of version 1.
V1_OPS = ("Input", "Conv", "Dense", "Threshold", "Pool", "Head")

Arrays = Mapping[str, NDArray]
#: An op's arrays, and the op once they are read.
Draft = tuple[dict[str, Array], Callable[[Arrays], Op]]


def version_of(graph: Graph) -> int:
    """The oldest version that can say ``graph``."""
    for op in graph.ops:
        if type(op).__name__ not in V1_OPS:
            return 2
        if isinstance(op, Conv | Dense) and op.weight_bits != 1:
            return 2
        if isinstance(op, Pool) and (op.kind != "max" or op.padding):
            return 2
        # What a reader of version 1 would refuse.
        if isinstance(op, Pool) and isinstance(graph[op.source], Conv | Dense):
            return 2
        if isinstance(op, Threshold) and isinstance(graph[op.source], Pool):
            return 2
    return 1


# Each op: what its arrays are, given its fields, and the op made from both. The
# second function of a pair is the inverse of the first.


def _parse_input(fields: Fields, name: str, _: int) -> Draft:
    height, width, channels = fields.shape("shape", 3)
    low, high, step = fields.integers("range", 3)
    range_ = IntegerRange(low=low, high=high, step=step)
    type_ = TensorType(height=height, width=width, channels=channels, range=range_)
    return {}, lambda arrays: Input(name=name, type=type_)


def _describe_input(op: Input, _: int) -> dict[str, Any]:
    range_ = op.type.range
    return {
        "shape": [int(size) for size in op.type.shape],
        "range": [int(range_.low), int(range_.high), int(range_.step)],
    }


def _parse_padding(fields: Fields) -> Padding:
    pad = fields.fields("padding")
    sides = {side: pad.integer(side) for side in ("top", "left", "bottom", "right")}
    value = pad.values.pop("value", None)
    if value is not None and type(value) is not int:
        raise ModelError(f"'value' of {pad.where} is not an integer or null", REMEDY)
    pad.end()
    return Padding(**sides, value=value)


def _describe_padding(pad: Padding) -> dict[str, int | None]:
    return {
        "top": int(pad.top),
        "left": int(pad.left),
        "bottom": int(pad.bottom),
        "right": int(pad.right),
        "value": None if pad.value is None else int(pad.value),
    }


def _parse_weights(fields: Fields, axes: int, version: int) -> tuple[int, Array]:
    """Bits of a weight, and the array of weights: packed signs, or int8."""
    bits = fields.integer("weight_bits") if version > 1 else 1
    return bits, Array("bits" if bits == 1 else "|i1", fields.shape("weights", axes))


def _describe_weights(op: Conv | Dense, version: int) -> dict[str, Any]:
    bits = {"weight_bits": int(op.weight_bits)} if version > 1 else {}
    return {"weights": list(op.weights.shape), **bits}


def _weights(array: NDArray) -> NDArray[np.int8]:
    return np.where(array, 1, -1).astype(np.int8) if array.dtype == np.bool_ else array


def _parse_conv(fields: Fields, name: str, version: int) -> Draft:
    source, stride = fields.text("source"), fields.integers("stride", 2)
    padding = _parse_padding(fields)
    bits, weights = _parse_weights(fields, 4, version)
    return {"weights": weights}, lambda arrays: Conv(
        name=name,
        source=source,
        weights=_weights(arrays["weights"]),
        weight_bits=bits,
        stride=(stride[0], stride[1]),
        padding=padding,
    )


def _describe_conv(op: Conv, version: int) -> dict[str, Any]:
    return {
        "source": op.source,
        **_describe_weights(op, version),
        "stride": [int(step) for step in op.stride],
        "padding": _describe_padding(op.padding),
    }


def _parse_dense(fields: Fields, name: str, version: int) -> Draft:
    source, (bits, weights) = fields.text("source"), _parse_weights(fields, 2, version)
    return {"weights": weights}, lambda arrays: Dense(
        name=name, source=source, weights=_weights(arrays["weights"]), weight_bits=bits
    )


def _describe_dense(op: Dense, version: int) -> dict[str, Any]:
    return {"source": op.source, **_describe_weights(op, version)}


def _parse_threshold(fields: Fields, name: str, _: int) -> Draft:
    source, low, step = fields.text("source"), fields.integer("low"), fields.integer("step")
    shape = fields.shape("levels", 2)
    arrays = {"levels": Array("<i4", shape), "inverted": Array("bits", shape[:1])}
    return arrays, lambda arrays: Threshold(name=name, source=source, low=low, step=step, **arrays)


def _describe_threshold(op: Threshold, _: int) -> dict[str, Any]:
    return {
        "source": op.source,
        "levels": list(op.levels.shape),
        "low": int(op.low),
        "step": int(op.step),
    }


def _parse_scale(fields: Fields, name: str, _: int) -> Draft:
    source, shape = fields.text("source"), fields.shape("gain", 1)
    shift, low, high = (fields.integer(key) for key in ("shift", "low", "high"))
    arrays = {"gain": Array("<i4", shape), "offset": Array("<i4", shape)}
    return arrays, lambda arrays: Scale(
        name=name, source=source, shift=shift, low=low, high=high, **arrays
    )


def _describe_scale(op: Scale, _: int) -> dict[str, Any]:
    return {
        "source": op.source,
        "gain": list(op.gain.shape),
        "shift": int(op.shift),
        "low": int(op.low),
        "high": int(op.high),
    }


def _parse_add(fields: Fields, name: str, _: int) -> Draft:
    sources, low, high = fields.texts("sources"), fields.integer("low"), fields.integer("high")
    return {}, lambda arrays: Add(name=name, sources=sources, low=low, high=high)


def _describe_add(op: Add, _: int) -> dict[str, Any]:
    return {"sources": list(op.sources), "low": int(op.low), "high": int(op.high)}


def _parse_concat(fields: Fields, name: str, _: int) -> Draft:
    sources = fields.texts("sources")
    return {}, lambda arrays: Concat(name=name, sources=sources)


def _describe_concat(op: Concat, _: int) -> dict[str, Any]:
    return {"sources": list(op.sources)}


def _parse_pool(fields: Fields, name: str, version: int) -> Draft:
    source, minimum = fields.text("source"), Array("bits", fields.shape("minimum", 1))
    size, stride = fields.integers("size", 2), fields.integers("stride", 2)
    kind, padding = "max", Padding()
    if version > 1:
        kind, padding = fields.text("kind"), _parse_padding(fields)
    return {"minimum": minimum}, lambda arrays: Pool(
        name=name,
        source=source,
        kind=kind,  # type: ignore[arg-type]  # checked by verify
        size=(size[0], size[1]),
        stride=(stride[0], stride[1]),
        padding=padding,
        minimum=arrays["minimum"],
    )


def _describe_pool(op: Pool, version: int) -> dict[str, Any]:
    new = {"kind": op.kind, "padding": _describe_padding(op.padding)} if version > 1 else {}
    return {
        "source": op.source,
        "minimum": list(op.minimum.shape),
        "size": [int(size) for size in op.size],
        "stride": [int(step) for step in op.stride],
        **new,
    }


def _parse_head(fields: Fields, name: str, _: int) -> Draft:
    source, kind, shape = fields.text("source"), fields.text("kind"), fields.shape("bias", 1)
    arrays = {"bias": Array("<i4", shape), "scale": Array("<f4", shape)}
    arrays["offset"] = Array("<f4", shape)
    return arrays, lambda arrays: Head(
        name=name,
        source=source,
        kind=kind,  # type: ignore[arg-type]  # checked by verify
        **arrays,
    )


def _describe_head(op: Head, _: int) -> dict[str, Any]:
    return {"source": op.source, "kind": op.kind, "bias": list(op.bias.shape)}


Parser = Callable[[Fields, str, int], Draft]
Describer = Callable[[Any, int], dict[str, Any]]

OPS: dict[str, tuple[Parser, Describer]] = {
    "Input": (_parse_input, _describe_input),
    "Conv": (_parse_conv, _describe_conv),
    "Dense": (_parse_dense, _describe_dense),
    "Threshold": (_parse_threshold, _describe_threshold),
    "Scale": (_parse_scale, _describe_scale),
    "Add": (_parse_add, _describe_add),
    "Concat": (_parse_concat, _describe_concat),
    "Pool": (_parse_pool, _describe_pool),
    "Head": (_parse_head, _describe_head),
}


def describe_op(op: Op, version: int) -> dict[str, Any]:
    """Fields of a legal ``op`` in the header."""
    kind = type(op).__name__
    return {"op": kind, "name": op.name, **OPS[kind][1](op, version)}


def parse_op(value: Any, index: int, version: int) -> tuple[str, Draft]:
    """Name and draft of the op that ``value`` describes.

    Raises
    ------
    ModelError
        The version has no such op, or a field is missing, misstated or unknown.
    """
    fields = Fields(value, f"op {index} of the graph")
    kind, name = fields.text("op"), fields.text("name")
    known = V1_OPS if version == 1 else tuple(OPS)
    if kind not in known:
        raise ModelError(
            f"op {index} of the graph is a '{kind[:40]}'; allowed in version {version} of the "
            f"format: {', '.join(known)}",
            "Use a version of Binarray that knows this op",
        )
    fields.where = f"{kind} '{name[:100]}'"
    draft = OPS[kind][0](fields, name, version)
    fields.end()
    return name, draft
