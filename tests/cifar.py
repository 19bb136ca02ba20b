"""Writes CIFAR-10 batches, byte by byte as Python 2 and the binary version have them."""

from __future__ import annotations

import io
import struct
import tarfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

NAMES = (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch")


def python_batch(planes: NDArray[np.uint8], labels: list[int]) -> bytes:
    """The opcodes that Python 2's cPickle wrote, protocol 2: strings are bytes."""

    def text(value: bytes) -> bytes:
        return b"U" + bytes([len(value)]) + value

    def number(value: int) -> bytes:
        return b"K" + bytes([value]) if value < 256 else b"J" + struct.pack("<i", value)

    content = planes.tobytes()
    dtype = b"cnumpy\ndtype\n" + text(b"u1") + b"K\0K\1\x87R"
    dtype += b"(K\3" + text(b"|") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb"
    return b"".join(
        (
            b"\x80\2}q\1(",
            text(b"batch_label") + b"q\2" + text(b"training batch 1 of 5") + b"q\3",
            text(b"labels") + b"q\4]q\5(" + b"".join(number(label) for label in labels) + b"e",
            text(b"data") + b"q\6cnumpy.core.multiarray\n_reconstruct\nq\7",
            b"cnumpy\nndarray\nq\x08K\0\x85" + text(b"b") + b"\x87Rq\t",
            b"(K\1" + number(len(planes)) + number(planes.shape[1]) + b"\x86" + dtype + b"\x89",
            b"T" + struct.pack("<i", len(content)) + content + b"tb",
            text(b"filenames") + b"](" + text(b"leptodactylus_pentadactylus_s_000004.png") + b"e",
            b"u.",
        )
    )


def planes_of(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Frames (n, 32, 32, 3) as the rows of a batch: red, green, blue."""
    return np.ascontiguousarray(frames.transpose(0, 3, 1, 2)).reshape(len(frames), -1)


def batches(
    rng: np.random.Generator, *, binary: bool, count: int = 3
) -> tuple[dict[str, bytes], NDArray[np.uint8], NDArray[np.int64]]:
    """Six files by name, and the frames and labels in them, the test batch's last."""
    frames = rng.integers(0, 256, (6 * count, 32, 32, 3), np.uint8)
    labels = rng.integers(0, 10, 6 * count)
    files = {}
    for index, name in enumerate(NAMES):
        part = slice(index * count, (index + 1) * count)
        planes = planes_of(frames[part])
        if binary:
            records = np.concatenate([labels[part, None].astype(np.uint8), planes], axis=1)
            files[f"{name}.bin"] = records.tobytes()
        else:
            files[name] = python_batch(planes, labels[part].tolist())
    return files, frames, labels


def write_tar(path: Path, files: dict[str, bytes], mode: str = "w:gz") -> None:
    """``files`` by path in a tar archive."""
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
