"""Cut the integer graph into hardware stages and move its arithmetic onto their streams.

A stage is an op, or an array and the threshold behind it:

- `ArrayStage`: a `Conv` or `Dense` with binary weights; `IntegerStage`: one with others;
- `ScaleStage`, `ThresholdStage`: a `Scale`, and a `Threshold` on its own;
- `AddStage`, `ConcatStage`: where streams join;
- `PoolStage`: a `Pool`;
- `HeadStage`: the `Head`.

What their lanes carry, and where constants go: `hw.plan.stages.lanes`,
docs/architecture.md section 1.
"""

from __future__ import annotations

from hw.plan.stages.cut import cut
from hw.plan.stages.kinds import (
    AddStage,
    ArrayStage,
    ConcatStage,
    HeadStage,
    IntegerStage,
    PoolStage,
    ScaleStage,
    Stage,
    ThresholdStage,
    WindowStage,
)
from hw.plan.stages.lanes import Lanes, lanes_of, signed_bits

__all__ = [
    "AddStage",
    "ArrayStage",
    "ConcatStage",
    "HeadStage",
    "IntegerStage",
    "Lanes",
    "PoolStage",
    "ScaleStage",
    "Stage",
    "ThresholdStage",
    "WindowStage",
    "cut",
    "lanes_of",
    "signed_bits",
]
