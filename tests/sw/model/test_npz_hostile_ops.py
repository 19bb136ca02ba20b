"""Damaged and illegal files that hold the ops of version 2: each ends in one error, by its text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sw.errors import ModelError
from sw.model import load, save
from tests.sw.model.archives import AGAIN, op, with_header, with_members
from tests.sw.model.small import residual_model

#: Of a file of version 2: its ops are input, stem, stem_bn, stream, sign, conv, bn, sum, ...
FILES: dict[str, tuple[Callable[[bytes], bytes], str, str]] = {
    "new op in version 1": (
        with_header(lambda h: [h.update(version=1), h["graph"].__delitem__(slice(1, 2))]),
        "op 1 of the graph is a 'Scale'; allowed in version 1 of the format: Input, Conv, Dense, "
        "Threshold, Pool, Head",
        "Use a version of Binarray that knows this op.",
    ),
    "new field in version 1": (
        with_header(lambda h: h.update(version=1)),
        "Conv 'stem' has an unknown 'weight_bits'",
        AGAIN,
    ),
    "no weight bits": (
        with_header(lambda h: h["graph"][1].pop("weight_bits")),
        "Conv 'stem' lacks 'weight_bits'",
        AGAIN,
    ),
    "packed weights of eight bits": (
        with_header(op(5, weight_bits=8)),
        "'graph.conv.weights' is uint8 of shape (4, 5); the header declares int8 of shape "
        "(4, 3, 3, 4)",
        AGAIN,
    ),
    "nine weight bits": (
        with_header(op(1, weight_bits=9)),
        "Conv 'stem': weight_bits is 9; allowed: an integer from 1 to 8",
        "Correct the value where the graph is made.",
    ),
    "fewer weight bits": (
        with_header(op(1, weight_bits=2)),
        "Conv 'stem': weights hold -95; allowed: integers from -1 to 1, of 2 bits",
        "Quantise them so, or state more weight_bits.",
    ),
    "weight of -128": (
        with_members(lambda m: m["graph.stem.weights"].__setitem__((0, 0, 0, 0), -128)),
        "Conv 'stem': weights hold -128; allowed: integers from -127 to 127, of 8 bits",
        "Quantise them so, or state more weight_bits.",
    ),
    "absurd shape": (
        with_header(op(2, gain=[1 << 40])),
        "the arrays take 8796093023150 bytes; allowed: 1073741824",
        "Shrink the model.",
    ),
    "gain of other dtype": (
        with_members(lambda m: m.update({"graph.bn.gain": np.zeros(4, np.float32)})),
        "'graph.bn.gain' is float32 of shape (4,); the header declares int32 of shape (4,)",
        AGAIN,
    ),
    "shift of text": (
        with_header(op(2, shift="6")),
        "'shift' of Scale 'stem_bn' is not an integer",
        AGAIN,
    ),
    "sources of numbers": (
        with_header(op(7, sources=[1, 2])),
        "'sources' of Add 'sum' is not a list of strings",
        AGAIN,
    ),
    "one source": (
        with_header(op(9, sources=["sign"])),
        "Concat 'both': sources are ('sign',); allowed: a tuple of two or more names, all "
        "different",
        "Give them so.",
    ),
    "circle": (
        with_header(op(7, sources=["stream", "sum"])),
        "Add 'sum': source is 'sum'; allowed: an op before it ('input, stem, stem_bn, stream, "
        "sign, conv, bn')",
        "Order the ops so that each follows its sources.",
    ),
    "kind of pool": (
        with_header(op(11, kind="mean")),
        "Pool 'average': kind is 'mean'; allowed: 'max' or 'sum'",
        "Choose one of them.",
    ),
    "padded pool without sides": (
        with_header(lambda h: h["graph"][3]["padding"].pop("left")),
        "'padding' of Pool 'stream' lacks 'left'",
        AGAIN,
    ),
}


@pytest.mark.parametrize("case", FILES)
def test_bad_file(case: str, tmp_path: Path) -> None:
    make, message, remedy = FILES[case]
    path = tmp_path / "bad.npz"
    save(residual_model(), path)
    path.write_bytes(make(path.read_bytes()))
    with pytest.raises(ModelError) as caught:
        load(path)
    assert str(caught.value) == f"'{path}': {message}. {remedy}"
