"""A network of `sw.train.zoo`, trained by a recipe, as a PyTorch module."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sw.errors import UserError
from sw.model.ir import output_size
from sw.model.model import BOX_CHANNELS
from sw.model.ops import weight_limit
from sw.train.engine.network import Network
from sw.train.layers.node import Average, Head, Joint, Layer, MaxPool, Pixels, ReadBits, Total
from sw.train.layers.outputs import Bits, Fixed, Output
from sw.train.layers.products import ConvProduct, DenseProduct, Product
from sw.train.recipe import Recipe
from sw.train.zoo import Conv, Dense, Net, channels, check_family

__all__ = ["build", "precision"]

#: Sums are of at most 24 signed bits.
SUM_LIMIT = 2**23 - 1


def precision(fan_in: int, *, signed: bool = True) -> tuple[int, int]:
    """Bits of the weights and of the codes that a layer of several bits reads.

    Eight of each, or as many as keep ``fan_in`` products within 24 bits: first the codes lose
    one, then the weights, and so on. Signed codes are symmetric.
    """
    weight_bits = code_bits = 8

    def reach() -> int:
        code = weight_limit(code_bits) if signed else 2**code_bits - 1
        return fan_in * weight_limit(weight_bits) * code

    while reach() > SUM_LIMIT:
        if code_bits >= weight_bits:
            code_bits -= 1
        else:
            weight_bits -= 1
    return weight_bits, code_bits


@dataclass(kw_only=True)
class _Maker:
    """The network under construction, and the map at its end."""

    net: Net
    recipe: Recipe
    shape: tuple[int, int, int]
    width: float
    network: Network = field(init=False)
    height: int = field(init=False)
    columns: int = field(init=False)
    depth: int = field(init=False)
    #: Of the tensor at the end, where it holds codes: signed or not, and units to 1.
    signed: bool = True
    unit: float = 1.0
    #: The first node, and channels by node.
    pixels: str = field(init=False)
    depths: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.network = Network(self.net.name, self.shape)
        self.height, self.columns, self.depth = self.shape
        self.pixels = self.network.append("pixels", Pixels(self.shape, self.net.pixel_offset))

    def channels(self, count: int) -> int:
        return channels(count, self.width)

    def too_small(self) -> UserError:
        return UserError(
            f"frames of {self.shape[0]} x {self.shape[1]} pixels are too small for network "
            f"'{self.net.name}', whose strides and pools leave nothing of them",
            "Give larger frames, or another network",
        )

    def binary(self) -> dict[str, Any]:
        """Options of a product of +-1 weights."""
        return {"kind": self.recipe.weights, "derivative": self.recipe.weight_derivative}

    def bits(self, depth: int) -> Bits:
        """What a binary layer reads."""
        kind, derivative = self.recipe.activations, self.recipe.derivative
        return Bits(depth, kind=kind, derivative=derivative)

    def read_bits(self, name: str, source: str) -> str:
        """The bits of a stream."""
        kind, derivative = self.recipe.activations, self.recipe.derivative
        return self.network.append(name, ReadBits(kind=kind, derivative=derivative), source)

    def shrink(self, size: int, stride: int, padding: int) -> None:
        """The map behind windows of ``size``."""
        self.height = output_size(self.height, size, stride, padding, padding)
        self.columns = output_size(self.columns, size, stride, padding, padding)
        if self.height < 1 or self.columns < 1:
            raise self.too_small()


def build(
    net: Net, recipe: Recipe, shape: tuple[int, int, int], classes: int, width: float = 1.0
) -> Network:
    """The network for frames of ``shape``, with fresh weights.

    Parameters
    ----------
    shape : (height, width, channels)
    classes : int
        Of no meaning to a detector.
    width : float
        Multiplies the channels of every hidden layer.

    Raises
    ------
    UserError
        The recipe is not for such a network, or the frames are too small for it.
    """
    check_family(recipe, net)
    maker = _Maker(net=net, recipe=recipe, shape=shape, width=width)
    if net.family == "residual":
        _residual(maker, classes)
    else:
        _chain(maker, classes)
    return maker.network


# Chains, dual paths and detectors


def _weight_bits(net: Net, recipe: Recipe, count: int) -> list[int]:
    """Wanted weight bits of each hidden layer and of the head."""
    bits = [net.first_bits, *[1] * (count - 1), net.last_bits]
    if count > 1 and recipe.second_bits > 1:
        bits[1] = recipe.second_bits
    return bits


def _fan_in(layer: Conv | Dense | None, maker: _Maker, depth: int) -> int:
    """Inputs of an output of ``layer``; None is the head."""
    if isinstance(layer, Conv):
        return layer.kernel**2 * depth
    if layer is None and maker.net.family == "detector":
        return depth
    return maker.height * maker.columns * depth


def _reads_two(maker: _Maker, index: int) -> bool:
    """Whether hidden layer ``index`` has two sources; the first two have one to read."""
    layers = maker.net.layers
    dual = maker.net.family == "dual" and 1 < index < len(layers)
    return dual and isinstance(layers[index], Conv)


def _chain(maker: _Maker, classes: int) -> None:
    """Layers one after the other; in a dual path two sources, where there are."""
    layers, network = maker.net.layers, maker.network
    wanted = _weight_bits(maker.net, maker.recipe, len(layers))
    last, earlier = maker.pixels, maker.pixels
    for index, layer in enumerate(layers):
        name, source = f"layer{index}", last
        if _reads_two(maker, index):
            source = network.append(f"{name}_sources", Joint(), last, earlier)
            maker.depth += maker.depths[earlier]
        product = _product(maker, layer, wanted[index], first=index == 0)
        maker.depth = maker.channels(layer.outputs)
        pool = layer.pool if isinstance(layer, Conv) else None
        following = layers[index + 1] if index + 1 < len(layers) else None
        output = _output(maker, wanted[index], wanted[index + 1], following)
        new = network.append(name, Layer(product, output, pool), source)
        maker.depths[new] = maker.depth
        if _reads_two(maker, index + 1):
            earlier = last
            if pool:
                earlier = network.append(f"{name}_earlier", MaxPool(*pool), last)
                maker.depths[earlier] = maker.depths[last]
        last = new
    _head(maker, last, classes, wanted[-1])


def _product(maker: _Maker, layer: Conv | Dense, bits: int, *, first: bool) -> Product:
    """The product of a hidden layer; the map becomes that of its (pooled) sums."""
    fan_in = _fan_in(layer, maker, maker.depth)
    options: dict[str, Any] = maker.binary() | {"exact": first}
    if bits > 1:
        options = {"bits": precision(fan_in, signed=maker.signed)[0]}
    outputs = maker.channels(layer.outputs)
    if isinstance(layer, Dense):
        maker.height = maker.columns = 1
        return DenseProduct(fan_in, outputs, **options)
    product = ConvProduct(
        maker.depth,
        outputs,
        layer.kernel,
        stride=layer.stride,
        padding=layer.padding,
        **options,
    )
    maker.shrink(layer.kernel, layer.stride, product.padding)
    if layer.pool:
        maker.shrink(*layer.pool, 0)
    return product


def _output(maker: _Maker, bits: int, next_bits: int, following: Conv | Dense | None) -> Output:
    """Bits before a binary layer; codes before another: signed ones behind a binary layer.

    So no nonlinearity stands behind 1-bit weights, and a ReLU behind others.
    """
    maker.signed = bits == 1
    if next_bits == 1:
        maker.unit = 1.0
        return maker.bits(maker.depth)
    fan_in = _fan_in(following, maker, maker.depth)
    output = Fixed.code(
        maker.depth, precision(fan_in, signed=maker.signed)[1], relu=not maker.signed
    )
    maker.unit = output.unit
    return output


def _head(maker: _Maker, source: str, classes: int, bits: int) -> None:
    """The last product: of the whole map, or of each cell's channels in a detector."""
    detector = maker.net.family == "detector"
    fan_in = _fan_in(None, maker, maker.depth)
    options: dict[str, Any] = maker.binary() | {"kind": "ste", "exact": True}
    scale = 1.5 / fan_in**0.5
    if bits > 1:
        bits = precision(fan_in, signed=maker.signed)[0]
        options, scale = {"bits": bits, "per_tensor": True}, 1 / maker.unit
    if detector:
        outputs = maker.net.anchors * BOX_CHANNELS
        product: Product = ConvProduct(maker.depth, outputs, 1, **options)
    else:
        outputs = classes
        product = DenseProduct(fan_in, outputs, **options)
    maker.network.grid = (maker.height, maker.columns)
    maker.network.append("scores", Head(product, outputs, scale), source)


