"""The float graph cut into layers: one linear op, what follows it, one quantiser."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from sw.errors import ModelError
from sw.lower.evaluate import check_steps
from sw.model.float_ir import (
    Elementwise,
    FloatConv,
    FloatDense,
    FloatGraph,
    FloatInput,
    FloatOp,
    FloatPool,
    Quantiser,
    Sign,
    Step,
    Uniform,
)

__all__ = ["Layer", "PoolAt", "check_float_graph", "split"]


@dataclass(frozen=True, kw_only=True, eq=False)
class PoolAt:
    """A pool and the steps between it and the layer's end, whose direction it obeys."""

    pool: FloatPool
    after: tuple[Step | Quantiser, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Layer:
    """One linear op (None: the input), and all up to the next.

    Parameters
    ----------
    name : str
        Of the linear op, or of the input.
    steps : tuple
        All elementwise operations before the last quantiser; earlier quantisers are
        steps like others. Pools are moved behind the quantiser.
    quantiser : Quantiser or None
        None in the last layer, and in an input whose steps are already on a grid.
    tail : tuple of Step
        Elementwise operations after the quantiser.
    weights : int8 array or None
        +-1, once `binarise_weights` has run; the shape of the linear op's.
    """

    name: str
    linear: FloatConv | FloatDense | None
    steps: tuple[Step | Quantiser, ...]
    quantiser: Quantiser | None
    pools: tuple[PoolAt, ...]
    tail: tuple[Step, ...]
    channels: int
    weights: NDArray[np.int8] | None = field(default=None, repr=False)


def check_float_graph(graph: FloatGraph) -> None:
    """Refuse a float graph that breaks the contract of `sw.model.float_ir`.

    Raises
    ------
    ModelError
        Naming the op and the offending value.
    """
    remedy = "Build the float graph as the docstring of sw.model.float_ir says"
    if not graph.ops or not isinstance(graph.ops[0], FloatInput):
        raise ModelError("the float graph does not start with a FloatInput", remedy)
    seen: set[str] = set()
    previous: FloatOp | None = None
    for op in graph.ops:
        if op.name in seen or not op.name:
            raise ModelError(f"op name '{op.name}' is used twice or empty", remedy)
        source = getattr(op, "source", None)
        if source != (previous.name if previous else None):
            raise ModelError(
                f"op '{op.name}' reads '{source}'; allowed is the op before it, "
                f"'{previous.name if previous else None}'",
                "Export a network without branches; each op reads the one before it",
            )
        if isinstance(op, FloatInput) and previous is not None:
            raise ModelError(f"op '{op.name}' is a second input", remedy)
        seen.add(op.name)
        previous = op
    previous = None
    for op in graph.ops:
        if previous is not None:
            _check_op(op, graph.shapes[previous.name])
        height, width, channels = graph.shapes[op.name]
        if min(height, width, channels) < 1:
            raise ModelError(
                f"op '{op.name}' gives a feature map of {height} x {width} x {channels}; "
                "each must be at least 1",
                "Use a smaller kernel or pool, or a larger input",
            )
        previous = op


def _check_op(op: FloatOp, source: tuple[int, int, int]) -> None:
    """Legality of one op on a source of shape ``source``."""
    channels = source[2]
    if isinstance(op, Elementwise):
        check_steps(op.name, op.steps, channels)
    elif isinstance(op, Uniform) and (op.high <= op.low or not _positive(op.scale)):
        raise ModelError(
            f"op '{op.name}': scale {op.scale}, low {op.low}, high {op.high}; allowed is a "
            "positive finite scale and low < high",
            "Re-export the network with a quantiser of at least two values",
        )
    elif isinstance(op, Sign) and (op.zero not in (-1, 1) or not _positive(op.scale)):
        raise ModelError(
            f"op '{op.name}': sign of zero is {op.zero}, scale {op.scale}; allowed is -1 or +1, "
            "and a positive finite scale",
            "Binarise with x >= 0 (zero=+1) or x > 0 (zero=-1); torch.sign gives 0 at 0",
        )
    elif isinstance(op, FloatConv) and (op.weights.ndim != 4 or op.weights.shape[3] != channels):
        raise ModelError(
            f"op '{op.name}': weights of shape {op.weights.shape}; allowed is "
            f"(outputs, kernel rows, kernel columns, {channels})",
            "Give each output weights for all input channels; groups are not supported",
        )
    elif isinstance(op, FloatDense):
        inputs = source[0] * source[1] * source[2]
        if op.weights.ndim != 2 or op.weights.shape[1] != inputs:
            raise ModelError(
                f"op '{op.name}': weights of shape {op.weights.shape}; "
                f"allowed is (outputs, {inputs})",
                "Give each output one weight for each element of its source",
            )


def _positive(value: float) -> bool:
    return bool(np.isfinite(np.float32(value)) and np.float32(value) > 0)


def split(graph: FloatGraph) -> list[Layer]:
    """Layers of ``graph``, the input's first; pools are moved behind quantisers.

    Raises
    ------
    ModelError
        A hidden layer has no quantiser, or the last one has, or pools.
    """
    groups: list[list[FloatOp]] = []
    for op in graph.ops:
        if isinstance(op, FloatInput | FloatConv | FloatDense):
            groups.append([])
        groups[-1].append(op)
    layers = [_layer(group, graph.shapes[group[0].name][2]) for group in groups]
    if len(layers) < 2:
        raise ModelError(
            "the network has no convolution and no dense layer",
            "Give a network of at least one layer",
        )
    for layer, following in pairwise(layers[1:]):
        if layer.quantiser is None:
            raise ModelError(
                f"the activation between '{layer.name}' and '{following.name}' is real-valued; "
                "allowed are Sign and Uniform quantisers",
                "Train with a quantised activation before each hidden layer's weights",
            )
    last = layers[-1]
    if last.quantiser is not None or last.pools:
        kind = "is quantised" if last.quantiser is not None else "is pooled"
        raise ModelError(
            f"the output of the last layer '{last.name}' {kind}; allowed are an affine batch "
            "norm, bias and scale",
            "Export the network up to its logits",
        )
    return layers


def _layer(group: list[FloatOp], channels: int) -> Layer:
    first, rest = group[0], group[1:]
    quantisers = [i for i, op in enumerate(rest) if isinstance(op, Quantiser)]
    final = quantisers[-1] if quantisers else len(rest)
    flat: list[tuple[int, Step | Quantiser]] = []
    for i, op in enumerate(rest):
        if isinstance(op, Elementwise):
            flat += [(i, step) for step in op.steps]
        elif isinstance(op, Quantiser) and i < final:
            flat.append((i, op))
    pools = tuple(
        PoolAt(pool=op, after=tuple(step for at, step in flat if at > i))
        for i, op in enumerate(rest)
        if isinstance(op, FloatPool)
    )
    quantiser = rest[final] if quantisers else None
    assert quantiser is None or isinstance(quantiser, Quantiser)
    return Layer(
        name=first.name,
        linear=first if isinstance(first, FloatConv | FloatDense) else None,
        steps=tuple(step for at, step in flat if at < final),
        quantiser=quantiser,
        pools=pools,
        tail=tuple(step for at, step in flat if at > final and isinstance(step, Step)),
        channels=channels,
    )
