"""A desk by the wall: prints, books, a lamp, a plant, patches of window light."""

from bannerstream.generator.studio import surfaces, vessels
from bannerstream.generator.studio.colour import mix, shift
from bannerstream.generator.studio.foliage import potted
from bannerstream.generator.studio.interiors import frame, table_lamp, wall, window, window_shade
from bannerstream.generator.studio.scene import Layer, Scene, Stage
from bannerstream.generator.studio.shapes import lit_rect


def draw(stage: Stage) -> Scene:
    """Return a room seen over its desk."""
    view, tones, rng = stage.view, stage.tones, stage.rng
    unit, floor = view.unit, view.horizon
    ground = mix(tones.wall, rng.choice((tones.accent, tones.wall_deep)), rng.uniform(0.1, 0.32))
    behind: list[Layer] = []
    by_window = rng.random() < 0.55
    if by_window:
        behind += window(stage, 0.75, 0.7)
    prints = ""
    for x in view.spots(rng, 3, 0.36, 0.95):
        if not by_window or abs(x - view.light_x) > 0.65 * unit:
            tall = unit * rng.uniform(0.3, 0.4)
            prints += frame(x - 0.14 * unit, floor - 0.42 * unit - tall, 0.28 * unit, tall, stage)
    behind.append(Layer(prints, 0.022))
    goods, glow = _goods(stage)
    behind.append(Layer(goods, 0.013))
    if stage.light.lamps > 0.3:
        behind.append(Layer(glow, 0.02, 0.5 + 0.6 * stage.light.lamps, glows=True))
    top = tones.wood(rng.choice((0.08, 0.3, 0.85)))
    surface = surfaces.Surface(shift(top, -0.05), shift(top, 0.05), surfaces.planks(1), 0.20, 0.3, 0.18)
    shadows = None if by_window else window_shade(stage)
    return Scene(wall(stage, ground, mix(ground, tones.wall_deep, 0.5)), tuple(behind), surface, shadows, haze=0.8)


def _goods(stage: Stage) -> tuple[str, str]:
    view, tones, rng = stage.view, stage.tones, stage.rng
    unit, y = view.unit, view.horizon + 0.014 * view.unit
    marks, glow = "", ""
    kinds = ["lamp", "books", "plant", "spines", "pens", "vase"]
    rng.shuffle(kinds)
    for x, kind in zip(view.spots(rng, 4, 0.34, 0.55), kinds, strict=False):
        colour = rng.choice((*tones.accents, tones.pale))
        if kind == "lamp":
            lamp, shine = table_lamp(
                x, y, 0.56 * unit, mix(tones.pale, "#ffe2b8", 0.3), mix(tones.dark, tones.accent, 0.4)
            )
            marks, glow = marks + lamp, glow + shine
        elif kind == "books":
            marks += vessels.books(x, y, 0.19 * unit, tones, rng)
        elif kind == "plant":
            marks += potted(x, y, unit * rng.uniform(0.42, 0.55), colour, tones, rng)
        elif kind == "spines":
            marks += vessels.spines(x - 0.15 * unit, y, 0.28 * unit, 0.29 * unit, tones, rng)
            marks += lit_rect(x + 0.14 * unit, y - 0.16 * unit, 0.03 * unit, 0.16 * unit, tones.dark)
        elif kind == "pens":
            marks += vessels.utensils(x, y, 0.27 * unit, colour, rng.choice(tones.accents), rng)
        else:
            marks += vessels.vase(x, y, 0.26 * unit, colour) + vessels.candle(
                x + 0.14 * unit, y, 0.13 * unit, tones.pale
            )
    return marks, glow
