"""The processes that train together: one, or as many as `torchrun` starts."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import torch
from torch import distributed

__all__ = ["Team", "join"]

#: How long processes wait while the first evaluates and writes.
PATIENCE = timedelta(hours=4)


@dataclass(frozen=True, kw_only=True)
class Team:
    """One process among those that train a network.

    Parameters
    ----------
    rank : int
        0 is the one that evaluates, reports and writes.
    size : int
        How many there are, on all machines.
    device : torch.device
    """

    rank: int = 0
    size: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @property
    def leads(self) -> bool:
        """Whether this process writes."""
        return self.rank == 0

    def wait(self) -> None:
        """Until all are here."""
        if self.size > 1:
            distributed.barrier()

    def share(self, value: Any) -> Any:
        """The first process's ``value``, in all of them."""
        if self.size == 1:
            return value
        values = [value]
        distributed.broadcast_object_list(values, src=0, device=self.device)
        return values[0]

    def add_up(self, values: list[float]) -> list[float]:
        """Sums over the processes."""
        if self.size == 1:
            return values
        total = torch.tensor(values, dtype=torch.float64, device=self.device)
        distributed.all_reduce(total)
        return total.tolist()


@contextlib.contextmanager
def join() -> Iterator[Team]:
    """This process's place, from the variables that `torchrun` sets; alone without them."""
    gpu = torch.cuda.is_available()
    if "WORLD_SIZE" not in os.environ or "RANK" not in os.environ:
        yield Team(device=torch.device("cuda" if gpu else "cpu"))
        return
    local = int(os.environ.get("LOCAL_RANK", "0"))
    device = torch.device("cuda", local) if gpu else torch.device("cpu")
    if gpu:
        torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if gpu else "gloo", timeout=PATIENCE)
    try:
        yield Team(rank=distributed.get_rank(), size=distributed.get_world_size(), device=device)
    finally:
        distributed.destroy_process_group()
