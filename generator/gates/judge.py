"""The gates a banner passes before it is published, each with a recorded score.

picture          the painted scene is not blank: a safety checker leaves black or one colour
nudity           a classifier finds no nudity in the painted scene (only where the settings name one)
skin             skin colours do not dominate the painted scene (only where the settings turn this gate on)
size             the picture has exactly the requested pixels
bytes            the encoded picture fits its cap
contrast         every line is readable: the lowest contrast ratio of the finished pixels, WCAG 2.2 AA
product_share    the product covers enough of the banner, and no words overlap it
product_distinct the product stands out from its background

A tenth, `product_shown`, is the composer's own: where the record names a picture, no banner without it is published.

Scores are in the gate's own unit; a gate passes when its score reaches its threshold. Pure.
"""

import unicodedata

import cv2
import numpy as np
from numpy.typing import NDArray

from bannerstream.contracts.manifest import GateScore
from bannerstream.generator.gates.skin import skin_share
from bannerstream.generator.layout.colours import (
    NORMAL_TEXT_CONTRAST,
    contrast,
    luminance,
    luminances,
    required_contrast,
    rgb,
)
from bannerstream.generator.pipeline.ports import Box, ComposedBanner, NudityClassifier, Painting, Pixels, PlacedText

_PICTURE_SPREAD = 2.0
"""Standard deviation (of 255) of the most varied channel after downscaling: a picture of one colour has 0; the plainest
of 36 studio scenes (every setting, three cohorts) had 9.7."""
_DOWNSCALED_SIDE = 32
_PRODUCT_SHARE = 0.01
"""Share of the banner's pixels. A pen that stands upright in a billboard covers 1.5 %."""
_PRODUCT_DISTINCT = 0.18
"""Share of the pixels in the product's box. A ring or an open umbrella leaves most of its box empty."""
_STROKE, _WIDE_STROKE = 0.5, 0.75
"""In font sizes: wider than the strokes and the gaps of any letter, narrower than a word. The second is for lines with
CJK letters: inside 量 at 18 px, one-pixel gaps blur into the strokes, and half the letter shows no background."""
_WORST_SHARE = 0.02
"""The worst fiftieth of the pixels around a line decides its contrast: noise aside, every letter must be readable."""
_VISIBLE_DIFFERENCE = 6.0
"""CIE76 ΔE; 2.3 is just noticeable side by side, this at a glance."""
_SAMPLED_FROM = 200
"""Height in pixels from which only every other row of a product is measured: its share is the same within 1 %."""

Mask = NDArray[np.bool_]
Colours = NDArray[np.float32]


class GateJudge:
    """Judges finished banners; implements `generator.pipeline.ports.Judge`.

    A model's scene is checked for nudity: by a classifier from the probability `nudity_threshold` on, and by a share of
    skin-coloured pixels above `most_skin`. The studio paints no people.
    """

    def __init__(
        self,
        nudity: NudityClassifier | None = None,
        *,
        nudity_threshold: float = 0.5,
        most_skin: float | None = None,
    ) -> None:
        self._nudity = nudity
        self._nudity_threshold = nudity_threshold
        self._most_skin = most_skin

    def judge(self, banner: ComposedBanner, painting: Painting, encoded_bytes: int) -> tuple[GateScore, ...]:
        """Return one score per gate, without the product gates where the composition has no product."""
        size = banner.composition.size
        scores = [
            self._score(banner, "picture", spread(painting.pixels), _PICTURE_SPREAD),
            *self._decency(banner, painting),
            self._score(banner, "size", float(banner.pixels.shape == (size.height, size.width, 3)), 1.0),
            self._score(banner, "bytes", size.max_bytes / max(encoded_bytes, 1), 1.0),
            self._score(banner, "contrast", text_contrast(banner), NORMAL_TEXT_CONTRAST),
        ]
        if banner.composition.product is not None and not painting.holds_product:
            share, distinct = product_visibility(banner, painting)
            scores.append(self._score(banner, "product_share", share, _PRODUCT_SHARE))
            scores.append(self._score(banner, "product_distinct", distinct, _PRODUCT_DISTINCT))
        return tuple(scores)

    def _decency(self, banner: ComposedBanner, painting: Painting) -> list[GateScore]:
        if painting.provenance.engine == "studio":
            return []
        scores = []
        if self._nudity is not None:
            decent = 1 - self._nudity.probability(painting.pixels)
            scores.append(self._score(banner, "nudity", decent, 1 - self._nudity_threshold))
        if self._most_skin is not None:
            scores.append(self._score(banner, "skin", 1 - skin_share(painting.pixels), 1 - self._most_skin))
        return scores

    @staticmethod
    def _score(banner: ComposedBanner, gate: str, score: float, threshold: float) -> GateScore:
        return GateScore(
            gate=gate,
            size=banner.composition.size.name,
            score=round(score, 4),
            threshold=threshold,
            passed=score >= threshold,
        )


def spread(pixels: Pixels) -> float:
    """Return the spread of the downscaled picture's colours: standard deviation, 0 to 127."""
    small = cv2.resize(pixels, (_DOWNSCALED_SIDE, _DOWNSCALED_SIDE), interpolation=cv2.INTER_AREA)
    return float(small.reshape(-1, 3).std(axis=0).max())


