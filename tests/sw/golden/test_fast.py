"""The packed golden model equals the plain one, for every tensor."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sw.golden import fast, packed, products, reference, run
from sw.model import verify
from sw.model.ir import (
    Conv,
    Dense,
    Graph,
    Head,
    Input,
    IntegerRange,
    Op,
    Padding,
    Pool,
    Scale,
    TensorType,
    Threshold,
)
from tests.dags import dags
from tests.graphs import models, random_frames

UINT8 = IntegerRange(low=0, high=255)
INT8 = IntegerRange(low=-128, high=127)
BIPOLAR = IntegerRange(low=-1, high=1, step=2)
TERNARY = IntegerRange(low=-1, high=1)


def assert_equal(graph: Graph, inputs: np.ndarray) -> None:
    got, expected = run(graph, inputs), reference.run(graph, inputs)
    assert list(got) == list(expected) == [op.name for op in graph.ops]
    for name, want in expected.items():
        assert got[name].dtype == np.int32
        assert got[name].shape == want.shape, name
        first = np.argwhere(got[name] != want)[:1].tolist()
        assert not first, f"tensor '{name}' differs first at {first}"
        range_ = graph.types[name].range
        assert want.min() >= range_.low, name
        assert want.max() <= range_.high, name
    # Without watching tensors, thresholds are applied as products are counted.
    scores = fast.Executor(graph).scores(inputs)
    assert scores.dtype == np.int32
    assert (scores == expected[graph.head.name][:, 0, 0]).all()


@settings(max_examples=150, deadline=None)
@given(model=models(tiled_pools=False), seed=st.integers(0, 2**32 - 1))
def test_random_graphs(model, seed: int) -> None:
    frames = random_frames(np.random.default_rng(seed), model.graph, 3)
    assert_equal(model.graph, model.preprocessing.apply(frames))


@settings(max_examples=40, deadline=None)
@given(
    model=models(tiled_pools=False, depth=2, max_size=4, max_channels=150),
    seed=st.integers(0, 2**32 - 1),
)
def test_random_wide_graphs(model, seed: int) -> None:
    """More channels than a word has bits."""
    frames = random_frames(np.random.default_rng(seed), model.graph, 2)
    assert_equal(model.graph, model.preprocessing.apply(frames))


@settings(max_examples=150, deadline=None)
@given(model=dags(), seed=st.integers(0, 2**32 - 1))
def test_random_dags(model, seed: int) -> None:
    """Residual streams, two sources, 8-bit layers, sums and padded maxima."""
    frames = random_frames(np.random.default_rng(seed), model.graph, 3)
    assert_equal(model.graph, model.preprocessing.apply(frames))


def network(range_: IntegerRange, shape: tuple[int, int, int], *ops: Op) -> Graph:
    """An input, ``ops`` by their names, and a raw head."""
    height, width, channels = shape
    type_ = TensorType(height=height, width=width, channels=channels, range=range_)
    bare = Graph(ops=(Input(name="input", type=type_), *ops))
    size = bare.types[ops[-1].name].size
    zeros = np.zeros(size, np.int32)
    floats = np.ones(size, np.float32)
    head = Head(name="head", source=ops[-1].name, bias=zeros, scale=floats, offset=floats)
    graph = Graph(ops=(*bare.ops, head))
    verify(graph)
    return graph


def signs(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.choice(np.array([-1, 1], np.int8), shape)


def values(rng: np.random.Generator, graph: Graph, count: int) -> np.ndarray:
    range_ = graph.input.type.range
    codes = rng.integers(0, range_.levels + 1, (count, *graph.input.type.shape))
    return range_.decode(codes)


@pytest.mark.parametrize("range_", [UINT8, INT8, BIPOLAR, TERNARY], ids=str)
@pytest.mark.parametrize("value", [None, "low", "high"])
@pytest.mark.parametrize("channels", [1, 3, 21, 32, 33, 63, 64, 65, 130])
def test_words(rng: np.random.Generator, range_: IntegerRange, value, channels: int) -> None:
    """Every way of laying taps into words, with each kind of padding."""
    padding = Padding(top=2, left=0, bottom=1, right=2, value=value and getattr(range_, value))
    weights = signs(rng, 4, 3, 4, channels)
    conv = Conv(name="conv", source="input", weights=weights, stride=(2, 1), padding=padding)
    graph = network(range_, (5, 4, channels), conv)
    assert_equal(graph, values(rng, graph, 2))


@pytest.mark.parametrize("low", [-128, 127])
def test_extremes(low: int) -> None:
    """The greatest and least accumulators of a long fan-in, where sums are widest."""
    for sign in (-1, 1):
        weights = np.full((2, 5000), sign, np.int8)
        graph = network(INT8, (1, 1, 5000), Dense(name="dense", source="input", weights=weights))
        got = run(graph, np.full((1, 1, 1, 5000), low))
        assert got["dense"].tolist() == [[[[sign * low * 5000] * 2]]]


def test_tiles(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small tiles, blocks and batches change nothing."""
    monkeypatch.setattr(packed, "INNER", 7)
    monkeypatch.setattr(packed, "TILE", 21)
    monkeypatch.setattr(packed, "BLOCK_WORDS", 100)
    monkeypatch.setattr(fast, "BATCH_ELEMENTS", 600)
    conv = Conv(
        name="conv", source="input", weights=signs(rng, 10, 2, 2, 5), padding=Padding(top=1)
    )
    graph = network(TERNARY, (6, 6, 5), conv)
    assert_equal(graph, values(rng, graph, 11))