# Residual networks


def _residual(maker: _Maker, classes: int) -> None:
    """A stem, then convolutions of the bits of a stream, whose results are added to it."""
    shortcuts = maker.recipe.shortcuts or maker.net.shortcuts
    (stem,) = maker.net.layers
    assert isinstance(stem, Conv)
    plan = [
        (stage.outputs, 2 if number and not index else 1)
        for number, stage in enumerate(maker.net.stages)
        for index in range(stage.convs)
    ]
    product = _product(maker, stem, maker.net.first_bits, first=True)
    maker.depth = maker.channels(stem.outputs)
    last = _stem(maker, product, stem.pool, plain=shortcuts == "none")
    per_block = 2 if shortcuts == "pair" else 1
    for index in range(0, len(plan), per_block):
        block = plan[index : index + per_block]
        ends = index + per_block >= len(plan)
        last = _block(maker, f"block{index // per_block}", last, block, shortcuts, ends)
    codes = maker.network.append("average", Average((maker.height, maker.columns)), last)
    maker.height = maker.columns = 1
    maker.signed, maker.unit = True, 127 / 4
    _head(maker, codes, classes, maker.net.last_bits)


def _stem(maker: _Maker, product: Product, pool: tuple[int, int] | None, *, plain: bool) -> str:
    """The first layer: a stream of residuals, or bits where there are no shortcuts."""
    network, stem_pool = maker.network, maker.net.stem_pool
    if plain:
        layer = Layer(product, maker.bits(maker.depth), stem_pool or pool)
        last = network.append("stem", layer, maker.pixels)
    else:
        layer = Layer(product, Fixed.residual(maker.depth), pool)
        last = network.append("stem", layer, maker.pixels)
        if stem_pool:
            last = network.append("stem_pool", MaxPool(*stem_pool), last)
    if stem_pool:
        maker.shrink(*stem_pool)
    return last


