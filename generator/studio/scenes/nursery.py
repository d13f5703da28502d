"""A nursery: soft wall with a rainbow or clouds, bunting, wooden toys, a knitted cloth."""

import math

from bannerstream.generator.studio import surfaces
from bannerstream.generator.studio.bokeh import bokeh
from bannerstream.generator.studio.colour import mix, shift
from bannerstream.generator.studio.interiors import wall, window
from bannerstream.generator.studio.scene import Layer, Scene, Stage
from bannerstream.generator.studio.shapes import d, disc, line, lit_disc, lit_rect, path


def draw(stage: Stage) -> Scene:
    """Return a child's room."""
    view, tones, rng = stage.view, stage.tones, stage.rng
    ground = mix(tones.wall, tones.pale, 0.35)
    behind: list[Layer] = [Layer(_dots(stage), 0.02)]
    if rng.random() < 0.5:
        behind += window(stage, 0.7, 0.6)
    behind += [Layer(_bunting(stage), 0.02), Layer(_rainbow(stage), 0.022), Layer(_toys(stage), 0.013)]
    top = mix(tones.wood(0.05), tones.pale, 0.35)
    texture, strength = rng.choice(((surfaces.linen, 0.14), (surfaces.planks(3), 0.16)))
    surface = surfaces.Surface(shift(top, -0.03), shift(top, 0.03), texture, strength, 0.15, 0.15)
    lights = ("#ffe9c4", mix(tones.accent, tones.pale, 0.6))
    before = (bokeh(view, rng, 6, lights, size=0.06, gain=0.28),)
    return Scene(
        wall(stage, ground, mix(ground, tones.wall_deep, 0.4)), tuple(behind), surface, before=before, haze=0.9
    )


def _dots(stage: Stage) -> str:
    view, tones, rng = stage.view, stage.tones, stage.rng
    step, marks, row, y = 0.17 * view.unit, "", 0, 0.04 * view.unit
    colour = mix(tones.wall, rng.choice(tones.accents), 0.42)
    while y < view.horizon - 0.05 * view.unit:
        x = step * (0.5 if row % 2 else 0.0)
        while x < view.width:
            marks += disc(x, y, 0.018 * view.unit, colour, 0.7)
            x += step
        y, row = y + step * 0.8, row + 1
    return marks


def _bunting(stage: Stage) -> str:
    """Return pennants on a string along the ceiling, on the side of the room without words."""
    view, tones, rng = stage.view, stage.tones, stage.rng
    unit, marks = view.unit, ""
    if view.text.y < 0.2 * view.height and view.text.width > 0.7 * view.width:
        return ""
    right = view.text.x + view.text.width / 2 < view.width / 2
    start, end = (view.text.x + view.text.width, view.width + 0.1 * unit) if right else (-0.1 * unit, view.text.x)
    sag, top, steps = 0.15 * unit, 0.02 * unit, max(3, round((end - start) / (0.13 * unit)))
    cord: list[str | float] = ["M"]
    for step in range(steps + 1):
        share = step / steps
        x, y = start + (end - start) * share, top + sag * 4 * share * (1 - share)
        cord += [x, y] if step == 0 else ["L", x, y]
        flag = rng.choice((*tones.accents, tones.pale))
        marks += path(d("M", x - 0.045 * unit, y, "H", x + 0.045 * unit, "L", x, y + 0.11 * unit, "Z"), flag)
    return marks + line(d(*cord), tones.wood(0.4), 0.008 * unit)


def _rainbow(stage: Stage) -> str:
    view, tones, rng = stage.view, stage.tones, stage.rng
    x = view.clear_x(rng, 0.5, 0.45)
    if x is None:
        return ""
    bands = (tones.accent, mix(tones.accent, tones.pale, 0.45), mix(tones.accents[-1], tones.pale, 0.25), tones.pale)
    marks = ""
    for step, colour in enumerate(bands):
        radius = view.unit * (0.27 - 0.052 * step)
        outline = d("M", x - radius, view.horizon + 4, "A", radius, radius, 0, 0, 1, x + radius, view.horizon + 4)
        marks += line(outline, mix(colour, tones.wall, 0.15), 0.045 * view.unit)
    return marks


def _toys(stage: Stage) -> str:
    view, tones, rng = stage.view, stage.tones, stage.rng
    unit, y, marks = view.unit, view.horizon + 0.014 * view.unit, ""
    kinds = ["rings", "blocks", "bear", "ball", "blocks"]
    rng.shuffle(kinds)
    for x, kind in zip(view.spots(rng, 4, 0.32, 0.4), kinds, strict=False):
        if kind == "rings":
            for step in range(5):
                tone = mix(tones.accents[step % len(tones.accents)], tones.pale, 0.2)
                marks += lit_disc(x, y - (0.03 + 0.052 * step) * unit, unit * (0.105 - 0.014 * step), tone, 0.34)
            marks += lit_disc(x, y - 0.295 * unit, 0.032 * unit, tones.wood(0.1))
        elif kind == "blocks":
            side = 0.115 * unit
            for dx, dy in ((-0.55, 0), (0.55, 0), (rng.uniform(-0.25, 0.25), 1)):
                tone = mix(rng.choice((*tones.accents, tones.wood(0.05))), tones.pale, 0.22)
                marks += lit_rect(x + dx * side - side / 2, y - (dy + 1) * side, side, side, tone, side * 0.1)
        elif kind == "ball":
            marks += lit_disc(x, y - 0.10 * unit, 0.10 * unit, mix(rng.choice(tones.accents), tones.pale, 0.25))
        else:
            marks += _bear(x, y, 0.40 * unit, tones.natural("#c9a27c", 0.12))
    return marks


def _bear(x: float, y: float, tall: float, fur: str) -> str:
    light, dark = shift(fur, 0.10), shift(fur, -0.28)
    marks = "".join(
        lit_disc(x + side * tall * 0.17, y - tall * 0.07, tall * 0.11, shift(fur, -0.03)) for side in (-1, 1)
    )
    marks += lit_disc(x, y - tall * 0.27, tall * 0.25, fur, 1.05) + disc(x, y - tall * 0.25, tall * 0.14, light, 0.7)
    marks += "".join(
        lit_disc(x + side * tall * 0.17, y - tall * 0.89, tall * 0.085, shift(fur, -0.04)) for side in (-1, 1)
    )
    marks += lit_disc(x, y - tall * 0.70, tall * 0.225, fur, 0.92) + disc(
        x, y - tall * 0.64, tall * 0.10, light, 0.9, 0.8
    )
    for turn in (-0.5, 0.5):
        marks += disc(x + math.sin(turn) * tall * 0.18, y - tall * 0.74, tall * 0.022, dark)
    return marks + disc(x, y - tall * 0.67, tall * 0.03, dark, squash=0.75)
