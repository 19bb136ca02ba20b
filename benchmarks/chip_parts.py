"""The measurements behind `benchmarks.fill_the_chip`: blocks, networks and the planner.

A part is measured on its own and its figures are plain JSON. Blocks go through
`benchmarks.size.measure`, three seeds and their median; networks are synthesised once and
routed with the same three seeds, on the board's device with its pins, and the cycles of a
frame are counted in the compiled RTL of the core that was planned, whose scores must be
the golden model's.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from benchmarks import size
from benchmarks.routed_chip import plan_options, route_chip
from benchmarks.size_cases import CASES, Case
from benchmarks.throughput import CASES as BUNDLES
from benchmarks.throughput import EXAMPLES
from hw.blocks.threshold import StartValues, ThresholdUnit
from hw.options import Planned, planned
from hw.plan.array import ArrayConfig, ThresholdConfig
from hw.plan.cost import Budget
from hw.plan.plan import largest_memory, make_plan
from sim.core import CoreSimulator
from sw import cli, golden
from sw.errors import PlanError, ToolError
from sw.model import Model, load
from tests.hw.plan.graphs import resnet18_chain

__all__ = ["PARTS", "SEEDS", "Part"]

#: Of the placer; what is published is the median over them.
SEEDS = (1, 2, 3)

#: Clock asked of place and route for blocks on their own, in MHz.
BLOCK_CLOCK = 160.0

#: Bits of a block RAM.
_BLOCK_BITS = 18 * 1024


@dataclass(frozen=True, kw_only=True)
class Part:
    """One measurement.

    Parameters
    ----------
    name : str
        As ``--run`` takes it.
    minutes : float
        About how long it takes on two cores.
    measure : callable
        Gives the figures, plain JSON.
    case : callable, optional
        Gives what is measured, where that is a block of its own.
    model, arguments : str and tuple of str
        Of ``examples/`` and of its plan, where that is routed whole; else empty.
    """

    name: str
    minutes: float
    measure: Callable[[], dict[str, Any]]
    case: Callable[[], Case] | None = None
    model: str = ""
    arguments: tuple[str, ...] = ()


def _case(name: str) -> Case:
    return next(case for case in CASES if case.name == name)


def _array(rows: int, simd: int, *, thresholds: bool = True, **options: Any) -> Case:
    """An array of one pixel with four neuron folds and nine synapse folds."""
    shape = {"outputs": 4 * rows, "fan_in": 9 * simd, "rows": rows, "simd": simd}
    config = ArrayConfig(**{**shape, "height": 1, "width": 1, **options})
    if thresholds:
        levels = ThresholdConfig(
            channels=config.outputs,
            levels=1,
            match_bits=config.match_bits,
            y_classes=(0,),
            x_classes=(0,) * config.width,
        )
        config = dataclasses.replace(config, thresholds=levels)
    return Case(name=f"array {rows}x{simd}", block="SystolicArray", config=config)


def _logic(outputs: int, fan_in: int) -> Case:
    """A layer whose weights are constants: one fold."""
    return _array(outputs, fan_in, outputs=outputs, fan_in=fan_in, weight_memory="logic")


def measure_block(case: Case, macs: int | None = None) -> dict[str, Any]:
    """Area and clock of a block; with ``macs``, binary MACs a cycle, also of each."""
    with cli.step(case.name):
        block = case.build(np.random.default_rng(1))
        figures: dict[str, Any] = size.measure(block, clock_mhz=BLOCK_CLOCK, seeds=SEEDS)
    if macs is not None:
        figures |= {"macs": macs, "comb_per_mac": round(figures["comb"] / macs, 3)}
        figures["ff_per_mac"] = round(figures["ff"] / macs, 3)
    return figures


class _Registered(wiring.Component):
    """Start values between two registers, as they are in an array: a path with a clock."""

    def __init__(self, *, words: Sequence[int], width: int) -> None:
        self._start = StartValues(words=words, width=width)
        super().__init__({"address": In(len(self._start.address)), "data": Out(width)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.start = self._start
        address = Signal.like(self.address, reset_less=True)
        m.d.sync += [address.eq(self.address), self.data.eq(self._start.data)]
        m.d.comb += self._start.address.eq(address)
        return m


def measure_thresholds() -> dict[str, Any]:
    """What a threshold of 10 bits adds to a PE that works on 16 outputs in turn.

    With one level the comparison is the accumulator's sign and costs nothing; what is
    left are the start values, a memory of 16 words. With three levels there is a unit of
    comparators and a memory behind the accumulator.
    """
    rng = np.random.default_rng(1)
    figures = {}
    blocks = {
        "1 level": _Registered(words=rng.integers(0, 2**11, 16).tolist(), width=11),
        "3 levels": ThresholdUnit(
            config=ThresholdConfig(
                channels=16, levels=3, match_bits=10, y_classes=(0,), x_classes=(0,)
            ),
            levels=np.sort(rng.integers(0, 2**10, (16, 3))),
            inverted=rng.random(16) < 0.5,
        ),
    }
    for name, block in blocks.items():
        with cli.step(f"threshold of {name}"):
            figures[name] = size.measure(block, clock_mhz=BLOCK_CLOCK, seeds=SEEDS)
    return figures


def simulate(made: Planned, model: Model) -> dict[str, Any]:
    """Cycles of a frame in a steady stream, counted in the compiled RTL.

    Raises
    ------
    ToolError
        A score differs from the golden model's.
    """
    bundle_name, count = BUNDLES[_file_name(model)]
    with np.load(EXAMPLES / f"{bundle_name}.npz") as bundle:
        frames = model.as_frames(bundle["frames"][:count])
    with cli.step(f"simulate {len(frames)} frames of {model.name}"):
        result = CoreSimulator(made.plan, model).run(model.preprocessing.apply(frames))
    if not (result.scores == golden.scores(model, frames)).all():
        raise ToolError(
            f"the RTL of {model.name} gives other scores than the golden model",
            "This is a bug in Binarray; please report it",
        )
    arrays = [layer.array for layer in made.plan.layers if layer.array is not None]
    ideal = max(array.cycles_per_frame for array in arrays)
    cycles = result.cycles_per_frame
    assert cycles is not None
    return {
        "frames": len(frames),
        "cycles_per_frame": cycles,
        "predicted_cycles": made.plan.cycles_per_frame,
        "ideal_cycles": ideal,
        "utilisation": round(cycles / ideal, 4),
        "latency_cycles": result.latency_cycles,
    }


def _file_name(model: Model) -> str:
    for name in BUNDLES:
        if load(EXAMPLES / f"{name}.npz").sha256 == model.sha256:
            return name
    raise AssertionError(f"{model.name} is an example")


def measure_cycles(name: str, arguments: Sequence[str]) -> dict[str, Any]:
    """Cycles of an example at a folding; nothing is synthesised."""
    model = load(EXAMPLES / f"{name}.npz")
    return simulate(planned(plan_options(arguments), model), model)


def measure_network(name: str, arguments: Sequence[str]) -> dict[str, Any]:
    """A whole design: plan, cycles, and three placements; or why there is none."""
    model = load(EXAMPLES / f"{name}.npz")
    start = time.monotonic()
    try:
        made = planned(plan_options(arguments), model)
    except PlanError as error:
        return {"refused": str(error)}
    seconds = {"plan": round(time.monotonic() - start, 1)}
    figures: dict[str, Any] = {
        "clock_mhz": made.plan.clock_mhz,
        "predicted": made.plan.summary()["predicted"],
        "largest_memory": largest_memory(made.plan.layers),
        "gap": made.plan.gap,
        "weight_packing": made.plan.weights.summary()["weights_packed"],
        "limited_by": made.plan.limited_by,
        **simulate(made, model),
    }
    figures |= route_chip(made, seeds=SEEDS)
    figures["seconds"] = seconds | figures["seconds"]
    hertz = figures["fmax_mhz"] * 1e6
    figures["frames_per_second"] = round(hertz / figures["cycles_per_frame"], 1)
    figures["first_frame_us"] = round(figures["latency_cycles"] / hertz * 1e6, 2)
    return figures


@dataclass(frozen=True, kw_only=True)
class _Large:
    """A device of a thousand block RAMs, on which a ResNet-18's weights fit."""

    lut: int = 400_000
    ff: int = 400_000
    bram: int = 1_000
    bram_bits: int = _BLOCK_BITS
    dsp: int = 0
    spram: int = 0


