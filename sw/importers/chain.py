"""Builds a float graph op by op, with legal and unique names."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from sw.model.float_ir import (
    Elementwise,
    FloatConv,
    FloatDense,
    FloatGraph,
    FloatInput,
    FloatOp,
    FloatPool,
    Rounding,
    Sign,
    Step,
    Uniform,
)

__all__ = ["Chain"]


class Chain:
    """A float graph under construction; each method adds an op that reads the last one.

    Parameters
    ----------
    height, width, channels : int
        Of the frames.
    preprocess : tuple of Step
        What is done to a pixel before the foreign network sees it.
    """

    def __init__(self, height: int, width: int, channels: int, preprocess: tuple[Step, ...]):
        self._ops: list[FloatOp] = [
            FloatInput(name="pixels", height=height, width=width, channels=channels)
        ]
        self.elementwise("preprocess", *preprocess)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of the last op's tensor."""
        return self.graph().shapes[self.last]

    @property
    def last(self) -> str:
        return self._ops[-1].name

    def graph(self) -> FloatGraph:
        """The graph so far."""
        return FloatGraph(ops=tuple(self._ops))

    def _name(self, wish: str) -> str:
        base = re.sub(r"[^A-Za-z0-9_.-]+", "_", wish).strip("_.-")[:80] or "op"
        taken = {op.name for op in self._ops}
        name, count = base, 1
        while name in taken:
            count += 1
            name = f"{base}_{count}"
        return name

    def elementwise(self, name: str, *steps: Step) -> None:
        if steps:
            self._ops.append(Elementwise(name=self._name(name), source=self.last, steps=steps))

    def conv(
        self,
        name: str,
        weights: NDArray[np.float32],
        *,
        stride: tuple[int, int] = (1, 1),
        padding: tuple[int, int, int, int] = (0, 0, 0, 0),
        pad_value: float = 0.0,
    ) -> None:
        self._ops.append(
            FloatConv(
                name=self._name(name),
                source=self.last,
                weights=np.ascontiguousarray(weights, np.float32),
                stride=stride,
                padding=padding,
                pad_value=pad_value,
            )
        )

    def dense(self, name: str, weights: NDArray[np.float32]) -> None:
        weights = np.ascontiguousarray(weights, np.float32)
        self._ops.append(FloatDense(name=self._name(name), source=self.last, weights=weights))

    def pool(self, name: str, size: tuple[int, int], stride: tuple[int, int]) -> None:
        self._ops.append(
            FloatPool(name=self._name(name), source=self.last, size=size, stride=stride)
        )

    def sign(self, name: str, *, scale: float = 1.0) -> None:
        """Sign with sign(0) = +1, as Larq, Brevitas and QONNX have it."""
        self._ops.append(Sign(name=self._name(name), source=self.last, scale=scale, zero=1))

    def uniform(
        self,
        name: str,
        *,
        low: int,
        high: int,
        scale: float = 1.0,
        zero_point: int = 0,
        rounding: Rounding = "half_even",
    ) -> None:
        self._ops.append(
            Uniform(
                name=self._name(name),
                source=self.last,
                scale=scale,
                zero_point=zero_point,
                low=low,
                high=high,
                rounding=rounding,
            )
        )
