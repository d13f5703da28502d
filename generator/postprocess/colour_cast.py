"""Brings a scene's light near that of the product laid over it. Pure.

Catalogue pictures are lit neutrally, and `generator.layout.products` changes the product's colours only slightly. So a
scene with a strong cast is corrected: its light is estimated by shades of grey (Finlayson & Trezzi, "Shades of gray and
colour constancy", 2004) and turned toward neutral by one factor per channel (von Kries). Warm evening light is wanted:
only the cast beyond it is removed.
"""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from bannerstream.generator.pipeline.ports import Pixels

KEPT_WARM, KEPT_OTHER = 18.0, 8.0
"""Degrees between the light and neutral that are kept. Warm light (more red than green than blue) is evening and
candles, and nine tenths of the studio's scenes stay below 18 degrees; no shop wants green or violet light
(`bannerstream evaluate postprocess`)."""
_NORM = 6
"""Minkowski norm that the paper found best."""
_MOST_GAIN = 2.0
"""Beyond this gain a channel holds too little signal to amplify."""
_NEUTRAL = np.full(3, 1 / math.sqrt(3))

Light = NDArray[np.float64]


def light_of(pixels: Pixels) -> Light:
    """Return the colour of the light in an RGB picture: a vector of length 1; neutral for a black picture."""
    small = cv2.resize(pixels, (128, 128), interpolation=cv2.INTER_AREA).reshape(-1, 3).astype(np.float64)
    light = np.mean(_linear(small) ** _NORM, axis=0) ** (1 / _NORM)
    length = float(np.linalg.norm(light))
    return np.asarray(light / length if length > 0 else _NEUTRAL, np.float64)


def cast(pixels: Pixels) -> float:
    """Return the angle between a picture's light and neutral in degrees, the usual measure in colour constancy."""
    return _from_neutral(light_of(pixels))


def matched(pixels: Pixels, share: float) -> Pixels:
    """Return the picture with `share` (0 to 1) of its cast beyond the kept degrees removed, at the same brightness."""
    if share <= 0:
        return pixels
    light = light_of(pixels)
    angle = _from_neutral(light)
    excess = angle - (KEPT_WARM if light[0] >= light[1] >= light[2] else KEPT_OTHER)
    if excess <= 0:
        return pixels
    # Interpolates on the arc from the light to neutral, so that the angle shrinks by exactly that share of the excess.
    wanted = _between(light, _NEUTRAL, share * excess / angle)
    gains = wanted / np.maximum(light, 1e-3)
    gains = np.clip(gains / np.prod(gains) ** (1 / 3), 1 / _MOST_GAIN, _MOST_GAIN)
    table = _linear(np.arange(256, dtype=np.float64))[:, None] * gains[None, :]
    graded = _encoded(table).astype(np.uint8)[None]
    result = np.asarray(cv2.LUT(pixels, graded), np.uint8)
    return _as_bright(result, like=pixels)


def _from_neutral(light: Light) -> float:
    return math.degrees(math.acos(min(1.0, float(light @ _NEUTRAL))))


def _as_bright(pixels: Pixels, like: Pixels) -> Pixels:
    """Return the picture scaled to the mean brightness of `like`, since removing a cast darkens it."""
    wanted = float(cv2.cvtColor(like, cv2.COLOR_RGB2GRAY).mean())
    has = float(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).mean())
    factor = min(_MOST_GAIN, max(1 / _MOST_GAIN, wanted / max(has, 1.0)))
    return np.asarray(cv2.convertScaleAbs(pixels, alpha=factor), np.uint8)


def _between(start: Light, end: Light, share: float) -> Light:
    angle = math.acos(min(1.0, float(start @ end)))
    if angle < 1e-6:
        return start
    weights = math.sin((1 - share) * angle) / math.sin(angle), math.sin(share * angle) / math.sin(angle)
    return np.asarray(start * weights[0] + end * weights[1], np.float64)


def _linear(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray((values / 255) ** 2.2, np.float64)


def _encoded(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.clip(values, 0, 1) ** (1 / 2.2) * 255 + 0.5, np.float64)
