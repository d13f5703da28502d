"""Draws set words: an SVG from a template, rendered on a transparent ground and laid over the picture.

Only the rectangle that holds words is rendered, letters as outlines that are kept: that is what keeps a 1080×1080
banner at a few milliseconds of text.
"""

import math
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
import resvg_py
from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from generator.layout.blocks import Block, Placed, Role
from generator.layout.colours import Rgb, as_hex
from generator.layout.fonts import outline
from generator.layout.lines import advance
from generator.ports import Box, Image

_GAP = 0.08
"""Of the banner's height. Rendering costs by the pixel, most of it packing and unpacking PNG."""


@dataclass(frozen=True, slots=True)
class Inks:
    """The colours that words and button are drawn in."""

    text: dict[Role, Rgb]
    button: Rgb
    badge: Rgb | None = None


@dataclass(frozen=True, slots=True)
class _Run:
    x: float
    y: float
    scale: float
    fill: str
    outline: str


@dataclass(frozen=True, slots=True)
class _Strike:
    x: float
    y: float
    width: float
    height: float
    fill: str


def draw_words(pixels: Image, block: Block, inks: Inks) -> None:
    """Draw button and words over the picture, in place."""
    for group in _apart(block, pixels.shape[0]):
        _draw_group(pixels, group, block, inks)


def _apart(block: Block, height: int) -> list[list[Placed]]:
    """Split the words where a gap between them would cost more to render than a second rendering."""
    groups: list[list[Placed]] = []
    bottom = 0.0
    for item in sorted(block.placed, key=lambda placed: placed.ink.y):
        if not groups or item.ink.y - bottom > _GAP * height:
            groups.append([])
        groups[-1].append(item)
        bottom = max(bottom, item.ink.y + item.ink.height)
    return groups


def _draw_group(pixels: Image, group: list[Placed], block: Block, inks: Inks) -> None:
    height, width = pixels.shape[:2]
    button = block.button if any(item.role == "call_to_action" for item in group) else None
    badge = block.badge if any(item.role == "saving" for item in group) else None
    frame = _around((*(item.ink for item in group), *(box for box in (button, badge) if box)), width, height)
    svg = _template().render(
        x=int(frame.x),
        y=int(frame.y),
        width=int(frame.width),
        height=int(frame.height),
        button=button,
        button_radius=block.button_radius,
        button_fill=as_hex(inks.button),
        badge=badge,
        badge_fill=as_hex(inks.badge or inks.button),
        runs=[run for item in group for run in _runs(item, inks)],
        strikes=[_strike(item, inks) for item in group if item.role == "former_price"],
    )
    rendered = resvg_py.svg_to_bytes(svg_string=svg, skip_system_fonts=True)
    overlay = np.asarray(cv2.imdecode(np.frombuffer(rendered, np.uint8), cv2.IMREAD_UNCHANGED), dtype=np.uint8)
    region = pixels[int(frame.y) : int(frame.y + frame.height), int(frame.x) : int(frame.x + frame.width)]
    alpha = overlay[..., 3:].astype(np.float32) / np.float32(255.0)
    region[:] = (region + (overlay[..., 2::-1] - region.astype(np.float32)) * alpha + 0.5).astype(np.uint8)


def _runs(item: Placed, inks: Inks) -> list[_Run]:
    drawn: list[_Run] = []
    x = item.x
    for run in item.line.runs:
        drawn.append(
            _Run(
                x=x,
                y=item.baseline,
                scale=item.font_size / 1000,
                fill=as_hex(inks.text[item.role]),
                outline=outline(run, item.line.tracking),
            )
        )
        x += advance(run, item.line.tracking) * item.font_size
    return drawn


def _strike(item: Placed, inks: Inks) -> _Strike:
    thickness = max(1.0, item.font_size * 0.075)
    middle = item.baseline - item.font_size * 0.27
    return _Strike(item.x - 1, middle - thickness / 2, item.width + 2, thickness, as_hex(inks.text[item.role]))


def _around(boxes: tuple[Box, ...], width: int, height: int) -> Box:
    left = max(0, math.floor(min(box.x for box in boxes)) - 2)
    top = max(0, math.floor(min(box.y for box in boxes)) - 2)
    right = min(width, math.ceil(max(box.x + box.width for box in boxes)) + 2)
    bottom = min(height, math.ceil(max(box.y + box.height for box in boxes)) + 2)
    return Box(left, top, right - left, bottom - top)


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("generator.layout"),
        autoescape=True,
        undefined=StrictUndefined,
        keep_trailing_newline=False,
    )
    environment.filters["px"] = lambda value: f"{value:.2f}".rstrip("0").rstrip(".")
    return environment.get_template("words.svg.j2")
