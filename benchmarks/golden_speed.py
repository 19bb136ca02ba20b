"""The golden model against ONNX Runtime, on the same networks in one run.

``python -m benchmarks.golden_speed`` prints a table; ``--json`` the figures. ONNX
Runtime runs each network as a float32 graph (`benchmarks.onnx_float`) on one thread;
the golden model, on one thread too, starts from bytes: its preprocessing is timed with
it. Times are of the processor, not of the clock on the wall, and the two take turns, so
that whatever else the machine does falls on both; the ratio is of the medians. Scores are
compared first, and must be equal.

Needs the extra ``bench``.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from threadpoolctl import threadpool_limits

from benchmarks.onnx_float import float_model
from sw import cli
from sw.errors import ToolError
from sw.golden.fast import Executor
from sw.model import Model, Preprocessing, load
from sw.model.ir import (
    Conv,
    Dense,
    Graph,
    Head,
    Input,
    IntegerRange,
    Op,
    Padding,
    Pool,
    TensorType,
    Threshold,
    infer,
)
from sw.model.model import Vectors

__all__ = ["measure", "session_of", "vgg_small"]

CNV = Path(__file__).parents[1] / "examples" / "cnv_cifar10.npz"

#: Frames of a call, and timed calls of each side.
BATCHES = (1, 64)
REPEATS = 15


def vgg_small(seed: int = 1) -> Model:
    """VGG-Small with random weights: 32x32x3, six 3x3 convolutions, a dense layer.

    128, 128, pool, 256, 256, pool, 512, 512, pool, 10. The first and the last layer have
    weights of 8 bits; levels lie near 0, where random signs put the sums.
    """
    rng = np.random.default_rng(seed)
    range_ = IntegerRange(low=-128, high=127)
    ops: list[Op] = [
        Input(name="input", type=TensorType(height=32, width=32, channels=3, range=range_))
    ]
    types = {"input": infer(ops[0], {})}

    def add(op: Op) -> None:
        ops.append(op)
        types[op.name] = infer(op, types)

    def weights(bits: int, *shape: int) -> NDArray[np.int8]:
        if bits == 1:
            return rng.choice(np.array([-1, 1], np.int8), shape)
        return rng.integers(-127, 128, shape).astype(np.int8)

    same = Padding(top=1, left=1, bottom=1, right=1)
    for index, outputs in enumerate((128, 128, 256, 256, 512, 512)):
        bits, channels = 1 if index else 8, types[ops[-1].name].channels
        made = weights(bits, outputs, 3, 3, channels)
        source, name = ops[-1].name, f"conv{index}"
        add(Conv(name=name, source=source, weights=made, weight_bits=bits, padding=same))
        spread = 20 if index else 4000
        levels = rng.integers(-spread, spread + 1, (outputs, 1)).astype(np.int32)
        inverted = rng.random(outputs) < 0.2
        add(Threshold(name=f"sign{index}", source=name, levels=levels, inverted=inverted))
        if index % 2:
            none = np.zeros(outputs, np.bool_)
            pool = Pool(
                name=f"pool{index}", source=f"sign{index}", size=(2, 2), stride=(2, 2), minimum=none
            )
            add(pool)
    made = weights(8, 10, types[ops[-1].name].size)
    add(Dense(name="dense", source=ops[-1].name, weights=made, weight_bits=8))
    zeros = np.zeros(10, np.int32)
    ones = np.ones(10, np.float32)
    add(Head(name="head", source="dense", bias=zeros, scale=ones, offset=0 * ones))
    frames = rng.integers(0, 256, (1, 32, 32, 3), dtype=np.uint8)
    return Model(
        name="vgg_small",
        graph=Graph(ops=tuple(ops)),
        preprocessing=Preprocessing(table=np.arange(-128, 128, dtype=np.int16)[None]),
        vectors=Vectors(frames=frames, scores=np.zeros((1, 10), np.int32)),
        provenance="random numbers; no rights reserved",
    )


def session_of(graph: Graph) -> onnxruntime.InferenceSession:
    """ONNX Runtime on the float form of ``graph``: one thread, all optimisations."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    return onnxruntime.InferenceSession(
        float_model(graph).SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def _seconds(action: Callable[[], object]) -> float:
    start = time.process_time()
    action()
    return time.process_time() - start


def measure(model: Model, batch: int, repeats: int) -> dict[str, Any]:
    """Median seconds of both for one batch, taken in turns, and their ratio.

    Raises
    ------
    ToolError
        The scores differ.
    """
    frames = np.random.default_rng(batch).integers(
        0, 256, (batch, *model.graph.input.type.shape), dtype=np.uint8
    )
    executor, session = Executor(model.graph), session_of(model.graph)
    values = model.preprocessing.apply(frames).transpose(0, 3, 1, 2)
    inputs = {"input": np.ascontiguousarray(values, np.float32)}

    def ours() -> NDArray[np.int32]:
        parts = range(0, batch, executor.batch)
        chunks = (frames[first : first + executor.batch] for first in parts)
        scores = [executor.scores(model.preprocessing.apply(chunk)) for chunk in chunks]
        return np.concatenate(scores)

    def theirs() -> NDArray[np.float32]:
        return np.asarray(session.run(None, inputs)[0])

    if not (ours() == theirs()).all():
        raise ToolError(
            f"ONNX Runtime gives other scores for {model.name} than the golden model",
            "This is a bug in Binarray; please report it",
        )
    times = [(_seconds(ours), _seconds(theirs)) for _ in range(repeats)]
    medians = [statistics.median(column) for column in zip(*times, strict=True)]
    return {
        "network": model.name,
        "batch": batch,
        "equal": True,
        "golden_frames_per_second": round(batch / medians[0], 1),
        "onnxruntime_frames_per_second": round(batch / medians[1], 1),
        "ratio": round(medians[1] / medians[0], 2),
    }


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line, measure, and print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.golden_speed",
        description="Frames per second of the golden model and of ONNX Runtime, one thread each.",
    )
    parser.add_argument("--batch", type=int, nargs="+", default=BATCHES, help="frames of a call")
    parser.add_argument("--repeats", type=int, default=REPEATS, help="timed calls of each")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args(arguments)
    results = []
    with threadpool_limits(limits=1):
        for model in (load(CNV), vgg_small()):
            for batch in options.batch:
                with cli.step(f"Running {model.name}, {batch} frames at once"):
                    results.append(measure(model, batch, options.repeats))
    if options.json:
        print(json.dumps(results, indent=2))
        return
    table = Table("network", "batch", "golden frames/s", "ONNX Runtime frames/s", "ratio")
    for result in results:
        keys = ("batch", "golden_frames_per_second", "onnxruntime_frames_per_second", "ratio")
        table.add_row(result["network"], *(str(result[key]) for key in keys))
    Console().print(table)


if __name__ == "__main__":
    cli.run(main)
