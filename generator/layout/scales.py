"""Type sizes by a banner's proportions and headline style."""

from dataclasses import dataclass, replace

from bannerstream.contracts.variants import Headline
from bannerstream.generator.layout.templates import Proportions


@dataclass(frozen=True, slots=True)
class Scale:
    """Type sizes and distances for one family of proportions, in banner heights."""

    headline: tuple[float, float]
    headline_lines: int
    line: tuple[float, float]
    line_lines: int
    eyebrow: float
    button: float
    price: float
    gap: float
    """From a baseline to the next cap height; headline to line and line to button take a little more."""


_SCALES: dict[Proportions, Scale] = {
    "wide": Scale((0.2, 0.1), 3, (0.074, 0.06), 2, 0.056, 0.064, 0.088, 0.062),
    "strip": Scale((0.3, 0.19), 2, (0.16, 0.14), 1, 0.133, 0.152, 0.2, 0.115),
    "compact": Scale((0.128, 0.072), 3, (0.056, 0.05), 2, 0.05, 0.056, 0.076, 0.046),
    "square": Scale((0.105, 0.05), 3, (0.038, 0.032), 2, 0.03, 0.036, 0.05, 0.034),
}
_LIGHT_GAIN = 1.08
"""A light headline may be slightly larger, since it looks lighter."""
_OFFER_GAIN = 1.35
"""Enlargement of the price in the style `offer`."""


def scale_of(shape: Proportions, style: Headline) -> Scale:
    """Return the scale for these proportions, adjusted to the headline style."""
    scale = _SCALES[shape]
    largest, smallest = scale.headline
    if style == "light":
        return replace(scale, headline=(largest * _LIGHT_GAIN, smallest))
    if style == "offer":
        return replace(scale, price=scale.price * _OFFER_GAIN)
    return scale
