"""Draws typeset words: buttons, badges and letters, as anti-aliased coverage of their outlines.

Letters are polygons, cached per glyph. An SVG renderer reopens the font files for every picture and returns a
compressed one, which took six times as long.
"""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from bannerstream.generator.layout.blending import blend_at, round_rect
from bannerstream.generator.layout.blocks import Block, PlacedLine, Role
from bannerstream.generator.layout.colours import Rgb
from bannerstream.generator.layout.fonts import Shaped, outline
from bannerstream.generator.layout.lines import advance
from bannerstream.generator.pipeline.ports import Box, Pixels

Points = NDArray[Any]
"""x and y, in the sampler's fixed-point coordinates."""

_FINE, _FINEST = 4, 8
"""Samples per pixel along each axis: 17 or 65 steps of coverage."""
_SMALL = 30.0
"""Font size in pixels below which strokes are about two pixels wide and get the finest sampling."""
_BITS = 4
"""Fractional bits of a vertex in OpenCV's fixed-point coordinates."""


@dataclass(frozen=True, slots=True)
class Inks:
    """The colours that words and button are drawn in."""

    text: dict[Role, Rgb]
    button: Rgb
    badge: Rgb | None = None


def draw_words(pixels: Pixels, block: Block, inks: Inks) -> None:
    """Draw button, badge and words over the picture, in place."""
    _draw_box(pixels, block.button, block.button_radius, inks.button)
    if block.badge is not None:
        _draw_box(pixels, block.badge, block.badge.width / 2, inks.badge or inks.button)
    for item in block.placed:
        _draw_line(pixels, item, inks.text[item.role])
        if item.role == "former_price":
            _draw_box(pixels, _strike(item), 0.0, inks.text[item.role])


def _draw_box(pixels: Pixels, box: Box, radius: float, colour: Rgb) -> None:
    left, top = math.floor(box.x), math.floor(box.y)
    right, bottom = math.ceil(box.x + box.width), math.ceil(box.y + box.height)
    inside = Box(box.x - left, box.y - top, box.width, box.height)
    blend_at(pixels, round_rect(right - left, bottom - top, inside, radius), colour, left, top)


def _draw_line(pixels: Pixels, item: PlacedLine, colour: Rgb) -> None:
    ink = item.ink
    left, top = math.floor(ink.x), math.floor(ink.y)
    width, height = math.ceil(ink.x + ink.width) - left, math.ceil(ink.y + ink.height) - top
    fine = _FINEST if item.font_size < _SMALL else _FINE
    samples = np.zeros((height * fine, width * fine), np.uint8)
    x = item.x - left
    for run in item.line.runs:
        origin = np.array([x, item.baseline - top], np.float32)
        _fill_run(samples, run, origin, item.font_size, tracking=item.line.tracking, fine=fine)
        x += advance(run, item.line.tracking) * item.font_size
    coverage = cv2.resize(samples, (width, height), interpolation=cv2.INTER_AREA)
    blend_at(pixels, np.asarray(coverage, np.float32) / np.float32(255), colour, left, top)


def _fill_run(samples: Pixels, run: Shaped, origin: Points, font_size: float, *, tracking: float, fine: int) -> None:
    # OpenCV's samples lie on whole coordinates: half a sample up and left of their middles.
    unit = np.float32(fine * (1 << _BITS))
    scale = np.array([font_size, -font_size], np.float32) * unit
    places = np.array([(glyph.x + tracking * glyph.letter, glyph.y) for glyph in run.glyphs], np.float32)
    corners = origin * unit + places.reshape(-1, 2) * scale - np.float32(1 << (_BITS - 1))
    for glyph, corner in zip(run.glyphs, corners, strict=True):
        shape = outline(run.face, glyph.number)
        if shape.ends:
            points = (shape.points * scale + corner).round().astype(np.int32)
            polygons = [points[start:end] for start, end in pairwise((0, *shape.ends))]
            cv2.fillPoly(samples, polygons, 255, cv2.LINE_8, _BITS)


def _strike(item: PlacedLine) -> Box:
    thickness = max(1.0, item.font_size * 0.075)
    middle = item.baseline - item.font_size * 0.27
    return Box(item.x - 1, middle - thickness / 2, item.width + 2, thickness)
