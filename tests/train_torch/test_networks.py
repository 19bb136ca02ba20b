"""Every recipe on every family of networks: the exported graph is the evaluated network."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from sw import golden
from sw.errors import UserError
from sw.model import verify
from sw.model.ir import Concat, Conv, Dense, Scale, Threshold
from sw.model.verify import verify_model
from sw.train.engine.build import build, precision
from sw.train.engine.network import Network, to_model
from sw.train.engine.task import scores_of
from sw.train.layers.node import Head
from sw.train.layers.norm import BatchNorm
from sw.train.recipe import PRESETS, RECIPES, Recipe
from sw.train.zoo import NETWORKS

#: One network of each family, its width and small frames; alexnet for odd pools and strides.
TINY = {
    "fashion-cnn": (0.125, (16, 18, 1)),
    "fashion-binary": (0.125, (16, 16, 1)),
    "alexnet": (0.06, (63, 67, 3)),
    "vgg-small": (0.04, (8, 10, 3)),
    "fashion-residual": (0.125, (12, 16, 1)),
    "birealnet-18": (0.0625, (64, 32, 3)),
    "resnet-18": (0.0625, (32, 64, 3)),
    "fashion-dualpath": (0.2, (16, 16, 1)),
    "plate-detector": (0.25, (32, 48, 3)),
}

PAIRS = [
    (recipe.name, net)
    for recipe in RECIPES.values()
    for net in TINY
    if NETWORKS[net].family in recipe.families
]


def shake(network: Network, seed: int) -> None:
    """Random weights and batch norms, negative and zero gammas included."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, BatchNorm):
                module.gamma.copy_(torch.randn_like(module.gamma))
                module.gamma[4::5] = 0
                module.beta.normal_(0, 0.1)
            elif isinstance(module, Head):
                module.bias.normal_()
        for name, parameter in network.named_parameters():
            if name.endswith("output.range"):
                parameter.fill_(0.8)


def make_frames(rng: np.random.Generator, count: int, shape: tuple[int, int, int]) -> np.ndarray:
    """Stripes of many widths, directions and colours under noise, so that frames differ."""
    height, width, channels = shape
    y, x = np.mgrid[:height, :width]
    slope = rng.normal(0, 0.5, (count, 2, 1, 1, channels))
    wave = np.sin(slope[:, 0] * y[..., None] + slope[:, 1] * x[..., None])
    light = rng.uniform(60, 200, (count, 1, 1, channels))
    noise = rng.normal(0, 10, (count, *shape))
    return np.clip(light + 55 * wave + noise, 0, 255).astype(np.uint8)


def settle(network: Network, rng: np.random.Generator) -> None:
    """Means and variances of real frames, as training leaves them."""
    frames = torch.from_numpy(make_frames(rng, 8, network.shape)).permute(0, 3, 1, 2)
    with torch.no_grad():
        for _ in range(10):
            network.train()(frames.float())


@pytest.mark.parametrize(("recipe", "net"), PAIRS)
def test_export_is_the_evaluated_network(recipe: str, net: str, rng: np.random.Generator) -> None:
    width, shape = TINY[net]
    network = build(NETWORKS[net], RECIPES[recipe], shape, 7, width)
    shake(network, int(rng.integers(1 << 31)))
    settle(network, rng)
    frames = make_frames(rng, 12, shape)
    model = to_model(network, name="tiny", vector_frames=frames)
    verify_model(model)
    expected = scores_of(network, frames)
    np.testing.assert_array_equal(model.vectors.scores, expected)
    assert len(np.unique(expected, axis=0)) > 1
    with torch.no_grad():
        pixels = torch.from_numpy(frames).permute(0, 3, 1, 2).float()
        logits = network.eval()(pixels).numpy()
    np.testing.assert_array_equal(model.logits(model.vectors.scores), logits)


@pytest.mark.parametrize(
    ("net", "recipe", "changes"),
    [
        ("fashion-residual", "bireal", {"shortcuts": "none"}),
        ("birealnet-18", "bireal", {"shortcuts": "none"}),
        ("birealnet-18", "ste", {"shortcuts": "pair"}),
        ("fashion-dualpath", "dual-path", {"activations": "sign"}),
        ("fashion-dualpath", "dual-path", {"activations": "step"}),
        ("fashion-cnn", "ste", {"activations": "ternary"}),
        ("fashion-cnn", "high-precision-second", {"second_bits": 1}),
    ],
)
def test_the_papers_comparisons(
    net: str, recipe: str, changes: dict, rng: np.random.Generator
) -> None:
    width, shape = TINY[net]
    network = build(NETWORKS[net], replace(RECIPES[recipe], **changes), shape, 7, width)
    shake(network, int(rng.integers(1 << 31)))
    settle(network, rng)
    frames = make_frames(rng, 12, shape)
    model = to_model(network, name="tiny", vector_frames=frames)
    np.testing.assert_array_equal(model.vectors.scores, scores_of(network, frames))


