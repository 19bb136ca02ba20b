"""The kinds of stage, and what each is told of the network."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hw.plan.channels import Encoding

__all__ = [
    "AddStage",
    "ArrayStage",
    "ConcatStage",
    "HeadStage",
    "IntegerStage",
    "PoolStage",
    "ScaleStage",
    "Stage",
    "ThresholdStage",
    "WindowStage",
]


@dataclass(frozen=True, kw_only=True, eq=False)
class BaseStage:
    """A step of the pipeline.

    Attributes
    ----------
    name : str
        Of the op, of which there is one stage each, but for a fused threshold.
    tensor : str
        What leaves the stage.
    sources : tuple of str
        Tensors that it reads, in the op's order.
    """

    name: str
    tensor: str
    sources: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class WindowStage(BaseStage):
    """A convolution or dense layer: windows of codes by weights.

    A dense layer is a 1x1 kernel on a 1 x 1 x K map. ``y_classes`` and ``x_classes`` are the
    border class of each output row and column; the class of a pixel is
    ``y_class * (max(x_classes) + 1) + x_class``.
    """

    height: int
    width: int
    channels: int
    lane_bits: int
    kernel: tuple[int, int]
    stride: tuple[int, int]
    top: int
    left: int
    bottom: int
    right: int
    pad_code: int
    output_height: int
    output_width: int
    outputs: int
    y_classes: tuple[int, ...] = field(repr=False)
    x_classes: tuple[int, ...] = field(repr=False)

    @property
    def fan_in(self) -> int:
        return self.kernel[0] * self.kernel[1] * self.channels

    @property
    def pixels(self) -> int:
        """Output pixels of a frame."""
        return self.output_height * self.output_width

    @property
    def macs(self) -> int:
        """Multiply-accumulates of a frame."""
        return self.pixels * self.outputs * self.fan_in


@dataclass(frozen=True, kw_only=True, eq=False)
class ArrayStage(WindowStage):
    """Binary weights: line buffer, systolic array, thresholds.

    ``tensor`` names the tensor that leaves the stage: the threshold's, or the accumulators' own.

    Attributes
    ----------
    weights : bool array (outputs, fan_in)
        True is +1; fan-in in (ky, kx, i) order, i fastest.
    thresholds : int64 array (classes, outputs, levels) or None
        On matches A, each 0 .. fan_in * (2**lane_bits - 1) + 1, ascending along levels.
        None: the stage emits the matches themselves.
    inverted : bool array (outputs,)
    """

    weights: NDArray[np.bool_] = field(repr=False)
    thresholds: NDArray[np.int64] | None = field(repr=False)
    inverted: NDArray[np.bool_] = field(repr=False)

    @property
    def levels(self) -> int:
        return 0 if self.thresholds is None else self.thresholds.shape[2]

    @property
    def match_bits(self) -> int:
        """Width of the matches A."""
        return (self.fan_in * (2**self.lane_bits - 1)).bit_length()


@dataclass(frozen=True, kw_only=True, eq=False)
class IntegerStage(WindowStage):
    """Weights of several bits: line buffer, integer array. The accumulators leave as they are.

    Attributes
    ----------
    weights : int64 array (outputs, fan_in)
        In (ky, kx, i) order, i fastest.
    weight_bits : int
    low, step, levels : int
        Of the source: its values are ``low + step * code`` with codes up to ``levels``.
    acc_bits : int
        Signed width of the accumulators.
    starts : int64 array (classes, outputs)
        ``low`` times the sum of the weights inside the map.
    """

    weight_bits: int
    low: int
    step: int
    levels: int
    acc_bits: int
    weights: NDArray[np.int64] = field(repr=False)
    starts: NDArray[np.int64] = field(repr=False)


@dataclass(frozen=True, kw_only=True, eq=False)
class ScaleStage(BaseStage):
    """Fixed-point batch norm: ``(gain * lane + offset[class]) >> shift``, clipped to 0 .. levels.

    Attributes
    ----------
    gain : int64 array (channels,)
    offset : int64 array (classes, channels)
    """

    height: int
    width: int
    channels: int
    source_bits: int
    encoding: Encoding
    gain_bits: int
    shift: int
    levels: int
    y_classes: tuple[int, ...] = field(repr=False)
    x_classes: tuple[int, ...] = field(repr=False)
    gain: NDArray[np.int64] = field(repr=False)
    offset: NDArray[np.int64] = field(repr=False)


@dataclass(frozen=True, kw_only=True, eq=False)
class ThresholdStage(BaseStage):
    """Thresholds on a stream, where no array has them.

    Attributes
    ----------
    thresholds : int64 array (classes, channels, levels)
        On the lanes of the source, ascending along levels.
    inverted : bool array (channels,)
    """

    height: int
    width: int
    channels: int
    source_bits: int
    encoding: Encoding
    y_classes: tuple[int, ...] = field(repr=False)
    x_classes: tuple[int, ...] = field(repr=False)
    thresholds: NDArray[np.int64] = field(repr=False)
    inverted: NDArray[np.bool_] = field(repr=False)

    @property
    def levels(self) -> int:
        return self.thresholds.shape[2]


@dataclass(frozen=True, kw_only=True, eq=False)
class AddStage(BaseStage):
    """``clip(steps[0] * t0 + steps[1] * t1 + constant, 0, levels)`` of two streams of codes."""

    height: int
    width: int
    channels: int
    source_bits: tuple[int, int]
    steps: tuple[int, int]
    constant: int
    levels: int


@dataclass(frozen=True, kw_only=True, eq=False)
class ConcatStage(BaseStage):
    """Pixel by pixel the channels of several streams of codes; ``parts`` has those of each."""

    height: int
    width: int
    channels: int
    parts: tuple[int, ...]
    lane_bits: int


@dataclass(frozen=True, kw_only=True, eq=False)
class PoolStage(BaseStage):
    """A maximum (minimum where so marked) or a sum over windows of codes up to ``levels``."""

    height: int
    width: int
    channels: int
    lane_bits: int
    levels: int
    kind: Literal["max", "sum"]
    size: tuple[int, int]
    stride: tuple[int, int]
    top: int
    left: int
    bottom: int
    right: int
    minimum: NDArray[np.bool_] = field(repr=False)

    @property
    def simple(self) -> bool:
        """Whether windows cover the map side by side, without padding, and keep the maximum."""
        padded = self.top or self.left or self.bottom or self.right
        return self.kind == "max" and self.size == self.stride and not padded


@dataclass(frozen=True, kw_only=True, eq=False)
class HeadStage(BaseStage):
    """Raw scores or their argmax: ``score[i] = step * lane[i] + constants[i]``.

    Attributes
    ----------
    match_bits : int
        Bits of a lane.
    signed : bool
        Whether lanes are two's complement; matches are not.
    constants : int64 array (elements,)
        In raster order of the source, channel fastest.
    score_bits : int
        Signed width that holds every score, and the index where kind is "argmax".
    objects : int64 array (levels,) or None
        Of a detector: least scores of objectness, `hw.plan.objectness.least_scores`.
    """

    channels: int
    elements: int
    match_bits: int
    signed: bool = False
    step: int
    kind: Literal["raw", "argmax"]
    score_bits: int
    constants: NDArray[np.int64] = field(repr=False)
    objects: NDArray[np.int64] | None = field(default=None, repr=False)


Stage = (
    ArrayStage
    | IntegerStage
    | ScaleStage
    | ThresholdStage
    | AddStage
    | ConcatStage
    | PoolStage
    | HeadStage
)
