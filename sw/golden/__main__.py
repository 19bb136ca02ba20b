"""Command: the exact scores of frames, and every tensor on request."""

from __future__ import annotations

import argparse
import contextlib
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from sw import cli
from sw.golden import Progress, batches, check_vectors, scores
from sw.model import Model, load
from sw.model.ir import Graph


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = argparse.ArgumentParser(
        prog="python -m sw.golden",
        description="Compute a model's scores for frames, exactly as the hardware does.",
    )
    parser.add_argument("model", help="model file, as sw.convert and sw.train write it")
    parser.add_argument("frames", help=".npy file of uint8 frames (N, H, W[, C])")
    parser.add_argument(
        "-o", "--output", metavar="SCORES", required=True, help=".npy file to write, int32 (N, M)"
    )
    parser.add_argument(
        "--tensors", metavar="DIR", help="new folder for every tensor, int32 (N, H, W, C)"
    )
    parser.add_argument("--labels", help=".npy file of N class numbers, to print the accuracy")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    return parser


def _write_tensors(
    graph: Graph, inputs: NDArray, folder: Path, progress: Progress
) -> NDArray[np.int32]:
    """Write each tensor to ``folder`` batch by batch; return the head's (N, scores)."""
    result = np.empty((len(inputs), graph.types[graph.head.name].channels), np.int32)
    with contextlib.ExitStack() as stack:
        files: dict[str, BinaryIO] = {}
        for name, type_ in graph.types.items():
            # Written and not mapped: a full disk is then an error and not a signal.
            files[name] = stack.enter_context((folder / f"{name}.npy").open("wb"))
            header = {"descr": "<i4", "fortran_order": False, "shape": (len(inputs), *type_.shape)}
            np.lib.format.write_array_header_1_0(files[name], header)
        for part, name, values in batches(graph, inputs, progress=progress):
            files[name].write(np.ascontiguousarray(values, "<i4").tobytes())
            if name == graph.head.name:
                result[part] = values[:, 0, 0]
    return result


def _report(
    model: Model, result: NDArray, labels: NDArray | None, seconds: float
) -> dict[str, object]:
    figures: dict[str, object] = {
        "model": model.name,
        "model_sha256": model.sha256,
        "frames": len(result),
        "seconds": round(seconds, 3),
        "frames_per_second": round(len(result) / seconds, 1),
    }
    if labels is not None:
        correct = int((model.classify(result) == labels).sum())
        figures["correct"], figures["accuracy"] = correct, correct / len(labels)
    return figures


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    arguments = parser().parse_args(argv)
    model = load(arguments.model)
    frames = cli.load_frames(arguments.frames, model)
    labels = None
    if arguments.labels:
        labels = cli.load_labels(arguments.labels, len(frames), model.graph.head.bias.size)
    check_vectors(model)
    with contextlib.ExitStack() as outputs:
        output = outputs.enter_context(cli.atomic_write(arguments.output))
        progress = outputs.enter_context(cli.progress("golden model", len(frames), "frames"))
        start = time.perf_counter()
        if arguments.tensors:
            folder = outputs.enter_context(cli.atomic_directory(arguments.tensors))
            inputs = model.preprocessing.apply(frames)
            result = _write_tensors(model.graph, inputs, folder, progress)
        else:
            result = scores(model, frames, progress=progress)
        seconds = time.perf_counter() - start
        with output.open("wb") as file:
            np.save(file, result)
    figures = _report(model, result, labels, seconds)
    if arguments.json:
        print(json.dumps(figures))
        return 0
    print(f"{len(result)} frames, {figures['frames_per_second']} frames/s; {arguments.output}")
    if labels is not None:
        print(f"accuracy {figures['accuracy']:.2%} ({figures['correct']} of {len(labels)})")
    return 0


if __name__ == "__main__":
    cli.run(main)
