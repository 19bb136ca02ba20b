"""Parts of a model file's header: declared arrays, and JSON objects whose fields are checked."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sw.errors import ModelError

__all__ = ["REMEDY", "Array", "Fields"]

REMEDY = "Write the model again, with sw.model.save"


@dataclass(frozen=True)
class Array:
    """How an array lies in the file: its dtype, and its shape in the model.

    ``dtype`` "bits" stands for two values packed eight to a byte: along the
    last axes of each row of the first (weights), or of the whole (a vector).
    """

    dtype: str
    shape: tuple[int, ...]

    @property
    def stored_dtype(self) -> np.dtype:
        return np.dtype("|u1" if self.dtype == "bits" else self.dtype)

    @property
    def stored_shape(self) -> tuple[int, ...]:
        if self.dtype != "bits":
            return self.shape
        *rows, bits = (self.shape[0], prod(self.shape[1:])) if self.shape[1:] else self.shape
        return *rows, -(-bits // 8)

    @property
    def stored_bytes(self) -> int:
        return prod(self.stored_shape) * self.stored_dtype.itemsize

    def pack(self, values: NDArray) -> NDArray:
        """``values`` as they are stored."""
        if self.dtype != "bits":
            return np.ascontiguousarray(values, self.stored_dtype)
        rows = (values > 0).reshape(*self.stored_shape[:-1], -1)
        return np.packbits(rows, axis=-1, bitorder="little")

    def unpack(self, stored: NDArray) -> NDArray:
        """Inverse of `pack`; bits come back as bool."""
        if self.dtype != "bits":
            return stored.astype(self.stored_dtype.newbyteorder("="))
        count = prod(self.shape[1:]) if self.shape[1:] else self.shape[0]
        bits = np.unpackbits(stored, axis=-1, bitorder="little")
        if bits[..., count:].any():
            raise ModelError("a packed array has bits set beyond its end", REMEDY)
        return bits[..., :count].astype(bool).reshape(self.shape)


class Fields:
    """Typed access to a JSON object: each value is checked as it is taken."""

    def __init__(self, value: Any, where: str) -> None:
        if not isinstance(value, dict):
            raise ModelError(f"{where} is not a JSON object", REMEDY)
        self.values, self.where = dict(value), where

    def take(self, key: str, kind: type, what: str) -> Any:
        if key not in self.values:
            raise ModelError(f"{self.where} lacks '{key}'", REMEDY)
        value = self.values.pop(key)
        if not isinstance(value, kind) or isinstance(value, bool):
            raise ModelError(f"'{key}' of {self.where} is not {what}", REMEDY)
        return value

    def integer(self, key: str) -> int:
        return self.take(key, int, "an integer")

    def text(self, key: str) -> str:
        return self.take(key, str, "a string")

    def list(self, key: str) -> list[Any]:
        return self.take(key, list, "a list")

    def texts(self, key: str) -> tuple[str, ...]:
        values = self.list(key)
        if not all(isinstance(value, str) for value in values):
            raise ModelError(f"'{key}' of {self.where} is not a list of strings", REMEDY)
        return tuple(values)

    def integers(self, key: str, count: int) -> tuple[int, ...]:
        values = self.list(key)
        if len(values) != count or any(type(value) is not int for value in values):
            raise ModelError(f"'{key}' of {self.where} is not {count} integers", REMEDY)
        return tuple(values)

    def shape(self, key: str, count: int) -> tuple[int, ...]:
        sizes = self.integers(key, count)
        if min(sizes) < 1:
            raise ModelError(f"'{key}' of {self.where} is {list(sizes)}, not positive", REMEDY)
        return sizes

    def fields(self, key: str) -> Fields:
        return Fields(self.take(key, dict, "an object"), f"'{key}' of {self.where}")

    def end(self) -> None:
        if self.values:
            raise ModelError(f"{self.where} has an unknown '{min(self.values)}'", REMEDY)
