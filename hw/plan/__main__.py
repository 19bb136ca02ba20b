"""``python -m hw.plan``: the folding of a model for a board, and what it will do."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from rich.console import Console
from rich.table import Table

from hw.options import Planned, add_plan_arguments, planned
from hw.plan.cost import RESOURCES
from hw.plan.plan import LayerPlan, Plan
from hw.plan.weights import Packing
from sw.cli import run
from sw.model import load

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line, plan, and print."""
    parser = argparse.ArgumentParser(
        prog="python -m hw.plan",
        description="Choose the folding of each layer for a board, and predict area, cycles and "
        "frames/s. No tools are run.",
    )
    parser.add_argument("model", type=Path, help="model.npz")
    add_plan_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print the plan as JSON")
    options = parser.parse_args(arguments)
    result = planned(options, load(options.model))
    if options.json:
        print(json.dumps(result.plan.summary(), indent=2))
        return
    console = Console(highlight=False)
    console.print(layer_table(result.plan))
    for line in summary_lines(result):
        console.print(line, soft_wrap=True)


def layer_table(plan: Plan) -> Table:
    """A row for each layer, its folding, its cycles and its area."""
    device = f"{plan.board} {plan.size or ''}".strip()
    table = Table(title=f"{plan.model} on {device} at {plan.clock_mhz:g} MHz")
    resources = [name for name in RESOURCES if name != "spram" or plan.predicted.spram]
    table.add_column("layer")
    table.add_column("folding")
    for column in ("cycles", "busy", *(name.upper() for name in resources), "weights packed"):
        table.add_column(column, justify="right")
    for layer in plan.layers:
        table.add_row(
            layer.name,
            folding(layer),
            str(layer.cycles),
            f"{layer.cycles / plan.cycles_per_frame:.0%}",
            *(str(getattr(layer.cost, name)) for name in resources),
            packed(layer.weights),
        )
    return table


def percent(part: float | None) -> str:
    """A part of 1 for people; empty where there is none."""
    return "" if part is None else f"{part:.0%}"


def packed(weights: Packing) -> str:
    """How full the block RAMs of weights are, and could be with the same folding."""
    if weights.packed is None:
        return ""
    return f"{percent(weights.packed)} of {percent(weights.packed_at_most)}"


def folding(layer: LayerPlan) -> str:
    """A layer's folding in words: rows x simd x columns and what holds its weights; queues."""
    return "; ".join(part for part in (_array(layer), _integer(layer), *_queues(layer)) if part)


def _array(layer: LayerPlan) -> str:
    array = layer.array
    if array is None:
        return "" if layer.integer or layer.block is None else f"{layer.kind}, {layer.lanes} lanes"
    columns = f" x {array.columns} columns" if array.columns > 1 else ""
    return f"{array.rows} rows x {array.simd} lanes{columns}, {_memory(array.weight_memory)}"


def _integer(layer: LayerPlan) -> str:
    array = layer.integer
    if array is None:
        return ""
    how = {"dsp": "on DSP blocks", "lut": "in LUTs", "planes": "by bit planes"}[array.multiplier]
    return f"{array.rows} rows x {array.simd} lanes of {array.weight_bits} bits {how}, " + _memory(
        array.weight_memory
    )


def _memory(kind: str) -> str:
    return (
        "weights in "
        + {
            "block": "block RAM",
            "spram": "SPRAM",
            "lut": "LUTs",
            "logic": "logic",
        }[kind]
    )


def _queues(layer: LayerPlan) -> list[str]:
    return [
        f"{edge.source} waits in {edge.fifo.depth} x {edge.fifo.width} bits"
        for edge in layer.edges
        if edge.fifo is not None
    ]


def summary_lines(result: Planned) -> list[str]:
    """Totals, speed and the limit."""
    plan, budget = result.plan, result.board.budget
    used = ", ".join(
        f"{getattr(plan.predicted, name)} of {getattr(budget, name)} {name.upper()}"
        for name in RESOURCES
        if name != "spram" or budget.spram
    )
    weights = ""
    if plan.weights.packed is not None:
        weights = (
            f"; those of weights {percent(plan.weights.packed)},"
            f" with this folding at most {percent(plan.weights.packed_at_most)}"
        )
    objects = []
    if plan.objectness is not None:
        objects = [f"boxes are marked from an objectness of {plan.objectness:g} on"]
    return [
        f"area, link included: {used}",
        f"block RAMs packed: {percent(plan.predicted.packed)} of their bits" + weights,
        f"{plan.cycles_per_frame} cycles a frame, {plan.frames_per_second:.0f} frames/s (the core)",
        f"{result.link_frames_per_second:.0f} frames/s of the link, at {result.baud} baud: "
        f"{result.bound} is the slower",
        f"predicted Fmax {plan.fmax_mhz:.0f} MHz",
        f"limited by: {plan.limited_by}; "
        + (f"{plan.gap:.1%} from the best at most" if plan.gap else "proven to be the best"),
        *objects,
    ]


if __name__ == "__main__":
    run(main)
