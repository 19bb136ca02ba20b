"""Objectness of a detector's boxes: which threshold, which scores reach it, and the block's config.

The score of a box reaches an objectness P where it is at least a level that `sw.detect.levels`
finds, an integer for each cell and anchor. The levels of a trained detector depend on the
anchor alone, for its scales and offsets do: so they are a short table, read again and again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hw.plan.channels import rom_kind
from hw.plan.line_buffer import at_least
from sw.detect.decoding import levels
from sw.errors import PlanError
from sw.model.model import BOX_CHANNELS, Model

__all__ = ["DEFAULT_OBJECTNESS", "ObjectnessConfig", "least_scores", "objectness_of"]

#: What boxes must reach where nothing else is asked for, as on the host.
DEFAULT_OBJECTNESS = 0.5


def objectness_of(model: Model, asked: float | None) -> float | None:
    """The objectness that hardware of ``model`` compares with; None: it is no detector.

    Parameters
    ----------
    model : Model
    asked : float or None
        None: `DEFAULT_OBJECTNESS`.

    Raises
    ------
    PlanError
        ``asked`` is out of range, or was asked for a model that is no detector.
    """
    if model.detection is None:
        if asked is None:
            return None
        raise PlanError(
            f"an objectness of {asked:g} was asked for, but model '{model.name}' is no detector: "
            "it gives scores and no boxes",
            "Leave --objectness out, or give a detector",
        )
    if asked is None:
        return DEFAULT_OBJECTNESS
    if not 0 < asked < 1:
        raise PlanError(
            f"an objectness of {asked:g} was asked for; allowed is above 0 and below 1",
            f"Give such as --objectness {DEFAULT_OBJECTNESS}",
        )
    return asked


def least_scores(model: Model, objectness: float | None) -> NDArray[np.int64] | None:
    """Levels of a frame's boxes, in the order in which they come; None without an objectness.

    Box b has the level ``b % n`` of the n that are returned: one, one for each anchor, or one
    for each cell and anchor, whichever is the shortest.
    """
    if objectness is None:
        return None
    table = levels(model, objectness)
    anchors = table.reshape(-1, table.shape[-1])
    if (anchors != anchors[0]).any():
        return anchors.ravel()
    row = anchors[0]
    return row if (row != row[0]).any() else row[:1]


@dataclass(frozen=True, kw_only=True)
class ObjectnessConfig:
    """Mark the boxes of a stream of scores whose objectness reaches a level.

    Every fifth score, the last of a box's `BOX_CHANNELS`, is its objectness.

    Parameters
    ----------
    elements : scores of a frame
    levels : number of different levels; box b of a frame has level ``b % levels``
    score_bits : bits of a score, signed
    memory : "lut" or "block", what several levels are kept in; None: by their number

    Raises
    ------
    PlanError
        If a value is out of range, or a frame is no whole number of rounds of the levels.
    """

    elements: int
    levels: int
    score_bits: int
    memory: Literal["lut", "block"] | None = None

    def __post_init__(self) -> None:
        at_least(
            "objectness", 1, elements=self.elements, levels=self.levels, score_bits=self.score_bits
        )
        if self.memory not in (None, "lut", "block"):
            raise PlanError(
                f"objectness: memory is {self.memory!r}, must be 'lut' or 'block'",
                "Choose one of the two, or None",
            )
        if self.elements % (BOX_CHANNELS * self.levels):
            raise PlanError(
                f"objectness: elements is {self.elements}, must be a multiple of {BOX_CHANNELS} "
                f"scores a box x {self.levels} levels",
                "Give whole boxes, and as many levels as divide them",
            )

    @property
    def level_limits(self) -> tuple[int, int]:
        """A level that every score reaches, and one that none does."""
        half = 1 << (self.score_bits - 1)
        return -half, half

    @property
    def level_bits(self) -> int:
        """Signed bits of a level, and of a score less a level.

        A level that no score reaches is one more than the greatest score.
        """
        return self.score_bits + 1

    @property
    def kind(self) -> Literal["lut", "block"]:
        """What several levels are kept in."""
        return self.memory or rom_kind(self.levels)

    @property
    def read_cycles(self) -> int:
        """Registers behind the levels; none of a single one, a constant.

        They cost no cycle: the next level is wanted `BOX_CHANNELS` scores after the last.
        """
        if self.levels == 1:
            return 0
        return 2 if self.kind == "block" else 1

    @property
    def cycles_per_frame(self) -> int:
        return self.elements

    @property
    def latency_cycles(self) -> int:
        return 1
