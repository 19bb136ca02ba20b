"""Between tensors of codes and the beats of a stream, as 32-bit words."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .cxxrtl import words_of

__all__ = ["pack_beats", "unpack_beats"]


def pack_beats(codes: NDArray, *, lanes: int, bits: int) -> NDArray[np.uint32]:
    """Pack codes into beats, lane 0 in the lowest bits.

    Parameters
    ----------
    codes : unsigned codes of any shape
        Read in C order; the count must be a multiple of ``lanes``.

    Returns
    -------
    uint32 array (beats, words)
        Little-endian words of one beat.
    """
    flat = np.ascontiguousarray(codes, "<u4").reshape(-1, lanes)
    planes = np.unpackbits(flat.view(np.uint8).reshape(*flat.shape, 4), axis=-1, bitorder="little")
    packed = np.packbits(
        planes[:, :, :bits].reshape(len(flat), lanes * bits), axis=-1, bitorder="little"
    )
    beats = np.zeros((len(flat), words_of(lanes * bits) * 4), np.uint8)
    beats[:, : packed.shape[1]] = packed
    return beats.view("<u4")


def unpack_beats(
    beats: NDArray[np.uint32], *, lanes: int, bits: int, signed: bool = False
) -> NDArray[np.int64]:
    """The inverse of `pack_beats`: codes (beats, lanes); two's complement if ``signed``."""
    count = len(beats)
    planes = np.unpackbits(
        np.ascontiguousarray(beats, "<u4").view(np.uint8).reshape(count, -1),
        axis=-1,
        bitorder="little",
    )[:, : lanes * bits].reshape(count, lanes, bits)
    weights = 1 << np.arange(bits, dtype=np.int64)
    if signed:
        weights[-1] = -weights[-1]
    return planes.astype(np.int64) @ weights
