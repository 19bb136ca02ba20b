"""The training loop: batches, schedule, epochs."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from sw.cli import console, progress
from sw.errors import UserError
from sw.train.engine.frames import Loader, augment
from sw.train.engine.network import Network
from sw.train.engine.run import Run, read_checkpoint, save_checkpoint, take_up
from sw.train.engine.task import Task
from sw.train.engine.team import Team
from sw.train.layers.node import set_pretraining
from sw.train.recipe import Recipe

__all__ = ["pretraining_epochs", "rate_at", "train"]


def train(
    run: Run, network: Network, task: Task, *, team: Team | None = None, resume: bool = False
) -> Network:
    """Train, or go on training, ``network``; the last epoch's weights are returned.

    The test set is evaluated after each epoch for the curve and chooses nothing.

    Parameters
    ----------
    network : Network
        Fresh, made under ``torch.manual_seed(run.seed)``.
    team : Team or None
        None: this process alone, on the CPU.

    Raises
    ------
    UserError
        ``resume`` is asked for, and the checkpoint is missing, damaged or of another run; a
        batch is too small for the team; or the loss is no number any more.
    """
    team = team or Team()
    recipe, frames = run.recipe, len(task.train_frames)
    if recipe.batch < 2 * team.size:
        raise UserError(
            f"a batch of {recipe.batch} gives each of {team.size} processes fewer than 2 frames",
            f"Give --batch at least {2 * team.size}",
        )
    settings = run.settings(task.description, team.size)
    network.to(team.device)
    optimiser = _optimiser(network, recipe)
    done = 0
    if resume:
        # The file lies where the first process is.
        state = read_checkpoint(run, settings) if team.leads else None
        done = take_up(run, team.share(state), network, optimiser)
    loader = Loader(task.train_frames, team.device)
    model: nn.Module = network
    if team.size > 1:
        # What pretraining leaves out has no gradient in it.
        model = DistributedDataParallel(network, find_unused_parameters=recipe.pretraining > 0)
    if team.leads:
        _announce(run, network, frames, done, team)
    begun = time.monotonic()
    for epoch in range(done, recipe.epochs):
        started = time.monotonic()
        if epoch == pretraining_epochs(recipe):
            optimiser = _optimiser(network, recipe)
        set_pretraining(network, epoch < pretraining_epochs(recipe))
        figures = _epoch(run, model, network, optimiser, task, loader, epoch, team)
        if team.leads:
            figures |= task.test(network)
            figures = {key: round(value, 5) for key, value in figures.items()}
            seconds = round(time.monotonic() - started, 1)
            run.rows.append({"epoch": epoch + 1, **figures, "seconds": seconds})
            save_checkpoint(run, settings, network, optimiser, epoch + 1)
            left = (time.monotonic() - begun) / (epoch + 1 - done) * (recipe.epochs - epoch - 1)
            _report(epoch + 1, recipe.epochs, figures, seconds, left)
        team.wait()
    set_pretraining(network, False)
    return network.eval()


def _announce(run: Run, network: Network, frames: int, done: int, team: Team) -> None:
    epochs, where = run.recipe.epochs, f"{torch.get_num_threads()} threads"
    if team.device.type == "cuda":
        where = torch.cuda.get_device_name(team.device)
    console.print(
        f"{run.recipe.name}, {run.net}: {network.binary_weights:,} binary and "
        f"{network.other_weights:,} other weights, {frames:,} frames, {epochs - done} of {epochs} "
        f"epochs to go, batch {run.recipe.batch}, seed {run.seed}, "
        f"{'bfloat16' if run.bfloat16 else 'float32'}, {where}"
        + (f", {team.size} processes" if team.size > 1 else "")
    )


def _report(
    epoch: int, epochs: int, figures: dict[str, float], seconds: float, left: float
) -> None:
    shown = ", ".join(
        f"{key.replace('_', ' ')} " + (f"{value:.4f}" if key.endswith("loss") else f"{value:.2%}")
        for key, value in figures.items()
    )
    console.print(f"epoch {epoch} of {epochs}: {shown}, {seconds:.0f} s, {left / 60:.1f} min left")


def _optimiser(network: Network, recipe: Recipe) -> torch.optim.Optimizer:
    """Adam, with L2 regularisation of trained weight scales alone."""
    scales = [scale for product in network.products() for scale in product.scales()]
    named = {id(scale) for scale in scales}
    others = [parameter for parameter in network.parameters() if id(parameter) not in named]
    groups: list[dict[str, Any]] = [{"params": others}]
    if scales:
        groups.append({"params": scales, "weight_decay": recipe.scale_decay})
    return torch.optim.Adam(groups, lr=recipe.rate)


def pretraining_epochs(recipe: Recipe) -> int:
    """Epochs at the start that train real weights."""
    return round(recipe.pretraining * recipe.epochs)


def rate_at(recipe: Recipe, epoch: float) -> float:
    """Adam's rate: linear rise over the warmup, then down to 0, in pretraining and after it."""
    first = pretraining_epochs(recipe)
    epochs = recipe.epochs - first
    if epoch < first:
        epochs = first
    else:
        epoch -= first
    part = epoch / epochs
    fall = 0.5 * (1 + math.cos(math.pi * part)) if recipe.schedule == "cosine" else 1 - part
    return recipe.rate * fall * min(1.0, (epoch + 0.05) / max(recipe.warmup, 0.05))


def _progress(
    description: str, batches: int, team: Team
) -> AbstractContextManager[Callable[[int], None]]:
    """Progress of the first process; the others keep silent."""
    if team.leads:
        return progress(description, batches, "batches")
    return nullcontext(lambda count: None)


def _epoch(
    run: Run,
    model: nn.Module,
    network: Network,
    optimiser: torch.optim.Optimizer,
    task: Task,
    loader: Loader,
    epoch: int,
    team: Team,
) -> dict[str, float]:
    """One pass over the training frames; mean loss and figures over all processes."""
    recipe, device = run.recipe, team.device
    model.train()
    # Generators per epoch: a resumed run sees what an unbroken one would have seen.
    seed = run.seed * 100_003 + epoch
    order = torch.randperm(len(loader), generator=torch.Generator().manual_seed(seed))
    generator = torch.Generator().manual_seed(seed * 1009 + team.rank)
    share = recipe.batch // team.size
    orders = [
        order[first : first + share * team.size][team.rank :: team.size]
        for first in range(0, len(order) - recipe.batch + 1, recipe.batch)
    ]
    totals: defaultdict[str, float] = defaultdict(float)
    with _progress(f"epoch {epoch + 1}", len(orders), team) as advance:
        for index, frames in enumerate(loader.batches(orders)):
            for group in optimiser.param_groups:
                group["lr"] = rate_at(recipe, epoch + index / len(orders))
            pixels = augment(frames, flip=run.flip, shift=run.shift, generator=generator).float()
            with torch.autocast(device.type, torch.bfloat16, enabled=run.bfloat16):
                logits = model(pixels.contiguous(memory_format=torch.channels_last))
            loss, figures = task.loss(logits.float(), task.targets(orders[index], device))
            if not loss.isfinite():
                raise UserError(
                    f"the loss is {loss.item()} in batch {index + 1} of epoch {epoch + 1}",
                    "Give a lower --rate",
                )
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            network.clip()
            for key, value in ({"loss": loss.item()} | figures).items():
                totals[key] += value
            advance(1)
    means = team.add_up([value / len(orders) / team.size for value in totals.values()])
    return dict(zip(totals, means, strict=True))
