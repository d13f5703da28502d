"""A stadium: floodlights, stands full of people far away, turf or track in front."""

from bannerstream.generator.studio import surfaces
from bannerstream.generator.studio.colour import mix, shift
from bannerstream.generator.studio.scene import Layer, Scene, Stage
from bannerstream.generator.studio.shapes import d, disc, line, path, rect
from bannerstream.generator.studio.view import View


def draw(stage: Stage) -> Scene:
    """Return an arena seen from the ground."""
    view, tones, light, rng = stage.view, stage.tones, stage.light, stage.rng
    floor = view.horizon
    sky = [tones.natural(colour, 0.15) for colour in light.sky]
    edge, stand = floor / view.height, mix(tones.dark, tones.accent, 0.25)
    behind = [
        Layer(_stands(stage, stand, mix(stand, sky[1], 0.55)), 0.02),
        Layer(_crowd(stage), 0.014),
        Layer(_boards(stage), 0.016),
        Layer(_masts(stage, tones.dark), 0.014),
        Layer(_floodlights(stage), 0.03, 4.5, glows=True),
    ]
    if rng.random() < 0.6:
        ground = tones.natural("#66805a", 0.16)
        surface = surfaces.Surface(
            shift(ground, -0.03), shift(ground, 0.05), surfaces.turf, 0.34, 0.12, fade=0.02, warmth=(1.0, 0.9, 1.1)
        )
    else:
        ground = tones.natural("#b5583f", 0.3)
        surface = surfaces.Surface(shift(ground, -0.03), shift(ground, 0.04), surfaces.terrazzo, 0.26, 0.14, 0.3)
    return Scene(((0.0, sky[0]), (0.6 * edge, sky[1]), (edge, sky[2])), tuple(behind), surface, haze=1.1)


def _stands(stage: Stage, near: str, far: str) -> str:
    view = stage.view
    unit, floor, wide = view.unit, view.horizon, view.width
    marks = ""
    for step in range(9):
        share = step / 8
        y = floor - unit * (0.46 - 0.40 * share)
        bend = unit * 0.10 * (1 - share)
        tier = d("M", 0, y - bend, "Q", wide / 2, y + bend, wide, y - bend, "V", floor + 2, "H", 0, "Z")
        marks += path(tier, mix(far, near, share))
    roof = d("M", 0, floor - 0.72 * unit, "Q", wide / 2, floor - 0.5 * unit, wide, floor - 0.72 * unit)
    rim = d("V", floor - 0.64 * unit, "Q", wide / 2, floor - 0.44 * unit, 0, floor - 0.64 * unit, "Z")
    return marks + path(f"{roof} {rim}", near, 0.85)


def _crowd(stage: Stage) -> str:
    view, tones, rng = stage.view, stage.tones, stage.rng
    unit, marks = view.unit, ""
    colours = (*tones.accents, tones.pale, tones.wall_deep)
    for _ in range(round(170 * max(1.0, view.width / unit / 2))):
        depth, x = rng.random(), rng.uniform(0, view.width)
        bend = unit * 0.10 * (1 - depth) * (1 - 2 * (2 * x / view.width - 1) ** 2)
        y = view.horizon - unit * (0.44 - 0.34 * depth) + bend
        marks += disc(x, y, unit * (0.007 + 0.006 * depth), rng.choice(colours), rng.uniform(0.25, 0.7))
    return marks


def _boards(stage: Stage) -> str:
    """Return the hoardings along the pitch: blocks of colour."""
    view, tones, rng = stage.view, stage.tones, stage.rng
    marks, x = "", 0.0
    while x < view.width:
        wide = view.unit * rng.uniform(0.4, 0.8)
        colour = rng.choice((tones.accent, tones.accent, mix(tones.accent, tones.dark, 0.5), tones.accents[-1]))
        marks += rect(x, view.horizon - 0.085 * view.unit, wide, 0.09 * view.unit, colour)
        x += wide
    return marks


def _lamp_places(view: View) -> tuple[float, ...]:
    return 0.04 * view.width, 0.58 * view.width, 0.94 * view.width


def _lamp_height(view: View) -> float:
    """Return the y of the lamps: above the roof, inside the frame."""
    return max(view.horizon - 0.98 * view.unit, 0.07 * view.height)


def _masts(stage: Stage, colour: str) -> str:
    view = stage.view
    unit, marks = view.unit, ""
    for x in _lamp_places(view):
        marks += line(d("M", x, view.horizon - 0.4 * unit, "V", _lamp_height(view)), colour, 0.018 * unit)
    return marks


def _floodlights(stage: Stage) -> str:
    view = stage.view
    unit, marks = view.unit, ""
    for x in _lamp_places(view):
        for row in range(2):
            for column in range(4):
                lamp_x, lamp_y = x + (column - 1.5) * 0.045 * unit, _lamp_height(view) + 0.05 * row * unit
                marks += disc(lamp_x, lamp_y, 0.015 * unit, "#fff8ea", 0.4 if view.in_words(lamp_x, lamp_y) else 1.0)
    return marks
