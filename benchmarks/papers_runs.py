"""What `benchmarks.papers` trains: parts, methods, the papers' claims; one run of `sw.train`."""

from __future__ import annotations

import contextlib
import fcntl
import importlib.metadata
import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sw.errors import ToolError
from sw.model import load
from sw.train.__main__ import require_torch

__all__ = ["BUILD", "PARTS", "Claim", "Method", "Part", "Run", "alone", "file_of", "measure"]

ROOT = Path(__file__).resolve().parents[1]

#: Where runs leave their models, curves and checkpoints.
BUILD = ROOT / "build" / "papers"


@dataclass(frozen=True, kw_only=True)
class Method:
    """A way to train a network.

    Parameters
    ----------
    what : str
        For the table.
    recipe, net : str
        Of `sw.train`.
    options : tuple of str
        More of its options.
    scale : float
        Of the part's width, so that networks have equally many binary weights.
    """

    what: str
    recipe: str
    net: str
    options: tuple[str, ...] = ()
    scale: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What a paper says: ``method`` is better than ``other``, both methods of the part."""

    paper: str
    what: str
    method: str
    other: str


@dataclass(frozen=True, kw_only=True)
class Part:
    """One data set, one budget, and the methods that are compared under it.

    Parameters
    ----------
    name, title : str
    metrics : dict
        Figures of `sw.train` and what they are called; claims are about the last one.
    methods : dict of Method by name
    claims : tuple of Claim
    epochs, batch : int
    width : float
    data : str or None
        What ``--data`` is; None: Fashion-MNIST, where Debian's package puts it.
    given : str or None
        The option that names the data, where they are not at hand everywhere.
    data_name : str
        Of the data, in the entries' names: no path of this machine.
    epoch_seconds : float
        CPU time of an epoch, for the first estimates; docs/papers.md says how it was measured.
    """

    name: str
    title: str
    metrics: dict[str, str]
    methods: dict[str, Method]
    claims: tuple[Claim, ...]
    epochs: int
    batch: int
    width: float
    data: str | None
    given: str | None = None
    data_name: str
    epoch_seconds: float

    @property
    def budget(self) -> dict[str, Any]:
        """What is equal for all runs of a table."""
        keys = ("epochs", "batch", "width")
        return {"data": self.data_name, **{key: getattr(self, key) for key in keys}}

    def with_budget(self, budget: dict[str, Any]) -> Part:
        """This part under another budget."""
        known = dict(budget)
        return replace(self, data_name=known.pop("data"), **known)

    def runs(self, seeds: int) -> list[Run]:
        """All runs, seed by seed, so that a table is whole as soon as may be."""
        return [
            Run(part=self, method=method, seed=seed)
            for seed in range(1, seeds + 1)
            for method in self.methods
        ]


@dataclass(frozen=True, kw_only=True)
class Run:
    """A method trained once."""

    part: Part
    method: str
    seed: int

    @property
    def name(self) -> str:
        """Of the entry: part, method and seed, and the budget."""
        budget = ", ".join(f"{key} {value}" for key, value in self.part.budget.items())
        return f"{self.part.name}/{self.method}/{self.seed} ({budget})"

    @property
    def seconds(self) -> float:
        """A first estimate."""
        return 15 + self.part.epochs * self.part.epoch_seconds

    def command(self) -> str:
        """What trains this run alone; without folders of this machine."""
        part = self.part
        words = ["python -m benchmarks.papers --run", f"{part.name}/{self.method}/{self.seed}"]
        if part.given:
            words += [part.given, part.data_name.partition("?")[0]]
        for key in ("epochs", "width"):
            if (value := getattr(part, key)) != getattr(PARTS[part.name], key):
                words += [f"--{key} {value:g}"]
        return " ".join(words)

    def arguments(self) -> list[str]:
        """Of `sw.train`, but for the output and how it runs."""
        part, method = self.part, self.part.methods[self.method]
        words = [method.recipe, "--net", method.net, *method.options]
        words += ["--width", f"{part.width * method.scale:g}", "--epochs", f"{part.epochs}"]
        words += ["--batch", f"{part.batch}", "--seed", f"{self.seed}"]
        return words + (["--data", part.data] if part.data else [])


_CNN, _DUAL, _RESIDUAL = "fashion-cnn", "fashion-dualpath", "fashion-residual"
_NONE = ("--shortcuts", "none")

_FASHION = Part(
    name="fashion",
    title="Fashion-MNIST",
    metrics={"test_accuracy": "test accuracy"},
    methods={
        "ste": Method(what="STE baseline, signs", recipe="ste", net=_CNN),
        "xnor": Method(what="plain scaling (XNOR-Net)", recipe="xnor", net=_CNN),
        "B": Method(what="B: trained scales", recipe="trained-binarization", net=_CNN),
        "A": Method(what="A: layer 2 of 8 bits", recipe="high-precision-second", net=_CNN),
        "ste-ternary": Method(
            what="ternary activations, one source",
            recipe="ste",
            net=_CNN,
            options=("--activations", "ternary"),
        ),
        "ste-dual": Method(what="signs, two sources", recipe="ste", net=_DUAL),
        "C": Method(what="C: ternary, two sources", recipe="dual-path", net=_DUAL),
        "ste-plain": Method(
            what="STE baseline, no shortcuts", recipe="ste", net=_RESIDUAL, options=_NONE
        ),
        "ste-residual": Method(what="STE, with shortcuts", recipe="ste", net=_RESIDUAL),
        "D-plain": Method(
            what="D's gradients, no shortcuts", recipe="bireal", net=_RESIDUAL, options=_NONE
        ),
        "D": Method(what="D: shortcuts and gradients", recipe="bireal", net=_RESIDUAL),
    },
    claims=(
        Claim(paper="A", what="8-bit second layer above a binary one (STE)", method="A",
              other="ste"),
        Claim(paper="B", what="trained scales above plain scaling", method="B", other="xnor"),
        Claim(paper="B", what="trained scales above STE", method="B", other="ste"),
        Claim(paper="C", what="dual path above STE of equal size", method="C", other="ste"),
        Claim(paper="C", what="ternary above plain binary activations", method="C",
              other="ste-dual"),
        Claim(paper="C", what="two sources above one", method="C", other="ste-ternary"),
        Claim(paper="D", what="shortcuts above none", method="D", other="D-plain"),
        Claim(paper="D", what="Bi-Real above STE without shortcuts", method="D",
              other="ste-plain"),
        Claim(paper="D", what="its gradients above STE, both with shortcuts", method="D",
              other="ste-residual"),
    ),
    epochs=4,
    batch=128,
    width=1.0,
    data=None,
    data_name="Fashion-MNIST",
    epoch_seconds=50,
)  # fmt: skip

_PLATES = Part(
    name="plates",
    title="Generated plates",
    metrics={
        "test_precision": "precision",
        "test_recall": "recall",
        "test_average_precision": "AP at IoU 0.5",
    },
    methods={
        "binary": Method(
            what="layer 2 binary",
            recipe="high-precision-second",
            net="plate-detector",
            options=("--second-layer", "binary"),
        ),
        "A": Method(
            what="A: layer 2 of 8 bits", recipe="high-precision-second", net="plate-detector"
        ),
    },
    claims=(
        Claim(paper="A", what="8-bit second layer above a binary one", method="A", other="binary"),
    ),
    epochs=30,
    batch=32,
    width=0.5,
    data="plates:seed=1,count=4000,size=112",
    data_name="plates:seed=1,count=4000,size=112",
    epoch_seconds=7.6,
)

_PHOTOGRAPHS = replace(
    _PLATES,
    name="photographs",
    title="Photographs of plates, cut into tiles of 112 x 112",
    data=None,
    given="--plates",
    data_name="plates?tile=112",
    epoch_seconds=6.5,
)

#: Of dualpath-vgg's width to vgg-small's: 276,624 binary weights at 0.195, 285,696 at 0.25.
_EQUAL = 0.78

_CIFAR = Part(
    name="cifar",
    title="CIFAR-10",
    metrics={"test_accuracy": "test accuracy"},
    methods={
        "ste": Method(what="BinaryNet baseline (STE)", recipe="ste", net="vgg-small"),
        "xnor": Method(what="plain scaling (XNOR-Net)", recipe="xnor", net="vgg-small"),
        "B": Method(what="B: trained scales", recipe="trained-binarization", net="vgg-small"),
        "ste-dual": Method(
            what="signs, two sources", recipe="ste", net="dualpath-vgg", scale=_EQUAL
        ),
        "C": Method(
            what="C: ternary, two sources", recipe="dual-path", net="dualpath-vgg", scale=_EQUAL
        ),
    },
    claims=(
        Claim(paper="B", what="trained scales above plain scaling", method="B", other="xnor"),
        Claim(paper="B", what="trained scales above BinaryNet", method="B", other="ste"),
        Claim(paper="C", what="dual path above BinaryNet of equal size", method="C", other="ste"),
        Claim(paper="C", what="ternary above plain binary activations", method="C",
              other="ste-dual"),
    ),
    epochs=4,
    batch=128,
    width=0.25,
    data=None,
    given="--cifar",
    data_name="cifar10_jpeg.npz",
    epoch_seconds=103,
)  # fmt: skip

PARTS = {part.name: part for part in (_FASHION, _PLATES, _PHOTOGRAPHS, _CIFAR)}


@contextlib.contextmanager
def alone(run: Run) -> Iterator[bool]:
    """Whether no other process is at this run, which is then ours."""
    BUILD.mkdir(parents=True, exist_ok=True)
    with file_of(run, ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


def file_of(run: Run, suffix: str) -> Path:
    """What a run leaves in `BUILD`, by suffix."""
    stem = "".join(letter if letter.isalnum() or letter in "-." else "_" for letter in run.name)
    return BUILD / f"{stem}{suffix}"


def measure(run: Run, *, threads: int) -> dict[str, Any]:
    """Train, or go on where an interruption left the checkpoint; the entry to store.

    Raises
    ------
    ToolError
        The training failed; it has said why.
    """
    torch = require_torch()
    model, checkpoint = file_of(run, ".npz"), file_of(run, ".checkpoint.pt")
    words = [sys.executable, "-m", "sw.train", *run.arguments(), "--json", "-o", str(model)]
    words += ["--threads", f"{threads}"]
    resumed = checkpoint.exists()
    before, start = _cpu_seconds(), time.monotonic()
    done = subprocess.run(
        words + ["--resume"] * resumed, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        raise ToolError(
            f"the training of {run.name} ended with status {done.returncode}, not 0",
            "See what it said above; remove build/papers to begin without its checkpoint",
        )
    figures = json.loads(done.stdout)
    for key in ("model", "epochs", "seed"):
        del figures[key]
    if not resumed:
        figures["seconds"] = round(time.monotonic() - start, 1)
        figures["cpu_s"] = round(_cpu_seconds() - before, 1)
    settings = torch.load(checkpoint, weights_only=True, map_location="cpu")["settings"]
    checkpoint.unlink()
    precision = "bfloat16" if settings["bfloat16"] else "float32"
    return {
        "command": run.command(),
        "versions": _versions(),
        "part": run.part.name,
        "method": run.method,
        "seed": run.seed,
        "budget": run.part.budget,
        "on": f"{_processor(torch, threads)}, {precision}",
        "data": settings["data"],
        "provenance": load(model).provenance,
        "figures": figures,
    }


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _versions() -> dict[str, str]:
    found = {name: importlib.metadata.version(name) for name in ("torch", "numpy")}
    return {"python": platform.python_version(), **found}


def _processor(torch: Any, threads: int) -> str:
    """The GPU, or the CPU and how many threads."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    name, known = platform.processor() or platform.machine(), Path("/proc/cpuinfo")
    if known.exists():
        lines = known.read_text(encoding="utf-8").splitlines()
        name = next((line.split(":", 1)[1].strip() for line in lines if "model name" in line), name)
    return f"{name}, {threads} of {os.cpu_count()} threads"