def test_argmax_head(rng: np.random.Generator) -> None:
    width, shape = TINY["fashion-cnn"]
    network = build(NETWORKS["fashion-cnn"], RECIPES["ste"], shape, 7, width)
    settle(network, rng)
    frames = make_frames(rng, 12, shape)
    model = to_model(network, name="tiny", head="argmax", vector_frames=frames)
    verify_model(model)
    np.testing.assert_array_equal(
        golden.scores(model, frames)[:, 0], scores_of(network, frames).argmax(1)
    )


def test_second_layer_and_no_nonlinearity_behind_binary_layers() -> None:
    def graph(recipe: Recipe):
        network = build(NETWORKS["fashion-cnn"], recipe, (28, 28, 1), 10)
        return network.eval().graph()[0]

    def layers(ops) -> list[tuple[int, str, int]]:
        """Weight bits of each product, what follows it, and the lowest value of that."""
        result = []
        for op, after in pairwise(ops):
            if isinstance(op, Conv | Dense) and isinstance(after, Scale | Threshold):
                result.append((op.weight_bits, type(after).__name__, after.low))
        return result

    binary = layers(graph(RECIPES["ste"]).ops)
    assert binary == [
        (8, "Threshold", -1),
        (1, "Threshold", -1),
        (1, "Threshold", -1),
        (1, "Scale", -63),
    ]
    precise = layers(graph(RECIPES["high-precision-second"]).ops)
    assert precise == [
        (8, "Scale", 0),
        (8, "Threshold", -1),
        (1, "Threshold", -1),
        (1, "Scale", -63),
    ]


def test_two_sources_of_equal_size() -> None:
    dual = build(NETWORKS["fashion-dualpath"], RECIPES["dual-path"], (28, 28, 1), 10)
    plain = build(NETWORKS["fashion-cnn"], RECIPES["ste"], (28, 28, 1), 10)
    assert plain.binary_weights == 92_160
    assert dual.binary_weights == 90_864
    graph, _ = dual.eval().graph()
    assert sum(isinstance(op, Concat) for op in graph.ops) == 2


@pytest.mark.parametrize(
    ("net", "binary", "other"),
    [
        ("vgg-small", 4_571_136, 85_376),
        ("binarynet-vgg", 14_022_016, 0),
        ("birealnet-18", 10_985_472, 693_440),
    ],
)
def test_sizes_of_the_papers_networks(net: str, binary: int, other: int) -> None:
    classes = 1000 if net == "birealnet-18" else 10
    recipe, spec = RECIPES["ste"], NETWORKS[net]
    with torch.device("meta"):
        network = build(spec, recipe, spec.frame, classes)
    assert (network.binary_weights, network.other_weights) == (binary, other)


def test_precision_keeps_sums_in_24_bits() -> None:
    assert precision(512) == (8, 8)
    assert precision(144, signed=False) == (8, 8)
    assert precision(1152, signed=False) == (7, 6)
    assert precision(8192) == (6, 6)


def test_recipes_and_networks_that_do_not_go_together() -> None:
    with pytest.raises(UserError, match="recipe 'bireal' is not for network 'vgg-small'") as caught:
        build(NETWORKS["vgg-small"], RECIPES["bireal"], (32, 32, 3), 10)
    assert "--net" in caught.value.remedy
    small = "frames of 8 x 8 pixels are too small for network 'alexnet'"
    with pytest.raises(UserError, match=small):
        build(NETWORKS["alexnet"], RECIPES["ste"], (8, 8, 3), 10, 0.02)
    with pytest.raises(UserError, match="halves a map of 7 x 7 with frames of 14 x 14 pixels"):
        build(NETWORKS["fashion-residual"], RECIPES["bireal"], (14, 14, 1), 10)


def test_preset_is_the_bundled_network() -> None:
    preset = PRESETS["fashion"]
    network = build(NETWORKS[preset.net], preset.recipe, (28, 28, 1), 10)
    assert (network.binary_weights, network.other_weights) == (93_088, 0)
    graph, preprocessing = network.eval().graph()
    verify(graph)
    assert preprocessing.table[0].tolist() == list(range(256))
