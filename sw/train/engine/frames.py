"""Batches of frames: read, moved to the device, augmented."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from sw.train.datasets import Frames

__all__ = ["Loader", "augment"]

#: Data sets of up to so many bytes lie on the device as a whole.
RESIDENT = 4 << 30


class Loader:
    """Frames by index, as uint8 tensors (n, C, H, W) on a device.

    A set that fits is moved there once; of a larger one, or one read from files, the next
    batch is read while this one is used.
    """

    def __init__(self, frames: Frames, device: torch.device) -> None:
        self.frames, self.device = frames, device
        self.resident: Tensor | None = None
        if isinstance(frames, np.ndarray) and frames.nbytes <= RESIDENT:
            whole = torch.tensor(np.ascontiguousarray(frames)).permute(0, 3, 1, 2)
            self.resident = whole.contiguous().to(device)

    def __len__(self) -> int:
        return len(self.frames)

    def _read(self, chosen: Tensor) -> Tensor:
        if self.resident is not None:
            return self.resident[chosen.to(self.device)]
        batch = np.ascontiguousarray(self.frames[chosen.numpy()])
        return torch.from_numpy(batch).permute(0, 3, 1, 2)

    def batches(self, orders: Sequence[Tensor]) -> Iterator[Tensor]:
        """A batch for each of ``orders``, indices into the set."""
        if self.resident is not None:
            yield from (self._read(chosen) for chosen in orders)
            return
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(self._read, orders[0]) if orders else None
            for index in range(len(orders)):
                assert waiting is not None
                batch = waiting.result()
                if index + 1 < len(orders):
                    waiting = pool.submit(self._read, orders[index + 1])
                yield batch.to(self.device, non_blocking=True)


def augment(frames: Tensor, *, flip: bool, shift: int, generator: torch.Generator) -> Tensor:
    """Mirrored and moved copies of uint8 ``frames`` (N, C, H, W); black comes in.

    Parameters
    ----------
    flip : bool
        Mirror half of them left to right.
    shift : int
        Move by up to so many pixels in both axes.
    generator : torch.Generator
        On the CPU, so that every device draws the same.
    """
    count, _, height, width = frames.shape
    device = frames.device
    if flip:
        mirror = (torch.rand(count, generator=generator) < 0.5).to(device)
        frames = torch.where(mirror[:, None, None, None], frames.flip(3), frames)
    if shift:
        padded = functional.pad(frames, (shift, shift, shift, shift))
        # One gather: row and column indices of each frame's own window.
        y, x = torch.randint(0, 2 * shift + 1, (2, count, 1), generator=generator).to(device)
        rows = y + torch.arange(height, device=device)
        columns = x + torch.arange(width, device=device)
        number = torch.arange(count, device=device)[:, None, None]
        frames = padded.permute(0, 2, 3, 1)[number, rows[:, :, None], columns[:, None, :]]
        frames = frames.permute(0, 3, 1, 2)
    return frames
