"""One training run: its settings, checkpoint and curve."""

from __future__ import annotations

import csv
import math
import pickle
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from sw.cli import atomic_write
from sw.errors import UserError
from sw.train.engine.network import Network
from sw.train.plot import draw
from sw.train.recipe import Recipe

__all__ = ["Run", "read_checkpoint", "save_checkpoint", "take_up"]

#: Seconds between two pictures of a curve.
REDRAW = 20.0


@dataclass(kw_only=True)
class Run:
    """One training run and where it leaves its files.

    Parameters
    ----------
    recipe : Recipe
    net : str
        Name of the network, for messages and checks.
    width : float
    seed : int
        Of the first weights, the order of the frames and their augmentation.
    bfloat16 : bool
        Train in bfloat16; evaluation is always exact.
    flip : bool
    shift : int
        Augmentation, see `sw.train.engine.frames.augment`.
    checkpoint : Path
        Written after each epoch, whole or not at all.
    curve : Path
        CSV with a line per epoch; a picture of it lies beside it (.png).
    rows : list of dict
        The curve.
    drawn : float
        When its picture was last drawn.
    """

    recipe: Recipe
    net: str
    width: float = 1.0
    seed: int = 1
    bfloat16: bool = False
    flip: bool = False
    shift: int = 0
    checkpoint: Path
    curve: Path
    rows: list[dict[str, float]] = field(default_factory=list)
    drawn: float = -math.inf

    def settings(self, data: str, processes: int) -> dict[str, Any]:
        """What must be equal for a checkpoint to be resumed."""
        return {
            "recipe": repr(asdict(self.recipe)),
            "net": self.net,
            "width": self.width,
            "seed": self.seed,
            "bfloat16": self.bfloat16,
            "augmentation": f"flip {self.flip}, shift {self.shift}",
            "data": data,
            "processes": processes,
        }


def save_checkpoint(
    run: Run,
    settings: dict[str, Any],
    network: Network,
    optimiser: torch.optim.Optimizer,
    epoch: int,
) -> None:
    """Write the checkpoint, the curve and its picture."""
    with atomic_write(run.checkpoint) as path:
        torch.save(
            {
                "settings": settings,
                "epoch": epoch,
                "network": network.state_dict(),
                "optimiser": optimiser.state_dict(),
                "rows": run.rows,
            },
            path,
        )
    with atomic_write(run.curve) as path, path.open("w", newline="") as file:
        writer = csv.DictWriter(file, tuple(run.rows[0]))
        writer.writeheader()
        writer.writerows(run.rows)
    # A picture takes a moment: not after each of many short epochs.
    if epoch == run.recipe.epochs or time.monotonic() > run.drawn + REDRAW:
        draw(run.rows, run.curve.with_suffix(".png"), title=f"{run.recipe.name}, {run.net}")
        run.drawn = time.monotonic()


def read_checkpoint(run: Run, settings: dict[str, Any]) -> dict[str, Any]:
    """The checkpoint of ``run``; see `take_up`.

    Raises
    ------
    UserError
        It is missing, damaged or of another run.
    """
    path, remedy = run.checkpoint, "Train without --resume, or give the options of that run"
    try:
        state = torch.load(path, weights_only=True, map_location="cpu")
    except FileNotFoundError:
        raise UserError(f"there is no checkpoint '{path}' to resume", remedy) from None
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError, ValueError, KeyError) as error:
        reason = str(error).split("\n", 1)[0][:80]
        raise UserError(f"checkpoint '{path}' is damaged: {reason}", remedy) from None
    found = state.get("settings") if isinstance(state, dict) else None
    if found != settings:
        raise UserError(
            f"checkpoint '{path}' is of a run with other settings: {_difference(found, settings)}",
            remedy,
        )
    return state


def take_up(
    run: Run, state: dict[str, Any], network: Network, optimiser: torch.optim.Optimizer
) -> int:
    """Go on from a checkpoint; the number of epochs done."""
    network.load_state_dict(state["network"])
    optimiser.load_state_dict(state["optimiser"])
    run.rows = state["rows"]
    return state["epoch"]


def _difference(found: Any, wanted: dict[str, Any]) -> str:
    if not isinstance(found, dict):
        return "it names none"
    keys = [key for key in wanted if found.get(key) != wanted[key]]
    return "; ".join(f"{key} is {found.get(key)}, not {wanted[key]}" for key in keys)
