"""QONNX graphs of many shapes against ONNX's reference evaluator."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sw import golden
from sw.importers.preprocess import parse
from sw.importers.qonnx import load_qonnx
from sw.lower import lower
from sw.model.float_ir import FloatConv
from sw.model.ir import Conv, Padding
from sw.model.model import Model
from tests.sw.importers.onnx_networks import BREVITAS, GENERAL, Builder


def _check(rng: np.random.Generator, net: Builder, path: Path, preprocess: str = "unit") -> Model:
    """Logits of random frames equal those of the file itself; returns the model."""
    graph = load_qonnx(net.save(path / "net.onnx"), parse(preprocess))
    frames = rng.integers(0, 256, (6, *graph.shapes["pixels"]), np.uint8)
    model = lower(graph, name="net", vector_frames=frames)
    x = frames.astype(np.float32) / np.float32(255 if preprocess == "unit" else 1)
    shape = [d.dim_value for d in net.input.type.tensor_type.shape.dim]
    nchw = x.transpose(0, 3, 1, 2) if len(shape) == 4 and shape[1] == x.shape[3] else x
    wanted = net.run(nchw.reshape(len(x), *shape[1:]))
    got = model.logits(golden.scores(model, frames))
    np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-4)
    return model


def _weights(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.normal(size=shape).astype(np.float32)


def _start(net: Builder) -> Builder:
    """2x - 1 and a sign, as the model zoo's networks begin."""
    return net.node("Mul", net.constant(2.0)).node("Sub", net.constant([1.0])).sign()


@pytest.mark.parametrize("domain", [GENERAL, BREVITAS])
def test_dense_after_the_flatten_is_permuted(
    rng: np.random.Generator, tmp_path: Path, domain: str
) -> None:
    net = _start(Builder((1, 3, 6, 5), domain))
    net.node("Conv", net.weights(_weights(rng, 4, 3, 3, 3)), kernel_shape=[3, 3])
    net.batch_norm(rng, 4).sign().node("Flatten", axis=1)
    net.node("MatMul", net.weights(_weights(rng, 4 * 4 * 3, 7)))
    _check(rng, net, tmp_path)


def test_padding_stride_and_bias(rng: np.random.Generator, tmp_path: Path) -> None:
    net = _start(Builder((1, 2, 9, 8)))
    bias = net.constant(rng.normal(size=5))
    weights = net.weights(_weights(rng, 5, 2, 3, 3))
    net.node("Conv", weights, bias, kernel_shape=[3, 3], pads=[1, 0, 2, 1], strides=[2, 1])
    net.node("Relu").batch_norm(rng, 5).quant(2, signed=0)
    net.node("Flatten").node("MatMul", net.weights(_weights(rng, 5 * 5 * 7, 4)))
    conv = next(op for op in _check(rng, net, tmp_path).graph.ops if isinstance(op, Conv))
    assert conv.padding == Padding(top=1, left=0, bottom=2, right=1, value=None)
    assert conv.stride == (2, 1)


@pytest.mark.parametrize(
    ("auto_pad", "sides"), [("SAME_UPPER", (1, 0, 2, 1)), ("SAME_LOWER", (2, 1, 1, 0))]
)
def test_automatic_padding(
    rng: np.random.Generator, tmp_path: Path, auto_pad: str, sides: tuple[int, ...]
) -> None:
    # The evaluator takes sizes from the wrong axes here, so the padding itself is compared.
    net = _start(Builder((1, 1, 7, 6)))
    weights = net.weights(_weights(rng, 3, 1, 4, 3))
    net.node("Conv", weights, kernel_shape=[4, 3], auto_pad=auto_pad, strides=[2, 2])
    net.batch_norm(rng, 3).sign()
    net.node("Flatten").node("MatMul", net.weights(_weights(rng, 3 * 4 * 3, 4)))
    graph = load_qonnx(net.save(tmp_path / "net.onnx"), parse("unit"))
    conv = next(op for op in graph.ops if isinstance(op, FloatConv))
    assert conv.padding == sides and graph.shapes[conv.name] == (4, 3, 3)


def test_a_pad_in_front_of_the_convolution(rng: np.random.Generator, tmp_path: Path) -> None:
    net = _start(Builder((1, 2, 5, 5)))
    pads, value = net.constant([0, 0, 1, 1, 0, 0, 0, 1], np.int64), net.constant(-1.0)
    net.node("Pad", pads, value).node("Conv", net.weights(_weights(rng, 3, 2, 3, 3)))
    net.batch_norm(rng, 3).sign()
    net.node("Flatten").node("MatMul", net.weights(_weights(rng, 3 * 4 * 5, 4)))
    conv = next(op for op in _check(rng, net, tmp_path).graph.ops if isinstance(op, Conv))
    assert conv.padding == Padding(top=1, left=1, bottom=0, right=1, value=-1)


