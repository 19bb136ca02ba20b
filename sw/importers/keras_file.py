"""Layers and weights of a Keras file, without TensorFlow: HDF5 and JSON only.

The HDF5 library is C and does not survive every damaged file, so that a process of
its own reads it: one that dies or hangs there is a damaged file and no more.
"""

from __future__ import annotations

import io
import json
import multiprocessing
import os
import re
import zipfile
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sw.errors import MissingToolError, ModelError, UserError

__all__ = ["KerasLayer", "load_layers"]

_REMEDY = "Save the whole model with model.save('name.h5') or model.save('name.keras')"


#: Seconds that reading may take; a whole file of a few megabytes takes less than one.
_LIMIT = 120.0


@dataclass(frozen=True, kw_only=True, eq=False)
class KerasLayer:
    """One layer: its class, its configuration and its weights by their Keras names."""

    kind: str
    name: str
    config: dict[str, Any]
    weights: dict[str, NDArray[np.float32]]

    @property
    def label(self) -> str:
        """How messages call it."""
        return f"layer '{self.name}' ({self.kind})"


def _import_h5py() -> Any:
    try:
        import h5py
    except ImportError:
        raise MissingToolError(
            "the Python package 'h5py', which reads .h5 and .keras files, is not installed",
            "Run: pip install 'binarray[larq]'",
        ) from None
    return h5py


def load_layers(path: str | os.PathLike[str]) -> list[KerasLayer]:
    """The layers of a sequential Keras model, in order.

    Parameters
    ----------
    path : path of a .h5 file of Keras 2, or a .keras file of Keras 2 or 3

    Raises
    ------
    ModelError
        No such file, not a Keras model, truncated, or a network with branches.
    MissingToolError
        The package `h5py` is missing.
    """
    _import_h5py()
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    reader = context.Process(target=_send_layers, args=(os.fspath(path), sender), daemon=True)
    reader.start()
    sender.close()
    try:
        answer = receiver.recv() if receiver.poll(_LIMIT) else None
    except EOFError:
        answer = None
    finally:
        reader.kill()
        reader.join()
        receiver.close()
    if isinstance(answer, UserError):
        raise answer
    if answer is None:
        raise ModelError(
            f"'{path}' is damaged: the HDF5 library crashed or hung while reading it", _REMEDY
        )
    return answer


def _send_layers(path: str, sender: Connection) -> None:
    """Body of the reading process: sends the layers, or the error."""
    try:
        sender.send(_read_layers(path))
    except UserError as error:
        sender.send(error)


def _read_layers(path: str) -> list[KerasLayer]:
    h5py = _import_h5py()
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        raise ModelError(
            f"cannot read '{path}': {error.strerror or error}", "Give the path of a Keras file"
        ) from None
    try:
        if data[:2] == b"PK":
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                config = json.loads(archive.read("config.json"))
                weights = archive.read("model.weights.h5")
            with h5py.File(io.BytesIO(weights), "r") as file:
                return _with_weights(_chain(config, path), _zip_weights(h5py, file))
        with h5py.File(io.BytesIO(data), "r") as file:
            if "model_config" not in file.attrs:
                raise ModelError(
                    f"'{path}' holds no network, at most its weights: there is no model_config",
                    _REMEDY,
                )
            return _with_weights(
                _chain(json.loads(_text(file.attrs["model_config"])), path), _h5_weights(file)
            )
    except (OSError, KeyError, ValueError, TypeError, RuntimeError, zipfile.BadZipFile) as error:
        raise ModelError(
            f"'{path}' is not a Keras file, or is damaged ({len(data)} bytes): {error}", _REMEDY
        ) from None


def _chain(model: dict[str, Any], path: str) -> list[tuple[str, str, dict[str, Any]]]:
    """(class, name, config) of each layer of a network without branches."""
    kind = model["class_name"]
    if kind not in ("Sequential", "Functional", "Model"):
        raise ModelError(
            f"'{path}' is a model of class '{kind}'; allowed are Sequential and Functional",
            "Build the network as a Sequential model",
        )
    layers = model["config"]
    layers = layers["layers"] if isinstance(layers, dict) else layers
    chain: list[tuple[str, str, dict[str, Any]]] = []
    for layer in layers:
        config = layer["config"]
        name = config.get("name") or layer.get("name")
        inbound = layer.get("inbound_nodes") or []
        names = {entry[1] for entry in chain}
        sources = _names(inbound) & names
        if kind != "Sequential" and chain and (len(inbound) != 1 or sources != {chain[-1][1]}):
            raise ModelError(
                f"'{path}': layer '{name}' reads {sorted(sources) or 'nothing'}; allowed is the "
                f"layer before it, '{chain[-1][1]}'",
                "Use a network without shortcuts",
            )
        chain.append((layer["class_name"].split(">")[-1], name, config))
    return chain


def _names(value: Any) -> set[str]:
    """All strings within nested lists and dictionaries."""
    if isinstance(value, str):
        return {value}
    if isinstance(value, dict):
        value = list(value.values())
    return set().union(*map(_names, value)) if isinstance(value, list) else set()


def _h5_weights(file: Any) -> Any:
    """Lookup of a layer's weights in a Keras 2 file."""
    root = file["model_weights"]

    def weights(kind: str, name: str, config: dict[str, Any]) -> dict[str, NDArray[np.float32]]:
        if name not in root:
            return {}
        group = root[name]
        names = [_text(n) for n in group.attrs.get("weight_names", [])]
        return {n.split("/")[-1].split(":")[0]: np.asarray(group[n], np.float32) for n in names}

    return weights


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _zip_weights(h5py: Any, file: Any) -> Any:
    """Lookup of a layer's weights in a .keras file: numbered variables in creation order.

    Layers lie under their name or, in older versions, under their class in snake case,
    numbered from the second on.
    """
    found: dict[str, list[NDArray[np.float32]]] = {}

    def visit(path: str, item: Any) -> None:
        parts = path.split("/")
        if isinstance(item, h5py.Group) and parts[-1] == "vars" and "optimizer" not in parts:
            found[parts[-2] if len(parts) > 1 else ""] = [
                np.asarray(item[key], np.float32) for key in sorted(item, key=int)
            ]

    file.visititems(visit)
    counts: dict[str, int] = {}

    def weights(kind: str, name: str, config: dict[str, Any]) -> dict[str, NDArray[np.float32]]:
        snake = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", kind)
        snake = re.sub(r"([a-z])([A-Z])", r"\1_\2", snake).lower()
        count = counts.get(snake, 0)
        counts[snake] = count + 1
        numbered = snake if count == 0 else f"{snake}_{count}"
        values = found.get(name, found.get(numbered, []))
        if kind == "BatchNormalization":
            names = [*(["gamma"] if config.get("scale", True) else [])]
            names += [*(["beta"] if config.get("center", True) else [])]
            names += ["moving_mean", "moving_variance"]
        else:
            names = ["kernel", "bias"]
        return dict(zip(names, values, strict=False))

    return weights


def _with_weights(chain: list[tuple[str, str, dict[str, Any]]], weights: Any) -> list[KerasLayer]:
    return [
        KerasLayer(kind=kind, name=name, config=config, weights=weights(kind, name, config))
        for kind, name, config in chain
    ]
