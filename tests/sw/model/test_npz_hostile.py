"""Files that are no model: each ends in one error, by its text.

Each case turns the bytes of a good file into those of a bad one.
"""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sw.errors import ModelError
from sw.model import Model, load, save
from tests.sw.model.archives import (
    AGAIN,
    COPY,
    GIVE,
    archive,
    members_of,
    op,
    with_header,
    with_members,
    with_text,
)
from tests.sw.model.small import residual_model, small_model


def bomb(data: bytes) -> bytes:
    """A member that inflates to 64 MiB where the header declares a few bytes."""
    members = members_of(data)
    members["graph.conv.weights"] = np.zeros(1 << 26, np.uint8)
    return archive(members, zipfile.ZIP_DEFLATED)


def header_bomb(data: bytes) -> bytes:
    members = members_of(data)
    members["header"] = np.full(1 << 25, 32, np.uint8)
    return archive(members, zipfile.ZIP_DEFLATED)


def twice(data: bytes) -> bytes:
    file = io.BytesIO(data)
    with zipfile.ZipFile(file, "a") as out, pytest.warns(UserWarning, match="Duplicate name"):
        out.writestr("header.npy", b"again")
    return file.getvalue()


def lzma(data: bytes) -> bytes:
    return archive(members_of(data), zipfile.ZIP_LZMA)


