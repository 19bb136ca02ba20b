"""ONNX files that cannot be used: one clear message each."""

from __future__ import annotations

import builtins
import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper

from sw.errors import ModelError, ToolError
from sw.importers.preprocess import parse
from sw.importers.qonnx import load_qonnx
from sw.lower import lower
from tests.sw.importers.onnx_networks import Builder

DATA = Path(__file__).parents[2] / "data"


def _refusal(path: Path | str) -> ModelError:
    with pytest.raises(ModelError) as caught:
        lower(load_qonnx(path, parse("unit")), name="bad")
    assert caught.value.remedy and "\n" not in str(caught.value)
    return caught.value


def _ones(*shape: int) -> np.ndarray:
    return np.ones(shape, np.float32)


def test_missing_file(tmp_path: Path) -> None:
    path = tmp_path / "none.onnx"
    assert str(_refusal(path)) == (
        f"cannot read '{path}': No such file or directory. Give the path of an ONNX file."
    )


@pytest.mark.parametrize("data", [b"", b"hello, world", b"\x89HDF\r\n\x1a\n" + bytes(100)])
def test_not_an_onnx_file(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "text.onnx"
    path.write_bytes(data)
    assert str(_refusal(path)) == (
        f"'{path}' is not an ONNX file, or is truncated ({len(data)} bytes). Give a whole ONNX "
        "file; copy or download it again."
    )


@pytest.mark.parametrize("size", [1, 100, 5000, 200_000, -1])
def test_truncated_file(tmp_path: Path, size: int) -> None:
    path = tmp_path / "short.onnx"
    path.write_bytes((DATA / "TFC_1W1A.onnx").read_bytes()[:size])
    assert "is not an ONNX file, or is truncated" in _refusal(path).message


def test_damaged_file_never_ends_in_a_traceback(rng: np.random.Generator, tmp_path: Path) -> None:
    whole = bytearray((DATA / "TFC_1W1A.onnx").read_bytes())
    path = tmp_path / "damaged.onnx"
    for _ in range(25):
        data = whole.copy()
        for at in rng.integers(0, len(data), 40):
            data[at] = rng.integers(0, 256)
        # The graph's structure stands at the end of the weights, so hit that as well.
        for at in rng.integers(0, 4000, 4):
            data[at] = rng.integers(0, 256)
        path.write_bytes(data)
        # Much of it is weights, so that some files remain legal.
        with contextlib.suppress(ModelError):
            lower(load_qonnx(path, parse("unit")), name="damaged")


def test_not_quantised(tmp_path: Path) -> None:
    net = Builder((1, 4)).node("MatMul", Builder((1, 4)).constant(0))
    net.constants["c0"] = _ones(4, 2)
    assert str(_refusal(net.save(tmp_path / "float.onnx"))) == (
        f"'{tmp_path / 'float.onnx'}' is not quantised: none of its 1 nodes is in the domains "
        "onnx.brevitas or qonnx.custom_op.general. Train a binary network, with Brevitas for "
        "example, and export it as QONNX."
    )


def test_float_weights(tmp_path: Path, rng: np.random.Generator) -> None:
    net = Builder((1, 4)).sign()
    net.node("MatMul", net.constant(rng.uniform(1, 2, (4, 2))))
    error = _refusal(net.save(tmp_path / "float.onnx"))
    assert "op 'MatMul_1': weights of output 0 have magnitudes from 1." in error.message
    assert error.message.endswith("allowed is one magnitude per output: they are float weights")
    assert error.remedy.startswith("Binarise the weights before exporting")


def test_real_valued_hidden_activation(tmp_path: Path) -> None:
    net = Builder((1, 4)).sign()
    net.node("MatMul", net.weights(_ones(4, 3))).node("Relu")
    net.node("MatMul", net.weights(_ones(3, 2)))
    assert str(_refusal(net.save(tmp_path / "real.onnx"))) == (
        "the activation between 'MatMul_2' and 'MatMul_5' is real-valued; allowed are Sign and "
        "Uniform quantisers. Train with a quantised activation before each hidden layer's weights."
    )


@pytest.mark.parametrize(
    ("shape", "shown"),
    [
        ((1, 1, "height", "width"), "(1, 1, height, width)"),
        ((1, "N"), "(1, N)"),
        ((1, 3, 4), "(1, 3, 4)"),
        ((1, 3, 0, 4), "(1, 3, ?, 4)"),
    ],
)
def test_dynamic_shapes(tmp_path: Path, shape: tuple[Any, ...], shown: str) -> None:
    net = Builder(shape).sign()
    error = _refusal(net.save(tmp_path / "dynamic.onnx"))
    assert error.message == (
        f"input 'in' has shape {shown}; allowed is (batch, channels, height, width) or (batch, "
        "features), fixed but for the batch"
    )
    assert error.remedy == "Export the network with a fixed image size"


def test_unsupported_op(tmp_path: Path) -> None:
    net = Builder((1, 1, 4, 4)).sign().node("Sigmoid")
    error = _refusal(net.save(tmp_path / "op.onnx"))
    assert error.message.startswith(
        "node 'Sigmoid_1' is the unsupported op 'Sigmoid'; supported on activations are Add, "
        "ArgMax, BatchNormalization, BipolarQuant, "
    )
    net = Builder((1, 1, 4, 4)).sign().node("MultiThreshold", domain="qonnx.custom_op.general")
    error = _refusal(net.save(tmp_path / "op.onnx"))
    assert "the unsupported op 'qonnx.custom_op.general.MultiThreshold'" in error.message


def test_sign_of_onnx_is_refused_with_its_reason(tmp_path: Path) -> None:
    error = _refusal(Builder((1, 4)).sign().node("Sign").save(tmp_path / "sign.onnx"))
    assert error.remedy.endswith("ONNX's Sign gives 0 at 0, use BipolarQuant")


def _shortcut(net: Builder) -> None:
    before = net.sign().last
    net.node("MatMul", net.weights(_ones(4, 4))).node("Add", before)


def _branch(net: Builder) -> None:
    before = net.sign().last
    net.node("MatMul", net.weights(_ones(4, 4)))
    net.last = net.off_path("Mul", before, net.constant(2.0))


def _per_channel_scale(net: Builder) -> None:
    net.node("BipolarQuant", net.constant([1.0, 2.0, 3.0, 4.0]), domain=net.domain)


def _sixteen_bits(net: Builder) -> None:
    net.quant(16)


def _four_bit_weights(net: Builder) -> None:
    constants = net.constant(_ones(4, 2)), net.constant(1.0), net.constant(0.0), net.constant(4.0)
    net.sign().node("MatMul", net.off_path("Quant", *constants, domain=net.domain, signed=1))


def _divide(net: Builder) -> None:
    net.sign().node("Div", net.constant(1.0), first=False)


def _per_element(net: Builder) -> None:
    net.sign().node("Add", net.constant(_ones(2, 4)))


def _split(net: Builder) -> None:
    net.sign().node("Reshape", net.constant([2, 2], np.int64))


def _pad_vector(net: Builder) -> None:
    net.sign().node("Pad", net.constant([0, 1, 0, 1], np.int64))


def _conv_of_vector(net: Builder) -> None:
    net.sign().node("Conv", net.weights(_ones(1, 1, 1, 1)))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (_shortcut, "node 'Add_3' (Add): its operand 't0' is not constant; allowed are constants"),
        (_branch, "which another node has already taken on; allowed is one path without branches"),
        (_per_channel_scale, "its scale has 4 values from 1 to 4; allowed is one for the tensor"),
        (_sixteen_bits, "16 bits, zero point 0, rounding mode 'ROUND'; allowed are 1 to 8 bits"),
        (_four_bit_weights, "quantises weights to 4 bits, signed=1, zero point 0; allowed are"),
        (_divide, "node 'Div_1' (Div) divides a constant by the activation; allowed is the other"),
        (_per_element, "an operand of shape (2, 4) on an activation of shape (1, 4); allowed is"),
        (_split, "node 'Reshape_1' (Reshape) reshapes (1, 4) to (2, 2); allowed is a flattening"),
        (_pad_vector, "node 'Pad_1' (Pad) works on an activation of axes NF; allowed is NCHW"),
        (_conv_of_vector, "node 'Conv_2' (Conv) works on an activation of axes NF; allowed is"),
    ],
)
def test_vectors_of_what_is_not_supported(
    tmp_path: Path, build: Callable[[Builder], None], message: str
) -> None:
    net = Builder((1, 4))
    build(net)
    assert message in _refusal(net.save(tmp_path / "net.onnx")).message


