"""Colour arithmetic: sRGB hex, linear light and OKLCH (Ottosson 2020, bottosson.github.io/posts/oklab).

Colours are mixed and derived in OKLCH, where equal steps look equal; light is added in linear RGB, as in physics.
"""

import math
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

Rgb = tuple[float, float, float]
"""Linear-light RGB; 1 is paper white, lamps may exceed it."""
Plane = NDArray[np.float32]

_ENCODE_STEPS = 4095


class Oklch(NamedTuple):
    """Lightness 0..1, chroma (0 grey, 0.3 vivid), hue in degrees."""

    lightness: float
    chroma: float
    hue: float


@lru_cache(4096)
def from_hex(colour: str) -> Oklch:
    """Return the OKLCH value of `#rrggbb`."""
    red, green, blue = linear(colour)
    l_ = (0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue) ** (1 / 3)
    m_ = (0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue) ** (1 / 3)
    s_ = (0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue) ** (1 / 3)
    lightness = 0.2104542553 * l_ + 0.7936177850 * m_ - 0.0040720468 * s_
    a = 1.9779984951 * l_ - 2.4285922050 * m_ + 0.4505937099 * s_
    b = 0.0259040371 * l_ + 0.7827717662 * m_ - 0.8086757660 * s_
    return Oklch(lightness, math.hypot(a, b), math.degrees(math.atan2(b, a)) % 360)


def to_hex(colour: Oklch) -> str:
    """Return `#rrggbb`, the chroma reduced until the colour exists in sRGB."""
    lightness, chroma, hue = colour
    turn = math.radians(hue)
    across, down = math.cos(turn), math.sin(turn)
    rgb = _to_linear(lightness, chroma * across, chroma * down)
    while chroma > 0.001 and not (min(rgb) >= -0.001 and max(rgb) <= 1.001):
        chroma *= 0.92
        rgb = _to_linear(lightness, chroma * across, chroma * down)
    red, green, blue = rgb
    return f"#{_byte(red):02x}{_byte(green):02x}{_byte(blue):02x}"


@lru_cache(4096)
def mix(first: str, second: str, share: float) -> str:
    """Return the colour `share` of the way from first to second, straight through OKLab."""
    lightness, a, b = (_blend(one, two, share) for one, two in zip(_oklab(first), _oklab(second), strict=True))
    return to_hex(Oklch(lightness, math.hypot(a, b), math.degrees(math.atan2(b, a)) % 360))


@lru_cache(4096)
def shift(colour: str, lightness: float = 0.0, chroma: float = 1.0, hue: float = 0.0) -> str:
    """Return the colour with lightness added, chroma multiplied and hue turned."""
    base = from_hex(colour)
    return to_hex(Oklch(min(max(base.lightness + lightness, 0.0), 1.0), base.chroma * chroma, (base.hue + hue) % 360))


@lru_cache(4096)
def _oklab(colour: str) -> tuple[float, float, float]:
    lightness, chroma, hue = from_hex(colour)
    return lightness, chroma * math.cos(math.radians(hue)), chroma * math.sin(math.radians(hue))


def linear(colour: str) -> Rgb:
    """Return the linear-light RGB of `#rrggbb`."""
    red, green, blue = (_decode(int(colour[start : start + 2], 16) / 255) for start in (1, 3, 5))
    return red, green, blue


def decode(pixels: NDArray[np.uint8]) -> Plane:
    """Return sRGB bytes as linear light."""
    return np.asarray(cv2.LUT(pixels, _DECODE), np.float32)


def encode(light: Plane) -> Plane:
    """Return linear light 0..1 as sRGB 0..255, in floats for the steps that follow."""
    steps = np.clip(light * _ENCODE_STEPS, 0, _ENCODE_STEPS).astype(np.uint16)
    return _ENCODE[steps]


def _blend(first: float, second: float, share: float) -> float:
    return first * (1 - share) + second * share


def _to_linear(lightness: float, a: float, b: float) -> Rgb:
    cone_l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    cone_m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    cone_s = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    return (
        4.0767416621 * cone_l - 3.3077115913 * cone_m + 0.2309699292 * cone_s,
        -1.2684380046 * cone_l + 2.6097574011 * cone_m - 0.3413193965 * cone_s,
        -0.0041960863 * cone_l - 0.7034186147 * cone_m + 1.7076147010 * cone_s,
    )


def _byte(channel: float) -> int:
    return round(255 * _encode(channel)) if 0.0 < channel < 1.0 else 255 * (channel >= 1.0)


def _decode(value: float) -> float:
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4


def _encode(value: float) -> float:
    return value * 12.92 if value <= 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055


_DECODE = np.array([_decode(step / 255) for step in range(256)], np.float32)
_ENCODE = np.array([255 * _encode(step / _ENCODE_STEPS) for step in range(_ENCODE_STEPS + 1)], np.float32)
