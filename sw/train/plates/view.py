"""A flat picture seen by a camera: rotation, perspective, and the exact place of its corners."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["paste", "rotated", "seen"]

#: Pixels per frame pixel and axis while a picture is drawn; then their mean is taken.
FINER = 2

#: Distance of the camera, in widths of the plate.
DISTANCE = 4.0


def rotated(aspect: float, yaw: float, pitch: float, roll: float) -> NDArray[np.float64]:
    """Corners (4, 2) of a rectangle of width 1 in perspective, its centre at the origin.

    1. corners (+-1/2, +-1/(2 aspect), 0), clockwise from the top left, y downwards;
    2. turned about y by ``yaw``, about x by ``pitch``, about z by ``roll`` (radians);
    3. seen from ``DISTANCE`` widths away: (x, y) * DISTANCE / (DISTANCE + z).
    """
    half = 0.5 / aspect
    points = np.array([(-0.5, -half, 0), (0.5, -half, 0), (0.5, half, 0), (-0.5, half, 0)])
    (cy, sy), (cp, sp), (cr, sr) = ((np.cos(a), np.sin(a)) for a in (yaw, pitch, roll))
    about_y = np.array([(cy, 0, sy), (0, 1, 0), (-sy, 0, cy)])
    about_x = np.array([(1, 0, 0), (0, cp, -sp), (0, sp, cp)])
    about_z = np.array([(cr, -sr, 0), (sr, cr, 0), (0, 0, 1)])
    x, y, z = (about_z @ about_x @ about_y @ points.T).astype(np.float64)
    return np.stack([x, y], axis=1) * (DISTANCE / (DISTANCE + z))[:, None]


def seen(quad: NDArray[np.float64]) -> NDArray[np.float64]:
    """Corners xmin, ymin, xmax, ymax of the box around a quadrilateral (4, 2)."""
    return np.concatenate([quad.min(axis=0), quad.max(axis=0)])


def _coefficients(quad: NDArray[np.float64], width: int, height: int) -> list[float]:
    """a to h of Pillow's perspective: where in the picture a point (x, y) comes from.

    ``u = (a x + b y + c) / (g x + h y + 1)``, ``v = (d x + e y + f) / (g x + h y + 1)``: two
    linear equations in a to h for each of the four corners.
    """
    corners = ((0, 0), (width, 0), (width, height), (0, height))
    rows, right = [], []
    for (x, y), (u, v) in zip(quad, corners, strict=True):
        rows += [(x, y, 1, 0, 0, 0, -u * x, -u * y), (0, 0, 0, x, y, 1, -v * x, -v * y)]
        right += [u, v]
    return np.linalg.solve(np.array(rows), np.array(right, np.float64)).tolist()


def paste(frame: NDArray[np.float32], picture: Image.Image, quad: NDArray[np.float64]) -> None:
    """Draw ``picture`` into ``frame`` (H, W, 3), its corners at ``quad`` (4, 2) in pixels.

    ``quad`` goes clockwise from the picture's top left; the part outside of the frame is
    dropped. A frame pixel is the mean of FINER x FINER finer ones.
    """
    height, width, _ = frame.shape
    low = np.maximum(np.floor(quad.min(axis=0)), 0).astype(int)
    high = np.minimum(np.ceil(quad.max(axis=0)), (width, height)).astype(int)
    if (high <= low).any():
        return
    wide, tall = (high - low).tolist()
    size = wide * FINER, tall * FINER
    coefficients = _coefficients((quad - low) * FINER, picture.width, picture.height)

    def warp(image: Image.Image) -> NDArray[np.float32]:
        drawn = image.transform(
            size, Image.Transform.PERSPECTIVE, coefficients, Image.Resampling.BILINEAR
        )
        pixels = np.asarray(drawn, np.float32).reshape(tall, FINER, wide, FINER, -1)
        return pixels.mean(axis=(1, 3))

    cover = warp(Image.new("L", picture.size, 255)) / 255
    part = frame[low[1] : high[1], low[0] : high[0]]
    # What is outside of the picture is black in the finer pixels: colours carry their cover.
    part[:] = part * (1 - cover) + warp(picture)