def measure_planner() -> dict[str, Any]:
    """Seconds and gap of planning the convolutions of a ResNet-18 at 224 x 224."""
    model = resnet18_chain(np.random.default_rng(1))
    budget: Budget = _Large()
    start = time.process_time()
    plan = make_plan(model, board="model", budget=budget, clock=100.0, share=1.0)
    seconds = round(time.process_time() - start, 2)
    return {"resnet18_seconds": seconds, "gap": plan.gap, "cycles": plan.cycles_per_frame}


def _block(name: str, minutes: float, case: Callable[[], Case], macs: int | None = None) -> Part:
    return Part(name=name, minutes=minutes, measure=lambda: measure_block(case(), macs), case=case)


def _network(name: str, model: str, minutes: float, *arguments: str) -> Part:
    return Part(
        name=name,
        minutes=minutes,
        measure=lambda: measure_network(model, arguments),
        model=model,
        arguments=arguments,
    )


def _cycles(model: str, *arguments: str) -> Part:
    return Part(name=f"cycles-{model}", minutes=2, measure=lambda: measure_cycles(model, arguments))


_PARTS = (
    _block("array-512", 2, lambda: _array(8, 64, rows_per_hop=2), 512),
    _block("array-1024", 4, lambda: _array(16, 64, rows_per_hop=2), 1_024),
    _block("array-2048", 8, lambda: _array(32, 64, rows_per_hop=2), 2_048),
    _block("array-4096", 20, lambda: _array(64, 64, rows_per_hop=2), 4_096),
    # Weights for 128 rows of 64 lanes are more bits a cycle than an 85F's block RAMs give.
    _block("array-8192", 60, lambda: _array(64, 64, rows_per_hop=2, columns=2, width=2), 8_192),
    _block("logic-64x64", 2, lambda: _logic(64, 64), 64 * 64),
    _block("logic-64x576", 15, lambda: _logic(64, 576), 64 * 576),
    _block("lines-serial", 1, lambda: _case("line buffer 28x28x16, 16 lanes, 2 times")),
    _block(
        "lines-parallel", 1, lambda: _case("line buffer 28x28x16, 144 lanes, parallel, block RAM")
    ),
    Part(name="thresholds", minutes=6, measure=measure_thresholds),
    _network("cnv-85F", "cnv_cifar10", 60, "--size", "85F", "--clock", "100", "--fps", "14000"),
    _network("cnv-25F", "cnv_cifar10", 20, "--size", "25F"),
    _network("cnv-12F", "cnv_cifar10", 20, "--size", "12F"),
    _network("larq-12F", "larq_mnist", 10, "--size", "12F"),
    _network("tfc-25F", "tfc_mnist", 15, "--size", "25F"),
    _cycles("fashion", "--size", "12F"),
    _cycles("lfc_mnist", "--fps", "10000"),
    _cycles("tfc_mnist_1w2a", "--fps", "200000"),
    Part(name="planner", minutes=0.5, measure=measure_planner),
)

#: Every part by its name.
PARTS: dict[str, Part] = {part.name: part for part in _PARTS}
