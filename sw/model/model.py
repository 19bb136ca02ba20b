"""A model: the integer graph and all that is needed to use it and to prove it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sw.errors import ModelError
from sw.model.ir import Graph

__all__ = ["BOX_CHANNELS", "Detection", "Model", "Preprocessing", "Vectors"]

#: Channels of an anchor in a detector's raw tensor: tx, ty, tw, th and to.
BOX_CHANNELS = 5


@dataclass(frozen=True, kw_only=True, eq=False)
class Preprocessing:
    """What a network does to a pixel before its first binary or integer layer.

    Parameters
    ----------
    table : int16 array (1 or channels, 256)
        Value of the graph's input for each byte; one row for all channels, or
        a row per channel.
    """

    table: NDArray[np.int16]

    def apply(self, frames: NDArray[np.uint8]) -> NDArray[np.int16]:
        """Values of ``frames`` (N, H, W, C) in the range of the graph's input."""
        if self.table.shape[0] == 1:
            return self.table[0][frames]
        return self.table[np.arange(self.table.shape[0]), frames]

    @classmethod
    def identity(cls) -> Preprocessing:
        """The table of a network whose input is the byte itself."""
        return cls(table=np.arange(256, dtype=np.int16)[None])


@dataclass(frozen=True, kw_only=True, eq=False)
class Vectors:
    """Test vectors: frames and the scores that the graph must give for them.

    Parameters
    ----------
    frames : uint8 array (n, H, W, C)
    scores : int32 array (n, channels of the head)
        The head's tensor: raw scores, or with an ``argmax`` head one index.
    """

    frames: NDArray[np.uint8]
    scores: NDArray[np.int32]


@dataclass(frozen=True, kw_only=True, eq=False)
class Detection:
    """How the raw scores of a detector become boxes; `sw.detect` does it.

    The head's source is a map of H x W cells with ``BOX_CHANNELS`` channels an anchor: of
    cell (y, x) and anchor a the channels ``5a`` to ``5a + 4`` are tx, ty, tw, th and to. As
    fractions of the frame the box has centre ``((x + sigmoid(tx)) / W, (y + sigmoid(ty)) / H)``
    and size ``anchors[a] * exp((tw, th))``; sigmoid(to) is its objectness.

    Parameters
    ----------
    anchors : float32 array (n, 2)
        Width and height of each anchor as fractions of the frame's, above 0 and up to 1.
    classes : tuple of one str
        Name of what is found.
    """

    anchors: NDArray[np.float32]
    classes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Model:
    """A network ready for the golden model, the planner and the driver.

    Parameters
    ----------
    name : str
    graph : Graph
    preprocessing : Preprocessing
    classes : tuple of str
        One name per score, or empty where scores are not classes.
    detection : Detection or None
        Of a detector, whose ``classes`` are empty.
    vectors : Vectors
    provenance : str
        Where the weights come from, and their licence.
    sha256 : str or None
        Hex digest of the file the model was loaded from; it names the model
        in manifests, reports and packets.
    """

    name: str
    graph: Graph = field(repr=False)
    preprocessing: Preprocessing = field(repr=False)
    classes: tuple[str, ...] = ()
    vectors: Vectors = field(repr=False)
    provenance: str = ""
    sha256: str | None = None
    detection: Detection | None = None

    @property
    def grid(self) -> tuple[int, int]:
        """Height and width of the map that the head reads: a detector's cells."""
        type_ = self.graph.types[self.graph.head.source]
        return type_.height, type_.width

    def logits(self, scores: NDArray[np.int32]) -> NDArray[np.float32]:
        """The trained network's float outputs (N, scores) of raw scores.

        Raises
        ------
        ModelError
            The head gives the index of the greatest score, and not the scores.
        """
        head = self.graph.head
        if head.kind != "raw":
            raise ModelError(
                f"model '{self.name}' has an {head.kind} head; allowed for logits: raw",
                "Use the class that the head gives, or convert the network with a raw head",
            )
        return scores.astype(np.float32) * head.scale + head.offset

    def classify(self, scores: NDArray[np.int32]) -> NDArray[np.int64]:
        """Class (N,) of scores: the greatest logit's index, the lowest where equal."""
        if self.graph.head.kind == "argmax":
            return scores[:, 0].astype(np.int64)
        return self.logits(scores).argmax(axis=1)

    def as_frames(self, frames: NDArray) -> NDArray[np.uint8]:
        """``frames`` as (N, H, W, C), after checking that the model accepts them.

        Frames given as (N, H, W) are taken as having one channel.

        Raises
        ------
        ModelError
            Their dtype is not uint8, their shape is not the input's, or there
            are none.
        """
        height, width, channels = self.graph.input.type.shape
        wanted = f"(N, {height}, {width}, {channels})"
        if channels == 1:
            wanted += f" or (N, {height}, {width})"
        remedy = f"Give frames as a uint8 array of shape {wanted}, each pixel 0 to 255"
        if not isinstance(frames, np.ndarray):
            raise ModelError(f"frames are {type(frames).__name__}, not a NumPy array", remedy)
        if frames.dtype != np.uint8:
            values = ""
            if frames.dtype.kind in "iuf" and frames.size:
                values = f" with values from {frames.min()} to {frames.max()}"
            raise ModelError(f"frames are {frames.dtype}{values}; allowed is uint8", remedy)
        shape = frames.shape
        if frames.ndim == 3 and channels == 1:
            frames = frames[..., None]
        if frames.ndim != 4 or frames.shape[1:] != (height, width, channels):
            raise ModelError(
                f"frames have shape {shape}; model '{self.name}' takes {wanted}", remedy
            )
        if not len(frames):
            raise ModelError(f"frames have shape {shape}: there are none", remedy)
        return frames
