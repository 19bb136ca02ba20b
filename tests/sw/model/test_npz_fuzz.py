"""Model files with bytes, members and header fields changed at random: a model, or one error."""

from __future__ import annotations

import copy
import functools
import json
import tempfile
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sw.errors import ModelError
from sw.model import Model, load
from sw.model.npz import to_bytes
from tests.sw.model.archives import archive, members_of
from tests.sw.model.small import residual_model, small_model

bounded = settings(max_examples=40, deadline=None, derandomize=True, database=None)

#: Bytes of memory that no file of a few kilobytes may take.
MOST = 32 << 20

#: What is put in place of a part of the header.
values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from([[], {}, [[]], "input", "conv", -1, 0, 1, 2**31, 2**32, 10**9, 1e308]),
    st.lists(st.integers(-5, 2**33), max_size=5),
)


@functools.cache
def real(which: int) -> bytes:
    return to_bytes((small_model, residual_model)[which]())


def check(data: bytes) -> Model | None:
    """The model, or None where the file is refused; anything else fails the test."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.npz"
        path.write_bytes(data)
        tracemalloc.start()
        model, refusal = None, f"'{path}': "
        try:
            model = load(path)
        except ModelError as error:
            refusal = str(error)
        finally:
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
    assert peak < MOST
    assert refusal.startswith(f"'{path}': ") and len(refusal) < 2000
    return model


def test_the_real_ones():
    assert check(real(0)) is not None and check(real(1)) is not None


@bounded
@given(
    st.integers(0, 1),
    st.lists(
        st.tuples(st.integers(0, 2**20), st.integers(0, 255), st.sampled_from("xid")),
        min_size=1,
        max_size=6,
    ),
)
def test_bytes(which, changes):
    data = bytearray(real(which))
    for place, byte, kind in changes:
        place %= len(data)
        if kind == "x":
            data[place] ^= byte or 1
        elif kind == "i":
            data.insert(place, byte)
        else:
            del data[place : place + 1 + byte]
    check(bytes(data))


@bounded
@given(st.integers(0, 1), st.integers(0, 2**20), st.integers(0, 2**20))
def test_a_part_of_a_file(which, first, count):
    data = real(which)
    first %= len(data)
    check(data[first : first + count % len(data)])
    check(data[: -1 - count % len(data)])


def places(value: Any, path: tuple = ()) -> list[tuple]:
    """Paths to every part of a header."""
    found = [path] if path else []
    items = value.items() if isinstance(value, dict) else ()
    items = enumerate(value) if isinstance(value, list) else items
    for key, part in items:
        found += places(part, (*path, key))
    return found


@bounded
@given(
    st.integers(0, 1), st.lists(st.tuples(st.integers(0, 2**20), values), min_size=1, max_size=3)
)
def test_fields_of_the_header(which, changes):
    members = members_of(real(which))
    header = json.loads(members["header"].tobytes())
    for place, value in changes:
        found = places(header)
        *way, last = found[place % len(found)]
        part = header
        for key in way:
            part = part[key]
        part[last] = copy.deepcopy(value)
    members["header"] = np.frombuffer(json.dumps(header).encode(), np.uint8)
    check(archive(members))


arrays = st.one_of(
    st.sampled_from([np.zeros(0), np.zeros((2, 0, 3), np.int8), np.array(3), np.array("text")]),
    st.builds(
        np.zeros,
        st.lists(st.integers(0, 6), max_size=4).map(tuple),
        st.sampled_from(["u1", "i1", "i4", "<f4", ">i4", "f8", "c8", "?", "S3"]),
    ),
)


@bounded
@given(st.integers(0, 1), st.integers(0, 100), arrays)
def test_members(which, place, array):
    members = members_of(real(which))
    name = sorted(members)[place % len(members)]
    check(archive({**members, name: array}))
    del members[name]
    assert check(archive(members)) is None
