"""Larq networks in Keras files, old and new, written here by HDF5 and JSON alone."""

from __future__ import annotations

import builtins
import io
import json
import os
import signal
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from sw.errors import ModelError, ToolError
from sw.importers import keras_file
from sw.importers.larq import load_larq
from sw.importers.preprocess import parse
from sw.lower import lower
from sw.lower.reference import evaluate
from sw.model.float_ir import FloatConv, Sign, Step, Uniform
from sw.model.ir import Conv, Padding

DATA = Path(__file__).parents[2] / "data"
Layer = tuple[str, dict[str, Any], dict[str, np.ndarray]]

SIGN = {"class_name": "SteSign", "config": {"clip_value": 1.0}}


def _input(*shape: int) -> Layer:
    return "InputLayer", {"name": "in", "batch_input_shape": [None, *shape]}, {}


def _conv(rng: np.random.Generator, name: str, shape: tuple[int, ...], **changes: Any) -> Layer:
    config = {
        "name": name,
        "strides": [1, 1],
        "padding": "valid",
        "data_format": "channels_last",
        "dilation_rate": [1, 1],
        "groups": 1,
        "activation": "linear",
        "pad_values": 0.0,
        "input_quantizer": SIGN,
        "kernel_quantizer": SIGN,
    }
    return "QuantConv2D", config | changes, {"kernel": rng.normal(size=shape)}


def _dense(rng: np.random.Generator, name: str, shape: tuple[int, ...], **changes: Any) -> Layer:
    config = {
        "name": name,
        "activation": "linear",
        "input_quantizer": SIGN,
        "kernel_quantizer": SIGN,
    }
    weights = {"kernel": rng.normal(size=shape)}
    if changes.pop("use_bias", False):
        weights["bias"] = rng.normal(size=shape[1])
    return "QuantDense", config | changes, weights


def _batch_norm(rng: np.random.Generator, name: str, channels: int, axis: int) -> Layer:
    weights = {
        "gamma": rng.normal(size=channels),
        "beta": rng.normal(size=channels),
        "moving_mean": rng.normal(0, 3, channels),
        "moving_variance": rng.uniform(1, 30, channels),
    }
    config = {"name": name, "axis": [axis], "epsilon": 1e-3, "scale": True, "center": True}
    return "BatchNormalization", config, weights


def _pool(name: str, **changes: Any) -> Layer:
    config = {"name": name, "pool_size": [2, 2], "strides": [2, 2], "padding": "valid"}
    return "MaxPooling2D", config | changes, {}


def _config(layers: list[Layer]) -> str:
    entries = [{"class_name": kind, "config": config} for kind, config, _ in layers]
    return json.dumps({"class_name": "Sequential", "config": {"name": "s", "layers": entries}})


def _save_h5(path: Path, layers: list[Layer]) -> Path:
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = _config(layers)
        for _, config, weights in layers:
            name = config["name"]
            group = file.create_group(f"model_weights/{name}")
            group.attrs["weight_names"] = [f"{name}/{key}:0" for key in weights]
            for key, value in weights.items():
                group[f"{name}/{key}:0"] = value.astype(np.float32)
    return path


def _save_keras(path: Path, layers: list[Layer], by_name: bool) -> Path:
    """A .keras file: variables numbered, under layer names or numbered class names."""
    data, counts = io.BytesIO(), {}
    snake = {
        "QuantConv2D": "quant_conv2d",
        "QuantDense": "quant_dense",
        "BatchNormalization": "batch_normalization",
    }
    with h5py.File(data, "w") as file:
        for kind, config, weights in layers:
            base = snake.get(kind, kind.lower())
            count = counts.get(base, 0)
            counts[base] = count + 1
            numbered = f"{base}_{count}" if count else base
            group = file.create_group(f"layers/{config['name'] if by_name else numbered}/vars")
            for i, value in enumerate(weights.values()):
                group[str(i)] = value.astype(np.float32)
            file.require_group(f"optimizer/{config['name']}/vars")["0"] = np.zeros(3)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", _config(layers))
        archive.writestr("model.weights.h5", data.getvalue())
    return path


