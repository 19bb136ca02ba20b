"""The golden model: what a network computes, exactly, for every tensor.

`sw.golden.reference` says it plainly, `sw.golden.fast` says the same on packed
words; the functions here use the fast one. The hardware equals both bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from sw.errors import ModelError
from sw.golden.fast import Executor
from sw.model.ir import Graph
from sw.model.model import Model, Preprocessing, Vectors

__all__ = [
    "batches",
    "check_vectors",
    "make_vectors",
    "run",
    "scores",
]

#: Called with the number of frames done since the last call.
Progress = Callable[[int], None]


def _ignore(_: int) -> None:
    """Progress that nobody watches."""


REMEDY = "Apply the model's preprocessing to the frames"


def _check_shape(graph: Graph, inputs: NDArray) -> None:
    shape = graph.input.type.shape
    if inputs.ndim != 4 or inputs.shape[1:] != shape or inputs.dtype.kind not in "iu":
        wanted = f"(N, {', '.join(map(str, shape))})"
        raise ModelError(
            f"inputs are {inputs.dtype} of shape {inputs.shape}; allowed: integers of shape "
            f"{wanted}",
            REMEDY,
        )


def _check_values(graph: Graph, inputs: NDArray) -> None:
    range_ = graph.input.type.range
    wrong = (inputs < range_.low) | (inputs > range_.high)
    if range_.step > 1:
        wrong |= (inputs.astype(np.int32) - range_.low) % range_.step != 0
    if wrong.any():
        raise ModelError(
            f"inputs hold {inputs[wrong][0]}; allowed: {range_.low}..{range_.high} in steps of "
            f"{range_.step}",
            REMEDY,
        )


def batches(
    graph: Graph, inputs: NDArray, *, progress: Progress = _ignore
) -> Iterator[tuple[slice, str, NDArray[np.int32]]]:
    """Tensors of ``graph`` in bounded memory: a slice of the frames, a name and values.

    For each batch of frames, every tensor in the graph's order; see `run`.
    """
    _check_shape(graph, inputs)
    executor = Executor(graph)
    for first in range(0, len(inputs), executor.batch):
        part = slice(first, min(len(inputs), first + executor.batch))
        _check_values(graph, inputs[part])
        for name, values in executor.tensors(inputs[part]):
            yield part, name, values
        progress(part.stop - part.start)


def run(
    graph: Graph, inputs: NDArray, *, progress: Progress = _ignore
) -> dict[str, NDArray[np.int32]]:
    """Every tensor of ``graph`` by name, int32 (N, H, W, C).

    Parameters
    ----------
    graph : Graph
        A legal one; see `sw.model.verify`.
    inputs : integer array (N, H, W, C)
        Preprocessed frames, in the range of the graph's input.
    progress : callable
        Called with the number of frames of each batch that is done.

    Raises
    ------
    ModelError
        The inputs' shape or range is not that of the graph's input.
    """
    tensors = {
        name: np.empty((len(inputs), *type_.shape), np.int32) for name, type_ in graph.types.items()
    }
    for part, name, values in batches(graph, inputs, progress=progress):
        tensors[name][part] = values
    return tensors


def scores(
    model: Model, frames: NDArray[np.uint8], *, progress: Progress = _ignore
) -> NDArray[np.int32]:
    """Scores (N, scores) of frames (N, H, W, C); with an argmax head, indices (N, 1).

    Raises
    ------
    ModelError
        The frames are not what the model takes.
    """
    frames = model.as_frames(frames)
    executor = Executor(model.graph)
    result = np.empty((len(frames), model.graph.types[model.graph.head.name].channels), np.int32)
    for first in range(0, len(frames), executor.batch):
        part = frames[first : first + executor.batch]
        result[first : first + len(part)] = executor.scores(model.preprocessing.apply(part))
        progress(len(part))
    return result


def make_vectors(graph: Graph, preprocessing: Preprocessing, frames: NDArray[np.uint8]) -> Vectors:
    """Test vectors of ``frames`` (n, H, W, C): the scores come from the graph."""
    head, inputs = graph.head.name, preprocessing.apply(frames)
    scores = np.empty((len(inputs), graph.types[head].channels), np.int32)
    for part, name, values in batches(graph, inputs):
        if name == head:
            scores[part] = values[:, 0, 0]
    return Vectors(frames=np.array(frames, np.uint8), scores=scores)


def check_vectors(model: Model) -> None:
    """Compute the embedded test vectors again.

    Raises
    ------
    ModelError
        A score differs from the one in the model.
    """
    got = scores(model, model.vectors.frames)
    wrong = np.argwhere(got != model.vectors.scores)
    if len(wrong):
        frame, index = map(int, wrong[0])
        raise ModelError(
            f"test vector {frame} of model '{model.name}' gives {got[frame, index]} as score "
            f"{index}; the model says {model.vectors.scores[frame, index]}",
            "Convert or train the model again",
        )