@pytest.mark.parametrize("count", [1, 2, 8, 9, 255])
def test_levels(rng: np.random.Generator, count: int) -> None:
    """Up to 8-bit activations, with equal levels and unreachable ones."""
    dense = Dense(name="dense", source="input", weights=signs(rng, 6, 40))
    levels = np.sort(rng.integers(-20, 21, (6, count)), axis=1).astype(np.int32)
    levels[0], levels[1] = -(2**31), 2**31 - 1
    threshold = Threshold(
        name="threshold",
        source="dense",
        levels=levels,
        inverted=np.array([False, False, True, True, False, True]),
        low=-3,
        step=5,
    )
    last = Dense(name="last", source="threshold", weights=signs(rng, 3, 6))
    graph = network(BIPOLAR, (2, 4, 5), dense, threshold, last)
    assert_equal(graph, values(rng, graph, 50))


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (3, 2), (5, 5)])
@pytest.mark.parametrize("stride", [(1, 1), (2, 3)])
def test_pool(rng: np.random.Generator, size: tuple[int, int], stride: tuple[int, int]) -> None:
    """Pools on 8-bit values, overlapping or with gaps, maxima and minima."""
    pool = Pool(name="pool", source="input", size=size, stride=stride, minimum=rng.random(4) < 0.5)
    weights = signs(rng, 2, 1, 1, 4)
    graph = network(INT8, (5, 6, 4), pool, Conv(name="conv", source="pool", weights=weights))
    assert_equal(graph, values(rng, graph, 4))


@pytest.mark.parametrize("low", [-128, 127])
@pytest.mark.parametrize("fan_in", [1000, 5000, 65_535])
def test_extremes_of_wide_weights(low: int, fan_in: int) -> None:
    """Sums beyond 2**24, which a float32 would round."""
    weights = np.full((2, fan_in), 127, np.int8)
    weights[1] *= -1
    weights[:, -1] //= 2
    dense = Dense(name="dense", source="input", weights=weights, weight_bits=8)
    graph = network(INT8, (1, 1, fan_in), dense)
    got = run(graph, np.full((1, 1, 1, fan_in), low))["dense"]
    last = (127 * (fan_in - 1) + 63) * low, (-127 * (fan_in - 1) - 64) * low
    assert got.tolist() == [[[list(last)]]]


@pytest.mark.parametrize("range_", [UINT8, INT8, BIPOLAR, TERNARY], ids=str)
@pytest.mark.parametrize("value", [None, "low", "high"])
@pytest.mark.parametrize("bits", [2, 8])
def test_wide_weights(
    rng: np.random.Generator, range_: IntegerRange, value, bits: int, monkeypatch
) -> None:
    """Each kind of padding, whole maps at once and a row at a time."""
    limit = 2 ** (bits - 1) - 1
    conv = Conv(
        name="conv",
        source="input",
        weights=rng.integers(-limit, limit + 1, (4, 3, 4, 5)).astype(np.int8),
        weight_bits=bits,
        stride=(2, 1),
        padding=Padding(top=2, bottom=1, right=2, value=value and getattr(range_, value)),
    )
    graph = network(range_, (9, 4, 5), conv)
    inputs = values(rng, graph, 5)
    for elements in (1, 700, 1 << 21):
        monkeypatch.setattr(products, "BLOCK_ELEMENTS", elements)
        assert_equal(graph, inputs)


@pytest.mark.parametrize("shift", [0, 1, 17, 31])
def test_scale(rng: np.random.Generator, shift: int) -> None:
    """The greatest gains and offsets on 16-bit values, where products leave 32 bits."""
    ends = np.array([-(2**17), 2**17 - 1, -1, 1, 0, 999], np.int32)
    offset = np.array([2**31 - 1, -(2**31), 0, 1, -(2**31), 2**31 - 1], np.int32)
    wide = {"low": -(2**15), "high": 2**15 - 1}
    dense = Dense(name="dense", source="input", weights=signs(rng, 6, 20))
    grown = Scale(name="grown", source="dense", gain=ends, offset=0 * offset, shift=2, **wide)
    pool = Pool(
        name="pool", source="grown", size=(1, 1), stride=(1, 1), minimum=np.zeros(6, np.bool_)
    )
    scale = Scale(name="scale", source="pool", gain=ends, offset=offset, shift=shift, **wide)
    sign = Threshold(
        name="sign",
        source="scale",
        levels=np.zeros((6, 1), np.int32),
        inverted=np.zeros(6, np.bool_),
    )
    last = Dense(name="last", source="sign", weights=signs(rng, 2, 6))
    graph = network(UINT8, (1, 4, 5), dense, grown, pool, scale, sign, last)
    assert_equal(graph, values(rng, graph, 40))


def test_pack_bits() -> None:
    """Channel 0 is bit 0 of word 0."""
    bits = np.zeros((70, 1), np.uint8)
    bits[[0, 9, 63, 64, 69]] = 1
    words = packed.pack_bits(bits)
    assert [hex(word) for word in words[:, 0]] == ["0x8000000000000201", "0x21"]
