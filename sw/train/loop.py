"""The training loop: batches, schedule, checkpoints, the curve."""

from __future__ import annotations

import csv
import math
import pickle
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from sw.cli import atomic_write, console, progress
from sw.errors import UserError
from sw.train.data import Dataset
from sw.train.network import Network
from sw.train.recipe import Recipe

__all__ = ["Run", "evaluate", "train"]

#: Frames evaluated at once.
EVALUATION_BATCH = 500

CURVE: tuple[str, ...] = ("epoch", "loss", "train_accuracy", "test_accuracy", "seconds")


@dataclass(kw_only=True)
class Run:
    """One training run and where it leaves its files.

    Parameters
    ----------
    recipe : Recipe
    dataset : Dataset
    seed : int
        Of the first weights, the order of the frames and their augmentation.
    bfloat16 : bool
        Train in bfloat16; evaluation is always exact.
    checkpoint : Path
        Written after each epoch, whole or not at all.
    curve : Path
        CSV with a line per epoch.
    """

    recipe: Recipe
    dataset: Dataset
    seed: int
    bfloat16: bool
    checkpoint: Path
    curve: Path
    rows: list[dict[str, float]] = field(default_factory=list)

    @property
    def settings(self) -> dict[str, Any]:
        """What must be equal for a checkpoint to be resumed."""
        return {
            "recipe": repr(asdict(self.recipe)),
            "seed": self.seed,
            "bfloat16": self.bfloat16,
            "frames": list(self.dataset.train_frames.shape),
        }


def train(run: Run, *, resume: bool = False) -> Network:
    """Train, or go on training, the network of ``run``; the last epoch's is returned.

    The test set is evaluated after each epoch for the curve and chooses nothing.

    Raises
    ------
    UserError
        ``resume`` is asked for, and the checkpoint is missing, damaged or of another run.
    """
    recipe, dataset = run.recipe, run.dataset
    torch.manual_seed(run.seed)
    network = Network(recipe, dataset.train_frames.shape[1:], len(dataset.classes))
    network.train_in(torch.bfloat16 if run.bfloat16 else torch.float32)
    optimiser = torch.optim.Adam(network.parameters(), lr=recipe.rate)
    done = _load(run, network, optimiser) if resume else 0
    frames = torch.tensor(dataset.train_frames).permute(0, 3, 1, 2).contiguous()
    labels = torch.from_numpy(dataset.train_labels)
    console.print(
        f"{recipe.name}: {network.binary_weights:,} binary weights, {len(frames):,} frames, "
        f"{recipe.epochs - done} of {recipe.epochs} epochs to go, batch {recipe.batch}, "
        f"seed {run.seed}, {'bfloat16' if run.bfloat16 else 'float32'}, "
        f"{torch.get_num_threads()} threads"
    )
    begun = time.monotonic()
    for epoch in range(done, recipe.epochs):
        started = time.monotonic()
        loss, accuracy = _epoch(run, network, optimiser, frames, labels, epoch)
        test = float((evaluate(network, dataset.test_frames) == dataset.test_labels).mean())
        run.rows.append(
            {
                "epoch": epoch + 1,
                "loss": round(loss, 5),
                "train_accuracy": round(accuracy, 5),
                "test_accuracy": round(test, 5),
                "seconds": round(time.monotonic() - started, 1),
            }
        )
        _save(run, network, optimiser, epoch + 1)
        remaining = (time.monotonic() - begun) / (epoch + 1 - done) * (recipe.epochs - epoch - 1)
        console.print(
            f"epoch {epoch + 1} of {recipe.epochs}: loss {loss:.4f}, train {accuracy:.2%}, "
            f"test {test:.2%}, {time.monotonic() - started:.0f} s, {remaining / 60:.1f} min left"
        )
    return network.eval()


