"""Plans with weights in SPRAM, whatever the planner would choose."""

from __future__ import annotations

from dataclasses import replace

from hw.plan.plan import Plan

__all__ = ["with_spram"]


def with_spram(plan: Plan, *, layers: int | None = None) -> Plan:
    """The same with the weights of all binary arrays there, or of the first few.

    Neighbouring rows share a memory, the more the fewer bits they read.
    """
    changed = []
    for layer in plan.layers:
        array = layer.array
        if array is not None and array.weights.depth > 1 and layers != 0:
            shared = max(n for n in range(1, array.rows + 1) if not array.rows % n and n <= 8)
            array = replace(array, weight_memory="spram", rows_per_hop=shared)
            layer = replace(layer, array=array)
            layers = None if layers is None else layers - 1
        changed.append(layer)
    return replace(plan, layers=tuple(changed))
