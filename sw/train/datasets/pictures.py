"""Pictures as frames of one size: decoded at once, or when they are asked for."""

from __future__ import annotations

import contextlib
import io
import os
import struct
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sw.errors import UserError
from sw.train.datasets.base import require

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["Fit", "ImageFrames", "Picture", "jpeg_quality", "open_picture", "picture_size"]

#: Largest picture, in pixels; a small file may claim to be an enormous one.
MAX_PIXELS = 1 << 26

#: Suffixes of files that are taken as pictures.
SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".ppm", ".pgm", ".webp")

#: Their formats, as Pillow calls them; it knows others, some of which run programs.
FORMATS = ("JPEG", "PNG", "BMP", "PPM", "WEBP")

#: What Pillow raises at damaged pictures.
DAMAGE = (OSError, ValueError, SyntaxError, EOFError, TypeError, struct.error)

REMEDY = "Remove or replace that picture"


@dataclass(frozen=True, slots=True)
class Picture:
    """An encoded picture: its name for messages, and where its bytes are."""

    name: str
    path: str | None = None
    data: bytes | memoryview | None = field(default=None, repr=False)

    def open(self) -> Any:
        """What Pillow opens."""
        return self.path if self.data is None else io.BytesIO(self.data)


@contextlib.contextmanager
def open_picture(picture: Picture) -> Iterator[Image]:
    """The picture with its header read and its size checked, not decoded yet.

    Raises
    ------
    UserError
        It is no picture, or has over ``MAX_PIXELS`` pixels.
    """
    module = require("PIL.Image", "Pillow", "reading pictures")
    try:
        image = module.open(picture.open(), formats=FORMATS)
    except DAMAGE as error:
        raise _damaged(picture, error) from None
    except (module.DecompressionBombError, module.DecompressionBombWarning):
        raise UserError(f"'{picture.name}' has over {MAX_PIXELS} pixels", REMEDY) from None
    width, height = image.size
    if 1 <= width * height <= MAX_PIXELS:
        with image:
            yield image
    else:
        image.close()
        raise UserError(
            f"'{picture.name}' has {width} x {height} pixels; allowed are 1 to {MAX_PIXELS}", REMEDY
        )


def picture_size(picture: Picture) -> tuple[int, int]:
    """Width and height in pixels, from the header."""
    with open_picture(picture) as image:
        return image.size


def _damaged(picture: Picture, error: BaseException) -> UserError:
    reason = " ".join(str(error).split())[:100]
    return UserError(f"'{picture.name}' is no picture or a damaged one: {reason}", REMEDY)


