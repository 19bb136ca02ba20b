"""Writes an integer graph op by op; needs no PyTorch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sw.lower.thresholds import bisect_levels
from sw.model.float_ir import Quantiser, Step
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
    infer,
)

__all__ = ["Builder"]


class Builder:
    """Collects ops, each behind its sources; every method gives the new tensor's name."""

    def __init__(self) -> None:
        self.ops: list[Op] = []
        self.types: dict[str, TensorType] = {}

    def _append(self, op: Op) -> str:
        self.ops.append(op)
        self.types[op.name] = infer(op, self.types)
        return op.name

    def graph(self) -> Graph:
        """All that was written."""
        return Graph(ops=tuple(self.ops))

    def input(self, name: str, shape: tuple[int, int, int], *, low: int, high: int) -> str:
        """The input: a map (height, width, channels) of ``low`` to ``high``."""
        height, width, channels = shape
        type_ = TensorType(
            height=height, width=width, channels=channels, range=IntegerRange(low=low, high=high)
        )
        return self._append(Input(name=name, type=type_))

    def conv(
        self,
        name: str,
        source: str,
        *,
        weights: NDArray[np.int8],
        weight_bits: int,
        stride: tuple[int, int],
        padding: Padding,
    ) -> str:
        """Convolution; padded with 0, or with skipped taps where the source has no 0."""
        if padding and _holds_zero(self.types[source].range):
            padding = replace(padding, value=0)
        return self._append(
            Conv(
                name=name,
                source=source,
                weights=np.ascontiguousarray(weights),
                weight_bits=weight_bits,
                stride=stride,
                padding=padding,
            )
        )

    def dense(self, name: str, source: str, *, weights: NDArray[np.int8], weight_bits: int) -> str:
        """Matrix product over the whole source."""
        weights = np.ascontiguousarray(weights)
        return self._append(
            Dense(name=name, source=source, weights=weights, weight_bits=weight_bits)
        )

    def threshold(
        self,
        name: str,
        source: str,
        *,
        steps: Sequence[Step],
        quantiser: Quantiser,
        low: int,
        step: int,
    ) -> tuple[str, NDArray[np.bool_]]:
        """Float32 steps and a quantiser as levels; the name, and which channels fall.

        Parameters
        ----------
        low, step : int
            The integers that stand for the quantiser's values.
        """
        type_ = self.types[source]
        levels, inverted = bisect_levels(name, steps, quantiser, type_.range, type_.channels)
        op = Threshold(
            name=name, source=source, levels=levels, inverted=inverted, low=low, step=step
        )
        return self._append(op), inverted

    def scale(
        self,
        name: str,
        source: str,
        *,
        gain: ArrayLike,
        offset: ArrayLike,
        shift: int,
        low: int,
        high: int,
    ) -> str:
        """Fixed-point product and sum per channel."""
        op = Scale(
            name=name,
            source=source,
            gain=np.ascontiguousarray(gain, np.int32),
            offset=np.ascontiguousarray(offset, np.int32),
            shift=shift,
            low=low,
            high=high,
        )
        return self._append(op)

    def add(self, name: str, sources: tuple[str, str], *, limit: int) -> str:
        """Sum of two maps, cut off at ``-limit`` and ``limit``."""
        return self._append(Add(name=name, sources=sources, low=-limit, high=limit))

    def concat(self, name: str, sources: tuple[str, ...]) -> str:
        """The channels of several maps."""
        return self._append(Concat(name=name, sources=sources))

    def pool(
        self,
        name: str,
        source: str,
        *,
        size: int | tuple[int, int],
        stride: int | tuple[int, int],
        padding: int = 0,
        minimum: NDArray[np.bool_] | None = None,
        total: bool = False,
    ) -> str:
        """Maximum (minimum in channels so marked), or with ``total`` the sum, of windows."""
        if minimum is None:
            minimum = np.zeros(self.types[source].channels, np.bool_)
        return self._append(
            Pool(
                name=name,
                source=source,
                kind="sum" if total else "max",
                size=(size, size) if isinstance(size, int) else size,
                stride=(stride, stride) if isinstance(stride, int) else stride,
                padding=Padding(top=padding, left=padding, bottom=padding, right=padding),
                minimum=minimum,
            )
        )

    def head(self, name: str, source: str, *, bias: ArrayLike, scale: float) -> str:
        """Raw scores; ``bias`` has a value per channel of the source."""
        type_ = self.types[source]
        cells = type_.height * type_.width
        return self._append(
            Head(
                name=name,
                source=source,
                bias=np.tile(np.asarray(bias, np.int32), cells),
                scale=np.full(type_.size, scale, np.float32),
                offset=np.zeros(type_.size, np.float32),
            )
        )


def _holds_zero(range_: IntegerRange) -> bool:
    return range_.low <= 0 <= range_.high and range_.low % range_.step == 0
