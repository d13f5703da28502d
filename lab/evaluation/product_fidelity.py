"""Fidelity of a banner to the catalogue's product: structural similarity of its pixels. Pure.

SSIM after Wang, Bovik, Sheikh & Simoncelli, "Image quality assessment: from error visibility to structural similarity"
(2004): brightness, 11 x 11 Gaussian windows with a deviation of 1.5 pixels.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from bannerstream.contracts.manifest import Area
from bannerstream.generator.pipeline.ports import Pixels

_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
_WINDOW, _DEVIATION = (11, 11), 1.5
_VISIBLE_ALPHA = 16
"""Alpha at which `generator.layout.products` trims a picture."""
_OPAQUE = 0.95
"""Alpha from which a pixel is only product. At its rim, and in glass, the ground shines through."""
_ENOUGH_OPAQUE = 0.1
"""Least opaque share of the visible pixels: a product that is nearly all glass cannot be judged."""
_SAME_SHAPE = 0.04
"""Relative difference in aspect above which the banner's edge has cut the product off."""

Floats = NDArray[np.float32]


def ssim_map(first: Pixels, second: Pixels) -> Floats:
    """Return the structural similarity around every pixel of two RGB pictures of one size, -1 to 1."""
    a, b = (cv2.cvtColor(each, cv2.COLOR_RGB2GRAY).astype(np.float32) for each in (first, second))
    mean_a, mean_b = _windowed(a), _windowed(b)
    var_a, var_b = _windowed(a * a) - mean_a**2, _windowed(b * b) - mean_b**2
    covariance = _windowed(a * b) - mean_a * mean_b
    above = (2 * mean_a * mean_b + _C1) * (2 * covariance + _C2)
    return np.asarray(above / ((mean_a**2 + mean_b**2 + _C1) * (var_a + var_b + _C2)), np.float32)


def placed(catalogue: Pixels, area: Area) -> Pixels | None:
    """Return the catalogue's RGBA picture at the banner's scale; None if the banner cuts it off."""
    visible = catalogue[..., 3] > _VISIBLE_ALPHA
    rows, columns = np.flatnonzero(visible.any(axis=1)), np.flatnonzero(visible.any(axis=0))
    width, height = round(area.width), round(area.height)
    if not len(rows) or width < 1 or height < 1:
        return None
    trimmed = catalogue[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    factor_x, factor_y = width / trimmed.shape[1], height / trimmed.shape[0]
    if abs(factor_x / factor_y - 1) > _SAME_SHAPE + 1 / min(width, height):
        return None
    premultiplied = cv2.cvtColor(np.ascontiguousarray(trimmed), cv2.COLOR_RGBA2mRGBA)
    scaled = cv2.resize(premultiplied, (width, height), interpolation=_interpolation(factor_x))
    return np.asarray(cv2.cvtColor(scaled, cv2.COLOR_mRGBA2RGBA), np.uint8)


def window_of(banner: Pixels, area: Area) -> Pixels:
    """Return the part of a banner that an area covers."""
    top, left = round(area.y), round(area.x)
    return np.ascontiguousarray(banner[top : top + round(area.height), left : left + round(area.width)])


def on(ground: Pixels, product: Pixels) -> Pixels:
    """Return an RGBA picture laid over a ground of its size."""
    alpha = product[..., 3:].astype(np.float32) / 255
    laid: Pixels = (product[..., :3] * alpha + ground * (1 - alpha) + 0.5).astype(np.uint8)
    return laid


def fidelity(banner: Pixels, product: Pixels, area: Area) -> float | None:
    """Return the mean structural similarity over the product's own pixels: 1 if they equal the catalogue's.

    All other pixels come from the banner itself, including the product's half-transparent rim: its background is
    unknown, and laying the product over it again would count the rim against it. None if hardly a pixel is opaque.
    """
    window = window_of(banner, area)
    own = product[..., 3] >= 255 * _OPAQUE
    if own.sum() < _ENOUGH_OPAQUE * (product[..., 3] > _VISIBLE_ALPHA).sum():
        return None
    wanted = np.where(own[..., None], product[..., :3], window)
    return float(ssim_map(window, wanted)[own].mean())


def _interpolation(factor: float) -> int:
    return cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC


def _windowed(values: Floats) -> Floats:
    return np.asarray(cv2.GaussianBlur(values, _WINDOW, _DEVIATION), np.float32)