@dataclass(frozen=True, kw_only=True)
class Fit:
    """How a picture becomes a frame.

    Parameters
    ----------
    height, width, channels : int
        Of the frame; 1 channel is luma, 3 are red, green and blue.
    how : {"crop", "pad", "exact"}
        ``crop``: resize so that the picture covers a frame ``margin`` times as large, and cut
        the frame from the centre. ``pad``: resize to fit inside and centre it on grey 128, so
        that nothing is lost (detection). ``exact``: the picture must have the frame's size.
        ``tile``: the part of the picture, as it is, whose top left pixel is ``corner``.
    margin : float
        At least 1; with ``crop`` only.
    corner : (x, y)
        With ``tile`` only.
    """

    height: int
    width: int
    channels: int
    how: str
    margin: float = 1.0
    corner: tuple[int, int] = (0, 0)

    def place(self, width: int, height: int) -> tuple[int, int, int, int]:
        """Where a picture of that size lies in the frame: left, top, width, height in pixels."""
        if self.how in ("exact", "tile"):
            return -self.corner[0], -self.corner[1], width, height
        if self.how == "pad":
            scale = min(self.width / width, self.height / height)
        else:
            scale = self.margin * max(self.width / width, self.height / height)
        wide, high = max(1, round(width * scale)), max(1, round(height * scale))
        return (self.width - wide) // 2, (self.height - high) // 2, wide, high

    def apply(self, picture: Picture) -> NDArray[np.uint8]:
        """The frame (height, width, channels) of ``picture``.

        Raises
        ------
        UserError
            The picture is damaged, or of another size where it must not be resized.
        """
        with open_picture(picture) as image:
            pixels, left, top = self._pixels(picture, image)
        height, width = pixels.shape[:2]
        if pixels.shape[:2] == (self.height, self.width) and not left and not top:
            return pixels
        frame = np.full((self.height, self.width, self.channels), 128, np.uint8)
        low_x, low_y = max(0, left), max(0, top)
        high_x, high_y = min(self.width, left + width), min(self.height, top + height)
        frame[low_y:high_y, low_x:high_x] = pixels[
            low_y - top : high_y - top, low_x - left : high_x - left
        ]
        return frame

    def _pixels(self, picture: Picture, image: Image) -> tuple[NDArray[np.uint8], int, int]:
        """The picture, resized, and where its left and top edge lie in the frame."""
        if self.how == "exact" and image.size != (self.width, self.height):
            raise UserError(
                f"'{picture.name}' has {image.size[0]} x {image.size[1]} pixels and others "
                f"{self.width} x {self.height}",
                "Give the size that all are brought to, as in 'FOLDER?size=64'",
            )
        left, top, width, height = self.place(*image.size)
        try:
            mode = "L" if self.channels == 1 else "RGB"
            if self.how in ("crop", "pad"):
                # A JPEG decoder may halve the picture on the way, never below what is needed.
                image.draft(mode, (width, height))
            image = image.convert(mode)
            if image.size != (width, height):
                module = require("PIL.Image", "Pillow", "resizing pictures")
                image = image.resize((width, height), module.Resampling.BILINEAR)
        except DAMAGE as error:
            raise _damaged(picture, error) from None
        pixels = np.asarray(image, np.uint8).reshape(height, width, self.channels)
        return pixels, left, top


class ImageFrames:
    """Frames of pictures that are decoded when they are asked for; see `Frames`.

    A picture that turns out damaged ends in a `UserError` that names it.

    Parameters
    ----------
    pictures : sequence of Picture
    fit : Fit, or a sequence of as many that differ in their corners only
    """

    def __init__(self, pictures: Sequence[Picture], fit: Fit | Sequence[Fit]) -> None:
        self.pictures = pictures
        self.fits = [fit] * len(pictures) if isinstance(fit, Fit) else fit
        self.fit = fit if isinstance(fit, Fit) else fit[0]

    @property
    def shape(self) -> tuple[int, int, int, int]:
        return len(self.pictures), self.fit.height, self.fit.width, self.fit.channels

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(np.uint8)

    @property
    def nbytes(self) -> int:
        """What an array of all frames would take."""
        count, height, width, channels = self.shape
        return count * height * width * channels

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: Any, /) -> NDArray[np.uint8]:
        if isinstance(index, int | np.integer):
            return self.fits[int(index)].apply(self.pictures[int(index)])
        # NumPy's own rules for slices, masks and lists, and its errors.
        chosen = np.arange(len(self))[index]
        return self.read(chosen)

    def read(
        self, indices: NDArray, advance: Callable[[int], None] = lambda _: None
    ) -> NDArray[np.uint8]:
        """The frames (n, H, W, C) of ``indices``, decoded on all cores."""
        frames = np.empty((len(indices), *self.shape[1:]), np.uint8)
        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            pictures = [self.pictures[index] for index in indices]
            fits = [self.fits[index] for index in indices]
            for place, frame in enumerate(pool.map(Fit.apply, fits, pictures)):
                frames[place] = frame
                advance(1)
        return frames


def jpeg_quality(picture: Picture) -> int | None:
    """Quality at which libjpeg writes the luma table of a JPEG picture, or None if at none."""
    tables = _tables(picture)
    if not tables:
        return None
    blank = require("PIL.Image", "Pillow", "reading pictures").new("L", (8, 8))
    for quality in range(1, 101):
        file = io.BytesIO()
        blank.save(file, "jpeg", quality=quality)
        if _tables(Picture("blank", data=file.getvalue()))[0] == tables[0]:
            return quality
    return None


def _tables(picture: Picture) -> dict[int, list[int]]:
    """Quantisation tables of a JPEG picture; none of another."""
    with open_picture(picture) as image:
        return getattr(image, "quantization", {})
