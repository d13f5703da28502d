"""Pieces of rooms: windows, shelves, tiles, frames, lamps."""

import math

from bannerstream.generator.studio import vessels
from bannerstream.generator.studio.colour import mix, shift
from bannerstream.generator.studio.foliage import leaf, potted
from bannerstream.generator.studio.scene import Layer, Stage, Stops
from bannerstream.generator.studio.shapes import d, disc, line, lit, lit_rect, rect


def wall(stage: Stage, top: str, foot: str) -> Stops:
    """Return a painted wall, lighter towards the ceiling."""
    return (0.0, mix(top, stage.tones.pale, 0.15)), (0.6, top), (1.0, foot)


def window(stage: Stage, wide: float = 0.8, tall: float = 0.72) -> tuple[Layer, ...]:
    """Return a window on the light's side as (its light, its bars), sizes in units."""
    view, light = stage.view, stage.light
    across, down = wide * view.unit, tall * view.unit
    middle = view.light_x - view.away * 0.06 * view.unit
    left, top = middle - across / 2, view.horizon - down - (0.22 + stage.rng.uniform(0, 0.08)) * view.unit
    pane = mix(light.sky[0], light.sky[1], 0.5) if light.name == "evening" else mix(light.sky[1], light.sky[2], 0.6)
    gain = 2.2 if light.name == "evening" else 2.0 if light.name == "golden" else 1.7
    frame = mix(stage.tones.pale, stage.tones.wall, 0.5)
    bars = "".join(
        rect(left + across * share - 0.012 * view.unit, top, 0.024 * view.unit, down, frame)
        for share in (0.0, 0.5, 1.0)
    ) + "".join(
        rect(left, top + down * share - 0.012 * view.unit, across, 0.024 * view.unit, frame)
        for share in (0.0, 0.42, 1.0)
    )
    green = "".join(
        disc(
            left + stage.rng.random() * across,
            top + down * stage.rng.uniform(0.62, 0.95),
            view.unit * stage.rng.uniform(0.06, 0.13),
            stage.tones.leaf(0.2),
            0.28,
        )
        for _ in range(7)
    )
    sill = rect(left - 0.05 * view.unit, top + down, across + 0.1 * view.unit, 0.045 * view.unit, stage.tones.pale)
    return Layer(rect(left, top, across, down, pane), 0.05, gain), Layer(green, 0.05), Layer(bars + sill, 0.022)


def window_shade(stage: Stage, slant: float = 0.5, panes: int = 2) -> Layer:
    """Return the shade around slanting patches of sun from a window beyond the frame."""
    view, rng = stage.view, stage.rng
    pane_w, pane_h, bar = 0.36 * view.unit, 0.40 * view.unit, 0.055 * view.unit
    lean = slant * view.away
    total_w, total_h = panes * (pane_w + bar), 2 * (pane_h + bar)
    left = (
        (view.product.x + view.product.width / 2 if view.product else view.width / 2)
        - total_w / 2
        + rng.uniform(-0.15, 0.15) * view.unit
    )
    top = view.horizon - total_h * rng.uniform(0.72, 0.95)
    holes = ""
    for column in range(panes):
        for row in range(2):
            x0, y0 = left + column * (pane_w + bar), top + row * (pane_h + bar)
            shift0, shift1 = lean * (y0 - top), lean * (y0 + pane_h - top)
            drop = 0.16 * pane_w * view.away
            holes += d(
                "M",
                x0 + shift0,
                y0,
                "L",
                x0 + pane_w + shift0,
                y0 + drop,
                "L",
                x0 + pane_w + shift1,
                y0 + pane_h + drop,
                "L",
                x0 + shift1,
                y0 + pane_h,
                "Z",
            )
    frame = d("M", 0, 0, "H", view.width, "V", view.height, "H", 0, "Z")
    return Layer(f'<path fill-rule="evenodd" d="{frame}{holes}" fill="#fff" fill-opacity=".62"/>', 0.02)


def leaf_shade(stage: Stage, strength: float = 0.6) -> Layer:
    """Return the shadow of a plant beyond the frame on the light's side."""
    view, rng = stage.view, stage.rng
    marks = ""
    for _ in range(3):
        x = view.light_x - view.away * rng.uniform(-0.1, 0.35) * view.unit
        y = rng.uniform(-0.15, 0.25) * view.height
        base = (0.35 if view.away > 0 else math.pi - 0.35) + rng.uniform(-0.25, 0.55) * (1 if view.away > 0 else -1)
        for step in range(13):
            share = step / 12
            length = view.unit * rng.uniform(0.28, 0.42) * (1 - 0.4 * share)
            stem_x = x + math.cos(base) * share * view.unit * 0.8
            stem_y = y + math.sin(base) * share * view.unit * 0.8
            for side in (-1, 1):
                marks += leaf(stem_x, stem_y, base + side * (0.9 - 0.3 * share), length, length * 0.16, "#fff")
    return Layer(f'<g opacity="{strength}">{marks}</g>', 0.022)


