"""The cases of `benchmarks.faults`: what goes wrong, and the chip that it happens to."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.fault_users import (
    another_model,
    noise_from_the_chip,
    noise_to_the_chip,
    old_protocol,
    restarts,
    two_clients,
)
from benchmarks.tiny import frames_of, tiny
from hw.options import Planned, add_plan_arguments, planned
from sim.faults import BYTE_FAULTS, Breaks, Bytes, Resets, Splits, Stalls, Wire
from sim.soc import SocSimulator
from sw.model import Model, load, save

__all__ = ["CASES", "Bench", "Case", "Line", "Users"]

#: Bytes between two faults, in the mean: some packets, so that each is seen for itself.
GAP = 150

#: Longest burst in bytes: several packets.
BURST = 60

#: The same of what costs a timeout, or a restart.
WIDE_GAP = 600


@dataclass(frozen=True)
class Bench:
    """A model, its file, the plan of its chip, and the chip, compiled."""

    model: Model
    path: Path
    made: Planned
    chip: SocSimulator
    arguments: tuple[str, ...]

    @classmethod
    def of_tiny(cls) -> Bench:
        """The tiny network on the default board, slow enough to be simulated fast."""
        path = Path(tempfile.mkdtemp(prefix="binarray-")) / "tiny.npz"
        save(tiny(), path)
        return cls.of(path, "--clock", "30", "--fps", "4000")

    @classmethod
    def of(cls, path: Path, *arguments: str) -> Bench:
        """A model file on the board that ``arguments`` of `hw.options` name."""
        parser = argparse.ArgumentParser()
        add_plan_arguments(parser)
        model = load(path)
        made = planned(parser.parse_args(arguments), model)
        chip = SocSimulator(made.plan, model, clock_hz=made.clock_hz, baud=made.baud)
        return cls(model, path, made, chip, arguments)

    def soc(self) -> SocSimulator:
        """The chip, fresh from its reset, with its serial lines; for one user at a time."""
        self.chip.reset()
        return self.chip

    def frames(self, count: int, seed: int) -> np.ndarray:
        return frames_of(self.model, count, seed)


@dataclass(frozen=True)
class Line:
    """Faults on the line, or in the chip.

    Parameters
    ----------
    what : str
    wire : callable
        Makes the line, given a generator.
    host_clock : float
        See `SocSimulator`.
    is_byte_wise : bool
        The wire sees every byte that is delivered; within the UART it does not.
    """

    what: str
    wire: Callable[[np.random.Generator], Wire]
    host_clock: float = 1.0
    is_byte_wise: bool = True


@dataclass(frozen=True)
class Users:
    """Faults of those who use the chip, or of their programs."""

    what: str
    run: Callable[[Any, int, int], dict[str, Any]]


Case = Line | Users

_BYTE_WORDS = {
    "flip": "a bit flipped",
    "drop": "a byte dropped",
    "duplicate": "a byte twice",
    "insert": "a byte inserted",
    "zero": "a delimiter inserted",
    "burst": f"bursts of up to {BURST} random bytes",
}


def _bytes(kind: str) -> Line:
    gap = 2 * GAP if kind == "burst" else GAP
    return Line(_BYTE_WORDS[kind], lambda rng: Bytes(kind, rng, gap=gap, length=BURST))


CASES: dict[str, Case] = {
    **{kind: _bytes(kind) for kind in BYTE_FAULTS},
    "stall": Line("stalls of up to 50 ms", lambda rng: Stalls(rng, gap=WIDE_GAP, seconds=0.05)),
    "long-stall": Line(
        "stalls of up to 4 s, two timeouts",
        lambda rng: Stalls(rng, gap=4 * WIDE_GAP, seconds=4.0),
    ),
    "split": Line("writes split into 1 to 3 bytes", Splits),
    "fast": Line("host's bit clock 3 % too fast", lambda _: Wire(), 1.03, False),
    "slow": Line("host's bit clock 3 % too slow", lambda _: Wire(), 0.97, False),
    "break": Line(
        "line low for up to 40 bits",
        lambda rng: Breaks(rng, gap=2 * GAP, bits=40),
        is_byte_wise=False,
    ),
    "reset": Line(
        "reset of the FPGA in mid-frame", lambda rng: Resets(rng, gap=WIDE_GAP), 1.0, False
    ),
    "restart": Users("simulator killed and started again", restarts),
    "clients": Users("a second client, polite and rude", two_clients),
    "model": Users("another model", another_model),
    "protocol": Users("other versions of the protocol", old_protocol),
    "noise-to": Users("endless random bytes to the chip", noise_to_the_chip),
    "noise-back": Users("endless random bytes to the host", noise_from_the_chip),
}
