"""A model as a JSON header and named arrays, and back.

The header says everything but the bulk: it declares each array's shape, so that
a reader knows the size of every array before it reads one. docs/model-format.md
describes both for users of other tools.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from sw.errors import ModelError
from sw.model.fields import REMEDY, Array, Fields
from sw.model.ir import Graph
from sw.model.model import Detection, Model, Preprocessing, Vectors
from sw.model.op_fields import VERSION, Arrays, describe_op, parse_op, version_of

__all__ = ["FORMAT", "Header", "describe", "parse"]

FORMAT = "binarray-model"


@dataclass(frozen=True)
class Header:
    """A checked header: the arrays it declares, and how they become a model."""

    arrays: dict[str, Array]
    build: Callable[[Arrays, str], Model]


def describe(model: Model) -> tuple[dict[str, Any], dict[str, NDArray]]:
    """Header of a legal ``model``, as JSON values, and the stored arrays by name."""
    version = VERSION if model.detection else version_of(model.graph)
    header = {
        "format": FORMAT,
        "version": version,
        "name": model.name,
        "classes": list(model.classes),
        "provenance": model.provenance,
        "preprocessing": list(model.preprocessing.table.shape),
        "vectors": len(model.vectors.frames),
        "graph": [describe_op(op, version) for op in model.graph.ops],
    }
    values: dict[str, NDArray] = {
        "preprocessing.table": model.preprocessing.table,
        "vectors.frames": model.vectors.frames,
        "vectors.scores": model.vectors.scores,
    }
    if model.detection:
        header["detection"], values["detection.anchors"] = _describe_detection(model.detection)
    specs = parse(header).arrays
    for key in specs.keys() - values.keys():
        name, attribute = key.removeprefix("graph.").rsplit(".", 1)
        values[key] = getattr(model.graph[name], attribute)
    return header, {key: specs[key].pack(values[key]) for key in sorted(specs)}


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
        raise ModelError(f"the format's version is {version}; allowed: 1 to {VERSION}", REMEDY)
    name, classes = fields.text("name"), fields.texts("classes")
    provenance, table = fields.text("provenance"), fields.shape("preprocessing", 2)
    count, ops = fields.integer("vectors"), fields.list("graph")
    detection = _parse_detection(fields) if version > 1 and "detection" in fields.values else None
    fields.end()
    drafts = [parse_op(op, index, version) for index, op in enumerate(ops)]
    shape, scores = _ends(ops)
    if count < 1:
        raise ModelError(f"'vectors' of the header is {count}, not positive", REMEDY)
    arrays = {
        "preprocessing.table": Array("<i2", table),
        "vectors.frames": Array("|u1", (count, *shape)),
        "vectors.scores": Array("<i4", (count, scores)),
    }
    for op_name, (specs, _) in drafts:
        arrays.update({f"graph.{op_name}.{key}": spec for key, spec in specs.items()})

    if detection:
        arrays["detection.anchors"] = detection[0]

    def build(values: Arrays, sha256: str) -> Model:
        made = tuple(
            make({key: values[f"graph.{op_name}.{key}"] for key in specs})
            for op_name, (specs, make) in drafts
        )
        return Model(
            name=name,
            graph=Graph(ops=made),
            preprocessing=Preprocessing(table=values["preprocessing.table"]),
            classes=classes,
            vectors=Vectors(frames=values["vectors.frames"], scores=values["vectors.scores"]),
            provenance=provenance,
            sha256=sha256,
            detection=detection[1](values) if detection else None,
        )

    return Header(arrays, build)


def _describe_detection(detection: Detection) -> tuple[dict[str, Any], NDArray]:
    anchors = detection.anchors
    return {"anchors": list(anchors.shape), "classes": list(detection.classes)}, anchors


def _parse_detection(header: Fields) -> tuple[Array, Callable[[Arrays], Detection]]:
    """The field 'detection': its array, and what makes it of the arrays' values."""
    fields = header.fields("detection")
    spec, classes = Array("<f4", fields.shape("anchors", 2)), fields.texts("classes")
    fields.end()
    return spec, lambda values: Detection(anchors=values["detection.anchors"], classes=classes)


def _ends(ops: list[Any]) -> tuple[tuple[int, ...], int]:
    """Shape of a frame and number of scores, of ops that have been parsed."""
    if not ops or ops[0]["op"] != "Input" or ops[-1]["op"] != "Head":
        raise ModelError("the graph does not begin with an Input and end with a Head", REMEDY)
    return tuple(ops[0]["shape"]), 1 if ops[-1]["kind"] == "argmax" else ops[-1]["bias"][0]
