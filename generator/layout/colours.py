"""Colour arithmetic: WCAG luminance and contrast, mixing, and the roles of a palette's colours.

Contrast is that of WCAG 2.2 (relative luminance of sRGB, (L1 + 0.05) / (L2 + 0.05)).
"""

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from bannerstream.generator.pipeline.ports import Pixels

Rgb = tuple[int, int, int]

WHITE: Rgb = (255, 255, 255)
NORMAL_TEXT_CONTRAST = 4.5
LARGE_TEXT_CONTRAST = 3.0
"""WCAG 1.4.3 AA."""
_LARGE_PX = 24.0
_LARGE_BOLD_PX = 18.66
"""18 pt and 14 pt at 96 dpi."""
_COLOURLESS = 9.0
"""CIELAB chroma below which a colour has no perceptible hue."""
_NEAR_HUE = 32.0
"""Hue angle in degrees: red and terracotta are near, terracotta and ochre are not."""

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
    """Return `a` mixed with a share of `b`, as sRGB values."""
    r, g, v = (round(x + (y - x) * share) for x, y in zip(a, b, strict=True))
    return r, g, v


def luminance(colour: Rgb) -> float:
    """Return the relative luminance, 0 to 1."""
    return float(sum(_LINEAR[part] * weight for part, weight in zip(colour, _WEIGHTS, strict=True)))


def luminances(pixels: Pixels) -> NDArray[np.float32]:
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
    """Return the contrast that WCAG AA requires for letters of this size in CSS pixels."""
    large = font_size >= (_LARGE_BOLD_PX if bold else _LARGE_PX)
    return LARGE_TEXT_CONTRAST if large else NORMAL_TEXT_CONTRAST


def shift_to_contrast(colour: Rgb, target: Rgb, against: Rgb, needed: float) -> Rgb:
    """Return `colour` mixed with just enough of `target` to reach the contrast `needed` against `against`."""
    for step in range(21):
        moved = mix(colour, target, step / 20)
        if contrast_of(moved, against) >= needed:
            return moved
    return target


def darkest_of(palette: tuple[str, ...]) -> Rgb:
    """Return the palette's darkest colour, darkened until it reads on any light ground."""
    darkest = min((rgb(colour) for colour in palette), key=luminance)
    return shift_to_contrast(darkest, (12, 10, 10), WHITE, 13.0)


def lightest_of(palette: tuple[str, ...]) -> Rgb:
    """Return the palette's lightest colour, lightened to near-white."""
    lightest = max((rgb(colour) for colour in palette), key=luminance)
    return mix(lightest, WHITE, 0.7 if luminance(lightest) < 0.8 else 0.4)


def accent_of(palette: tuple[str, ...]) -> Rgb:
    """Return the strongest accent: the last colour, since palettes run from the lightest ground to it."""
    return rgb(palette[-1])


def pick_distinct_hue(colour: Rgb | None, choices: Sequence[Rgb]) -> Rgb:
    """Return the first choice whose hue differs from that of `colour`; if all are near, the farthest.

    Hue is an angle in the a*b* plane of CIELAB. A grey product differs from every colour.
    """
    if colour is None or _chroma(colour) < _COLOURLESS:
        return choices[0]
    clear = (choice for choice in choices if _chroma(choice) > _COLOURLESS and _hue_angle(choice, colour) > _NEAR_HUE)
    return next(clear, max(choices, key=lambda choice: _hue_angle(choice, colour)))


def colour_of(picture: Pixels) -> Rgb | None:
    """Return a cut-out product's dominant colour: the mean of its pixels, weighted by vividness."""
    small = cv2.resize(picture, (48, 48), interpolation=cv2.INTER_AREA).reshape(-1, 4).astype(np.float32)
    vivid = small[:, :3].max(axis=1) - small[:, :3].min(axis=1)
    weight = small[:, 3] * (vivid + 1)
    if weight.sum() <= 0:
        return None
    mean = (small[:, :3] * weight[:, None]).sum(axis=0) / weight.sum()
    return round(float(mean[0])), round(float(mean[1])), round(float(mean[2]))


def _ab(colour: Rgb) -> tuple[float, float]:
    lab = cv2.cvtColor(np.array([[colour]], np.float32) / np.float32(255), cv2.COLOR_RGB2LAB)[0, 0]
    return float(lab[1]), float(lab[2])


def _chroma(colour: Rgb) -> float:
    return math.hypot(*_ab(colour))


def _hue_angle(one: Rgb, other: Rgb) -> float:
    """Return the angle between two hues in degrees."""
    (a, b), (c, d) = _ab(one), _ab(other)
    difference = abs(math.degrees(math.atan2(b, a) - math.atan2(d, c))) % 360
    return min(difference, 360 - difference)