def _network(rng: np.random.Generator) -> list[Layer]:
    first = _conv(rng, "c1", (3, 3, 2, 4), input_quantizer=None, padding="same")
    return [
        _input(7, 6, 2),
        first,
        _pool("p1", padding="same", pool_size=[1, 2], strides=[1, 2]),
        _batch_norm(rng, "b1", 4, 3),
        _conv(rng, "c2", (3, 3, 4, 5), padding="same", strides=[2, 2]),
        _batch_norm(rng, "b2", 5, 3),
        ("Flatten", {"name": "f", "data_format": "channels_last"}, {}),
        _dense(rng, "d1", (40, 6), use_bias=True),
        _batch_norm(rng, "b3", 6, 1),
        _dense(rng, "d2", (6, 3), activation="softmax"),
    ]


@pytest.mark.parametrize("kind", ["h5", "keras-names", "keras-classes"])
def test_files_of_every_kind_give_the_network(
    rng: np.random.Generator, tmp_path: Path, kind: str
) -> None:
    layers = _network(rng)
    if kind == "h5":
        path = _save_h5(tmp_path / "net.h5", layers)
    else:
        path = _save_keras(tmp_path / "net.keras", layers, kind == "keras-names")
    graph = load_larq(path, parse("pixel>99"))
    frames = rng.integers(0, 256, (6, 7, 6, 2), np.uint8)
    model = lower(graph, name="net", vector_frames=frames)
    wanted = _keras(layers, (frames > 99).astype(np.float64))
    got = model.logits(model.vectors.scores)
    np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(evaluate(graph, frames)["d2"].reshape(6, -1), wanted, atol=1e-5)


def _keras(layers: list[Layer], x: np.ndarray) -> np.ndarray:
    """What Keras and Larq would do, in float64, written anew."""
    for kind, config, weights in layers[1:]:
        sign = x if config.get("input_quantizer") is None else np.where(x >= 0, 1.0, -1.0)
        kernel = np.where(weights.get("kernel", np.zeros(1)) >= 0, 1.0, -1.0)
        if kind == "QuantConv2D":
            x = _keras_conv(sign, kernel, config)
        elif kind == "QuantDense":
            x = sign.reshape(len(x), -1) @ kernel + weights.get("bias", 0.0)
        elif kind == "BatchNormalization":
            spread = np.sqrt(weights["moving_variance"] + config["epsilon"])
            x = (x - weights["moving_mean"]) / spread * weights["gamma"] + weights["beta"]
        elif kind == "MaxPooling2D":
            x = np.maximum(x[:, :, ::2], x[:, :, 1::2])
    return x


