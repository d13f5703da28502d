"""A beach: sky, sea with its glitter, wet sand, a palm or a parasol far off."""

import math

from bannerstream.generator.studio import surfaces
from bannerstream.generator.studio.bokeh import bokeh
from bannerstream.generator.studio.colour import mix, shift
from bannerstream.generator.studio.foliage import palm
from bannerstream.generator.studio.scene import Layer, Scene, Stage
from bannerstream.generator.studio.shapes import d, disc, line, lit, path, rect


def draw(stage: Stage) -> Scene:
    """Return a shore seen from the sand."""
    view, tones, light, rng = stage.view, stage.tones, stage.light, stage.rng
    unit, shore = view.unit, view.horizon
    waterline = shore - 0.26 * unit
    sky = [tones.natural(colour, 0.28) for colour in light.sky]
    backdrop = (
        (0.0, sky[0]),
        (0.4 * waterline / view.height, sky[1]),
        (waterline / view.height, sky[2]),
        (1.0, sky[2]),
    )
    behind = []
    if light.name in {"golden", "evening", "morning"}:
        sun_y = waterline - (0.16 if light.name != "morning" else 0.34) * unit
        behind.append(
            Layer(
                disc(view.light_x + view.away * 0.1 * unit, sun_y, 0.085 * unit, "#fff1cf"),
                0.02,
                5.0 if light.name == "golden" else 2.2,
            )
        )
    behind.append(Layer(_clouds(stage, waterline, sky[2]), 0.05))
    behind.append(Layer(_headland(stage, waterline, mix(sky[1], tones.leaf(0.8), 0.45)), 0.018))
    sea = tones.natural({"golden": "#6f8fa0", "evening": "#3c4b78"}.get(light.name, "#4f9fb8"), 0.14)
    behind.append(Layer(_sea(stage, waterline, shore, sea, sky[2]), 0.016))
    behind.append(Layer(_glitter(stage, waterline, shore), 0.010, 3.0 if light.name != "day" else 1.4))
    behind.append(Layer(_parasol(stage), 0.02))
    sand = tones.natural("#e2c7a0", 0.32)
    surface = surfaces.Surface(
        shift(sand, -0.03), shift(sand, 0.02), surfaces.sand, 0.26, 0.10, fade=0.07, warmth=(0.8, 1.0, 1.2)
    )
    before = [Layer(_fronds(stage), 0.03)]
    if light.name != "day":
        before.append(bokeh(view, rng, 7, ("#fff3d6", tones.pale), size=0.035))
    return Scene(backdrop, tuple(behind), surface, before=tuple(before), haze=1.2)


def _clouds(stage: Stage, waterline: float, colour: str) -> str:
    view, rng = stage.view, stage.rng
    marks = ""
    for _ in range(5):
        x, y = rng.uniform(0, view.width), waterline * rng.uniform(0.12, 0.7)
        for _ in range(6):
            marks += disc(
                x + rng.gauss(0, 0.25) * view.unit,
                y + rng.gauss(0, 0.03) * view.unit,
                view.unit * rng.uniform(0.08, 0.2),
                mix(colour, "#ffffff", 0.6),
                0.22,
                0.26,
            )
    return marks


def _headland(stage: Stage, waterline: float, colour: str) -> str:
    view, rng = stage.view, stage.rng
    reach, high = view.unit * rng.uniform(0.9, 1.5), view.unit * rng.uniform(0.08, 0.16)
    start = 0.0 if view.light_side == "right" else float(view.width)
    turn = 1 if view.light_side == "right" else -1
    return path(
        d(
            "M",
            start,
            waterline,
            "v",
            -high,
            "q",
            turn * reach * 0.3,
            -high * 0.5,
            turn * reach * 0.55,
            high * 0.35,
            "t",
            turn * reach * 0.45,
            high * 0.65,
            "Z",
        ),
        colour,
        0.8,
    )