def text_contrast(banner: ComposedBanner) -> float:
    """Return the lowest contrast ratio of any line, with large text scaled up by WCAG's allowance.

    So 4.5 is the threshold for all lines: a large line at 3.0 scores 4.5. A banner without words scores 0.
    """
    ratios = [
        line_contrast(banner.pixels, text) * (NORMAL_TEXT_CONTRAST / required_contrast(text.font_size, bold=text.bold))
        for text in banner.text_lines
    ]
    return min(ratios, default=0.0)


def line_contrast(pixels: Pixels, text: PlacedText) -> float:
    """Return the contrast of one line's colour with its background.

    The background is the finished picture without anything as thin as a stroke (a morphological opening of the
    luminance under light letters, a closing under dark ones): letters and their soft edges vanish, a bright patch
    behind them stays, so white on white finds white. Ink outside the picture is unreadable: 1.
    """
    height, width = pixels.shape[:2]
    box = text.box
    if box.x < -1 or box.y < -1 or box.x + box.width > width + 1 or box.y + box.height > height + 1:
        return 1.0
    values = luminances(pixels[_window(box, width, height, max(2.0, text.font_size * 0.3))])
    letters = luminance(rgb(text.colour))
    wide = any(unicodedata.east_asian_width(letter) in "WF" for letter in text.text)
    stroke = 2 * round(text.font_size * (_WIDE_STROKE if wide else _STROKE) / 2) + 3
    kernel = np.ones((stroke, stroke), np.uint8)
    border = np.concatenate([values[0], values[-1], values[:, 0], values[:, -1]])
    if letters >= float(np.median(border)):
        ground = cv2.morphologyEx(values, cv2.MORPH_OPEN, kernel, borderType=cv2.BORDER_REPLICATE)
        worst = float(np.quantile(ground, 1 - _WORST_SHARE))
        return contrast(letters, worst) if worst < letters else 1.0
    ground = cv2.morphologyEx(values, cv2.MORPH_CLOSE, kernel, borderType=cv2.BORDER_REPLICATE)
    worst = float(np.quantile(ground, _WORST_SHARE))
    return contrast(letters, worst) if worst > letters else 1.0


def product_visibility(banner: ComposedBanner, painting: Painting) -> tuple[float, float]:
    """Return (the product's visible pixels as a share of the banner, and as a share of the product's own box).

    A pixel shows the product where it differs from the painted scene at that place, and from the median colour right
    around the product's box: a product behind a panel, or in its background's colour, has no visible pixels.
    """
    product = banner.product
    if product is None or painting.pixels.shape != banner.pixels.shape:
        return 0.0, 0.0
    height, width = banner.pixels.shape[:2]
    margin = max(4.0, 0.06 * max(product.width, product.height))
    outer = _window(product, width, height, margin)
    inner = _window(product, width, height, 0)
    step = 2 if inner[0].stop - inner[0].start > _SAMPLED_FROM else 1
    rows = slice(outer[0].start, outer[0].stop, step)
    finished = _lab(banner.pixels[rows, outer[1]])
    around = np.ones((outer[0].stop - outer[0].start, finished.shape[1]), dtype=bool)
    around[_within(product, outer, ring=0)] = False
    around = around[::step]
    inside = ~around
    background = _median(finished[around] if around.any() else finished.reshape(-1, 3))
    shown = _differ(finished, background) & _differ(finished, _lab(painting.pixels[rows, outer[1]])) & inside
    for text in banner.text_lines:
        across, along = _within(text.box, outer, ring=0)
        shown[across.start // step : -(-across.stop // step), along] = False
    visible = float(shown.sum()) * step
    area = (inner[0].stop - inner[0].start) * (inner[1].stop - inner[1].start)
    visible = min(visible, float(area))
    return visible / (width * height), visible / max(1, area)


def _lab(pixels: Pixels) -> Colours:
    return np.asarray(cv2.cvtColor(np.divide(pixels, 255, dtype=np.float32), cv2.COLOR_RGB2LAB), dtype=np.float32)


def _median(colours: Colours) -> Colours:
    # One channel at a time: along the rows of a transposed copy numpy is four times as fast as down the columns.
    return np.median(np.ascontiguousarray(colours.T), axis=1).astype(np.float32)


def _differ(first: Colours, second: Colours) -> Mask:
    apart = first - second
    # The squared distance: the root, through `numpy.linalg.norm`, takes four times as long.
    return np.asarray(np.einsum("...k,...k", apart, apart) > _VISIBLE_DIFFERENCE**2)


def _window(box: Box, width: int, height: int, margin: float) -> tuple[slice, slice]:
    left, top = int(max(0, min(width - 1, box.x - margin))), int(max(0, min(height - 1, box.y - margin)))
    right = int(min(width, max(left + 1, np.ceil(box.x + box.width + margin))))
    bottom = int(min(height, max(top + 1, np.ceil(box.y + box.height + margin))))
    return slice(top, bottom), slice(left, right)


def _within(box: Box, outer: tuple[slice, slice], *, ring: float) -> tuple[slice, slice]:
    """Return the rows and columns of a box inside a window."""
    top, left = outer[0].start, outer[1].start
    rows = slice(max(0, int(box.y - ring - top)), max(0, int(np.ceil(box.y + box.height + ring - top))))
    columns = slice(max(0, int(box.x - ring - left)), max(0, int(np.ceil(box.x + box.width + ring - left))))
    return rows, columns
