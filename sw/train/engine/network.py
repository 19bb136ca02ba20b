"""A network: nodes in order, each with its sources, in PyTorch and as an integer graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sw import golden
from sw.model import Model, Preprocessing, verify
from sw.model.ir import Graph
from sw.model.model import Detection
from sw.train.builder import Builder
from sw.train.layers.node import Head, Node, Pixels
from sw.train.layers.products import Product, raster

__all__ = ["Network", "to_model"]


class Network(nn.Module):
    """Pixels (N, C, H, W), 0 to 255, to logits.

    Nodes are appended in an order in which each follows its sources; the first is `Pixels`
    and the last a `Head`. Logits are (N, classes), or (N, cells * channels) in raster order
    where the head is a convolution.

    Parameters
    ----------
    name : str
    shape : (height, width, channels) of a frame
    grid : (rows, columns)
        Of the map that the head reads; a detector's cells.
    """

    def __init__(self, name: str, shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.name, self.shape, self.grid = name, shape, (1, 1)
        self.nodes = nn.ModuleDict()
        self.sources: dict[str, tuple[str, ...]] = {}

    def append(self, name: str, node: Node, *sources: str) -> str:
        """Append a node; its name."""
        assert name not in self.nodes and all(source in self.nodes for source in sources)
        self.nodes[name] = node
        self.sources[name] = sources
        return name

    @property
    def head(self) -> Head:
        head = self.nodes[next(reversed(self.sources))]
        assert isinstance(head, Head)
        return head

    def _last_readers(self) -> dict[str, str]:
        """For each tensor, the last node that reads it."""
        return {source: name for name, sources in self.sources.items() for source in sources}

    def scores(self, pixels: Tensor) -> Tensor:
        """The head's scores: in evaluation mode integers, float64."""
        last = self._last_readers()
        tensors: dict[str, Tensor] = {}
        result = pixels
        for name, node in self.nodes.items():
            sources = self.sources[name]
            result = node(*[tensors[source] for source in sources] if sources else [pixels])
            tensors[name] = result
            for source in sources:
                if last[source] == name:
                    del tensors[source]
        return raster(result) if result.dim() == 4 else result

    def forward(self, pixels: Tensor) -> Tensor:
        return self.scores(pixels).float() * self.head.scale()

    @torch.no_grad()
    def clip(self) -> None:
        """Clip the latent weights; after each step."""
        for product in self.products():
            product.clip()

    def products(self) -> list[Product]:
        """All layers' products, the head's included."""
        return [module for module in self.modules() if isinstance(module, Product)]

    @property
    def binary_weights(self) -> int:
        """How many +-1 weights there are."""
        return sum(p.weight.numel() for p in self.products() if p.bits == 1)

    @property
    def other_weights(self) -> int:
        """How many weights of several bits there are."""
        return sum(p.weight.numel() for p in self.products() if p.bits > 1)

    @torch.no_grad()
    def graph(self) -> tuple[Graph, Preprocessing]:
        """The integer graph of the network as evaluated, and what a pixel becomes."""
        was_training = self.training
        self.eval()
        builder, names = Builder(), {}
        for name, node in self.nodes.items():
            assert isinstance(node, Node)
            sources = (names[source] for source in self.sources[name])
            names[name] = node.emit(builder, name, *sources)
        self.train(was_training)
        pixels = next(iter(self.nodes.values()))
        assert isinstance(pixels, Pixels)
        table = np.arange(256, dtype=np.int16)[None] - np.int16(pixels.offset)
        graph = builder.graph()
        verify(graph)
        return graph, Preprocessing(table=table)


def to_model(
    network: Network,
    *,
    name: str,
    classes: Sequence[str] = (),
    provenance: str = "",
    head: str = "raw",
    detection: Detection | None = None,
    vector_frames: NDArray[np.uint8] | None = None,
) -> Model:
    """The model of a trained network, with test vectors computed by the golden model.

    Parameters
    ----------
    head : "raw" or "argmax"
        What the accelerator answers: all integer scores, or the index of the greatest.
    detection : Detection or None
        Of a detector.
    vector_frames : uint8 array (n, H, W, C) or None
    """
    graph, preprocessing = network.graph()
    if head == "argmax":
        graph = Graph(ops=(*graph.ops[:-1], replace(graph.head, kind="argmax")))
    if vector_frames is None:
        vector_frames = np.zeros((0, *network.shape), np.uint8)
    return Model(
        name=name,
        graph=graph,
        preprocessing=preprocessing,
        classes=tuple(classes),
        detection=detection,
        vectors=golden.make_vectors(graph, preprocessing, vector_frames),
        provenance=provenance,
    )
