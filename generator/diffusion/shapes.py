"""The shape to paint for a banner, and the window of the painted picture that becomes the banner. Pure."""

from dataclasses import dataclass

import cv2
import numpy as np

from bannerstream.contracts.sizes import BannerSize
from bannerstream.generator.pipeline.ports import Pixels

WIDEST = 2.0
"""Beyond 2:1, models trained on squares repeat their subject side by side: wider banners are cut from 2:1."""
_CENTRE_Y = 0.6
"""Vertical centre of a wide banner's window, as a fraction of the picture's height: low, where the surface is."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Size of a picture that the model paints."""

    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Window:
    """The part of a painted picture that becomes the banner."""

    left: int
    top: int
    width: int
    height: int


def shape_for(size: BannerSize, *, pixels: int, multiple: int, widest: float = WIDEST) -> Shape:
    """Return the shape to paint for a banner: about `pixels` in area, and the banner's aspect up to `widest` to 1.

    Both sides are multiples of `multiple`, as the model's parts require.
    """
    aspect = min(max(size.width / size.height, 1 / widest), widest)
    height = (pixels / aspect) ** 0.5
    return Shape(_rounded(height * aspect, multiple), _rounded(height, multiple))


def window_of(shape: Shape, size: BannerSize) -> Window:
    """Return the largest window of the banner's aspect in a picture of this shape."""
    scale = min(shape.width / size.width, shape.height / size.height)
    width = min(shape.width, max(1, round(size.width * scale)))
    height = min(shape.height, max(1, round(size.height * scale)))
    top = min(max(0, round(shape.height * _CENTRE_Y - height / 2)), shape.height - height)
    return Window((shape.width - width) // 2, top, width, height)


def fitted(picture: Pixels, size: BannerSize) -> Pixels:
    """Return a painted picture cut and scaled to exactly the banner's size."""
    height, width = picture.shape[:2]
    window = window_of(Shape(width, height), size)
    cut = picture[window.top : window.top + window.height, window.left : window.left + window.width]
    interpolation = cv2.INTER_AREA if size.width < window.width else cv2.INTER_CUBIC
    scaled: Pixels = cv2.resize(cut, (size.width, size.height), interpolation=interpolation).astype(np.uint8)
    return scaled


def _rounded(length: float, multiple: int) -> int:
    return max(multiple, round(length / multiple) * multiple)