def tiles(stage: Stage, colour: str, top: float, size: float = 0.11) -> str:
    """Return a splashback of glazed tiles from `top` down to the horizon, each in its own shade."""
    view, rng = stage.view, stage.rng
    side, marks, row, y = size * view.unit, "", 0, top
    while y < view.horizon:
        x = -(row % 2) * side
        while x < view.width:
            marks += rect(
                x, y, side * 2 - 0.014 * view.unit, side - 0.014 * view.unit, shift(colour, rng.uniform(-0.035, 0.03))
            )
            x += side * 2
        y, row = y + side, row + 1
    return rect(0, top, view.width, view.horizon - top, shift(colour, -0.09)) + marks


def shelf(stage: Stage, x: float, y: float, wide: float, wood: str) -> str:
    """Return a wall shelf from x, its top at y, with vessels and a plant."""
    view, tones, rng = stage.view, stage.tones, stage.rng
    unit = view.unit
    marks, left = "", x + 0.05 * unit
    while left < x + wide - 0.06 * unit:
        kind, tall = rng.random(), unit * rng.uniform(0.13, 0.23)
        colour = rng.choice((*tones.accents, tones.pale, tones.pale, mix(tones.wall_deep, tones.pale, 0.4)))
        if kind < 0.35:
            marks += vessels.jar(left, y, tall * 0.85, colour, wood)
        elif kind < 0.55:
            marks += vessels.bottle(left, y, tall * 1.15, colour)
        elif kind < 0.7:
            marks += vessels.bowl(left + 0.03 * unit, y, tall * 0.4, colour, None, rng)
            left += 0.06 * unit
        elif kind < 0.85:
            marks += vessels.vase(left, y, tall, colour)
        else:
            marks += potted(left, y, tall * 1.3, mix(tones.pale, tones.accent, 0.3), tones, rng)
        left += unit * rng.uniform(0.11, 0.17)
    return marks + lit_rect(x, y, wide, 0.03 * unit, wood)


def frame(x: float, y: float, wide: float, tall: float, stage: Stage) -> str:
    """Return a framed print by its top left corner: two quiet shapes on a mount."""
    tones, rng = stage.tones, stage.rng
    edge = wide * 0.045
    print_x, print_y = x + wide * 0.2, y + tall * 0.18
    inner_w, inner_h = wide * 0.6, tall * 0.64
    return (
        lit_rect(x, y, wide, tall, tones.wood(0.7))
        + rect(x + edge, y + edge, wide - 2 * edge, tall - 2 * edge, tones.pale)
        + rect(print_x, print_y, inner_w, inner_h, mix(tones.wall, tones.accent, 0.25))
        + disc(
            print_x + inner_w * rng.uniform(0.35, 0.65),
            print_y + inner_h * 0.42,
            inner_w * 0.26,
            rng.choice(tones.accents),
        )
        + rect(print_x, print_y + inner_h * 0.68, inner_w, inner_h * 0.32, mix(tones.accent, tones.dark, 0.35))
    )


def pendant(x: float, drop: float, size: float, colour: str) -> tuple[str, str]:
    """Return a hanging lamp as (shade, its light)."""
    shade = line(d("M", x, 0, "V", drop), colour, size * 0.04) + lit(
        d(
            "M",
            x - size * 0.12,
            drop,
            "H",
            x + size * 0.12,
            "Q",
            x + size * 0.5,
            drop + size * 0.18,
            x + size * 0.55,
            drop + size * 0.5,
            "H",
            x - size * 0.55,
            "Q",
            x - size * 0.5,
            drop + size * 0.18,
            x - size * 0.12,
            drop,
            "Z",
        ),
        colour,
    )
    shine = disc(x, drop + size * 0.55, size * 1.9, "url(#halo)")
    return shade, shine + disc(x, drop + size * 0.5, size * 0.34, "#ffd9a0", 0.9, 0.45)


def table_lamp(x: float, y: float, tall: float, shade: str, foot: str) -> tuple[str, str]:
    """Return a table lamp as (lamp, its light)."""
    half, top = tall * 0.27, y - tall
    lamp = vessels.vase(x, y, tall * 0.5, foot) + lit(
        d("M", x - half * 0.62, top, "H", x + half * 0.62, "L", x + half, top + tall * 0.46, "H", x - half, "Z"),
        shade,
    )
    shine = disc(x, top + tall * 0.26, tall * 1.15, "url(#halo)")
    return lamp, shine + disc(x, top + tall * 0.26, half * 0.8, "#ffcf91", 0.2, 0.75)
