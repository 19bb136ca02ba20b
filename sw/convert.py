"""Convert a trained network to a model: QONNX (.onnx) or Larq (.h5, .keras) to .npz.

The command is ``python -m sw.convert network.onnx -o model.npz``.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from sw import cli
from sw.errors import ModelError
from sw.importers.preprocess import HELP, parse
from sw.lower import lower
from sw.lower.reference import evaluate
from sw.model.float_ir import FloatGraph
from sw.model.ir import Conv, Dense, IntegerRange, Threshold
from sw.model.model import Model
from sw.model.npz import save

__all__ = ["convert", "describe", "main"]

_SUFFIXES = (".onnx", ".h5", ".hdf5", ".keras")


def read_network(path: str, preprocess: str) -> FloatGraph:
    """The float graph of a foreign file, by its suffix.

    Raises
    ------
    ModelError
        The suffix is unknown, or the importer refuses.
    ToolError
        A package that the importer needs is missing.
    """
    steps = parse(preprocess)
    suffix = Path(path).suffix.lower()
    if suffix == ".onnx":
        from sw.importers.qonnx import load_qonnx

        return load_qonnx(path, steps)
    if suffix in _SUFFIXES:
        from sw.importers.larq import load_larq

        return load_larq(path, steps)
    raise ModelError(
        f"'{path}' has the suffix '{suffix}'; allowed are {', '.join(_SUFFIXES)}",
        "Give a QONNX file (.onnx) or a Larq network (.h5, .keras)",
    )


def describe(model: Model, size: int | None = None) -> dict[str, Any]:
    """Layers, ranges, sizes and operations of a model, as plain JSON values."""
    layers = []
    for op in model.graph.ops:
        kind, type_ = type(op).__name__, model.graph.types[op.name]
        layer: dict[str, Any] = {
            "name": op.name,
            "op": kind.lower(),
            "shape": list(type_.shape),
            "range": [type_.range.low, type_.range.high],
            "step": type_.range.step,
            "bits": type_.range.bits,
        }
        if isinstance(op, Conv | Dense):
            layer["fan_in"] = op.fan_in
            layer["weights"] = int(op.weights.size)
            layer["macs"] = type_.size * op.fan_in
        elif isinstance(op, Threshold):
            layer["levels"] = int(op.levels.shape[1])
            layer["inverted"] = int(op.inverted.sum())
        layers.append(layer)
    return {
        "name": model.name,
        "classes": list(model.classes),
        "head": model.graph.head.kind,
        "layers": layers,
        "weights": sum(layer.get("weights", 0) for layer in layers),
        "macs": sum(layer.get("macs", 0) for layer in layers),
        "vectors": len(model.vectors.frames),
        "bytes": size,
        "sha256": model.sha256,
    }


def agreement(graph: FloatGraph, model: Model) -> dict[str, Any] | None:
    """How the embedded vectors fare in the float graph, or None for an argmax head."""
    if model.graph.head.kind != "raw":
        return None
    tensors = evaluate(graph, model.vectors.frames)
    wanted = tensors[graph.ops[-1].name].reshape(len(model.vectors.frames), -1)
    got = model.logits(model.vectors.scores)
    return {
        "frames": len(wanted),
        "classes_equal": int((got.argmax(1) == wanted.argmax(1)).sum()),
        "greatest_logit_error": float(np.abs(got - wanted).max()),
    }


def _print(report: dict[str, Any]) -> None:
    table = Table(title=f"{report['name']}: {report['head']} head", title_justify="left")
    for column in ("layer", "op", "shape", "range", "weights", "MACs"):
        numbers = column in ("shape", "range", "weights", "MACs")
        table.add_column(column, justify="right" if numbers else "left", overflow="fold")
    for layer in report["layers"]:
        table.add_row(
            layer["name"],
            layer["op"],
            " x ".join(map(str, layer["shape"])),
            _range(layer),
            f"{layer['weights']:,}" if "weights" in layer else "",
            f"{layer['macs']:,}" if "macs" in layer else "",
        )
    console = Console(soft_wrap=not sys.stdout.isatty())
    console.print(table)
    console.print(
        f"{report['weights']:,} binary weights, {report['macs']:,} binary MACs a frame, "
        f"{report['vectors']} test vectors, {report['bytes']:,} bytes",
        highlight=False,
    )
    if report["agreement"]:
        found = report["agreement"]
        console.print(
            f"float graph and integer graph on the vectors: {found['classes_equal']} of "
            f"{found['frames']} classes equal, logits within "
            f"{found['greatest_logit_error']:.2g}",
            highlight=False,
        )
    console.print(f"sha256 {report['sha256']}", highlight=False)


def _range(layer: dict[str, Any]) -> str:
    if (layer["range"], layer["step"]) == ([-1, 1], 2):
        return "-1, +1"
    found = IntegerRange(low=layer["range"][0], high=layer["range"][1], step=layer["step"])
    step = f" step {found.step}" if found.step != 1 else ""
    return f"{found.low}..{found.high}{step}"


def _class_names(arguments: argparse.Namespace) -> tuple[str, ...]:
    if arguments.labels_file is None:
        return tuple(n.strip() for n in arguments.classes.split(",")) if arguments.classes else ()
    remedy = "Give a text file of one class name a line"
    try:
        text = Path(arguments.labels_file).read_text(encoding="utf-8")
    except OSError as error:
        raise ModelError(
            f"cannot read '{arguments.labels_file}': {error.strerror or error}", remedy
        ) from None
    except UnicodeDecodeError:
        raise ModelError(f"'{arguments.labels_file}' is not UTF-8 text", remedy) from None
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def _vector_frames(path: str | None, graph: FloatGraph, count: int) -> NDArray[np.uint8] | None:
    """The first frames of a file; the importer does not know them yet, so no model checks."""
    if path is None:
        if count == 8:
            return None
        shape = (count, *graph.shapes[graph.input.name])
        return np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    return np.array(np.atleast_1d(cli.load_array(path, "frames"))[:count])


def convert(arguments: argparse.Namespace) -> dict[str, Any]:
    """Convert as the parsed arguments say, write the model, and report."""
    with cli.atomic_write(arguments.output) as target:
        graph = read_network(arguments.network, arguments.preprocess)
        model = lower(
            graph,
            name=arguments.name or Path(arguments.network).stem,
            classes=_class_names(arguments),
            provenance=arguments.provenance or f"converted from {Path(arguments.network).name}",
            head=arguments.head,
            vector_frames=_vector_frames(arguments.frames, graph, arguments.vectors),
        )
        digest = save(model, target)
        report = describe(model, target.stat().st_size)
    report["sha256"] = digest
    report["agreement"] = agreement(graph, model)
    return report


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sw.convert",
        description="Convert a trained binary network to a model of Binarray: QONNX (.onnx), "
        "or Larq in a Keras file (.h5, .keras).",
        epilog="example: python -m sw.convert mnist.h5 -o mnist.npz --preprocess 'pixel>127'",
    )
    parser.add_argument("network", help="the .onnx, .h5 or .keras file")
    parser.add_argument("-o", "--output", required=True, help="the model to write, .npz")
    parser.add_argument("--name", help="of the model (default: that of the file)")
    names = parser.add_mutually_exclusive_group()
    names.add_argument("--classes", help="class names, separated by commas")
    names.add_argument("--labels-file", help="class names, one a line")
    parser.add_argument(
        "--head",
        choices=("raw", "argmax"),
        default="raw",
        help="what the accelerator answers: all integer scores (raw, the default), or the "
        "index of the greatest, where that is the network's answer",
    )
    parser.add_argument("--preprocess", default="unit", help=HELP)
    parser.add_argument("--frames", help="uint8 frames (.npy) for the embedded test vectors")
    parser.add_argument(
        "--vectors", type=_count, default=8, help="number of test vectors to embed (default 8)"
    )
    parser.add_argument("--provenance", help="where the weights come from, and their licence")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    return parser


def _count(text: str) -> int:
    value = int(text)
    if not 1 <= value <= 1000:
        raise argparse.ArgumentTypeError(f"{value} is not from 1 to 1000")
    return value


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    arguments = _parser().parse_args(argv)
    report = convert(arguments)
    if arguments.json:
        print(json.dumps(report, indent=2))
    else:
        _print(report)
    return 0


if __name__ == "__main__":
    cli.run(main)