def _epoch(
    run: Run,
    network: Network,
    optimiser: torch.optim.Optimizer,
    frames: Tensor,
    labels: Tensor,
    epoch: int,
) -> tuple[float, float]:
    """One pass over the training frames; mean loss and accuracy."""
    recipe, network = run.recipe, network.train()
    # A generator per epoch: a resumed run sees what an unbroken one would have seen.
    generator = torch.Generator().manual_seed(run.seed * 100_003 + epoch)
    order = torch.randperm(len(frames), generator=generator)
    batches = max(1, len(frames) // recipe.batch)
    total_loss, correct, seen = 0.0, 0, 0
    with progress(f"epoch {epoch + 1}", batches, "batches") as advance:
        for index in range(batches):
            _set_rate(optimiser, recipe, epoch + index / batches)
            chosen = order[index * recipe.batch : (index + 1) * recipe.batch]
            x = augment(frames[chosen], recipe, generator).float()
            y = labels[chosen]
            logits = network(x.contiguous(memory_format=torch.channels_last))
            loss = functional.cross_entropy(logits, y, label_smoothing=recipe.smoothing)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            network.clip()
            total_loss += loss.item() * len(y)
            correct += int((logits.argmax(1) == y).sum())
            seen += len(y)
            advance(1)
    return total_loss / seen, correct / seen


def _set_rate(optimiser: torch.optim.Optimizer, recipe: Recipe, epoch: float) -> None:
    """Linear rise over the first epochs, then half a cosine down to 0."""
    rate = recipe.rate * 0.5 * (1 + math.cos(math.pi * epoch / recipe.epochs))
    rate *= min(1.0, (epoch + 0.05) / max(recipe.warmup, 0.05))
    for group in optimiser.param_groups:
        group["lr"] = rate


def augment(frames: Tensor, recipe: Recipe, generator: torch.Generator) -> Tensor:
    """Mirrored and moved copies of uint8 ``frames`` (N, C, H, W); black comes in."""
    count, _, height, width = frames.shape
    if recipe.flip:
        mirror = torch.rand(count, generator=generator) < 0.5
        frames = torch.where(mirror[:, None, None, None], frames.flip(3), frames)
    if recipe.shift:
        shift = recipe.shift
        padded = functional.pad(frames, (shift, shift, shift, shift))
        # One gather: row and column indices of each frame's own window.
        y, x = torch.randint(0, 2 * shift + 1, (2, count, 1), generator=generator)
        rows, columns = y + torch.arange(height), x + torch.arange(width)
        number = torch.arange(count)[:, None, None]
        frames = padded.permute(0, 2, 3, 1)[number, rows[:, :, None], columns[:, None, :]]
        frames = frames.permute(0, 3, 1, 2)
    return frames


@torch.no_grad()
def evaluate(network: Network, frames: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Class of each of ``frames`` (N, H, W, C) by the network itself, exactly."""
    network.eval()
    classes = [
        network(torch.tensor(batch).permute(0, 3, 1, 2).float()).argmax(1)
        for batch in np.array_split(frames, max(1, math.ceil(len(frames) / EVALUATION_BATCH)))
    ]
    return torch.cat(classes).numpy()


def _save(run: Run, network: Network, optimiser: torch.optim.Optimizer, epoch: int) -> None:
    with atomic_write(run.checkpoint) as path:
        torch.save(
            {
                "settings": run.settings,
                "epoch": epoch,
                "network": network.state_dict(),
                "optimiser": optimiser.state_dict(),
                "rows": run.rows,
            },
            path,
        )
    with atomic_write(run.curve) as path, path.open("w", newline="") as file:
        writer = csv.DictWriter(file, CURVE)
        writer.writeheader()
        writer.writerows(run.rows)


def _load(run: Run, network: Network, optimiser: torch.optim.Optimizer) -> int:
    """Take up the checkpoint; the number of epochs done."""
    path, remedy = run.checkpoint, "Train without --resume, or give the options of that run"
    try:
        state = torch.load(path, weights_only=True)
    except FileNotFoundError:
        raise UserError(f"there is no checkpoint '{path}' to resume", remedy) from None
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError, ValueError, KeyError) as error:
        reason = str(error).split("\n", 1)[0][:80]
        raise UserError(f"checkpoint '{path}' is damaged: {reason}", remedy) from None
    settings = state.get("settings") if isinstance(state, dict) else None
    if settings != run.settings:
        raise UserError(
            f"checkpoint '{path}' is of a run with other settings: {settings}, not {run.settings}",
            remedy,
        )
    network.load_state_dict(state["network"])
    optimiser.load_state_dict(state["optimiser"])
    run.rows = state["rows"]
    return state["epoch"]
