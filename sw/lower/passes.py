"""Float graph to integer graph, in named passes, each checked.

1. `check_float_graph`: the float graph keeps its contract.
2. `split`: cut into layers of one linear op, steps, one quantiser; pools are moved
   behind the quantiser, as a minimum where what follows them falls.
3. `binarise_weights`: +-s becomes +-1 and a `mul` behind the accumulator.
4. `lower_input`: all that happens to a pixel becomes a table of 256 integers.
5. `lower_layer`: the source's scale and the weights' join the steps; padding becomes a
   value or skipped taps; steps and quantiser become thresholds (`sw.lower.thresholds`).
6. `make_head`: what follows the last accumulator becomes bias, scale and offset.

The integer graph is verified after each layer, and at the end as a whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sw import golden
from sw.errors import ModelError
from sw.lower.binarise import binarise
from sw.lower.evaluate import apply_steps, direction, real_values
from sw.lower.grid import Grid, find_grid
from sw.lower.head import make_head
from sw.lower.layers import Layer, check_float_graph, split
from sw.lower.thresholds import bisect_levels
from sw.model.float_ir import FloatConv, FloatDense, FloatGraph, FloatInput, Step
from sw.model.ir import (
    Conv,
    Dense,
    Graph,
    Input,
    Op,
    Padding,
    Pool,
    TensorType,
    Threshold,
    infer,
)
from sw.model.model import Model, Preprocessing, Vectors
from sw.model.verify import verify, verify_model

__all__ = ["lower"]

#: Frames made up where the caller gives none for the embedded test vectors.
RANDOM_VECTORS = 8


def lower(
    graph: FloatGraph,
    *,
    name: str,
    classes: Sequence[str] = (),
    provenance: str = "",
    head: Literal["raw", "argmax"] = "raw",
    vector_frames: NDArray[np.uint8] | None = None,
) -> Model:
    """The model of a float graph, with test vectors computed by the golden model.

    Parameters
    ----------
    graph : FloatGraph
    name : str
    classes : sequence of str
        One per logit, or none.
    provenance : str
        Where the weights come from, and their licence.
    head : "raw" or "argmax"
        What the accelerator answers: all integer scores, or the index of the greatest.
    vector_frames : uint8 array (n, H, W, C) or (n, H, W)
        Frames to embed with their scores; None makes eight of seeded noise.

    Raises
    ------
    ModelError
        The graph breaks the contract of `sw.model.float_ir`, or has no integer equal.
    """
    check_float_graph(graph)
    layers = binarise_weights(split(graph))
    preprocessing, ops, grid = lower_input(graph.input, layers[0])
    for layer in layers[1:]:
        added, grid = lower_layer(layer, ops, grid)
        # Up to its accumulators, with a head that changes nothing.
        _verify([*ops, added[0], _head(replace(layer, steps=()), [*ops, added[0]], "raw")])
        ops += added
    # The last layer gives back the grid of its source, whose scale its logits contain.
    integer = _verify([*ops, _head(_scaled(layers[-1], grid), ops, head)])
    if vector_frames is None:
        shape = (RANDOM_VECTORS, graph.input.height, graph.input.width, graph.input.channels)
        vector_frames = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    empty = Vectors(frames=np.zeros((0, 1, 1, 1), np.uint8), scores=np.zeros((0, 1), np.int32))
    model = Model(
        name=name,
        graph=integer,
        preprocessing=preprocessing,
        classes=tuple(classes),
        vectors=empty,
        provenance=provenance,
    )
    frames = model.as_frames(vector_frames)
    model = replace(model, vectors=golden.make_vectors(integer, preprocessing, frames))
    verify_model(model)
    return model


def binarise_weights(layers: Sequence[Layer]) -> list[Layer]:
    """Fill in +-1 weights; their scales become the first step of their layer."""
    result = []
    for layer in layers:
        if layer.linear is None:
            result.append(layer)
            continue
        weights, scales = binarise(layer.name, layer.linear.weights)
        steps = layer.steps if (scales == 1).all() else (Step.mul(scales), *layer.steps)
        result.append(replace(layer, weights=weights, steps=steps))
    return result


def lower_input(source: FloatInput, layer: Layer) -> tuple[Preprocessing, list[Op], Grid]:
    """Preprocessing table, the `Input` (and pools straight after it), and its grid.

    Raises
    ------
    ModelError
        The values that reach the first layer are not evenly spaced.
    """
    pixels = np.repeat(np.arange(256)[:, None], source.channels, 1)
    steps = layer.steps if layer.quantiser is None else (*layer.steps, layer.quantiser)
    reals = apply_steps((*steps, *layer.tail), pixels)
    # The whole range of a quantiser counts, even where no byte reaches its ends.
    reachable = reals if layer.quantiser is None else _tail_values(layer)
    grid = find_grid(reachable)
    if grid is None:
        raise ModelError(
            f"the first layer's input is real-valued: pixels 0 to 255 become {reals.min():.6g} to "
            f"{reals.max():.6g}, not evenly spaced around or beside 0",
            "Quantise the network's input, or choose --preprocess so that it is a multiple of an "
            "integer",
        )
    table = grid.integers(reals).T.astype(np.int16)
    if (table == table[0]).all():
        table = table[:1]
    shape = TensorType(
        height=source.height, width=source.width, channels=source.channels, range=grid.range
    )
    ops: list[Op] = [Input(name=source.name, type=shape)]
    # The table's own direction does not matter to a pool: only what follows the pool does.
    ops += _pools(layer, source.name)
    return Preprocessing(table=np.ascontiguousarray(table)), ops, grid


def lower_layer(layer: Layer, ops: Sequence[Op], grid: Grid) -> tuple[list[Op], Grid]:
    """Ops of one layer whose source is the last of ``ops``, and the grid they end on."""
    linear, weights, source = layer.linear, layer.weights, ops[-1].name
    assert linear is not None and weights is not None
    if isinstance(linear, FloatDense):
        op: Op = Dense(name=layer.name, source=source, weights=weights)
    else:
        padding = lower_padding(linear, grid)
        op = Conv(
            name=layer.name,
            source=source,
            weights=weights,
            stride=linear.stride,
            padding=padding,
        )
    if layer.quantiser is None:
        return [op], grid
    accumulators = infer(op, _types(ops)).range
    levels, inverted = bisect_levels(
        layer.name,
        _scaled(layer, grid).steps,
        layer.quantiser,
        accumulators,
        layer.channels,
    )
    after = find_grid(_tail_values(layer))
    if after is None:
        raise ModelError(
            f"op '{layer.quantiser.name}': its values {_tail_values(layer).tolist()} are not "
            "evenly spaced around or beside 0",
            "Keep what follows a quantiser to scaling, or quantise once more",
        )
    threshold = Threshold(
        name=layer.quantiser.name,
        source=layer.name,
        levels=levels,
        inverted=inverted,
        low=after.range.low,
        step=after.range.step,
    )
    return [op, threshold, *_pools(layer, threshold.name)], after


def _scaled(layer: Layer, source: Grid) -> Layer:
    """``layer`` with the scale of its source as a step, where that is not 1."""
    scale = np.float32(source.scale)
    return layer if scale == 1 else replace(layer, steps=(Step.mul(scale), *layer.steps))


def lower_padding(linear: FloatConv, grid: Grid) -> Padding:
    """Padding in integers: a value of the source's range, or skipped taps for 0.

    Raises
    ------
    ModelError
        The padded value is neither.
    """
    top, left, bottom, right = linear.padding
    if not any(linear.padding):
        return Padding()
    allowed = grid.range
    value = float(linear.pad_value) / grid.scale
    integer = int(np.rint(value))
    member = (
        abs(value - integer) < 1e-3
        and allowed.low <= integer <= allowed.high
        and (integer - allowed.low) % allowed.step == 0
    )
    if not member and linear.pad_value != 0:
        raise ModelError(
            f"op '{linear.name}' pads with {linear.pad_value}; allowed is 0 or a value of its "
            f"source, {allowed.low * grid.scale:.6g} to {allowed.high * grid.scale:.6g} in steps "
            f"of {allowed.step * grid.scale:.6g}",
            "Pad with zeros, or with a value that the source's quantiser gives",
        )
    return Padding(
        top=top, left=left, bottom=bottom, right=right, value=integer if member else None
    )


def _tail_values(layer: Layer) -> NDArray[np.float32]:
    """Real values of the layer's quantiser after its tail, which must rise strictly."""
    assert layer.quantiser is not None
    values = real_values(layer.quantiser)
    if not layer.tail:
        return values
    result = apply_steps(layer.tail, np.repeat(values[:, None], layer.channels, 1))
    result = np.broadcast_to(result, (len(values), layer.channels))
    if (result != result[:, :1]).any() or not (np.diff(result[:, 0]) > 0).all():
        raise ModelError(
            f"op '{layer.quantiser.name}': what follows it differs between channels or does not "
            "rise; allowed is a positive scale for the whole tensor",
            "Move per-channel scales in front of the quantiser, or into the weights",
        )
    return result[:, 0]


def _pools(layer: Layer, source: str) -> list[Op]:
    ops: list[Op] = []
    for at in layer.pools:
        minimum = direction(at.after, layer.channels) < 0
        ops.append(
            Pool(
                name=at.pool.name,
                source=source,
                size=at.pool.size,
                stride=at.pool.stride,
                minimum=minimum,
            )
        )
        source = at.pool.name
    return ops


def _head(layer: Layer, ops: Sequence[Op], kind: Literal["raw", "argmax"]) -> Op:
    source = _types(ops)[ops[-1].name]
    names = {op.name for op in ops}
    name = next(n for n in ("scores", "head", f"{layer.name}.scores") if n not in names)
    steps = [step for step in layer.steps if isinstance(step, Step)]
    return make_head(name, layer.name, steps, layer.channels, source.height * source.width, kind)


def _types(ops: Sequence[Op]) -> dict[str, TensorType]:
    return Graph(ops=tuple(ops)).types


def _verify(ops: Sequence[Op]) -> Graph:
    graph = Graph(ops=tuple(ops))
    verify(graph)
    return graph
