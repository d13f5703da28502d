"""Alpha: whether a picture brings its own, and the margin that every cut-out has."""

import numpy as np

from bannerstream.storage.errors import BrokenImage
from bannerstream.storage.pictures import Pixels

_CLEAR_SHARE = 0.01
"""Less than this share of clear pixels is a rounded corner or dust, not a product that was cut out."""
_VISIBLE_ALPHA = 8
"""Alpha below this (3 %) shows as nothing and does not widen the box."""


def has_real_transparency(pixels: Pixels) -> bool:
    """Tell whether the picture was cut out before it came here.

    Raises:
        BrokenImage: nothing in it can be seen.
    """
    alpha = pixels[..., 3]
    if not (alpha >= 128).any():
        raise BrokenImage("nothing in the picture can be seen, it is transparent everywhere; export it anew")
    return bool((alpha < 128).mean() >= _CLEAR_SHARE)


def opaque(pixels: Pixels) -> Pixels:
    """Return the picture on white."""
    alpha = pixels[..., 3:].astype(np.float32) / 255
    flat = pixels[..., :3] * alpha + 255 * (1 - alpha)
    return np.dstack([np.rint(flat).astype(np.uint8), np.full(alpha.shape[:2], 255, np.uint8)])


def cropped_to_alpha(pixels: Pixels) -> Pixels:
    """Return the box of what can be seen with one clear pixel around, which says that the picture is cut out.

    The clear pixel also keeps resampling from clamping the product's edge.
    """
    visible = pixels[..., 3] >= _VISIBLE_ALPHA
    rows, columns = np.flatnonzero(visible.any(axis=1)), np.flatnonzero(visible.any(axis=0))
    box = pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].copy()
    box[box[..., 3] == 0] = 0
    return np.pad(box, ((1, 1), (1, 1), (0, 0)))
