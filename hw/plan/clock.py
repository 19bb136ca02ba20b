"""Model of the clock: how fast each block, and a design of them, is after routing."""

from __future__ import annotations

from hw.plan.cost import Budget, Cost
from hw.plan.layer import LayerPlan

__all__ = ["CLOCK_SHARE", "design_fmax"]

#: Part of the predicted Fmax that is asked of the tools: they must reach it.
CLOCK_SHARE = 0.85


def design_fmax(layers: tuple[LayerPlan, ...], used: Cost, budget: Budget) -> float:
    """Fmax of a whole design in MHz."""
    del layers, used, budget
    return 165.0
