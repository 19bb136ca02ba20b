"""Means to turn the bytes of a good file into those of a bad one."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np

Members = dict[str, np.ndarray]


def archive(members: Members, compression: int = zipfile.ZIP_STORED) -> bytes:
    """An archive as anyone might write it."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as out:
        for key, array in members.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, array)
            out.writestr(f"{key}.npy", member.getvalue())
    return file.getvalue()


def members_of(data: bytes) -> Members:
    with np.load(io.BytesIO(data)) as good:
        return {key: good[key] for key in good.files}


def with_members(edit: Callable[[Members], Any]) -> Callable[[bytes], bytes]:
    def make(data: bytes) -> bytes:
        members = members_of(data)
        edit(members)
        return archive(members)

    return make


def with_header(edit: Callable[[dict[str, Any]], Any]) -> Callable[[bytes], bytes]:
    def change(members: Members) -> None:
        header = json.loads(members["header"].tobytes())
        edit(header)
        members["header"] = np.frombuffer(json.dumps(header).encode(), np.uint8)

    return with_members(change)


def with_text(text: bytes) -> Callable[[bytes], bytes]:
    return with_members(lambda members: members.update(header=np.frombuffer(text, np.uint8)))


def op(index: int, **fields: object) -> Callable[[dict[str, Any]], Any]:
    return lambda header: header["graph"][index].update(fields)


AGAIN = "Write the model again, with sw.model.save."
GIVE = "Give a model file, as sw.convert and sw.train write it."
COPY = "Copy or download the file again."
