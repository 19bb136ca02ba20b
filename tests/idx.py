"""Writes tiny data sets in the true idx format."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def idx_bytes(array: NDArray[np.uint8]) -> bytes:
    """``array`` as an idx file: magic, big-endian sizes, bytes."""
    header = struct.pack(">BBBB", 0, 0, 8, array.ndim)
    return header + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def write_dataset(
    folder: Path,
    rng: np.random.Generator,
    *,
    train: int = 200,
    test: int = 60,
    side: int = 8,
    packed: bool = True,
) -> None:
    """Ten classes that can be told apart: each a seeded pattern with noise."""
    folder.mkdir(parents=True, exist_ok=True)
    patterns = rng.integers(0, 256, (10, side, side))
    for prefix, count in (("train", train), ("t10k", test)):
        labels = (np.arange(count) % 10).astype(np.uint8)
        noise = rng.integers(-40, 41, (count, side, side))
        images = np.clip(patterns[labels] + noise, 0, 255).astype(np.uint8)
        for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
            data, name = idx_bytes(array), f"{prefix}-{kind}-ubyte"
            if packed:
                (folder / f"{name}.gz").write_bytes(gzip.compress(data))
            else:
                (folder / name).write_bytes(data)