def _block(
    maker: _Maker,
    name: str,
    source: str,
    convs: list[tuple[int, int]],
    shortcuts: str,
    ends: bool,
) -> str:
    """One or two binary convolutions and, unless ``shortcuts`` is "none", their shortcut.

    ``ends``: the last block, which is followed by the average and not by a binary layer.
    """
    network, plain = maker.network, shortcuts == "none"
    stride = convs[0][1]
    beside = source if plain else _shortcut(maker, name, source, convs[0])
    last = source if plain else maker.read_bits(f"{name}_bits", source)
    for index, (count, step) in enumerate(convs):
        outputs = maker.channels(count)
        product = ConvProduct(maker.depth, outputs, 3, stride=step, **maker.binary())
        maker.depth = outputs
        within = index + 1 < len(convs) or (plain and not ends)
        output = maker.bits(outputs) if within else Fixed.residual(outputs)
        last = network.append(f"{name}_conv{index}", Layer(product, output), last)
    if stride > 1:
        maker.shrink(3, stride, 1)
    return last if plain else network.append(f"{name}_total", Total(), last, beside)


def _shortcut(maker: _Maker, name: str, source: str, conv: tuple[int, int]) -> str:
    """The stream itself, or averaged over 2 x 2 and multiplied by an 8-bit 1 x 1 convolution."""
    outputs, stride = maker.channels(conv[0]), conv[1]
    if stride == 1 and outputs == maker.depth:
        return source
    if maker.height % stride or maker.columns % stride:
        raise UserError(
            f"network '{maker.net.name}' halves a map of {maker.height} x {maker.columns} with "
            f"frames of {maker.shape[0]} x {maker.shape[1]} pixels; allowed are even maps",
            "Give frames whose sides are multiples of the network's strides and pools",
        )
    weight_bits, code_bits = precision(maker.depth)
    average = Average((stride, stride), code_bits)
    codes = maker.network.append(f"{name}_average", average, source)
    product = ConvProduct(maker.depth, outputs, 1, bits=weight_bits)
    layer = Layer(product, Fixed.residual(outputs))
    return maker.network.append(f"{name}_shortcut", layer, codes)
