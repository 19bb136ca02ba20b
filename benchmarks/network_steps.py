"""A network of `sw.train.zoo` with random weights: its model, its core, its chip, its full size.

Weights, biases and batch norms are random numbers of a seed; means and variances are those of
random frames, as training leaves them, so that no tensor is constant. Needs PyTorch.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import boards
from benchmarks.routed_chip import plan_options, route_chip
from hw.options import Planned, planned
from hw.plan.plan import make_plan
from hw.plan.stages import WindowStage, cut
from sim.core import CoreSimulator
from sw import cli, golden
from sw.errors import PlanError, ToolError
from sw.model import Model, load, save
from sw.train.__main__ import require_torch
from sw.train.recipe import RECIPES
from sw.train.zoo import NETWORKS

if TYPE_CHECKING:
    from sw.train.engine.network import Network

__all__ = [
    "STEPS",
    "Case",
    "chip",
    "core",
    "full",
    "make_model",
    "make_network",
    "make_plan_of",
    "random_frames",
    "widest",
    "widest_of",
]

#: Of weights and frames, and of the placer.
SEED = 1

#: Frames whose means and variances the batch norms take, and how often.
SETTLING = (2, 3)

#: A device that takes everything is the board's so many times over.
TIMES = 1_000

#: What the planner is asked for where only size counts: a frame a second at 100 MHz.
FULL_CLOCK, FULL_FPS = 100.0, 1.0

#: Widths are tried in steps of so many to 1.
WIDTHS = 32


@dataclass(frozen=True, kw_only=True)
class Case:
    """A network at a width that fits an ULX3S with an 85F.

    Parameters
    ----------
    name : str
        Of `sw.train.zoo.NETWORKS`; frames are as large as it says.
    recipe : str
        Of `sw.train.recipe.RECIPES`.
    width : float
    classes : int
        Of no meaning to a detector.
    fps : int
        Frames/s that the plan is asked for.
    frames : int
        To simulate.
    """

    name: str
    recipe: str
    width: float
    classes: int
    fps: int
    frames: int

    @property
    def arguments(self) -> tuple[str, ...]:
        """Options of the plan."""
        return ("--board", "ulx3s", "--size", "85F", "--fps", str(self.fps))

    def summary(self) -> dict[str, Any]:
        """What figures are of: others are stale."""
        return {
            "recipe": self.recipe,
            "width": self.width,
            "frame": list(NETWORKS[self.name].frame),
            "classes": self.classes,
            "fps": self.fps,
            "frames": self.frames,
        }


def random_frames(shape: tuple[int, int, int], count: int, seed: int) -> NDArray[np.uint8]:
    """Patches of 8 x 8 pixels of random colours under noise, (count, height, width, channels)."""
    rng = np.random.default_rng(seed)
    height, width, channels = shape
    patches = rng.integers(0, 224, (count, -(-height // 8), -(-width // 8), channels))
    smooth = patches.repeat(8, axis=1).repeat(8, axis=2)[:, :height, :width]
    return (smooth + rng.integers(0, 32, smooth.shape)).astype(np.uint8)


def make_network(case: Case) -> Network:
    """The network, with random numbers in it."""
    torch = require_torch()
    from sw.train.engine.build import build
    from sw.train.layers.norm import BatchNorm

    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    net = NETWORKS[case.name]
    network = build(net, RECIPES[case.recipe], net.frame, case.classes, case.width)
    count, times = SETTLING
    frames = torch.from_numpy(random_frames(net.frame, count, SEED)).permute(0, 3, 1, 2).float()
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, BatchNorm):
                module.gamma.normal_()
                module.beta.normal_(0, 0.1)
        for _ in range(times):
            network.train()(frames)
    return network.eval()


def make_model(network: Network, case: Case) -> Model:
    """The integer model."""
    from sw.train.engine.network import to_model

    return to_model(
        network,
        name=f"{case.name}-{case.width:g}",
        provenance="random numbers; no rights reserved",
        vector_frames=random_frames(network.shape, 1, SEED),
    )


def make_plan_of(case: Case) -> Planned:
    """The model at the case's width, and its plan."""
    model = make_model(make_network(case), case)
    # A link needs the hash of the file.
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.npz"
        save(model, path)
        return planned(plan_options(case.arguments), load(path))


