"""Legality of whole graphs and models.

`verify` walks a graph and applies the table of rules of `sw.model.rules`. It is
run after every pass that makes or changes a graph, and on every model that is
saved or loaded.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from sw.errors import ModelError
from sw.model.faults import Fault, array_fault, shown
from sw.model.ir import Conv, Dense, Graph, Head, Input, Joined, Op, TensorType, infer
from sw.model.model import BOX_CHANNELS, Detection, Model
from sw.model.rules import RULES, SOURCES

__all__ = ["MAX_ELEMENTS", "verify", "verify_model"]

#: Greatest number of elements of a tensor or of a layer's weights.
MAX_ELEMENTS = 1 << 28
#: Names are file names and keys, so they are plain.
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")


def _refuse(op: Op, fault: Fault) -> None:
    raise ModelError(
        f"{type(op).__name__} '{op.name}': {fault.value}; allowed: {fault.allowed}", fault.remedy
    )


def _check_place(index: int, graph: Graph, seen: dict[str, Op]) -> None:
    """Name, kind and position of one op, before its own rules."""
    op, last = graph.ops[index], len(graph.ops) - 1
    if type(op) not in RULES:
        kinds = ", ".join(kind.__name__ for kind in RULES)
        raise ModelError(
            f"op {index} is a {type(op).__name__}; allowed: {kinds}",
            "Express the network in these ops",
        )
    if not isinstance(op.name, str) or not NAME.fullmatch(op.name):
        raise ModelError(
            f"{type(op).__name__} {index} has the name {shown(op.name)}; allowed: 1 to 100 "
            "letters, digits and _ . -, not beginning with . or -",
            "Rename it",
        )
    remedy = "Put a single Input first and a single Head last"
    if isinstance(op, Input) != (index == 0):
        where = "first op" if index == 0 else f"op {index} of {last + 1}"
        _refuse(op, Fault(f"it is the {where}", "exactly one Input, as the first op", remedy))
    if isinstance(op, Head) != (index == last):
        where = "last op" if index == last else f"op {index} of {last + 1}"
        _refuse(op, Fault(f"it is the {where}", "exactly one Head, as the last op", remedy))
    if op.name in seen:
        _refuse(op, Fault("its name is taken by an earlier op", "unique names", "Rename one"))


def _check_sources(op: Op, seen: dict[str, Op]) -> tuple[str, ...]:
    """The sources' names: each is an op before this one, of a kind that it may read."""
    if isinstance(op, Input):
        return ()
    names: Any = (getattr(op, "source", None),)
    if isinstance(op, Joined):
        names = op.sources
        if not isinstance(names, tuple) or len(names) < 2 or len({*map(repr, names)}) < len(names):
            text = f"sources are {shown(names)}"
            _refuse(op, Fault(text, "a tuple of two or more names, all different", "Give them so"))
    for name in names:
        if not isinstance(name, str) or name not in seen:
            raise ModelError(
                f"{type(op).__name__} '{op.name}': source is {shown(name)}; "
                f"allowed: an op before it ({shown(', '.join(seen))})",
                "Order the ops so that each follows its sources",
            )
        if not isinstance(seen[name], SOURCES[type(op)]):
            kinds = ", ".join(kind.__name__ for kind in SOURCES[type(op)])
            fault = Fault(
                f"source '{name}' is a {type(seen[name]).__name__}",
                kinds,
                "Put a Threshold or a Scale between two arrays, and an array before the Head",
            )
            _refuse(op, fault)
    return names


def _check_size(op: Op, type_: TensorType) -> None:
    sizes = {"the result has": type_.size}
    if isinstance(op, Conv | Dense):
        sizes["the weights have"] = op.weights.size
    for what, size in sizes.items():
        if size > MAX_ELEMENTS:
            allowed = f"at most {MAX_ELEMENTS}"
            _refuse(op, Fault(f"{what} {size} elements", allowed, "Make the layer smaller"))


def verify(graph: Graph) -> None:
    """Check that ``graph`` is legal.

    Raises
    ------
    ModelError
        With the node, the offending value, what is allowed and the remedy.
    """
    if not isinstance(graph.ops, tuple) or len(graph.ops) < 3:
        raise ModelError(
            f"the graph has {len(graph.ops)} ops; allowed: at least an Input, a Conv or Dense, "
            "and a Head, as a tuple",
            "Give a whole network",
        )
    seen: dict[str, Op] = {}
    types: dict[str, TensorType] = {}
    used: set[str] = set()
    for index, op in enumerate(graph.ops):
        _check_place(index, graph, seen)
        names = _check_sources(op, seen)
        used.update(names)
        source: Any = tuple(types[name] for name in names)
        if not isinstance(op, Joined):
            source = source[0] if source else None
        for rule in RULES[type(op)]:
            if fault := rule(op, source):
                _refuse(op, fault)
        seen[op.name] = op
        types[op.name] = infer(op, types)
        _check_size(op, types[op.name])
    for op in graph.ops[:-1]:
        if op.name not in used:
            _refuse(op, Fault("no op uses its tensor", "used tensors only", "Remove the op"))