def _keras_conv(x: np.ndarray, kernel: np.ndarray, config: dict[str, Any]) -> np.ndarray:
    stride = config["strides"][0]
    pads = [(0, 0)]
    for size in x.shape[1:3]:
        total = max((-(-size // stride) - 1) * stride + 3 - size, 0)
        pads.append((total // 2, total - total // 2))
    x = np.pad(x, [*pads, (0, 0)])
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), (1, 2))[:, ::stride, ::stride]
    return np.einsum("nyxchw,hwco->nyxo", windows, kernel)


def test_same_padding_of_stride_two_is_uneven(rng: np.random.Generator, tmp_path: Path) -> None:
    layers = [
        _input(8, 7, 1),
        _conv(rng, "c1", (3, 3, 1, 2), padding="same", strides=[2, 2], pad_values=1.0),
    ]
    graph = load_larq(_save_h5(tmp_path / "net.h5", layers), parse("signed"))
    conv = next(op for op in graph.ops if isinstance(op, FloatConv))
    assert conv.padding == (0, 1, 1, 1) and conv.pad_value == 1.0
    op = lower(graph, name="net").graph["c1"]
    assert isinstance(op, Conv)
    assert op.padding == Padding(top=0, left=1, bottom=1, right=1, value=1)


def test_quantisers_and_activations(rng: np.random.Generator, tmp_path: Path) -> None:
    dorefa = {"class_name": "DoReFaQuantizer", "config": {"k_bit": 2, "mode": "activations"}}
    magnitude = {"registered_name": "Larq>MagnitudeAwareSign", "config": {}}
    layers = [
        _input(6),
        ("Rescaling", {"name": "r", "scale": 2.0, "offset": -1.0}, {}),
        _dense(rng, "d1", (6, 5), kernel_quantizer="ste_sign", input_quantizer="approx_sign"),
        ("ReLU", {"name": "relu", "max_value": 6.0}, {}),
        _dense(rng, "d2", (5, 4), input_quantizer=dorefa, kernel_quantizer=magnitude),
        ("Activation", {"name": "a", "activation": "ste_sign"}, {}),
        ("Dropout", {"name": "drop", "rate": 0.5}, {}),
        _dense(rng, "d3", (4, 3), input_quantizer=None),
        ("Activation", {"name": "soft", "activation": "softmax"}, {}),
    ]
    graph = load_larq(_save_h5(tmp_path / "net.h5", layers), parse("unit"))
    quantisers = [op for op in graph.ops if isinstance(op, Sign | Uniform)]
    assert [type(op) for op in quantisers] == [Sign, Uniform, Sign]
    frames = rng.integers(0, 256, (9, 1, 1, 6), np.uint8)
    model = lower(graph, name="net", vector_frames=frames)
    assert model.graph.types["d2_input"].range.bits == 2
    wanted = evaluate(graph, frames)[graph.ops[-1].name].reshape(9, -1)
    np.testing.assert_allclose(model.logits(model.vectors.scores), wanted, atol=1e-5)


def test_functional_models(rng: np.random.Generator, tmp_path: Path) -> None:
    layers = [_input(4), _dense(rng, "d1", (4, 3)), _dense(rng, "d2", (3, 2))]
    path = _save_h5(tmp_path / "net.h5", layers)

    def save(sources: list[str]) -> None:
        entries = [
            {
                "class_name": kind,
                "config": config,
                "inbound_nodes": [[[source, 0, 0, {}]]] if source else [],
            }
            for (kind, config, _), source in zip(layers, sources, strict=True)
        ]
        with h5py.File(path, "a") as file:
            file.attrs["model_config"] = json.dumps(
                {"class_name": "Functional", "config": {"layers": entries}}
            )

    save(["", "in", "d1"])
    assert load_larq(path, ()).ops[-1].name == "d2"
    save(["", "in", "in"])
    error = _refusal(path)
    assert error.message.endswith("layer 'd2' reads ['in']; allowed is the layer before it, 'd1'")


def _refusal(path: Path) -> ModelError:
    with pytest.raises(ModelError) as caught:
        lower(load_larq(path, parse("unit")), name="bad")
    assert caught.value.remedy and "\n" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize(
    ("layer", "changes", "message"),
    [
        ("conv", {"dilation_rate": [2, 2]}, "dilation_rate is (2, 2); allowed is (1, 1)"),
        ("conv", {"groups": 2}, "layer 'x' (QuantConv2D): groups is 2; allowed is 1"),
        ("conv", {"data_format": "channels_first"}, "data_format is 'channels_first'; allowed"),
        ("conv", {"padding": "causal"}, "padding is 'causal'; allowed is 'valid'"),
        ("conv", {"input_quantizer": "ste_tern"}, "has the input quantiser 'ste_tern'; allowed"),
        ("conv", {"kernel_quantizer": "ste_tern"}, "has the kernel quantiser 'ste_tern'; allowed"),
        ("conv", {"kernel_quantizer": None}, "they are float weights"),
        ("conv", {"activation": "tanh"}, "has the activation 'tanh'; allowed are linear, relu"),
        ("pool", {"padding": "same", "pool_size": [3, 3]}, "pads a map of 6 x 6; allowed are"),
        ("other", {}, "layer 'x' (LSTM) is not supported; supported are Activation, BatchNorm"),
    ],
)
def test_layers_that_are_not_supported(
    rng: np.random.Generator, tmp_path: Path, layer: str, changes: dict[str, Any], message: str
) -> None:
    kinds = {
        "conv": lambda: _conv(rng, "x", (3, 3, 1, 2), **changes),
        "pool": lambda: _pool("x", **changes),
        "other": lambda: ("LSTM", {"name": "x"}, {}),
    }
    layers = [_input(6, 6, 1), kinds[layer](), _dense(rng, "d", (32, 2))]
    assert message in _refusal(_save_h5(tmp_path / "net.h5", layers)).message


def test_not_quantised(rng: np.random.Generator, tmp_path: Path) -> None:
    layers = [_input(4), ("Dense", {"name": "d"}, {"kernel": rng.normal(size=(4, 2))})]
    path = _save_h5(tmp_path / "net.h5", layers)
    assert str(_refusal(path)) == (
        f"'{path}' is not quantised: none of its 2 layers has a kernel_quantizer. Train a binary "
        "network with Larq's QuantConv2D and QuantDense."
    )


def test_real_valued_hidden_activation(rng: np.random.Generator, tmp_path: Path) -> None:
    layers = [_input(4), _dense(rng, "a", (4, 3)), _dense(rng, "b", (3, 2), input_quantizer=None)]
    error = _refusal(_save_h5(tmp_path / "net.h5", layers))
    assert error.message.startswith("the activation between 'a' and 'b' is real-valued")


def test_dynamic_input(rng: np.random.Generator, tmp_path: Path) -> None:
    layers = [_input(4), _dense(rng, "a", (4, 3))]
    layers[0][1]["batch_input_shape"] = [None, None, None, 3]
    error = _refusal(_save_h5(tmp_path / "net.h5", layers))
    assert "takes inputs of shape (None, None, None, 3); allowed is (None, height," in error.message


def test_weights_only(tmp_path: Path) -> None:
    path = tmp_path / "weights.h5"
    with h5py.File(path, "w") as file:
        file["kernel"] = np.zeros(3)
    assert _refusal(path).message.endswith(
        "holds no network, at most its weights: there is no model_config"
    )


def test_configuration_that_does_not_fit(rng: np.random.Generator, tmp_path: Path) -> None:
    layers = [_input(6, 6, 1), _conv(rng, "c", (3, 3, 1, 2), strides="two")]
    error = _refusal(_save_h5(tmp_path / "net.h5", layers))
    assert error.message.startswith(
        "layer 'c' (QuantConv2D) has a configuration or weights that do not fit it: ValueError"
    )


def test_missing_truncated_and_foreign_files(tmp_path: Path) -> None:
    assert "No such file or directory" in _refusal(tmp_path / "none.h5").message
    whole = (DATA / "larq_mnist_cnn.h5").read_bytes()
    path = tmp_path / "bad.h5"
    for data in (b"", b"text", whole[:1000], whole[:50_000], whole[:-1], b"PK\x03\x04 no zip"):
        path.write_bytes(data)
        assert f"is not a Keras file, or is damaged ({len(data)} bytes)" in _refusal(path).message
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")
    assert "is not a Keras file" in _refusal(path).message


def test_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without_h5py(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "h5py":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_h5py)
    with pytest.raises(ToolError) as caught:
        load_larq(DATA / "larq_mnist_cnn.h5", parse("unit"))
    assert str(caught.value) == (
        "the Python package 'h5py', which reads .h5 and .keras files, is not installed. Run: pip "
        "install 'binarray[larq]'."
    )


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("unit", [("div", 255.0)]),
        ("signed", [("div", 127.5), ("sub", 1.0)]),
        ("raw", []),
        ("pixel>127", [("greater", 127.0)]),
        ("pixel * 2 + 1.5", [("mul", 2.0), ("add", 1.5)]),
        ("pixel/1e2-3", [("div", 100.0), ("sub", 3.0)]),
    ],
)
def test_preprocessing_formulas(text: str, steps: list[tuple[str, float]]) -> None:
    got: tuple[Step, ...] = parse(text)
    assert [(step.kind, float(step.operands[0])) for step in got] == steps


@pytest.mark.parametrize("text", ["", "pixel/0", "x/255", "pixel**2", "pixel>", "pixel/255;1"])
def test_other_formulas_are_refused(text: str) -> None:
    with pytest.raises(ModelError) as caught:
        parse(text)
    assert caught.value.message == (
        f"'{text}' is no preprocessing; allowed are unit, signed, raw, 'pixel>N', 'pixel*A+B' and "
        "'pixel/A-B'"
    )


def _crash(path: str, sender: object) -> None:
    """A reading process that HDF5 takes down."""
    os.kill(os.getpid(), signal.SIGSEGV)


def test_a_crash_of_the_library_is_a_damaged_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(keras_file, "_send_layers", _crash)
    path = tmp_path / "bad.h5"
    path.touch()
    with pytest.raises(ModelError) as caught:
        keras_file.load_layers(path)
    assert str(caught.value) == (
        f"'{path}' is damaged: the HDF5 library crashed or hung while reading it. Save the whole "
        "model with model.save('name.h5') or model.save('name.keras')."
    )
