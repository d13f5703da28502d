"""Alpha: detects a picture's own, and adds the margin that every cut-out has."""

import numpy as np

from bannerstream.storage.errors import BrokenImage
from bannerstream.storage.pictures import Pixels

_CLEAR_SHARE = 0.01
"""Below this share, clear pixels are a rounded corner or dust, not the ground of a cut-out product."""
_VISIBLE_ALPHA = 8
"""Alpha below this (3 %) is invisible and does not widen the box."""


def has_real_transparency(pixels: Pixels) -> bool:
    """Return whether the shop already cut the picture out.

    Raises:
        BrokenImage: the picture is transparent everywhere.
    """
    alpha = pixels[..., 3]
    if not (alpha >= 128).any():
        raise BrokenImage("nothing in the picture can be seen, it is transparent everywhere; export it again")
    return bool((alpha < 128).mean() >= _CLEAR_SHARE)


def opaque(pixels: Pixels) -> Pixels:
    """Return the picture on white."""
    alpha = pixels[..., 3:].astype(np.float32) / 255
    flat = pixels[..., :3] * alpha + 255 * (1 - alpha)
    return np.dstack([np.rint(flat).astype(np.uint8), np.full(alpha.shape[:2], 255, np.uint8)])


def cropped_to_alpha(pixels: Pixels) -> Pixels:
    """Return the visible box with one clear pixel around it, which marks the picture as cut out.

    The clear pixel also keeps resampling from clamping the product's edge.
    """
    visible = pixels[..., 3] >= _VISIBLE_ALPHA
    rows, columns = np.flatnonzero(visible.any(axis=1)), np.flatnonzero(visible.any(axis=0))
    box = pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].copy()
    box[box[..., 3] == 0] = 0
    return np.pad(box, ((1, 1), (1, 1), (0, 0)))
