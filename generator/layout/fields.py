"""Colour fields under the words: their edges towards the picture, and their shadow on it."""

import numpy as np
from numpy.typing import NDArray

from bannerstream.generator.layout.blending import blend
from bannerstream.generator.layout.colours import Rgb
from bannerstream.generator.layout.templates import Edge
from bannerstream.generator.pipeline.ports import Box, Pixels

Floats = NDArray[np.float32]

_LEAN = 0.36
"""Horizontal offset of a slanted edge beside the picture, as a share of its height."""
_TILT = 0.11
"""Vertical offset of a slanted edge above or below the picture, as a share of the width."""
_BULGE = {"beside": 0.3, "over": 0.1, "under": 0.045}
"""How far a round edge recedes at its ends: share of the height beside the picture, of the width above or below."""
_SHADOW = (0.12, 0.22)
"""Reach (share of the shorter side) and strength of the shadow on the picture."""
_STRIPE = (0.022, 0.05)
"""Start and width of the stripe along a slanted edge; the round edge's echo reaches as far as both together."""


def lay_field(pixels: Pixels, field: Box, edge: Edge, *, mirrored: bool, fill: Rgb, trim: Rgb) -> None:
    """Draw a field over the picture, in place. `trim` colours the stripe along a slanted edge."""
    height, width = pixels.shape[:2]
    inside = _distance(width, height, field, edge, mirrored=mirrored)
    short = min(width, height)
    reach, strength = _SHADOW[0] * short, _SHADOW[1]
    begin, wide = _STRIPE[0] * short, _STRIPE[1] * short
    if edge == "slanted":
        blend(pixels, _ramp(inside + begin + wide) * _ramp(-inside - begin), trim)
    elif edge == "round":
        blend(pixels, _ramp(inside + begin + wide) * np.float32(0.45), fill)
    blend(pixels, np.clip(1 + inside / reach, 0, 1) ** 2 * np.float32(strength) * (inside < 1), (0, 0, 0))
    blend(pixels, _ramp(inside), fill)


def _ramp(distance: Floats) -> Floats:
    """Return the anti-aliased coverage of a signed distance in pixels, positive inside."""
    return np.asarray(np.clip(distance + np.float32(0.5), 0, 1), np.float32)


def _distance(width: int, height: int, field: Box, edge: Edge, *, mirrored: bool) -> Floats:
    """Return how far inside the field's edge each pixel is, in pixels along one axis; negative outside."""
    x = np.arange(width, dtype=np.float32)[None, :] + np.float32(0.5)
    y = np.arange(height, dtype=np.float32)[:, None] + np.float32(0.5)
    if field.height >= height:
        boundary = field.width + _bent(y / height - np.float32(0.5), edge, _LEAN * height, _BULGE["beside"] * height)
        return np.asarray(boundary - (width - x if mirrored else x), np.float32)
    across = (x / width - np.float32(0.5)) * (-1 if mirrored else 1)
    if field.y <= 0:
        return np.asarray(field.height + _bent(across, edge, _TILT * width, _BULGE["over"] * width) - y, np.float32)
    return np.asarray(y - field.y + _bent(across, edge, _TILT * width, _BULGE["under"] * width), np.float32)


def _bent(along: NDArray[np.floating], edge: Edge, lean: float, bulge: float) -> Floats:
    """Return the edge's offset at positions from -0.5 to 0.5 along it."""
    shift = {"straight": 0.0 * along, "slanted": -lean * along, "round": -bulge * (2 * along) ** 2}[edge]
    return np.asarray(shift, np.float32)
