"""The rules of residual streams, sources and 8-bit layers, by the text of their errors."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from sw.errors import ModelError
from sw.model import verify
from sw.model.ir import (
    Concat,
    Conv,
    IntegerRange,
    Padding,
    Pool,
    TensorType,
)
from sw.model.rules import RULES
from tests.dags import random_dag
from tests.sw.model.small import Make, appended, residual_graph, with_field

CASES: dict[str, tuple[Make, str]] = {
    "no weight bits": (
        with_field("stem", weight_bits=0),
        "Conv 'stem': weight_bits is 0; allowed: an integer from 1 to 8. Correct the value where "
        "the graph is made.",
    ),
    "weight beyond its bits": (
        with_field("dense", weight_bits=4),
        "Dense 'dense': weights hold -11; allowed: integers from -7 to 7, of 4 bits. Quantise "
        "them so, or state more weight_bits.",
    ),
    "weights of eight bits as one": (
        with_field("dense", weight_bits=1),
        "Dense 'dense': weights hold -11; allowed: -1 and +1. Binarise them, and move scales to "
        "the threshold.",
    ),
    "array on a stream": (
        with_field("conv", source="stream"),
        "Conv 'conv': the range of source 'stream' is -32767..32767 in steps of 1, 16 bits; "
        "allowed: integers low < high in steps that divide high - low, codes of 1 to 8 bits. "
        "Quantise to at most 8 bits that fit int16.",
    ),
    "threshold on bits": (
        with_field("sign2", source="sign"),
        "Threshold 'sign2': source 'sign' is a Threshold; allowed: Conv, Dense, Scale, Add, "
        "Pool. Put a Threshold or a Scale between two arrays, and an array before the Head.",
    ),
    "gain of other channels": (
        with_field("bn", gain=np.ones(5, np.int32)),
        "Scale 'bn': gain is int32 of shape (5,); allowed: int32 of shape (4). Make the array "
        "with that dtype and shape.",
    ),
    "offset of other dtype": (
        with_field("bn", offset=np.ones(4)),
        "Scale 'bn': offset is float64 of shape (4,); allowed: int32 of shape (4). Make the "
        "array with that dtype and shape.",
    ),
    "wide gain": (
        with_field("bn", gain=np.array([0, 131071, -131072, 131072], np.int32)),
        "Scale 'bn': gain holds 131072; allowed: -131072 to 131071, 18 signed bits. Use a "
        "smaller shift.",
    ),
    "shift": (
        with_field("bn", shift=32),
        "Scale 'bn': shift is 32; allowed: an integer from 0 to 31. Correct the value where the "
        "graph is made.",
    ),
    "saturation upside down": (
        with_field("bn2", low=1, high=1),
        "Scale 'bn2': the result's range is 1..1 in steps of 1; allowed: integers low < high in "
        "steps that divide high - low, codes of 1 to 16 bits. Quantise to at most 16 bits that "
        "fit int16.",
    ),
    "wide saturation": (
        with_field("sum", high=32768),
        "Add 'sum': the result's range is -32767..32768 in steps of 1; allowed: integers low < "
        "high in steps that divide high - low, codes of 1 to 16 bits. Quantise to at most 16 "
        "bits that fit int16.",
    ),
    "saturation of floats": (
        with_field("sum", low=-1.5),
        "Add 'sum': low and high are -1.5 and 32767; allowed: integers. Correct the values "
        "where the graph is made.",
    ),
    "source twice": (
        with_field("sum", sources=("bn", "bn")),
        "Add 'sum': sources are ('bn', 'bn'); allowed: a tuple of two or more names, all "
        "different. Give them so.",
    ),
    "sources as a list": (
        with_field("sum", sources=["stream", "bn"]),
        "Add 'sum': sources are ['stream', 'bn']; allowed: a tuple of two or more names, all "
        "different. Give them so.",
    ),
    "no name": (
        with_field("sum", sources=("stream", None)),
        "Add 'sum': source is None; allowed: an op before it ('input, stem, stem_bn, stream, "
        "sign, conv, bn'). Order the ops so that each follows its sources.",
    ),
    "its own source": (
        with_field("sum", sources=("stream", "sum")),
        "Add 'sum': source is 'sum'; allowed: an op before it ('input, stem, stem_bn, stream, "
        "sign, conv, bn'). Order the ops so that each follows its sources.",
    ),
    "sum of accumulators": (
        with_field("sum", sources=("stream", "conv")),
        "Add 'sum': source 'conv' is a Conv; allowed: Input, Threshold, Scale, Add, Concat, "
        "Pool. Put a Threshold or a Scale between two arrays, and an array before the Head.",
    ),
    "sum of three": (
        with_field("sum", sources=("stream", "bn", "sign")),
        "Add 'sum': it has 3 sources; allowed: two. Use several Adds.",
    ),
    "sum of two shapes": (
        with_field("sum", sources=("stream", "stem_bn")),
        "Add 'sum': source 'stream' is 3x3x4 and 'stem_bn' 5x5x4; allowed: sources of one shape. "
        "Make the shapes equal, with a stride, a Pool or a 1x1 Conv.",
    ),
    "concat of two sizes": (
        with_field("both", sources=("sign2", "input")),
        "Concat 'both': source 'sign2' is 3x3 and 'input' 5x5; allowed: sources of one height "
        "and width. Make the maps equal, with a stride or a Pool.",
    ),
    "concat of two ranges": (
        with_field("sign2", low=0, step=1),
        "Concat 'both': source 'sign2' holds 0..1 in steps of 1 and 'sign' -1..1 in steps of 2; "
        "allowed: sources of one range. Quantise both alike.",
    ),
    "kind of pool": (
        with_field("average", kind="mean"),
        "Pool 'average': kind is 'mean'; allowed: 'max' or 'sum'. Choose one of them.",
    ),
    "padding of a pool": (
        with_field("stream", padding=Padding(left=3)),
        "Pool 'stream': padding left is 3; allowed: an integer from 0 to 2. Correct the value "
        "where the graph is made.",
    ),
    "padding value of a pool": (
        with_field("stream", padding=Padding(top=1, value=0)),
        "Pool 'stream': padding value is 0; allowed: None: a pool skips what lies outside. Leave "
        "the value out.",
    ),
    "padded sum": (
        with_field("average", padding=Padding(top=1, right=2)),
        "Pool 'average': a sum with padding 1, 0, 0, 2 (top, left, bottom, right); allowed: a "
        "sum without padding. Pool without padding, or take the maximum.",
    ),
    "minimum of a sum": (
        with_field("average", minimum=np.array([False, False, True, False])),
        "Pool 'average': a sum with minimum in channel 2; allowed: minimum False in every "
        "channel. Clear it, or take the maximum.",
    ),
    "large pool": (
        with_field("stream", size=(9, 3)),
        "Pool 'stream': size (9, 3) on a padded map of 7x7; allowed: windows no larger than the "
        "map. Use a smaller window.",
    ),
    "unread tensor": (
        lambda graph: appended(graph, dataclasses.replace(graph["sign"], name="more")),
        "Threshold 'more': no op uses its tensor; allowed: used tensors only. Remove the op.",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_illegal(case: str) -> None:
    make, message = CASES[case]
    with pytest.raises(ModelError) as caught:
        verify(make(residual_graph()))
    assert str(caught.value) == message


def test_legal(rng: np.random.Generator) -> None:
    verify(residual_graph())
    for _ in range(20):
        verify(random_dag(rng))


def faults(op: Conv | Concat | Pool, *sources: TensorType) -> list[str]:
    """What the rules of an op find; a layer this large is never made whole."""
    given = sources if isinstance(op, Concat) else sources[0]
    found = (rule(op, given) for rule in RULES[type(op)])
    return [fault.value for fault in found if fault]


def kind(channels: int, low: int, high: int, size: int = 1) -> TensorType:
    range_ = IntegerRange(low=low, high=high)
    return TensorType(height=size, width=size, channels=channels, range=range_)


def test_accumulators_of_wide_weights() -> None:
    weights = np.broadcast_to(np.int8(1), (1, 3, 3, 15_000))
    conv = Conv(name="conv", source="s", weights=weights, weight_bits=8)
    assert faults(conv, kind(15_000, -128, 127, 3)) == ["accumulators reach 2194560000"]
    conv = dataclasses.replace(conv, weight_bits=7)
    assert faults(conv, kind(15_000, -128, 127, 3)) == []


def test_wide_sums() -> None:
    """A sum has up to 24 bits: 256 values of 16."""
    one = np.zeros(1, np.bool_)
    pool = Pool(name="pool", source="s", kind="sum", size=(16, 16), stride=(1, 1), minimum=one)
    stream = kind(1, -32768, 32767, 17)
    assert faults(pool, stream) == []
    pool = dataclasses.replace(pool, size=(16, 17))
    assert faults(pool, stream) == ["the range of the result is -8912896..8912624, 25 bits"]
    # Few values, but far from 0.
    pool = dataclasses.replace(pool, size=(17, 17), stride=(1, 1))
    assert faults(pool, kind(1, 32766, 32767, 17)) == []
    pool = dataclasses.replace(pool, size=(30, 30))
    assert faults(pool, kind(1, 32766, 32767, 30)) == [
        "the range of the result is 29489400..29490300, 10 bits"
    ]
    accumulators = kind(1, -(2**24), 2**24)
    pool = Pool(name="pool", source="s", size=(1, 1), stride=(1, 1), minimum=one)
    assert faults(pool, accumulators)[0] == (
        "the range of source 's' is -16777216..16777216, 26 bits"
    )


def test_many_channels() -> None:
    concat = Concat(name="both", sources=("s", "t"))
    assert faults(concat, kind(32768, 0, 1), kind(32767, 0, 1)) == []
    assert faults(concat, kind(32768, 0, 1), kind(32768, 0, 1)) == [
        "the sum of the channels is 65536"
    ]
