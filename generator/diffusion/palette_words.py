"""A cohort's palette in words that a model of language and pictures knows. Pure."""

import math
from collections.abc import Sequence

from bannerstream.generator.studio.colour import Oklch, from_hex
from bannerstream.generator.studio.samples import PALETTES

_WORDS = {
    "honey": "honey yellow",
    "blue": "soft blue",
    "sage": "sage green",
    "blush": "blush pink",
    "terracotta": "terracotta",
    "lavender": "lavender",
    "cream": "cream",
    "charcoal": "charcoal grey",
}


def nearest_palette(palette: Sequence[str]) -> str:
    """Return which of the named palettes (`PALETTES`) is nearest, in OKLab, to one that a shop wrote.

    The lightest ground and the strongest accent are compared, the accent twice: a scene's walls take on the ground's
    tint faintly, and everything that has a colour the accent's. Lightness weighs half: the light decides that anyway.
    """
    return min(PALETTES, key=lambda name: _distance(PALETTES[name], palette))


def palette_words(palette: Sequence[str]) -> str:
    """Return the name of the nearest palette as a prompt says it, `sage green`."""
    return _WORDS[nearest_palette(palette)]


def _distance(one: Sequence[str], other: Sequence[str]) -> float:
    ground = math.dist(_lab(from_hex(one[0])), _lab(from_hex(other[0])))
    return ground + 2 * math.dist(_lab(from_hex(one[-1])), _lab(from_hex(other[-1])))


def _lab(colour: Oklch) -> tuple[float, float, float]:
    angle = math.radians(colour.hue)
    return colour.lightness / 2, colour.chroma * math.cos(angle), colour.chroma * math.sin(angle)
