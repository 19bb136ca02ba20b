"""A model as a JSON header and named arrays, and back.

The header says everything but the bulk: it declares each array's shape, so that
a reader knows the size of every array before it reads one. docs/model-format.md
describes both for users of other tools.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sw.errors import ModelError
from sw.model.ir import (
    Conv,
    Dense,
    Graph,
    Head,
    Input,
    IntegerRange,
    Op,
    Padding,
    Pool,
    TensorType,
    Threshold,
)
from sw.model.model import Model, Preprocessing, Vectors

__all__ = ["FORMAT", "VERSION", "Array", "Header", "describe", "parse"]

FORMAT = "binarray-model"
VERSION = 1

Arrays = Mapping[str, NDArray]


@dataclass(frozen=True)
class Array:
    """How an array lies in the file: its dtype, and its shape in the model.

    ``dtype`` "bits" stands for two values packed eight to a byte: along the
    last axes of each row of the first (weights), or of the whole (a vector).
    """

    dtype: str
    shape: tuple[int, ...]

    @property
    def stored_dtype(self) -> np.dtype:
        return np.dtype("|u1" if self.dtype == "bits" else self.dtype)

    @property
    def stored_shape(self) -> tuple[int, ...]:
        if self.dtype != "bits":
            return self.shape
        *rows, bits = (self.shape[0], prod(self.shape[1:])) if self.shape[1:] else self.shape
        return *rows, -(-bits // 8)

    @property
    def stored_bytes(self) -> int:
        return prod(self.stored_shape) * self.stored_dtype.itemsize

    def pack(self, values: NDArray) -> NDArray:
        """``values`` as they are stored."""
        if self.dtype != "bits":
            return np.ascontiguousarray(values, self.stored_dtype)
        rows = (values > 0).reshape(*self.stored_shape[:-1], -1)
        return np.packbits(rows, axis=-1, bitorder="little")

    def unpack(self, stored: NDArray) -> NDArray:
        """Inverse of `pack`; bits come back as bool."""
        if self.dtype != "bits":
            return stored.astype(self.stored_dtype.newbyteorder("="))
        count = prod(self.shape[1:]) if self.shape[1:] else self.shape[0]
        bits = np.unpackbits(stored, axis=-1, bitorder="little")
        if bits[..., count:].any():
            raise ModelError("a packed array has bits set beyond its end", REMEDY)
        return bits[..., :count].astype(bool).reshape(self.shape)


REMEDY = "Write the model again, with sw.model.save"


class Fields:
    """Typed access to a JSON object: each value is checked as it is taken."""

    def __init__(self, value: Any, where: str) -> None:
        if not isinstance(value, dict):
            raise ModelError(f"{where} is not a JSON object", REMEDY)
        self.values, self.where = dict(value), where

    def take(self, key: str, kind: type, what: str) -> Any:
        if key not in self.values:
            raise ModelError(f"{self.where} lacks '{key}'", REMEDY)
        value = self.values.pop(key)
        if not isinstance(value, kind) or isinstance(value, bool):
            raise ModelError(f"'{key}' of {self.where} is not {what}", REMEDY)
        return value

    def integer(self, key: str) -> int:
        return self.take(key, int, "an integer")

    def text(self, key: str) -> str:
        return self.take(key, str, "a string")

    def list(self, key: str) -> list[Any]:
        return self.take(key, list, "a list")

    def integers(self, key: str, count: int) -> tuple[int, ...]:
        values = self.list(key)
        if len(values) != count or any(type(value) is not int for value in values):
            raise ModelError(f"'{key}' of {self.where} is not {count} integers", REMEDY)
        return tuple(values)

    def shape(self, key: str, count: int) -> tuple[int, ...]:
        sizes = self.integers(key, count)
        if min(sizes) < 1:
            raise ModelError(f"'{key}' of {self.where} is {list(sizes)}, not positive", REMEDY)
        return sizes

    def fields(self, key: str) -> Fields:
        return Fields(self.take(key, dict, "an object"), f"'{key}' of {self.where}")

    def end(self) -> None:
        if self.values:
            raise ModelError(f"{self.where} has an unknown '{min(self.values)}'", REMEDY)


@dataclass(frozen=True)
class Header:
    """A checked header: the arrays it declares, and how they become a model."""

    arrays: dict[str, Array]
    build: Callable[[Arrays, str], Model]


def _signs(bits: NDArray) -> NDArray[np.int8]:
    return np.where(bits, 1, -1).astype(np.int8)


# Each op: what its arrays are, given its fields, and the op made from both. The
# second function of a pair is the inverse of the first.

Parser = Callable[[Fields, str], tuple[dict[str, Array], Callable[[Arrays], Op]]]


def _describe_range(range_: IntegerRange) -> list[int]:
    return [int(range_.low), int(range_.high), int(range_.step)]


def _parse_input(fields: Fields, name: str) -> tuple[dict[str, Array], Callable[[Arrays], Op]]:
    height, width, channels = fields.shape("shape", 3)
    low, high, step = fields.integers("range", 3)
    range_ = IntegerRange(low=low, high=high, step=step)
    type_ = TensorType(height=height, width=width, channels=channels, range=range_)
    return {}, lambda arrays: Input(name=name, type=type_)


def _describe_input(op: Input) -> dict[str, Any]:
    return {
        "shape": [int(size) for size in op.type.shape],
        "range": _describe_range(op.type.range),
    }


def _parse_conv(fields: Fields, name: str) -> tuple[dict[str, Array], Callable[[Arrays], Op]]:
    source, stride = fields.text("source"), fields.integers("stride", 2)
    pad = fields.fields("padding")
    sides = {side: pad.integer(side) for side in ("top", "left", "bottom", "right")}
    value = pad.values.pop("value", None)
    if value is not None and type(value) is not int:
        raise ModelError(f"'value' of {pad.where} is not an integer or null", REMEDY)
    pad.end()
    weights = Array("bits", fields.shape("weights", 4))
    return {"weights": weights}, lambda arrays: Conv(
        name=name,
        source=source,
        weights=_signs(arrays["weights"]),
        stride=(stride[0], stride[1]),
        padding=Padding(**sides, value=value),
    )


def _describe_conv(op: Conv) -> dict[str, Any]:
    pad = op.padding
    return {
        "source": op.source,
        "weights": list(op.weights.shape),
        "stride": [int(step) for step in op.stride],
        "padding": {
            "top": int(pad.top),
            "left": int(pad.left),
            "bottom": int(pad.bottom),
            "right": int(pad.right),
            "value": None if pad.value is None else int(pad.value),
        },
    }


def _parse_dense(fields: Fields, name: str) -> tuple[dict[str, Array], Callable[[Arrays], Op]]:
    source, weights = fields.text("source"), Array("bits", fields.shape("weights", 2))
    return {"weights": weights}, lambda arrays: Dense(
        name=name, source=source, weights=_signs(arrays["weights"])
    )


def _describe_dense(op: Dense) -> dict[str, Any]:
    return {"source": op.source, "weights": list(op.weights.shape)}


def _parse_threshold(fields: Fields, name: str) -> tuple[dict[str, Array], Callable[[Arrays], Op]]:
    source, low, step = fields.text("source"), fields.integer("low"), fields.integer("step")
    shape = fields.shape("levels", 2)
    arrays = {"levels": Array("<i4", shape), "inverted": Array("bits", shape[:1])}
    return arrays, lambda arrays: Threshold(name=name, source=source, low=low, step=step, **arrays)


def _describe_threshold(op: Threshold) -> dict[str, Any]:
    return {
        "source": op.source,
        "levels": list(op.levels.shape),
        "low": int(op.low),
        "step": int(op.step),
    }


def _parse_pool(fields: Fields, name: str) -> tuple[dict[str, Array], Callable[[Arrays], Op]]:
    source, minimum = fields.text("source"), Array("bits", fields.shape("minimum", 1))
    size, stride = fields.integers("size", 2), fields.integers("stride", 2)
    return {"minimum": minimum}, lambda arrays: Pool(
        name=name,
        source=source,
        size=(size[0], size[1]),
        stride=(stride[0], stride[1]),
        minimum=arrays["minimum"],
    )


def _describe_pool(op: Pool) -> dict[str, Any]:
    return {
        "source": op.source,
        "minimum": list(op.minimum.shape),
        "size": [int(size) for size in op.size],
        "stride": [int(step) for step in op.stride],
    }


def _parse_head(fields: Fields, name: str) -> tuple[dict[str, Array], Callable[[Arrays], Op]]:
    source, kind, shape = fields.text("source"), fields.text("kind"), fields.shape("bias", 1)
    arrays = {"bias": Array("<i4", shape), "scale": Array("<f4", shape)}
    arrays["offset"] = Array("<f4", shape)
    return arrays, lambda arrays: Head(
        name=name,
        source=source,
        kind=kind,  # type: ignore[arg-type]  # checked by verify
        **arrays,
    )


def _describe_head(op: Head) -> dict[str, Any]:
    return {"source": op.source, "kind": op.kind, "bias": list(op.bias.shape)}


OPS: dict[str, tuple[type[Op], Parser, Callable[[Any], dict[str, Any]]]] = {
    "Input": (Input, _parse_input, _describe_input),
    "Conv": (Conv, _parse_conv, _describe_conv),
    "Dense": (Dense, _parse_dense, _describe_dense),
    "Threshold": (Threshold, _parse_threshold, _describe_threshold),
    "Pool": (Pool, _parse_pool, _describe_pool),
    "Head": (Head, _parse_head, _describe_head),
}


def describe(model: Model) -> tuple[dict[str, Any], dict[str, NDArray]]:
    """Header of a legal ``model``, as JSON values, and the stored arrays by name."""
    header = {
        "format": FORMAT,
        "version": VERSION,
        "name": model.name,
        "classes": list(model.classes),
        "provenance": model.provenance,
        "preprocessing": list(model.preprocessing.table.shape),
        "vectors": len(model.vectors.frames),
        "graph": [
            {"op": type(op).__name__, "name": op.name, **OPS[type(op).__name__][2](op)}
            for op in model.graph.ops
        ],
    }
    values: dict[str, NDArray] = {
        "preprocessing.table": model.preprocessing.table,
        "vectors.frames": model.vectors.frames,
        "vectors.scores": model.vectors.scores,
    }
    specs = parse(header).arrays
    for key in specs.keys() - values.keys():
        name, attribute = key.removeprefix("graph.").rsplit(".", 1)
        values[key] = getattr(model.graph[name], attribute)
    return header, {key: specs[key].pack(values[key]) for key in sorted(specs)}


def _parse_op(value: Any, index: int) -> tuple[str, dict[str, Array], Callable[[Arrays], Op]]:
    fields = Fields(value, f"op {index} of the graph")
    kind, name = fields.text("op"), fields.text("name")
    if kind not in OPS:
        raise ModelError(
            f"op {index} of the graph is a '{kind[:40]}'; allowed: {', '.join(OPS)}",
            "Use a version of Binarray that knows this op",
        )
    fields.where = f"{kind} '{name[:100]}'"
    arrays, make = OPS[kind][1](fields, name)
    fields.end()
    return name, arrays, make


def parse(header: Any) -> Header:
    """Check a header and return what it declares.

    Raises
    ------
    ModelError
        The header is of another format or a newer version, or lacks or
        misstates a field.
    """
    fields = Fields(header, "the header")
    if (format_ := fields.text("format")) != FORMAT:
        raise ModelError(f"the format is '{format_[:40]}'; allowed: '{FORMAT}'", REMEDY)
    version = fields.integer("version")
    if version > VERSION:
        raise ModelError(
            f"the format's version is {version}; this Binarray reads up to {VERSION}",
            "Upgrade Binarray, or write the model with this version",
        )
    if version < 1:
        raise ModelError(f"the format's version is {version}; allowed: {VERSION}", REMEDY)
    name, classes = fields.text("name"), fields.list("classes")
    provenance, table = fields.text("provenance"), fields.shape("preprocessing", 2)
    count, ops = fields.integer("vectors"), fields.list("graph")
    if not all(isinstance(text, str) for text in classes):
        raise ModelError("'classes' of the header is not a list of strings", REMEDY)
    fields.end()
    drafts = [_parse_op(op, index) for index, op in enumerate(ops)]
    shape, scores = _ends(ops)
    if count < 1:
        raise ModelError(f"'vectors' of the header is {count}, not positive", REMEDY)
    arrays = {
        "preprocessing.table": Array("<i2", table),
        "vectors.frames": Array("|u1", (count, *shape)),
        "vectors.scores": Array("<i4", (count, scores)),
    }
    for op_name, specs, _ in drafts:
        arrays.update({f"graph.{op_name}.{key}": spec for key, spec in specs.items()})

    def build(values: Arrays, sha256: str) -> Model:
        made = tuple(
            make({key: values[f"graph.{op_name}.{key}"] for key in specs})
            for op_name, specs, make in drafts
        )
        return Model(
            name=name,
            graph=Graph(ops=made),
            preprocessing=Preprocessing(table=values["preprocessing.table"]),
            classes=tuple(classes),
            vectors=Vectors(frames=values["vectors.frames"], scores=values["vectors.scores"]),
            provenance=provenance,
            sha256=sha256,
        )

    return Header(arrays, build)


def _ends(ops: list[Any]) -> tuple[tuple[int, ...], int]:
    """Shape of a frame and number of scores, of ops that have been parsed."""
    if not ops or ops[0]["op"] != "Input" or ops[-1]["op"] != "Head":
        raise ModelError("the graph does not begin with an Input and end with a Head", REMEDY)
    return tuple(ops[0]["shape"]), 1 if ops[-1]["kind"] == "argmax" else ops[-1]["bias"][0]
