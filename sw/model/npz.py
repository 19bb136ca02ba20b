"""The model file: a NumPy .npz archive that holds no pickles.

The bytes of a file depend on the model alone, so the file's SHA-256 names the
model. A file may come from anywhere: sizes are checked against the header and
against fixed limits before anything is decompressed, and whatever is wrong ends
in one `ModelError`. docs/model-format.md describes the format.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
import zlib
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from sw import cli
from sw.errors import ModelError
from sw.model.fields import REMEDY, Array
from sw.model.header import describe, parse
from sw.model.model import Model
from sw.model.verify import verify_model

__all__ = ["load", "save", "to_bytes"]

#: Largest file, and largest sum of the arrays' sizes, in bytes.
MAX_BYTES = 1 << 30
#: Largest header, in bytes.
MAX_HEADER = 1 << 24
#: Bytes that are read at a time.
PART = 1 << 20
#: Room for what precedes the data of an .npy member, in bytes.
PREFACE = 4096

#: What reading a damaged archive, array or text raises, besides our own errors.
DAMAGE = (
    *cli.DAMAGE,
    zipfile.BadZipFile,
    zlib.error,
    NotImplementedError,
    OSError,
    RuntimeError,
)


def to_bytes(model: Model) -> bytes:
    """The bytes of the file of a legal ``model``."""
    header, arrays = describe(model)
    text = json.dumps(header, sort_keys=True, separators=(",", ":"))
    file = io.BytesIO()
    # Stored and not deflated: the bytes then do not depend on the version of zlib.
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for key, array in {"header": np.frombuffer(text.encode(), np.uint8), **arrays}.items():
            member = io.BytesIO()
            npy.write_array(member, array, version=(1, 0), allow_pickle=False)
            info = zipfile.ZipInfo(f"{key}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            info.create_system, info.external_attr = 3, 0o644 << 16
            archive.writestr(info, member.getvalue())
    return file.getvalue()


def save(model: Model, path: str | os.PathLike[str]) -> str:
    """Write ``model`` to ``path``, whole or not at all; return the file's SHA-256 in hex.

    Raises
    ------
    ModelError
        The model is not legal.
    UserError
        The file cannot be written.
    """
    verify_model(model)
    data = to_bytes(model)
    with cli.atomic_write(path) as temporary:
        temporary.write_bytes(data)
    return hashlib.sha256(data).hexdigest()


def load(path: str | os.PathLike[str]) -> Model:
    """Read and check the model in the file ``path``.

    Raises
    ------
    ModelError
        The file is missing or unreadable, is no model or a damaged one, has
        been written by a newer version, or holds a model that is not legal.
    """
    data = _read(Path(path))
    try:
        return _decode(data)
    except ModelError as error:
        raise ModelError(f"'{path}': {error.message}", error.remedy) from None


def _read(path: Path) -> bytes:
    remedy = "Give a model file, as sw.convert and sw.train write it"
    try:
        with path.open("rb") as file:
            # In parts: a read of so many bytes takes room for all of them, whatever the file has.
            data = b"".join(_parts(file))
    except FileNotFoundError:
        raise ModelError(f"there is no file '{path}'", remedy) from None
    except IsADirectoryError:
        raise ModelError(f"'{path}' is a folder, not a model file", remedy) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ModelError(f"cannot read '{path}': {reason}", remedy) from None
    if len(data) > MAX_BYTES:
        raise ModelError(f"'{path}' is larger than {MAX_BYTES} bytes", remedy)
    return data


def _parts(file: BinaryIO) -> Iterator[bytes]:
    """The contents of ``file``, no more than `MAX_BYTES` and one part of them."""
    size = 0
    while size <= MAX_BYTES and (part := file.read(PART)):
        size += len(part)
        yield part


def _decode(data: bytes) -> Model:
    if not data.startswith(b"PK\x03\x04"):
        what = "a single .npy array" if data.startswith(npy.MAGIC_PREFIX) else "no .npz archive"
        raise ModelError(
            f"the file of {len(data)} bytes is {what}",
            "Give a model file, as sw.convert and sw.train write it",
        )
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = _members(archive)
            header = parse(_header(archive, members))
            _check_members(members, header.arrays)
            arrays = {
                key: spec.unpack(_array(archive, members[key], spec))
                for key, spec in header.arrays.items()
            }
    except ModelError:
        raise
    except DAMAGE as error:
        raise ModelError(
            f"the archive is truncated or damaged ({' '.join(str(error).split())[:80]})",
            "Copy or download the file again",
        ) from None
    model = header.build(arrays, hashlib.sha256(data).hexdigest())
    verify_model(model)
    return model


def _members(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    members: dict[str, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        key = info.filename.removesuffix(".npy")
        if key in members:
            raise ModelError(f"the archive holds '{key[:100]}' twice", REMEDY)
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ModelError(f"'{key[:100]}' is compressed in another way than deflate", REMEDY)
        if info.flag_bits & 1:
            raise ModelError(f"'{key[:100]}' is encrypted", REMEDY)
        members[key] = info
    return members


def _header(archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo]) -> Any:
    if "header" not in members:
        raise ModelError("the archive has no 'header': it is no Binarray model", REMEDY)
    info = members["header"]
    if info.file_size > MAX_HEADER:
        raise ModelError(f"the header has {info.file_size} bytes, over {MAX_HEADER}", REMEDY)
    array = _array(archive, info, None)
    if array.dtype != np.uint8 or array.ndim != 1:
        raise ModelError(f"the header is {array.dtype} of shape {array.shape}, not bytes", REMEDY)
    try:
        return json.loads(array.tobytes().decode())
    except RecursionError:
        raise ModelError("the header is not JSON (nested too deeply)", REMEDY) from None
    except ValueError as error:
        raise ModelError(f"the header is not JSON ({str(error)[:80]})", REMEDY) from None


def _check_members(members: dict[str, zipfile.ZipInfo], specs: dict[str, Array]) -> None:
    """Compare the archive's list of members with the header, before reading any."""
    if missing := sorted(specs.keys() - members.keys()):
        raise ModelError(f"the archive lacks the array '{missing[0]}'", REMEDY)
    if extra := sorted(members.keys() - specs.keys() - {"header"}):
        raise ModelError(f"the archive holds an unknown '{extra[0][:100]}'", REMEDY)
    total = sum(spec.stored_bytes for spec in specs.values())
    if total > MAX_BYTES:
        raise ModelError(f"the arrays take {total} bytes; allowed: {MAX_BYTES}", "Shrink the model")
    for key, spec in specs.items():
        size = members[key].file_size
        if size > spec.stored_bytes + PREFACE:
            raise ModelError(
                f"'{key}' takes {size} bytes; its shape {spec.shape} takes {spec.stored_bytes}",
                REMEDY,
            )


