"""Random systolic arrays with their data, and what they must compute, in plain NumPy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw.blocks.array import SystolicArray
from hw.plan.array import ArrayConfig, ThresholdConfig
from tests.hw.blocks import bench

__all__ = ["ArrayCase", "random_case"]


@dataclass(frozen=True, kw_only=True)
class ArrayCase:
    """An array, its data and the codes of some frames (frames, pixels, K)."""

    config: ArrayConfig
    weights: NDArray[np.bool_]
    thresholds: NDArray[np.int64] | None
    inverted: NDArray[np.bool_] | None
    codes: NDArray[np.int64]

    def block(self, *, loaded: bool = True) -> SystolicArray:
        return SystolicArray(
            config=self.config,
            weights=self.weights,
            thresholds=self.thresholds,
            inverted=self.inverted,
            loaded=loaded,
        )

    def beats(self) -> list[int]:
        """Input payloads of all frames."""
        config = self.config
        groups = self.codes.reshape(-1, 1, config.columns, config.synapse_folds, config.simd)
        replayed = np.repeat(groups, config.neuron_folds, axis=1).transpose(0, 1, 3, 2, 4)
        return bench.pack(replayed, config.columns * config.simd, config.lane_bits)

    def expected(self) -> NDArray[np.int64]:
        """Outputs (frames, pixels, O)."""
        top = 2**self.config.lane_bits - 1
        matches = np.zeros((*self.codes.shape[:2], self.config.outputs), np.int64)
        for output, row in enumerate(self.weights):
            matches[:, :, output] = np.where(row, self.codes, top - self.codes).sum(-1)
        given = self.config.thresholds
        if given is None or self.thresholds is None or self.inverted is None:
            return matches
        columns = max(given.x_classes) + 1
        classes = np.array([y * columns + x for y in given.y_classes for x in given.x_classes])
        reached = matches[..., None] >= self.thresholds[classes][None]
        n = reached.sum(-1)
        return np.where(self.inverted, given.levels - n, n)

    def outputs(self, payloads: list[int]) -> NDArray[np.int64]:
        """Output beats, unpacked to (frames, pixels, O)."""
        config = self.config
        lanes = bench.unpack(payloads, config.columns * config.rows, config.out_bits)
        groups = lanes.reshape(-1, config.neuron_folds, config.columns, config.rows)
        return groups.transpose(0, 2, 1, 3).reshape(-1, config.pixels, config.outputs)

    @property
    def output_beats(self) -> int:
        config = self.config
        return len(self.codes) * config.pixels // config.columns * config.neuron_folds


def random_case(
    rng: np.random.Generator,
    *,
    rows: int = 2,
    simd: int = 4,
    neuron_folds: int = 2,
    synapse_folds: int = 2,
    lane_bits: int = 1,
    levels: int = 1,
    height: int = 1,
    width: int = 1,
    y_classes: tuple[int, ...] = (),
    x_classes: tuple[int, ...] = (),
    frames: int = 2,
    **options: Any,
) -> ArrayCase:
    """An array with random data; ``levels=0`` leaves out the thresholds."""
    shape: dict[str, Any] = dict(
        outputs=rows * neuron_folds, fan_in=simd * synapse_folds, rows=rows, simd=simd
    )
    shape |= dict(lane_bits=lane_bits, height=height, width=width)
    bare = ArrayConfig(**shape, **options)
    thresholds = inverted = config = None
    if levels:
        config = ThresholdConfig(
            channels=bare.outputs,
            levels=levels,
            match_bits=bare.match_bits,
            y_classes=y_classes or (0,) * height,
            x_classes=x_classes or (0,) * width,
        )
        # Mostly about the middle, where the matches lie; some at and beyond the ends.
        spread = max(2, bare.match_max // 3)
        middle = bare.match_max // 2
        size = (config.classes, bare.outputs, levels)
        thresholds = rng.integers(middle - spread, middle + spread + 1, size)
        ends = [-5, 0, 1, bare.match_max, bare.match_max + 1, 2**bare.match_bits, 10**6]
        thresholds = np.where(rng.random(size) < 0.2, rng.choice(ends, size), thresholds)
        thresholds = np.sort(thresholds, axis=-1)
        inverted = rng.random(bare.outputs) < 0.4
    return ArrayCase(
        config=ArrayConfig(**shape, **options, thresholds=config),
        weights=rng.random((bare.outputs, bare.fan_in)) < 0.5,
        thresholds=thresholds,
        inverted=inverted,
        codes=rng.integers(0, 2**lane_bits, (frames, bare.pixels, bare.fan_in)),
    )