def core(case: Case) -> dict[str, Any]:
    """The plan, and whole frames through the compiled RTL: every tensor, and the cycles.

    Raises
    ------
    ToolError
        A tensor or a score differs from the golden model's.
    """
    made = make_plan_of(case)
    model, graph = made.model, made.model.graph
    frames = random_frames(graph.input.type.shape, case.frames, SEED + 1)
    inputs = model.preprocessing.apply(frames)
    expected = golden.run(graph, inputs)
    with cli.step(f"simulate {case.frames} frames of {model.name}"):
        start = time.monotonic()
        simulator = CoreSimulator(made.plan, model, taps=True)
        compiled = time.monotonic()
        result = simulator.run(inputs)
        seconds = {"compile": compiled - start, "simulate": time.monotonic() - compiled}
    scores = expected[graph.head.name].reshape(case.frames, -1)
    unlike = [n for n, values in result.tensors.items() if not (values == expected[n]).all()]
    if unlike or not (result.scores == scores).all():
        raise ToolError(
            f"the RTL of {model.name} differs from the golden model in "
            f"{', '.join([*unlike, graph.head.name])}",
            "This is a bug in Binarray; please report it",
        )
    return {
        "clock_mhz": made.plan.clock_mhz,
        "predicted": made.plan.summary()["predicted"],
        "gap": round(made.plan.gap, 4),
        "layers": len(made.plan.layers),
        "queues": sum(edge.fifo is not None for la in made.plan.layers for edge in la.edges),
        "frames": case.frames,
        "tensors": len(result.tensors),
        "elements": int(sum(v.size for v in result.tensors.values()) + scores.size),
        "distinct_scores": len(np.unique(scores)),
        "cycles_per_frame": result.cycles_per_frame,
        "latency_cycles": result.latency_cycles,
        "seconds": {name: round(value, 1) for name, value in seconds.items()},
    }


def chip(case: Case) -> dict[str, Any]:
    """The whole design with link and pins, placed and routed with one seed."""
    with cli.step(f"build {case.name} at width {case.width:g}"):
        return route_chip(make_plan_of(case), seeds=(SEED,))


def full(case: Case) -> dict[str, Any]:
    """The network at width 1: a frame through the golden model, and what the planner says.

    Raises
    ------
    ToolError
        The golden model's scores are not PyTorch's.
    """
    from sw.train.engine.task import scores_of

    whole = replace(case, width=1.0)
    with cli.step(f"run {case.name} in full size"):
        network = make_network(whole)
        model = make_model(network, whole)
        frames = random_frames(model.graph.input.type.shape, 1, SEED + 1)
        start = time.process_time()
        scores = golden.scores(model, frames)
        seconds = time.process_time() - start
        if not (scores == scores_of(network, frames)).all():
            raise ToolError(
                f"the golden model of {case.name} gives other scores than PyTorch",
                "This is a bug in Binarray; please report it",
            )
    stages = [stage for stage in cut(model.graph) if isinstance(stage, WindowStage)]
    bits = [s.outputs * s.fan_in * getattr(s, "weight_bits", 1) for s in stages]
    return {
        "golden_seconds": round(seconds, 2),
        "scores": int(scores.size),
        "distinct_scores": len(np.unique(scores)),
        "weight_bits": sum(bits),
        **_full_plan(model),
    }


def widest(case: Case) -> dict[str, Any]:
    """The greatest width that the planner puts on the board, however slow."""
    with cli.step(f"plan {case.name} at several widths"):
        return {"width": widest_of(case, _fits)}


def widest_of(case: Case, fits: Callable[[Case], bool]) -> float:
    """The greatest width from the case's to 1 that fits, in steps of 1 / `WIDTHS`."""
    # What fits at one width is taken to fit at each smaller one.
    low, high = round(case.width * WIDTHS), WIDTHS + 1
    while high - low > 1:
        middle = (low + high) // 2
        if fits(replace(case, width=middle / WIDTHS)):
            low = middle
        else:
            high = middle
    return low / WIDTHS


def _fits(case: Case) -> bool:
    options = ["--size", "85F", "--clock", f"{FULL_CLOCK:g}", "--fps", f"{FULL_FPS:g}"]
    try:
        planned(plan_options(options), make_model(make_network(case), case))
    except PlanError:
        return False
    return True


def _full_plan(model: Model) -> dict[str, Any]:
    """The plan on the board, or the refusal; and what a frame a second would need."""
    board = boards.find("ulx3s", "85F")
    answer: dict[str, Any]
    try:
        made = planned(plan_options(["--board", "ulx3s", "--size", "85F"]), model)
        answer = {"predicted": made.plan.summary()["predicted"]}
    except PlanError as error:
        answer = {"refused": str(error)}
    budget = board.budget
    large = replace(budget, **{n: TIMES * getattr(budget, n) for n in ("lut", "ff", "bram", "dsp")})
    need = make_plan(model, board="any", budget=large, clock=FULL_CLOCK, fps=FULL_FPS)
    return answer | {"needs": need.summary()["predicted"]}


#: What is measured of a case, in order.
STEPS = {"core": core, "full": full, "widest": widest, "chip": chip}
