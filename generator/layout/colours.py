"""Colour arithmetic: WCAG luminance and contrast, mixing, and which colour of a palette serves where.

Contrast is that of WCAG 2.2 (relative luminance of sRGB, (L1 + 0.05) / (L2 + 0.05)).
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from generator.ports import Image

Rgb = tuple[int, int, int]

WHITE: Rgb = (255, 255, 255)
NORMAL_TEXT_CONTRAST = 4.5
LARGE_TEXT_CONTRAST = 3.0
"""WCAG 1.4.3 AA."""
_LARGE_PX = 24.0
_LARGE_BOLD_PX = 18.66
"""18 pt and 14 pt at 96 dpi."""

_ENCODED = np.arange(256, dtype=np.float64) / 255.0
_LINEAR = np.where(_ENCODED <= 0.04045, _ENCODED / 12.92, ((_ENCODED + 0.055) / 1.055) ** 2.4).astype(np.float32)
_WEIGHTS = np.array([0.2126, 0.7152, 0.0722], dtype=np.float32)


def rgb(colour: str) -> Rgb:
    """Return the parts of `#rrggbb`."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def as_hex(colour: Rgb) -> str:
    """Return `#rrggbb`."""
    return "#{:02x}{:02x}{:02x}".format(*colour)


def mix(a: Rgb, b: Rgb, share: float) -> Rgb:
    """Return `a` with `share` of `b` in it, mixed as sRGB values."""
    r, g, v = (round(x + (y - x) * share) for x, y in zip(a, b, strict=True))
    return r, g, v


def luminance(colour: Rgb) -> float:
    """Return the relative luminance, 0 to 1."""
    return float(sum(_LINEAR[part] * weight for part, weight in zip(colour, _WEIGHTS, strict=True)))


def luminances(pixels: Image) -> NDArray[np.float32]:
    """Return the relative luminance of each pixel; the last axis is RGB."""
    weighted: NDArray[np.float32] = cv2.LUT(pixels, _LINEAR) @ _WEIGHTS  # three times as quick as numpy's indexing
    return weighted


def contrast(a: float, b: float) -> float:
    """Return the contrast ratio of two luminances, 1 to 21."""
    return (max(a, b) + 0.05) / (min(a, b) + 0.05)


def contrast_of(a: Rgb, b: Rgb) -> float:
    """Return the contrast ratio of two colours."""
    return contrast(luminance(a), luminance(b))


def required_contrast(font_size: float, *, bold: bool) -> float:
    """Return what WCAG AA asks for letters of this size in CSS pixels."""
    large = font_size >= (_LARGE_BOLD_PX if bold else _LARGE_PX)
    return LARGE_TEXT_CONTRAST if large else NORMAL_TEXT_CONTRAST


def toward(colour: Rgb, target: Rgb, against: Rgb, needed: float) -> Rgb:
    """Return `colour` moved toward `target` only as far as it takes to reach `needed` against `against`."""
    for step in range(21):
        moved = mix(colour, target, step / 20)
        if contrast_of(moved, against) >= needed:
            return moved
    return target


def ink_of(palette: tuple[str, ...]) -> Rgb:
    """Return the palette's near-black: its darkest colour, darkened until it reads on any light ground."""
    darkest = min((rgb(colour) for colour in palette), key=luminance)
    return toward(darkest, (12, 10, 10), WHITE, 13.0)


def paper_of(palette: tuple[str, ...]) -> Rgb:
    """Return the palette's near-white: its lightest colour, lightened until it is paper."""
    lightest = max((rgb(colour) for colour in palette), key=luminance)
    return mix(lightest, WHITE, 0.7 if luminance(lightest) < 0.8 else 0.4)


def accent_of(palette: tuple[str, ...]) -> Rgb:
    """Return the strongest accent; palettes run from the lightest ground to it."""
    return rgb(palette[-1])