def _sea(stage: Stage, waterline: float, shore: float, sea: str, sky: str) -> str:
    view, rng = stage.view, stage.rng
    deep = shore - waterline
    marks = "".join(
        rect(
            0,
            waterline + deep * step / 8,
            view.width,
            deep / 8 + 1,
            mix(mix(sea, sky, 0.45), shift(sea, 0.05, 1.1, -12), step / 7),
        )
        for step in range(8)
    )
    for row in range(5):
        y = waterline + deep * (0.12 + 0.16 * row)
        x = rng.uniform(-1, 0) * view.unit
        while x < view.width:
            length = view.unit * rng.uniform(0.2, 0.7)
            marks += rect(x, y, length, deep * (0.012 + 0.012 * row), mix(sea, "#ffffff", 0.7), opacity=0.5)
            x += length + view.unit * rng.uniform(0.1, 0.5)
    foam = d("M", 0, shore - deep * 0.14)
    x, step = 0.0, view.unit * 0.4
    while x < view.width + step:
        foam += d("q", step / 2, rng.uniform(-0.16, 0.16) * deep, step, 0)
        x += step
    return marks + line(foam, "#ffffff", deep * 0.13, 0.85)


def _glitter(stage: Stage, waterline: float, shore: float) -> str:
    view, rng = stage.view, stage.rng
    marks, middle = "", view.light_x + view.away * 0.1 * view.unit
    for _ in range(90):
        depth = rng.random() ** 1.5
        x = middle + rng.gauss(0, 0.22 + 0.3 * depth) * view.unit
        marks += disc(
            x,
            waterline + (shore - waterline) * depth * 0.9,
            view.unit * (0.006 + 0.016 * depth),
            "#fff2d2",
            rng.uniform(0.25, 0.8),
            0.3,
        )
    return marks


def _parasol(stage: Stage) -> str:
    view, tones, rng = stage.view, stage.tones, stage.rng
    x = view.clear_x(rng, 0.62, 0.6)
    if x is None:
        return ""
    unit, y = view.unit, view.horizon
    top, half, stripes = y - 0.52 * unit, 0.29 * unit, ""
    colours = (tones.accent, tones.pale)
    for part in range(6):
        from_x, to_x = x - half + part * half / 3, x - half + (part + 1) * half / 3
        stripes += path(
            d(
                "M",
                from_x,
                top + 0.2 * unit,
                "Q",
                (from_x + to_x) / 2,
                top + 0.175 * unit,
                to_x,
                top + 0.2 * unit,
                "Q",
                (to_x - x) * 0.75 + x,
                top + 0.02 * unit,
                x,
                top,
                "Q",
                (from_x - x) * 0.75 + x,
                top + 0.02 * unit,
                from_x,
                top + 0.2 * unit,
            ),
            colours[part % 2],
        )
    shade = d(
        "M",
        x - half,
        top + 0.2 * unit,
        "Q",
        x - half * 0.7,
        top,
        x,
        top,
        "Q",
        x + half * 0.7,
        top,
        x + half,
        top + 0.2 * unit,
        "Z",
    )
    return (
        f'<g transform="rotate({-view.away * 9:.0f} {x:.0f} {y:.0f})">'
        + line(d("M", x, y, "V", top), tones.wood(0.3), 0.014 * unit)
        + stripes
        + lit(shade, "none")
        + "</g>"
    )


def _fronds(stage: Stage) -> str:
    """Return palm leaves hanging in from the top corner without words."""
    view, tones, rng = stage.view, stage.tones, stage.rng
    right = view.text.x + view.text.width / 2 < view.width / 2
    x = view.width + 0.05 * view.unit if right else -0.05 * view.unit
    colour = mix(tones.leaf(0.75), tones.dark, 0.2)
    return "".join(
        palm(x, -0.06 * view.unit, (math.pi - turn) if right else turn, view.unit * rng.uniform(0.5, 0.7), colour, rng)
        for turn in (0.15, 0.62, 1.1)
    )