def _grouped(net: Builder) -> None:
    net.node("Conv", net.weights(_ones(2, 1, 1, 1)), group=2)


def _dilated(net: Builder) -> None:
    net.node("Conv", net.weights(_ones(2, 2, 2, 2)), dilations=[2, 2])


def _padded_pool(net: Builder) -> None:
    net.node("MaxPool", kernel_shape=[2, 2], strides=[2, 2], pads=[1, 1, 1, 1])


def _ragged_pool(net: Builder) -> None:
    net.node("MaxPool", kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)


def _reflecting_pad(net: Builder) -> None:
    net.node("Pad", net.constant([0, 0, 1, 1, 0, 0, 1, 1], np.int64), mode="reflect")


def _pad_elsewhere(net: Builder) -> None:
    net.node("Pad", net.constant([0, 0, 1, 1, 0, 0, 1, 1], np.int64)).node("Relu")


def _matmul_of_map(net: Builder) -> None:
    net.node("MatMul", net.weights(_ones(4, 4)))


def _odd_transpose(net: Builder) -> None:
    net.node("Transpose", perm=[0, 1, 3, 2])


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (_grouped, "groups 2, weights of shape (2, 1, 1, 1); allowed is 1 group and"),
        (_dilated, "node 'Conv_2' (Conv) has dilations [2, 2]; allowed is 1"),
        (_padded_pool, "pads (1, 1, 1, 1), ceil_mode 0; allowed are whole windows without padding"),
        (_ragged_pool, "pads (0, 0, 0, 0), ceil_mode 1; allowed are whole windows"),
        (_reflecting_pad, "mode 'reflect', pads [0, 0, 1, 1, 0, 0, 1, 1]; allowed is 'constant'"),
        (_pad_elsewhere, "node 'Relu_2' (Relu) follows a Pad; allowed there is only a Conv"),
        (_matmul_of_map, "works on an activation of axes NCHW; allowed is a flat one"),
        (_odd_transpose, "permutes NCHW by [0, 1, 3, 2]; allowed results are NCHW and NHWC"),
    ],
)
def test_maps_of_what_is_not_supported(
    tmp_path: Path, build: Callable[[Builder], None], message: str
) -> None:
    net = Builder((1, 2, 4, 4)).sign()
    build(net)
    assert message in _refusal(net.save(tmp_path / "net.onnx")).message


