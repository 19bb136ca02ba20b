"""Command: scores of frames, from an accelerator."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sw import cli
from sw.driver import Accelerator
from sw.driver.links import DEFAULT_BAUD
from sw.driver.simulated import model_of
from sw.errors import ModelError
from sw.model import load


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
        help="auto, a serial port, udp://HOST, socket://HOST:PORT, or sim: and a build's folder or "
        "a model file; sim:PATH?mode=bytes simulates without the bit-level UART",
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
        "--baud", type=_positive_int, default=DEFAULT_BAUD, help="of a serial port (%(default)s)"
    )
    parser.add_argument(
        "--timeout",
        type=_positive,
        metavar="S",
        help="seconds of silence before sending again (2; simulated 600)",
    )
    return parser


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
    with Accelerator(
        arguments.port, model, baud=arguments.baud, timeout=arguments.timeout
    ) as accelerator:
        with cli.atomic_write(arguments.output) as output:
            verified = accelerator.verify() if arguments.verify else None
            start = time.perf_counter()
            with cli.progress(f"run on {accelerator.port}", len(frames), "frames") as advance:
                scores = accelerator.predict(frames, progress=advance)
            seconds = time.perf_counter() - start
            _save(output, scores)
        figures: dict[str, object] = {
            "port": accelerator.port,
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
    if arguments.json:
        print(json.dumps(figures))
        return 0
    if verified is not None:
        print(f"{verified} test vectors equal")
    print(f"{len(scores)} frames, {figures['frames_per_second']} frames/s; {arguments.output}")
    if labels is not None:
        print(f"accuracy {figures['accuracy']:.2%} ({figures['correct']} of {len(labels)})")
    return 0


def _model_path(arguments: argparse.Namespace) -> str | Path:
    """The model file given, or the one that a sim: port brings."""
    if arguments.model:
        return arguments.model
    found = model_of(arguments.port) if arguments.port.startswith("sim:") else None
    if found is None:
        raise ModelError(
            f"no model was given for the accelerator at '{arguments.port}'",
            "Give the model file that it was built from with --model",
        )
    return found


def _save(path: Path, scores: np.ndarray) -> None:
    with path.open("wb") as file:
        np.save(file, scores)


if __name__ == "__main__":
    cli.run(main)