def _array(archive: zipfile.ZipFile, info: zipfile.ZipInfo, spec: Array | None) -> NDArray:
    """A member as an array; of the stored dtype and shape that ``spec`` states."""
    key = info.filename.removesuffix(".npy")[:100]
    with archive.open(info) as member:
        # No more than the size that was checked; the archive's checksum is tested at the end.
        data = member.read(info.file_size)
        member.read(1)
    file = io.BytesIO(data)
    major, minor = npy.read_magic(file)
    if major > 3:
        raise ModelError(f"'{key}' is a .npy array of version {major}.{minor}, over 3", REMEDY)
    read = npy.read_array_header_1_0 if major == 1 else npy.read_array_header_2_0
    shape, fortran, dtype = read(file)
    if dtype.hasobject:
        raise ModelError(f"'{key}' holds pickled objects, which are never loaded", REMEDY)
    if spec and (dtype != spec.stored_dtype or shape != spec.stored_shape):
        raise ModelError(
            f"'{key}' is {dtype} of shape {shape}; the header declares {spec.stored_dtype} of "
            f"shape {spec.stored_shape}",
            REMEDY,
        )
    content = data[file.tell() :]
    if len(content) != prod(shape) * dtype.itemsize or (fortran and len(shape) > 1):
        raise ModelError(f"'{key}' has {len(content)} bytes for shape {shape} of {dtype}", REMEDY)
    return np.frombuffer(content, dtype).reshape(shape)