def newer_npy(data: bytes) -> bytes:
    """The header as a .npy member of a version that is yet to come."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as out:
        out.writestr("header.npy", b"\x93NUMPY\x09\x00")
    return file.getvalue()


def encrypted(data: bytes) -> bytes:
    """Set the flag of encryption in both headers of the first member."""
    changed = bytearray(data)
    changed[6] |= 1
    changed[data.index(b"PK\x01\x02") + 8] |= 1
    return bytes(changed)


def flipped(data: bytes) -> bytes:
    """Flip one bit of the last array's data; the archive's checksum finds it."""
    changed = bytearray(data)
    changed[data.index(b"PK\x01\x02") - 1] ^= 1
    return bytes(changed)


def lying_size(data: bytes) -> bytes:
    """State a size of nearly 4 GiB for the header in the directory."""
    changed = bytearray(data)
    struct.pack_into("<I", changed, data.index(b"PK\x01\x02") + 24, 0xFFFFFFF0)
    return bytes(changed)


FILES: dict[str, tuple[Callable[[bytes], bytes], str, str]] = {
    "empty": (lambda data: b"", "the file of 0 bytes is no .npz archive", GIVE),
    "text": (lambda data: b"hello", "the file of 5 bytes is no .npz archive", GIVE),
    "npy": (
        lambda data: b"\x93NUMPY\x01\x00",
        "the file of 8 bytes is a single .npy array",
        GIVE,
    ),
    "truncated": (
        lambda data: data[: len(data) // 2],
        "the archive is truncated or damaged (File is not a zip file)",
        COPY,
    ),
    "flipped bit": (
        flipped,
        "the archive is truncated or damaged (Bad CRC-32 for file 'vectors.scores.npy')",
        COPY,
    ),
    "encrypted": (
        encrypted,
        "'header' is encrypted",
        AGAIN,
    ),
    "newer npy": (newer_npy, "'header' is a .npy array of version 9.0, over 3", AGAIN),
    "member twice": (twice, "the archive holds 'header' twice", AGAIN),
    "lzma": (lzma, "'header' is compressed in another way than deflate", AGAIN),
    "lying size": (lying_size, "the header has 4294967280 bytes, over 16777216", AGAIN),
    "header bomb": (header_bomb, "the header has 33554560 bytes, over 16777216", AGAIN),
    "bomb": (
        bomb,
        "'graph.conv.weights' takes 67108992 bytes; its shape (5, 3, 3, 3) takes 20",
        AGAIN,
    ),
    "other archive": (
        lambda data: archive({"weights": np.zeros(3)}),
        "the archive has no 'header': it is no Binarray model",
        AGAIN,
    ),
    "pickled header": (
        lambda data: archive({"header": np.array([{}], object)}),
        "'header' holds pickled objects, which are never loaded",
        AGAIN,
    ),
    "pickled array": (
        with_members(lambda m: m.update({"graph.head.bias": np.array([1, None, {}], object)})),
        "'graph.head.bias' holds pickled objects, which are never loaded",
        AGAIN,
    ),
    "header of floats": (
        with_members(lambda m: m.update(header=np.zeros(9))),
        "the header is float64 of shape (9,), not bytes",
        AGAIN,
    ),
    "not JSON": (
        with_text(b"{no"),
        "the header is not JSON (Expecting property name enclosed in double quotes: line 1 "
        "column 2 (char 1))",
        AGAIN,
    ),
    "not UTF-8": (
        with_text(b"\xff{}"),
        "the header is not JSON ('utf-8' codec can't decode byte 0xff in position 0: invalid "
        "start byte)",
        AGAIN,
    ),
    "deep JSON": (
        with_text(b"[" * 200_000),
        "the header is not JSON (nested too deeply)",
        AGAIN,
    ),
    "JSON list": (with_text(b"[]"), "the header is not a JSON object", AGAIN),
    "other format": (
        with_header(lambda h: h.update(format="finn")),
        "the format is 'finn'; allowed: 'binarray-model'",
        AGAIN,
    ),
    "newer version": (
        with_header(lambda h: h.update(version=3)),
        "the format's version is 3; this Binarray reads up to 2",
        "Upgrade Binarray, or write the model with this version.",
    ),
    "version 0": (
        with_header(lambda h: h.update(version=0)),
        "the format's version is 0; allowed: 1 to 2",
        AGAIN,
    ),
    "version as text": (
        with_header(lambda h: h.update(version="1")),
        "'version' of the header is not an integer",
        AGAIN,
    ),
    "no name": (with_header(lambda h: h.pop("name")), "the header lacks 'name'", AGAIN),
    "unknown field": (
        with_header(lambda h: h.update(extra=1)),
        "the header has an unknown 'extra'",
        AGAIN,
    ),
    "classes": (
        with_header(lambda h: h.update(classes=[1, 2, 3])),
        "'classes' of the header is not a list of strings",
        AGAIN,
    ),
    "no vectors": (
        with_header(lambda h: h.update(vectors=0)),
        "'vectors' of the header is 0, not positive",
        AGAIN,
    ),
    "empty graph": (
        with_header(lambda h: h.update(graph=[])),
        "the graph does not begin with an Input and end with a Head",
        AGAIN,
    ),
    "op of no object": (
        with_header(lambda h: h["graph"].insert(1, 7)),
        "op 1 of the graph is not a JSON object",
        AGAIN,
    ),
    "unknown op": (
        with_header(op(1, op="Sigmoid")),
        "op 1 of the graph is a 'Sigmoid'; allowed in version 1 of the format: Input, Conv, "
        "Dense, Threshold, Pool, Head",
        "Use a version of Binarray that knows this op.",
    ),
    "unknown field of an op": (
        with_header(op(1, dilation=2)),
        "Conv 'conv' has an unknown 'dilation'",
        AGAIN,
    ),
    "no stride": (
        with_header(lambda h: h["graph"][1].pop("stride")),
        "Conv 'conv' lacks 'stride'",
        AGAIN,
    ),
    "one stride": (
        with_header(op(1, stride=[1])),
        "'stride' of Conv 'conv' is not 2 integers",
        AGAIN,
    ),
    "padding of text": (
        with_header(lambda h: h["graph"][1]["padding"].update(value="0")),
        "'value' of 'padding' of Conv 'conv' is not an integer or null",
        AGAIN,
    ),
    "negative shape": (
        with_header(op(1, weights=[5, 3, -3, 3])),
        "'weights' of Conv 'conv' is [5, 3, -3, 3], not positive",
        AGAIN,
    ),
    "absurd shape": (
        with_header(op(1, weights=[1 << 20, 1 << 20, 3, 3])),
        "the arrays take 1236950582007 bytes; allowed: 1073741824",
        "Shrink the model.",
    ),
    "other shape": (
        with_header(op(1, weights=[5, 3, 3, 2])),
        "'graph.conv.weights' is uint8 of shape (5, 4); the header declares uint8 of shape (5, 3)",
        AGAIN,
    ),
    "missing array": (
        with_members(lambda m: m.pop("graph.sign.levels")),
        "the archive lacks the array 'graph.sign.levels'",
        AGAIN,
    ),
    "unknown array": (
        with_members(lambda m: m.update(other=np.zeros(3))),
        "the archive holds an unknown 'other'",
        AGAIN,
    ),
    "other dtype": (
        with_members(lambda m: m.update({"graph.head.bias": np.zeros(3, np.int64)})),
        "'graph.head.bias' is int64 of shape (3,); the header declares int32 of shape (3,)",
        AGAIN,
    ),
    "Fortran order": (
        with_members(
            lambda m: m.update({"vectors.scores": np.asfortranarray(m["vectors.scores"])})
        ),
        "'vectors.scores' has 36 bytes for shape (3, 3) of int32",
        AGAIN,
    ),
    "stray bits": (
        with_members(lambda m: m["graph.conv.weights"].__ior__(0x80)),
        "a packed array has bits set beyond its end",
        AGAIN,
    ),
    "illegal graph": (
        with_header(op(4, source="conv")),
        "Dense 'dense': source 'conv' is a Conv; allowed: Input, Threshold, Scale, Add, Concat, "
        "Pool",
        "Put a Threshold or a Scale between two arrays, and an array before the Head.",
    ),
    "illegal kind": (
        with_header(op(5, kind="best")),
        "Head 'head': kind is 'best'; allowed: 'raw' or 'argmax'",
        "Choose one of them.",
    ),
}


@pytest.fixture
def good(tmp_path: Path) -> bytes:
    save(small_model(), tmp_path / "good.npz")
    return (tmp_path / "good.npz").read_bytes()


@pytest.mark.parametrize("case", FILES)
def test_bad_file(case: str, good: bytes, tmp_path: Path) -> None:
    make, message, remedy = FILES[case]
    path = tmp_path / "bad.npz"
    path.write_bytes(make(good))
    with pytest.raises(ModelError) as caught:
        load(path)
    assert str(caught.value) == f"'{path}': {message}. {remedy}"


def test_missing(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        load(tmp_path / "none.npz")
    assert str(caught.value) == f"there is no file '{tmp_path}/none.npz'. {GIVE}"


def test_folder(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        load(tmp_path)
    assert str(caught.value) == f"'{tmp_path}' is a folder, not a model file. {GIVE}"


def test_nul_in_path() -> None:
    with pytest.raises(ModelError, match=r"^cannot read 'a\x00b': embedded null byte\."):
        load("a\0b")


@pytest.mark.parametrize("model", [small_model(), residual_model()], ids=lambda model: model.name)
def test_random_damage(model: Model, rng: np.random.Generator, tmp_path: Path) -> None:
    """Whatever bytes are cut or changed, the answer is a model or a `ModelError`."""
    path, refused = tmp_path / "bad.npz", 0
    save(model, path)
    good = path.read_bytes()
    for _ in range(400):
        data = bytearray(good)
        if rng.random() < 0.3:
            del data[int(rng.integers(len(data))) :]
        for _ in range(int(rng.integers(1, 4))):
            if data:
                data[int(rng.integers(len(data)))] = int(rng.integers(256))
        path.write_bytes(data)
        try:
            load(path)
        except ModelError:
            refused += 1
    assert refused > 300
