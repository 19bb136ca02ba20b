"""Larq networks in Keras files to the float graph, without TensorFlow.

Larq's sign is +1 at 0. ``padding="same"`` pads the smaller half in front, as TensorFlow
does, with ``pad_values`` put in after the input quantiser. Keras is H x W x C throughout,
so nothing is permuted.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sw.errors import ModelError
from sw.importers.chain import Chain
from sw.importers.keras_file import KerasLayer, load_layers
from sw.model.float_ir import FloatGraph, Step

__all__ = ["load_larq"]

_SIGNS = ("ste_sign", "approx_sign", "swish_sign")


def load_larq(path: str | os.PathLike[str], preprocess: tuple[Step, ...]) -> FloatGraph:
    """The float graph of a Larq network in a .h5 or .keras file.

    Parameters
    ----------
    path : path of the file
    preprocess : tuple of Step
        From a byte to the value that the network expects.

    Raises
    ------
    ModelError
        The file is no Keras model, or holds what is not supported; the message names
        the layer.
    ToolError
        The package `h5py` is missing.
    """
    layers = load_layers(path)
    chain = Chain(*_input_shape(layers, str(path)), preprocess)
    if not any(layer.config.get("kernel_quantizer") for layer in layers):
        raise ModelError(
            f"'{path}' is not quantised: none of its {len(layers)} layers has a kernel_quantizer",
            "Train a binary network with Larq's QuantConv2D and QuantDense",
        )
    for layer in layers:
        if layer.kind not in _HANDLERS:
            raise ModelError(
                f"{layer.label} is not supported; supported are {', '.join(sorted(_HANDLERS))}",
                "Rewrite the network in these layers",
            )
        try:
            _HANDLERS[layer.kind](chain, layer, layer is layers[-1])
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            # Configurations and weights are of any kind in a damaged file.
            raise ModelError(
                f"{layer.label} has a configuration or weights that do not fit it: {error!r}",
                "Save the model once more; its file is damaged or of an unknown version",
            ) from None
    return chain.graph()


def _input_shape(layers: list[KerasLayer], path: str) -> tuple[int, int, int]:
    config: dict[str, Any] = layers[0].config if layers else {}
    shape: tuple[Any, ...] = tuple(
        config.get("batch_input_shape") or config.get("batch_shape") or ()
    )
    sizes = shape[1:]
    if len(sizes) == 1:
        sizes = (1, 1, *sizes)
    if len(sizes) != 3 or not all(isinstance(size, int) and size > 0 for size in sizes):
        raise ModelError(
            f"'{path}' takes inputs of shape {shape}; allowed is (None, height, width, "
            "channels) with fixed sizes",
            "Build the model with a fixed input_shape",
        )
    return sizes[0], sizes[1], sizes[2]


def _quantiser(layer: KerasLayer, key: str) -> tuple[str, dict[str, Any]]:
    """Name in snake case ("" for none) and configuration of a quantiser."""
    value = layer.config.get(key)
    config: dict[str, Any] = {}
    if isinstance(value, dict):
        config = value.get("config") or {}
        value = value.get("registered_name") or value.get("class_name")
        if isinstance(config, str):  # a function registered by its name
            value, config = config, {}
    name = (value or "").split(">")[-1]
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    return name.replace("do_re_fa", "dorefa"), config


def _activation_quantiser(chain: Chain, layer: KerasLayer, name: str, config: dict) -> None:
    where = f"{layer.name}_input"
    if name in _SIGNS:
        chain.sign(where)
    elif name == "ste_heaviside":
        chain.elementwise(f"{where}_greater", Step.greater(0.0))
        chain.uniform(where, low=0, high=1)
    elif name in ("dorefa", "dorefa_quantizer") and config.get("mode", "activations") != "weights":
        high = 2 ** int(config.get("k_bit", 2)) - 1
        chain.elementwise(f"{where}_clip", Step.clip(0.0, 1.0), Step.mul(high))
        chain.uniform(where, low=0, high=high)
        chain.elementwise(f"{where}_scale", Step.div(high))
    elif name:
        raise ModelError(
            f"{layer.label} has the input quantiser '{name}'; allowed are "
            f"{', '.join((*_SIGNS, 'ste_heaviside', 'dorefa_quantizer'))}",
            "Train with one of these",
        )


def _kernel(layer: KerasLayer) -> NDArray[np.float32]:
    """Weights as the layer uses them, after their quantiser."""
    kernel = layer.weights.get("kernel")
    if kernel is None:
        raise ModelError(f"{layer.label} has no kernel in the file", "Save the model once more")
    name, _ = _quantiser(layer, "kernel_quantizer")
    signs = np.where(kernel >= 0, np.float32(1), np.float32(-1))
    if name in _SIGNS:
        return signs
    if name == "magnitude_aware_sign":
        return signs * np.abs(kernel).mean(tuple(range(kernel.ndim - 1)), dtype=np.float32)
    if not name:
        return kernel
    raise ModelError(
        f"{layer.label} has the kernel quantiser '{name}'; allowed are "
        f"{', '.join((*_SIGNS, 'magnitude_aware_sign'))}",
        "Train with binary weights",
    )


def _refuse_unless(layer: KerasLayer, key: str, allowed: tuple[Any, ...]) -> None:
    value = layer.config.get(key, allowed[0])
    value = tuple(value) if isinstance(value, list) else value
    if value not in allowed:
        raise ModelError(
            f"{layer.label}: {key} is {value!r}; allowed is {allowed[0]!r}",
            f"Build the network with {key}={allowed[0]!r}",
        )


def _same(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Padding before and after for ceil(size / stride) outputs."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def _conv(chain: Chain, layer: KerasLayer, last: bool) -> None:
    config = layer.config
    _refuse_unless(layer, "data_format", ("channels_last",))
    _refuse_unless(layer, "dilation_rate", ((1, 1), 1))
    _refuse_unless(layer, "groups", (1,))
    _refuse_unless(layer, "padding", ("valid", "same"))
    _activation_quantiser(chain, layer, *_quantiser(layer, "input_quantizer"))
    kernel = _kernel(layer)
    stride = (int(config["strides"][0]), int(config["strides"][1]))
    padding = (0, 0, 0, 0)
    if config["padding"] == "same":
        height, width, _ = chain.shape
        top, bottom = _same(height, kernel.shape[0], stride[0])
        left, right = _same(width, kernel.shape[1], stride[1])
        padding = (top, left, bottom, right)
    chain.conv(
        layer.name,
        kernel.transpose(3, 0, 1, 2),
        stride=stride,
        padding=padding,
        pad_value=float(config.get("pad_values") or 0.0),
    )
    _bias_and_activation(chain, layer, last)


def _dense(chain: Chain, layer: KerasLayer, last: bool) -> None:
    _activation_quantiser(chain, layer, *_quantiser(layer, "input_quantizer"))
    chain.dense(layer.name, _kernel(layer).T)
    _bias_and_activation(chain, layer, last)


def _bias_and_activation(chain: Chain, layer: KerasLayer, last: bool) -> None:
    if "bias" in layer.weights:
        chain.elementwise(f"{layer.name}_bias", Step.add(layer.weights["bias"]))
    _activate(chain, layer, last)


def _activate(chain: Chain, layer: KerasLayer, last: bool) -> None:
    name, config = _quantiser(layer, "activation")
    if name in ("", "linear") or (name == "softmax" and last):
        return
    if name == "relu":
        chain.elementwise(f"{layer.name}_relu", Step.relu())
    elif name == "hard_tanh":
        chain.elementwise(f"{layer.name}_clip", Step.clip(-1.0, 1.0))
    elif name in (*_SIGNS, "ste_heaviside", "dorefa_quantizer"):
        _activation_quantiser(chain, layer, name, config)
    else:
        raise ModelError(
            f"{layer.label} has the activation '{name}'; allowed are linear, relu, hard_tanh, "
            f"{', '.join(_SIGNS)}, and softmax at the end",
            "Use one of these",
        )


def _batch_norm(chain: Chain, layer: KerasLayer, last: bool) -> None:
    channels = chain.shape[2]
    axis = layer.config.get("axis", -1)
    axis = axis[0] if isinstance(axis, list) else axis
    if axis not in (-1, 1, 3) or (axis == 1 and chain.shape[:2] != (1, 1)):
        raise ModelError(
            f"{layer.label}: axis is {axis}; allowed is the last one", "Normalise over channels"
        )
    one, zero = np.ones(channels, np.float32), np.zeros(channels, np.float32)
    weights = layer.weights
    gamma, beta = weights.get("gamma", one), weights.get("beta", zero)
    mean, variance = weights.get("moving_mean", zero), weights.get("moving_variance", one)
    epsilon = float(layer.config.get("epsilon", 1e-3))
    if chain.shape[:2] == (1, 1):
        step = (Step.batch_norm(gamma, beta, mean, variance, epsilon),)
    else:
        # TensorFlow's fused kernel for maps subtracts the mean first.
        factor = gamma * (np.float32(1) / np.sqrt(variance + np.float32(epsilon)))
        step = (Step.sub(mean), Step.mul(factor), Step.add(beta))
    chain.elementwise(layer.name, *step)


def _pool(chain: Chain, layer: KerasLayer, last: bool) -> None:
    _refuse_unless(layer, "data_format", ("channels_last",))
    rows, columns = (int(k) for k in layer.config["pool_size"])
    strides = layer.config.get("strides") or (rows, columns)
    stride = (int(strides[0]), int(strides[1]))
    height, width, _ = chain.shape
    padded = any(_same(height, rows, stride[0])) or any(_same(width, columns, stride[1]))
    if layer.config.get("padding", "valid") == "same" and padded:
        raise ModelError(
            f"{layer.label} pads a map of {height} x {width}; allowed are whole windows",
            "Use padding='valid', or a map that the windows cover",
        )
    chain.pool(layer.name, (rows, columns), stride)


def _relu(chain: Chain, layer: KerasLayer, last: bool) -> None:
    config = layer.config
    for key in ("negative_slope", "threshold"):
        _refuse_unless(layer, key, (0.0, 0, None))
    highest = config.get("max_value")
    step = Step.relu() if highest is None else Step.clip(0.0, float(highest))
    chain.elementwise(layer.name, step)


def _rescale(chain: Chain, layer: KerasLayer, last: bool) -> None:
    scale, offset = layer.config["scale"], layer.config.get("offset", 0.0)
    chain.elementwise(layer.name, Step.mul(scale), Step.add(offset))


def _nothing(chain: Chain, layer: KerasLayer, last: bool) -> None:
    """Layers without effect on values at inference, in Keras's H x W x C."""


_HANDLERS: dict[str, Callable[[Chain, KerasLayer, bool], None]] = {
    "Activation": _activate,
    "BatchNormalization": _batch_norm,
    "Conv2D": _conv,
    "Dense": _dense,
    "Dropout": _nothing,
    "Flatten": _nothing,
    "InputLayer": _nothing,
    "MaxPooling2D": _pool,
    "QuantConv2D": _conv,
    "QuantDense": _dense,
    "ReLU": _relu,
    "Rescaling": _rescale,
}