def test_attributes_that_do_not_fit(tmp_path: Path) -> None:
    net = Builder((1, 2, 4, 4)).sign().node("MaxPool", strides=[2, 2])
    assert _refusal(net.save(tmp_path / "net.onnx")).message == (
        "node 'MaxPool_1' (MaxPool) has attributes or operands that do not fit it: 'kernel_shape'"
    )


def test_two_inputs(tmp_path: Path) -> None:
    net = Builder((1, 4)).sign()
    model = net.model()
    model.graph.input.append(helper.make_tensor_value_info("mask", 1, (1, 4)))
    (tmp_path / "two.onnx").write_bytes(model.SerializeToString())
    assert _refusal(tmp_path / "two.onnx").message.endswith(
        "has 2 inputs (in, mask); allowed is 1, and at least one output"
    )


def test_output_that_does_not_follow(tmp_path: Path) -> None:
    net = Builder((1, 4)).sign()
    (tmp_path / "net.onnx").write_bytes(net.model(outputs=["c0"]).SerializeToString())
    assert (
        "the output 'c0' does not follow from the input" in _refusal(tmp_path / "net.onnx").message
    )


def test_weights_in_another_file(tmp_path: Path) -> None:
    net = Builder((1, 4)).sign()
    net.node("MatMul", net.weights(_ones(4, 2)))
    model = net.model()
    tensor = model.graph.initializer[1]
    tensor.ClearField("raw_data")
    tensor.data_location = 1
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "weights.bin"
    (tmp_path / "net.onnx").write_bytes(model.SerializeToString())
    error = _refusal(tmp_path / "net.onnx")
    assert "cannot read the constant 'c1': its data lie in another file" in error.message


def test_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without_onnx(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.split(".")[0] == "onnx":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_onnx)
    with pytest.raises(ToolError) as caught:
        load_qonnx(DATA / "TFC_1W1A.onnx", parse("unit"))
    assert str(caught.value) == (
        "the Python package 'onnx', which reads .onnx files, is not installed. Run: pip install "
        "'binarray[qonnx]'."
    )
    assert caught.value.exit_status == 1
