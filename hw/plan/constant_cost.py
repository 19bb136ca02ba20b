"""Area of sums under constant weights, before the weights are known.

The adders of some groups of outputs are planned with random weights, which a trained
layer's resemble in size (CNV's second layer takes 0.5 % more sites), and counted:

1. a chain takes a site for each bit and boundary, one more where its last sum carries
   out, and an even number in all;
2. Yosys adds about one LUT for `INVERTED_SITES` sites;
3. each bit of a sum has a flip-flop, one more for each cycle that it waits, and each
   lane one for each cycle that the latest of its users is behind; this is exact.

Measured by place and route: 64 outputs of 64 lanes, 2,487 sites and 2,420 flip-flops;
64 outputs of 576 lanes, whole array, 23,258 and 24,370, of which 22,627 and 23,501 are
predicted for the sums.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from hw.plan.adders import Adder, Lane, Operand, Pair, SumPlan, chains
from hw.plan.constant import group_hops, group_sizes, plan_sums

__all__ = ["ConstantCost", "constant_cost", "plan_cost"]

#: Sites for which Yosys puts one inverter in front of a flip-flop.
INVERTED_SITES = 80

#: Groups of outputs that are planned, of however many there are.
SAMPLE = 6


@dataclass(frozen=True, kw_only=True)
class ConstantCost:
    """LUT sites and flip-flops of sums; thresholds and the array around them not counted."""

    lut: int
    ff: int
    cycles: int


@functools.cache
def constant_cost(outputs: int, lanes: int, lane_bits: int = 1) -> ConstantCost:
    """Area of the sums of ``outputs`` outputs of ``lanes`` lanes each, one column.

    Takes a tenth of a second for a thousand lanes, and is remembered.
    """
    all_sizes = group_sizes(outputs, lanes)
    sizes = all_sizes[:SAMPLE]
    part = outputs / sum(sizes)
    weights = np.random.default_rng(0).random((sum(sizes), lanes)) < 0.5
    plan = plan_sums(weights, lane_bits=lane_bits, sizes=sizes)
    # Lanes wait once for all groups, also for those that were left out.
    more = group_hops(all_sizes, lanes)[-1] - group_hops(sizes, lanes)[-1]
    waiting = _lane_registers(plan) + more * lanes * lane_bits
    registers = round(part * _sum_registers(plan)) + waiting
    return ConstantCost(
        lut=round(part * _with_inverters(_sites(plan))), ff=registers, cycles=plan.cycles + more
    )


def plan_cost(weights: ArrayLike, lane_bits: int = 1) -> ConstantCost:
    """As `constant_cost`, of known weights (O, lanes)."""
    plan = plan_sums(weights, lane_bits=lane_bits)
    return ConstantCost(
        lut=_with_inverters(_sites(plan)),
        ff=_sum_registers(plan) + _lane_registers(plan),
        cycles=plan.cycles,
    )


def _with_inverters(sites: int) -> int:
    return round(sites * (1 + 1 / INVERTED_SITES))


def _sites(plan: SumPlan) -> int:
    """Sites of all chains, see step 1 above."""
    total = 0
    for group in plan.groups:
        by_cycle: dict[int, list[Adder]] = {}
        for adder in group:
            if adder.right is not None:
                by_cycle.setdefault(adder.cycle, []).append(adder)
        for together in by_cycle.values():
            for chain in chains(together):
                sites = sum(adder.sites for adder in chain)
                sites += chain[-1].width > chain[-1].places
                total += sites + sites % 2
    return total


def _sum_registers(plan: SumPlan) -> int:
    """Flip-flops of sums, and of those that wait for the latest of their users."""
    last = {adder: adder.cycle for group in plan.groups for adder in group}
    for group in plan.groups:
        for adder in group:
            for operand in adder.operands():
                if isinstance(operand.source, Adder):
                    last[operand.source] = max(last[operand.source], adder.cycle - 1)
    return sum(adder.width * (1 + cycle - adder.cycle) for adder, cycle in last.items())


def _lane_registers(plan: SumPlan) -> int:
    """Flip-flops of lanes that wait for the latest of their users."""
    last: dict[Lane, int] = {}
    for group in plan.groups:
        for adder in group:
            rider = [] if adder.rider is None else [Operand(adder.rider)]
            for operand in [*adder.operands(), *rider]:
                for lane in _lanes(operand):
                    last[lane] = max(last.get(lane, 0), adder.cycle - 1)
    return sum(lane.bits * cycle for lane, cycle in last.items())


def _lanes(operand: Operand) -> list[Lane]:
    """Lanes of an operand, not inverted."""
    source = operand.source
    if isinstance(source, Adder):
        return []
    lanes = [source.first, source.second] if isinstance(source, Pair) else [source]
    return [lane.flipped() if lane.inverted else lane for lane in lanes]
