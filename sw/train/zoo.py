"""The networks that can be trained, as data; needs no PyTorch.

Four families. A *chain* is layers one after the other. A *dual* path is a chain whose
binary convolutions read two earlier layers, side by side. A *residual* network adds each
layer, or pair of layers, to a fixed-point stream. A *detector* is a chain whose head is a
convolution: a map of boxes.
"""

from __future__ import annotations

from dataclasses import dataclass

from sw.errors import UserError
from sw.train.recipe import Recipe

__all__ = ["NETWORKS", "Conv", "Dense", "Net", "Stage", "channels", "check_family", "network"]


@dataclass(frozen=True, kw_only=True)
class Conv:
    """Convolution, max pool of its sums, batch norm, quantiser.

    Parameters
    ----------
    outputs : int
        At width 1.
    kernel, stride : int
    padding : int or None
        None: half of the kernel, which keeps the map's size at stride 1.
    pool : (size, stride) or None
    """

    outputs: int
    kernel: int = 3
    stride: int = 1
    padding: int | None = None
    pool: tuple[int, int] | None = None


@dataclass(frozen=True, kw_only=True)
class Dense:
    """Matrix product, batch norm, quantiser."""

    outputs: int


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Convolutions of a residual network at one size; the first of a later stage has stride 2."""

    outputs: int
    convs: int


@dataclass(frozen=True, kw_only=True)
class Net:
    """A network.

    Parameters
    ----------
    name : str
    family : {"chain", "dual", "residual", "detector"}
    layers : tuple of Conv and Dense
        Hidden layers; convolutions before dense ones. Of a residual network, the stem alone.
    stages : tuple of Stage
        Of a residual network.
    stem_pool : (size, stride, padding) or None
        Max pool of the stream behind a residual network's stem.
    shortcuts : str
        Of a residual network, unless the recipe says otherwise.
    first_bits, last_bits : int
        Weight bits of the first layer and of the head.
    pixel_offset : int
        Taken off each pixel; padding of the first layer is this grey.
    anchors : int
        Boxes per cell of a detector.
    batch : int or None
        Frames per step, unless the recipe's suit.
    frame : (height, width, channels)
        What it was made for, where no data say otherwise.
    """

    name: str
    family: str
    layers: tuple[Conv | Dense, ...]
    stages: tuple[Stage, ...] = ()
    stem_pool: tuple[int, int, int] | None = None
    shortcuts: str = "none"
    first_bits: int = 8
    last_bits: int = 8
    pixel_offset: int = 128
    anchors: int = 0
    batch: int | None = None
    frame: tuple[int, int, int] = (32, 32, 3)


def channels(count: int, width: float) -> int:
    """``count`` channels times ``width``, a multiple of 4 and at least 4."""
    return max(4, 4 * round(count * width / 4))


_POOL = (2, 2)
_IMAGENET = (224, 224, 3)
_SMALL = (28, 28, 1)


def _vgg(*outputs: int) -> tuple[Conv, ...]:
    """3 x 3 convolutions, a pool behind each second one."""
    return tuple(
        Conv(outputs=n, pool=_POOL if index % 2 else None) for index, n in enumerate(outputs)
    )


def _residual(name: str, *convs: int, shortcuts: str) -> Net:
    return Net(
        name=name,
        family="residual",
        layers=(Conv(outputs=64, kernel=7, stride=2, padding=3),),
        stem_pool=(3, 2, 1),
        stages=tuple(
            Stage(outputs=n, convs=count)
            for n, count in zip((64, 128, 256, 512), convs, strict=True)
        ),
        shortcuts=shortcuts,
        frame=_IMAGENET,
    )


_ALEXNET = (
    Conv(outputs=96, kernel=11, stride=4, padding=2, pool=(3, 2)),
    Conv(outputs=256, kernel=5, pool=(3, 2)),
    Conv(outputs=384),
    Conv(outputs=384),
    Conv(outputs=256, pool=(3, 2)),
    Dense(outputs=4096),
    Dense(outputs=4096),
)

_PLATES = (
    Conv(outputs=16, pool=_POOL),
    Conv(outputs=32, pool=_POOL),
    Conv(outputs=64, pool=_POOL),
    Conv(outputs=64, pool=_POOL),
    Conv(outputs=128),
    Conv(outputs=128),
)

_FASHION = (
    Conv(outputs=32, pool=_POOL),
    Conv(outputs=64, pool=_POOL),
    Conv(outputs=64),
    Conv(outputs=64, pool=_POOL),
)

#: Networks by name.
NETWORKS = {
    net.name: net
    for net in (
        Net(name="vgg-small", family="chain", layers=_vgg(128, 128, 256, 256, 512, 512)),
        Net(
            name="binarynet-vgg",
            family="chain",
            layers=(
                *_vgg(128, 128, 256, 256, 512, 512),
                Dense(outputs=1024),
                Dense(outputs=1024),
            ),
            first_bits=1,
            last_bits=1,
        ),
        Net(name="alexnet", family="chain", layers=_ALEXNET, frame=_IMAGENET),
        _residual("resnet-18", 4, 4, 4, 4, shortcuts="pair"),
        _residual("birealnet-18", 4, 4, 4, 4, shortcuts="each"),
        _residual("birealnet-34", 6, 8, 12, 6, shortcuts="each"),
        Net(name="dualpath-vgg", family="dual", layers=_vgg(128, 128, 256, 256, 512, 512)),
        Net(
            name="plate-detector",
            family="detector",
            layers=_PLATES,
            anchors=2,
            batch=32,
            frame=(208, 208, 3),
        ),
        Net(name="fashion-cnn", family="chain", layers=_FASHION, pixel_offset=0, frame=_SMALL),
        # As many binary weights as fashion-cnn (90,864 and 92,160), with two sources.
        Net(
            name="fashion-dualpath",
            family="dual",
            layers=(
                Conv(outputs=24, pool=_POOL),
                Conv(outputs=52, pool=_POOL),
                Conv(outputs=48),
                Conv(outputs=52, pool=_POOL),
            ),
            pixel_offset=0,
            frame=_SMALL,
        ),
        Net(
            name="fashion-residual",
            family="residual",
            layers=(Conv(outputs=32, pool=_POOL),),
            stages=(Stage(outputs=32, convs=2), Stage(outputs=64, convs=2)),
            shortcuts="each",
            pixel_offset=0,
            frame=_SMALL,
        ),
        Net(
            name="fashion-binary",
            family="chain",
            layers=(
                Conv(outputs=32, pool=_POOL),
                Conv(outputs=64, pool=_POOL),
                Conv(outputs=64, pool=_POOL),
                Dense(outputs=64),
            ),
            first_bits=1,
            last_bits=1,
            pixel_offset=0,
            frame=_SMALL,
        ),
        # As many weights as an iCE40 UP5K's SPRAM holds with few lanes: examples/wide.npz.
        Net(
            name="fashion-wide",
            family="chain",
            layers=(Dense(outputs=512), Dense(outputs=512)),
            first_bits=1,
            last_bits=1,
            pixel_offset=0,
            frame=_SMALL,
        ),
        # Small enough for any board: examples/tiny.npz.
        Net(
            name="fashion-dense",
            family="chain",
            layers=(Dense(outputs=64), Dense(outputs=64)),
            first_bits=1,
            last_bits=1,
            pixel_offset=0,
            frame=_SMALL,
        ),
    )
}


def network(name: str) -> Net:
    """The network of that name.

    Raises
    ------
    UserError
        There is none.
    """
    if name not in NETWORKS:
        raise UserError(
            f"there is no network '{name}'; there are {', '.join(sorted(NETWORKS))}",
            "Give one of them with --net",
        )
    return NETWORKS[name]


def check_family(recipe: Recipe, net: Net) -> None:
    """Whether ``recipe`` is for such a network.

    Raises
    ------
    UserError
        It is not.
    """
    if net.family not in recipe.families:
        raise UserError(
            f"recipe '{recipe.name}' is not for network '{net.name}', a {net.family} network; "
            f"it is for {', '.join(recipe.families)} networks",
            "Choose another network with --net, or another recipe",
        )
