"""A celebration: fairy lights far out of focus, fir boughs, presents, candles."""

import math

from bannerstream.generator.studio import surfaces, vessels
from bannerstream.generator.studio.bokeh import bokeh
from bannerstream.generator.studio.colour import mix, shift
from bannerstream.generator.studio.foliage import leaf, pine
from bannerstream.generator.studio.interiors import wall
from bannerstream.generator.studio.scene import Layer, Scene, Stage
from bannerstream.generator.studio.shapes import d, disc, line, lit_disc


def draw(stage: Stage) -> Scene:
    """Return a festive room."""
    view, tones, light, rng = stage.view, stage.tones, stage.light, stage.rng
    unit, floor = view.unit, view.horizon
    ground = mix(mix(tones.wall, tones.accent, 0.45), tones.dark, 0.38)
    gold = tones.natural("#ffcf7a", 0.05)
    behind: list[Layer] = []
    tree = view.clear_x(rng, 0.6, 1.0)
    if tree is not None:
        fir = mix(tones.natural("#2f5143", 0.1), ground, 0.12)
        behind.append(Layer(pine(tree, floor + 0.1 * unit, 1.25 * unit, fir, None, rng), 0.03))
        behind.append(Layer(_baubles(stage, tree), 0.022))
        behind.append(Layer(_candles_of(stage, tree), 0.022, 4.0, glows=True))
    behind.append(Layer(_garland(stage), 0.028, 5.0 + 2.0 * light.lamps, glows=True))
    behind.append(bokeh(view, rng, 26, (gold, "#ffe7b8", mix(tones.accent, gold, 0.4)), size=0.06, gain=0.3))
    goods, flames = _goods(stage, gold)
    behind += [Layer(goods, 0.012), Layer(flames, 0.010, 1.4, glows=True)]
    top = tones.wood(rng.uniform(0.45, 0.8))
    surface = surfaces.Surface(shift(top, -0.04), shift(top, 0.06), surfaces.planks(3), 0.3, 0.55, 0.25)
    before = (Layer(_boughs(stage), 0.03), bokeh(view, rng, 5, (gold,), size=0.09, top=0.3, gain=0.22))
    return Scene(wall(stage, ground, mix(ground, tones.dark, 0.35)), tuple(behind), surface, before=before, haze=0.9)


def _garland(stage: Stage) -> str:
    """Return strings of tiny lamps, which the lens turns into discs."""
    view, rng = stage.view, stage.rng
    unit, marks = view.unit, ""
    for _ in range(3):
        top, sag = rng.uniform(-0.05, 0.35) * unit, rng.uniform(0.1, 0.3) * unit
        phase, x = rng.uniform(0, 6.28), 0.0
        while x < view.width:
            y = top + sag * (0.5 + 0.5 * math.sin(phase + x / unit * 2.2))
            marks += disc(x, y, 0.0065 * unit * rng.uniform(0.7, 1.2), "#ffc873", rng.uniform(0.5, 1.0))
            x += unit * rng.uniform(0.06, 0.11)
    return marks


def _baubles(stage: Stage, x: float) -> str:
    view, tones, rng = stage.view, stage.tones, stage.rng
    marks = ""
    for _ in range(14):
        up = rng.random() * 0.85
        across = rng.uniform(-0.26, 0.26) * (1 - up)
        bauble = rng.choice((*tones.accents, tones.natural("#d9ab57")))
        marks += lit_disc(x + across * 1.25 * view.unit, view.horizon - up * 1.1 * view.unit, 0.026 * view.unit, bauble)
    return marks


def _candles_of(stage: Stage, x: float) -> str:
    view, rng = stage.view, stage.rng
    marks = ""
    for _ in range(34):
        up = rng.random() * 0.9
        across = rng.uniform(-0.3, 0.3) * (1 - up)
        marks += disc(x + across * 1.2 * view.unit, view.horizon - up * 1.12 * view.unit, 0.006 * view.unit, "#ffca7a")
    return marks


def _goods(stage: Stage, gold: str) -> tuple[str, str]:
    view, tones, rng = stage.view, stage.tones, stage.rng
    unit, y, marks, flames = view.unit, view.horizon + 0.02 * view.unit, "", ""
    for x in view.spots(rng, 4, 0.3, 0.4):
        if rng.random() < 0.55:
            paper, ribbon = rng.choice((*tones.accents, tones.pale)), rng.choice((gold, tones.pale))
            marks += vessels.box(x, y, unit * rng.uniform(0.2, 0.26), unit * rng.uniform(0.13, 0.2), paper, ribbon)
        else:
            for dx, tall in ((-0.06, 0.22), (0.06, 0.15)):
                marks += vessels.candle(x + dx * unit, y, tall * unit, mix(tones.pale, "#f6e2c0", 0.5))
                flames += vessels.flame(x + dx * unit, y, tall * unit, unit)
    return marks, flames


def _boughs(stage: Stage) -> str:
    """Return fir twigs reaching in from the upper corner without words."""
    view, tones, rng = stage.view, stage.tones, stage.rng
    unit, marks = view.unit, ""
    right = view.text.x + view.text.width / 2 < view.width / 2
    for _ in range(3):
        x, y = (view.width + 0.04 * unit if right else -0.04 * unit), rng.uniform(-0.08, 0.12) * unit
        angle = rng.uniform(0.2, 0.9)
        angle = math.pi - angle if right else angle
        colour = mix(tones.natural("#2b4a3b"), tones.dark, 0.2)
        end_x, end_y = x + math.cos(angle) * 0.42 * unit, y + math.sin(angle) * 0.42 * unit
        marks += line(d("M", x, y, "L", end_x, end_y), tones.wood(0.9), 0.012 * unit)
        for step in range(26):
            at_x, at_y = x + (end_x - x) * step / 25, y + (end_y - y) * step / 25
            for side in (-1, 1):
                turn = angle + side * rng.uniform(0.5, 0.9)
                marks += leaf(
                    at_x, at_y, turn, unit * rng.uniform(0.08, 0.12), 0.006 * unit, shift(colour, rng.uniform(0, 0.08))
                )
    return marks
