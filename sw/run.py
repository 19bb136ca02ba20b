"""Command: scores of frames, from an accelerator."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sw import cli
from sw.driver import Accelerator, AcceleratorPool
from sw.driver.accelerator import RECONNECT
from sw.driver.links import DEFAULT_BAUD
from sw.driver.simulated import model_of
from sw.errors import LinkError, ModelError
from sw.model import Model, load


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = argparse.ArgumentParser(
        prog="python -m sw.run",
        description="Send frames through an accelerator and write its scores.",
    )
    parser.add_argument("frames", help=".npy file of uint8 frames (N, H, W[, C])")
    parser.add_argument(
        "--port",
        required=True,
        action="append",
        dest="ports",
        help="auto, a serial port, udp://HOST, socket://HOST:PORT, or sim: and a build's folder or "
        "a model file; sim:PATH?mode=bytes simulates without the bit-level UART. Given several "
        "times, the frames are shared by several boards of one model",
    )
    parser.add_argument(
        "-o", "--output", metavar="SCORES", required=True, help=".npy file to write, int32 (N, M)"
    )
    parser.add_argument(
        "--model", help="model file of the accelerator; needed unless the port is sim:"
    )
    parser.add_argument("--labels", help=".npy file of N class numbers, to print the accuracy")
    parser.add_argument(
        "--verify", action="store_true", help="run the model's test vectors through it first"
    )
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument(
        "--baud",
        type=_positive_int,
        help=f"of a serial port ({DEFAULT_BAUD}; auto tries what boards come to have)",
    )
    parser.add_argument(
        "--timeout",
        type=_positive,
        metavar="S",
        help="seconds of silence before sending again (2; simulated 600)",
    )
    parser.add_argument(
        "--reconnect",
        type=_not_negative,
        default=RECONNECT,
        metavar="S",
        help="seconds for which a port that is lost on the way is awaited (%(default)g)",
    )
    return parser


def _not_negative(text: str) -> float:
    value = float(text)
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not 0 or a number above")
    return value


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a number above 0")
    return value


def _positive_int(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a number above 0")
    return value


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    arguments = parser().parse_args(argv)
    model = load(_model_path(arguments))
    # What the user gave is looked at before a simulator is compiled for minutes.
    frames = cli.load_frames(arguments.frames, model)
    labels = None
    if arguments.labels:
        labels = cli.load_labels(arguments.labels, len(frames), model.graph.head.bias.size)
    with _opened(arguments, model) as accelerator:
        with cli.atomic_write(arguments.output) as output:
            verified = accelerator.verify() if arguments.verify else None
            start = time.perf_counter()
            with cli.progress(f"run on {accelerator.port}", len(frames), "frames") as advance:
                scores = accelerator.predict(frames, progress=advance)
            seconds = time.perf_counter() - start
            _save(output, scores)
        figures: dict[str, object] = {
            "port": accelerator.port,
            "ports": arguments.ports if len(arguments.ports) > 1 else [accelerator.port],
            "lost": _lost(accelerator),
            "model": model.name,
            "model_sha256": accelerator.info.model_sha256,
            "frames": len(scores),
            "seconds": round(seconds, 3),
            "frames_per_second": round(len(scores) / seconds, 1),
            "resent": accelerator.resent,
        }
        if verified is not None:
            figures["verified"] = verified
        if labels is not None:
            correct = int((accelerator.model.classify(scores) == labels).sum())
            figures["correct"], figures["accuracy"] = correct, correct / len(labels)
    for port, error in _lost(accelerator).items():
        cli.console.print(f"lost {port}: {error}", markup=False)
    if arguments.json:
        print(json.dumps(figures))
        return 0
    if verified is not None:
        print(f"{verified} test vectors equal")
    print(f"{len(scores)} frames, {figures['frames_per_second']} frames/s; {arguments.output}")
    if labels is not None:
        print(f"accuracy {figures['accuracy']:.2%} ({figures['correct']} of {len(labels)})")
    return 0


def _opened(arguments: argparse.Namespace, model: Model) -> Accelerator | AcceleratorPool:
    """The accelerator at the port, or the pool of those at the ports."""
    options = {
        "baud": arguments.baud,
        "timeout": arguments.timeout,
        "reconnect": arguments.reconnect,
    }
    if len(arguments.ports) == 1:
        return Accelerator(arguments.ports[0], model, **options)
    if "auto" in arguments.ports:
        raise LinkError(
            f"--port auto was given among {len(arguments.ports)} ports",
            "Give it alone, or name each port",
        )
    return AcceleratorPool(arguments.ports, model, **options)


def _lost(accelerator: Accelerator | AcceleratorPool) -> dict[str, str]:
    """Boards of a pool that failed, and why."""
    if not isinstance(accelerator, AcceleratorPool):
        return {}
    return {port: str(error) for port, error in accelerator.lost.items()}


def _model_path(arguments: argparse.Namespace) -> str | Path:
    """The model file given, or the one that a sim: port brings."""
    if arguments.model:
        return arguments.model
    port = arguments.ports[0]
    found = model_of(port) if port.startswith("sim:") else None
    if found is None:
        raise ModelError(
            f"no model was given for the accelerator at '{port}'",
            "Give the model file that it was built from with --model",
        )
    return found


def _save(path: Path, scores: np.ndarray) -> None:
    with path.open("wb") as file:
        np.save(file, scores)


if __name__ == "__main__":
    cli.run(main)
