"""What a network is trained to do: the loss of a batch, the figures of the test set."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from sw.model import Model
from sw.train.datasets import Dataset, Frames
from sw.train.engine.network import Network

__all__ = ["Classification", "Task", "scores_of"]

#: Frames evaluated at once, at 32 x 32 pixels; fewer of larger ones.
EVALUATION_BATCH = 500


class Task(Protocol):
    """Frames with what is to be said about them."""

    train_frames: Frames

    def targets(self, chosen: Tensor, device: torch.device) -> object:
        """What `loss` needs of the frames ``chosen``."""
        ...

    def loss(self, logits: Tensor, targets: object) -> tuple[Tensor, dict[str, float]]:
        """Loss of a batch, and figures per frame, to be averaged over the epoch."""
        ...

    def test(self, network: Network) -> dict[str, float]:
        """Figures of the test set."""
        ...

    def judge(self, model: Model, scores: NDArray) -> dict[str, float]:
        """The same figures, of the model's scores of the test set."""
        ...

    @property
    def description(self) -> str:
        """Names the data in checkpoints."""
        ...


def evaluation_batches(frames: Frames) -> Iterator[NDArray[np.uint8]]:
    """``frames`` in order, in batches of bounded size."""
    _, height, width, _ = frames.shape
    batch = max(1, min(EVALUATION_BATCH, EVALUATION_BATCH * 1024 // (height * width)))
    for first in range(0, len(frames), batch):
        yield np.ascontiguousarray(frames[first : first + batch])


@torch.no_grad()
def scores_of(network: Network, frames: Frames) -> NDArray[np.int64]:
    """Integer scores (N, scores) of ``frames`` by the network itself, exactly."""
    network.eval()
    device = next(network.parameters()).device
    return np.concatenate(
        [
            network.scores(torch.tensor(batch, device=device).permute(0, 3, 1, 2).float())
            .cpu()
            .numpy()
            .astype(np.int64)
            for batch in evaluation_batches(frames)
        ]
    )


class Classification:
    """One class per frame."""

    def __init__(self, dataset: Dataset, smoothing: float) -> None:
        self.dataset, self.smoothing = dataset, smoothing
        self.train_frames = dataset.train_frames
        self.labels = torch.from_numpy(dataset.train_labels)

    @property
    def description(self) -> str:
        return f"{list(self.train_frames.shape)} {self.dataset.source}"

    def targets(self, chosen: Tensor, device: torch.device) -> Tensor:
        return self.labels[chosen].to(device)

    def loss(self, logits: Tensor, targets: object) -> tuple[Tensor, dict[str, float]]:
        assert isinstance(targets, Tensor)
        loss = functional.cross_entropy(logits, targets, label_smoothing=self.smoothing)
        correct = (logits.detach().argmax(1) == targets).float().mean()
        return loss, {"train_accuracy": float(correct)}

    @torch.no_grad()
    def test(self, network: Network) -> dict[str, float]:
        network.eval()
        device = next(network.parameters()).device
        correct, first = 0, 0
        for batch in evaluation_batches(self.dataset.test_frames):
            pixels = torch.tensor(batch, device=device).permute(0, 3, 1, 2).float()
            classes = network(pixels).argmax(1).cpu().numpy()
            correct += int((classes == self.dataset.test_labels[first : first + len(batch)]).sum())
            first += len(batch)
        return {"test_accuracy": correct / max(1, first)}

    def judge(self, model: Model, scores: NDArray) -> dict[str, float]:
        classes = model.classify(scores)
        return {"test_accuracy": float((classes == self.dataset.test_labels).mean())}