def verify_model(model: Model) -> None:
    """Check that ``model`` is legal: its graph, and all that goes with it.

    Raises
    ------
    ModelError
        With the part of the model, the offending value and what is allowed.
    """
    verify(model.graph)
    if not isinstance(model.name, str) or not NAME.fullmatch(model.name):
        raise ModelError(
            f"the model's name is {shown(model.name)}; allowed: 1 to 100 letters, digits and "
            "_ . -, not beginning with . or -",
            "Rename it",
        )
    _check_preprocessing(model)
    _check_classes(model)
    if model.detection is not None:
        _check_detection(model, model.detection)
    _check_vectors(model)


def _check_array(array: object, what: str, dtype: type, shape: tuple[int | str, ...]) -> None:
    if fault := array_fault(array, what, dtype, shape):
        raise ModelError(f"{fault.value}; allowed: {fault.allowed}", fault.remedy)


def _check_preprocessing(model: Model) -> None:
    table, type_ = model.preprocessing.table, model.graph.input.type
    rows = type_.channels if isinstance(table, np.ndarray) and len(table) > 1 else 1
    _check_array(table, "the preprocessing table", np.int16, (rows, 256))
    low, high, step = type_.range.low, type_.range.high, type_.range.step
    wrong = np.argwhere((table < low) | (table > high) | ((table.astype(int) - low) % step != 0))
    if len(wrong):
        channel, byte = map(int, wrong[0])
        raise ModelError(
            f"the preprocessing table turns byte {byte} of channel {channel} into "
            f"{table[channel, byte]}; the input takes {low}..{high} in steps of {step}",
            "Make the table and the input's range agree",
        )


def _check_classes(model: Model) -> None:
    classes, head = model.classes, model.graph.head
    if not isinstance(classes, tuple) or not all(isinstance(name, str) for name in classes):
        raise ModelError(
            f"classes are {shown(classes)}; allowed: a tuple of names", "Give their names"
        )
    scores = head.bias.size
    if classes and len(classes) != scores:
        raise ModelError(
            f"there are {len(classes)} class names for {scores} scores; allowed: one for each, "
            "or none at all",
            "Give as many names as the head has scores",
        )
    if not isinstance(model.provenance, str):
        raise ModelError(
            f"provenance is {shown(model.provenance)}; allowed: text", "Say where it comes from"
        )


def _check_detection(model: Model, detection: Detection) -> None:
    """Anchors, and a head whose raw scores they fit."""
    anchors, classes, head = detection.anchors, detection.classes, model.graph.head
    _check_array(anchors, "the anchors", np.float32, ("n", 2))
    wrong = anchors[~((anchors > 0) & (anchors <= 1))]
    channels = model.graph.types[head.source].channels
    scale = head.scale.reshape(-1, channels)
    faults = (
        (
            not len(anchors) or wrong.size,
            f"anchors hold {wrong[0] if wrong.size else 'nothing'}",
            "fractions of the frame above 0 and up to 1",
        ),
        (
            not isinstance(classes, tuple) or [type(name) for name in classes] != [str],
            f"the detector's classes are {shown(classes)}",
            "a tuple of one name",
        ),
        (bool(model.classes), "a detector has classes for its scores", "none"),
        (head.kind != "raw", f"a detector has an {head.kind} head", "raw"),
        (
            channels != BOX_CHANNELS * len(anchors),
            f"a detector of {len(anchors)} anchors has {channels} channels",
            f"{BOX_CHANNELS} for each anchor",
        ),
        (
            (scale[:, BOX_CHANNELS - 1 :: BOX_CHANNELS] <= 0).any(),
            "a scale of objectness is not positive",
            "positive scales, so that a greater score is a likelier box",
        ),
    )
    for at_fault, value, allowed in faults:
        if at_fault:
            raise ModelError(f"{value}; allowed: {allowed}", "Describe the detector as it is")


def _check_vectors(model: Model) -> None:
    frames, scores = model.vectors.frames, model.vectors.scores
    types, head = model.graph.types, model.graph.head
    shape = model.graph.input.type.shape
    _check_array(frames, "the test vectors' frames", np.uint8, ("n", *shape))
    count, channels = len(frames), types[head.name].channels
    _check_array(scores, "the test vectors' scores", np.int32, (count, channels))