def test_pool_in_front_of_batch_norm(rng: np.random.Generator, tmp_path: Path) -> None:
    net = _start(Builder((1, 1, 8, 8)))
    net.node("Conv", net.weights(_weights(rng, 6, 1, 3, 3)))
    net.node("MaxPool", kernel_shape=[2, 2], strides=[2, 2]).batch_norm(rng, 6).sign()
    net.node("Flatten").node("MatMul", net.weights(_weights(rng, 54, 3)))
    _check(rng, net, tmp_path)


def test_batch_norm_as_arithmetic(rng: np.random.Generator, tmp_path: Path) -> None:
    net = _start(Builder((1, 1, 4, 4))).node("Flatten")
    net.node("MatMul", net.weights(_weights(rng, 16, 5)))
    root = net.off_path("Sqrt", net.constant(rng.uniform(1, 9, 5)))
    net.node("Sub", net.constant(rng.normal(size=(1, 5)))).node("Div", root)
    net.node("Mul", net.constant(rng.normal(size=5)), first=False)
    net.node("Add", net.constant(rng.normal(size=5))).sign()
    net.node("Gemm", net.weights(_weights(rng, 4, 5)), net.constant(rng.normal(size=4)), transB=1)
    net.node("Mul", net.constant(0.25))
    _check(rng, net, tmp_path)


def test_shapes_computed_in_the_graph(rng: np.random.Generator, tmp_path: Path) -> None:
    net = Builder((1, 1, 4, 4))
    batch = net.off_path("Gather", net.off_path("Shape", "in"), net.constant(0, np.int64), axis=0)
    batch = net.off_path("Unsqueeze", batch, net.constant([0], np.int64))
    shape = net.off_path("Concat", batch, net.constant([-1], np.int64), axis=0)
    net.node("Reshape", shape)
    _start(net)
    transposed = net.off_path("Transpose", net.weights(_weights(rng, 3, 16)), perm=[1, 0])
    net.node("MatMul", transposed).node("Softmax")
    graph = load_qonnx(net.save(tmp_path / "net.onnx"), parse("unit"))
    assert graph.shapes[graph.ops[-1].name] == (1, 1, 3)


def test_graph_that_takes_channels_last(rng: np.random.Generator, tmp_path: Path) -> None:
    net = Builder((1, 5, 4, 3)).node("Transpose", perm=[0, 3, 1, 2])
    _start(net).node("Conv", net.weights(_weights(rng, 4, 3, 3, 3))).batch_norm(rng, 4).sign()
    net.node("Transpose", perm=[0, 2, 3, 1]).node("Reshape", net.constant([0, -1], np.int64))
    net.node("MatMul", net.weights(_weights(rng, 3 * 2 * 4, 4)))
    graph = load_qonnx(net.save(tmp_path / "net.onnx"), parse("unit"))
    frames = rng.integers(0, 256, (6, 5, 4, 3), np.uint8)
    assert graph.shapes["pixels"] == (5, 4, 3)
    model = lower(graph, name="nhwc", vector_frames=frames)
    wanted = net.run(frames / np.float32(255))
    np.testing.assert_allclose(model.logits(model.vectors.scores), wanted, atol=1e-4)


def test_weight_scales_and_one_bit_quant(rng: np.random.Generator, tmp_path: Path) -> None:
    """`Quant` of 1 bit, and a scale per output channel, as Brevitas writes them."""
    net = _start(Builder((1, 1, 4, 4)))
    scale = net.constant(2.0 ** rng.integers(-2, 3, (3, 1, 1, 1)))
    weights = net.off_path(
        "BipolarQuant", net.constant(_weights(rng, 3, 1, 3, 3)), scale, domain=GENERAL
    )
    net.node("Conv", weights).batch_norm(rng, 3).quant(3, scale=0.5, narrow=1)
    net.node("Flatten").node("MatMul", net.weights(_weights(rng, 12, 2)))
    _check(rng, net, tmp_path)


def test_eight_bit_input_and_dynamic_batch(rng: np.random.Generator, tmp_path: Path) -> None:
    net = Builder(("N", 1, 3, 3)).quant(8, signed=0, scale=1 / 256)
    net.node("Conv", net.weights(_weights(rng, 4, 1, 3, 3))).batch_norm(rng, 4).sign()
    net.node("Flatten").node("MatMul", net.weights(_weights(rng, 4, 2)))
    graph = load_qonnx(net.save(tmp_path / "net.onnx"), parse("unit"))
    model = lower(graph, name="batch")
    assert model.graph.input.type.range.bits == 8
    assert model.preprocessing.table[0, [0, 127, 255]].tolist() == [0, 127, 255]


def test_flat_input(rng: np.random.Generator, tmp_path: Path) -> None:
    net = _start(Builder((1, 20)))
    net.node("MatMul", net.weights(_weights(rng, 20, 6))).batch_norm(rng, 6).sign()
    net.node("MatMul", net.weights(_weights(rng, 6, 3)))
    assert _check(rng, net, tmp_path).graph.input.type.shape == (1, 1, 20)
