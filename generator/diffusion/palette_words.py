"""A cohort's palette as words that a text encoder knows. Pure."""

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
    """Return the named palette (`PALETTES`) that is nearest in OKLab to a shop's palette.

    Compares the lightest ground and, with double weight, the strongest accent: the ground tints a scene's walls
    faintly, the accent colours everything else. Lightness has half weight, since the light determines it anyway.
    """
    return min(PALETTES, key=lambda name: _distance(PALETTES[name], palette))


def palette_words(palette: Sequence[str]) -> str:
    """Return the prompt's words for the nearest palette, such as `sage green`."""
    return _WORDS[nearest_palette(palette)]


def _distance(one: Sequence[str], other: Sequence[str]) -> float:
    ground = math.dist(_lab(from_hex(one[0])), _lab(from_hex(other[0])))
    return ground + 2 * math.dist(_lab(from_hex(one[-1])), _lab(from_hex(other[-1])))


def _lab(colour: Oklch) -> tuple[float, float, float]:
    angle = math.radians(colour.hue)
    return colour.lightness / 2, colour.chroma * math.cos(angle), colour.chroma * math.sin(angle)
