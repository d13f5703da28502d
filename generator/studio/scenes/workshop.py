"""A workshop: brick or boards, tools on the wall, filament bulbs, a worn bench."""

from bannerstream.generator.studio import surfaces, vessels
from bannerstream.generator.studio.colour import mix, shift
from bannerstream.generator.studio.interiors import pendant, tiles, wall, window
from bannerstream.generator.studio.scene import Layer, Scene, Stage
from bannerstream.generator.studio.shapes import d, disc, line, lit_rect, rect
from bannerstream.generator.studio.tones import Tones


def draw(stage: Stage) -> Scene:
    """Return a maker's bench and the wall behind it."""
    view, tones, rng = stage.view, stage.tones, stage.rng
    unit, floor = view.unit, view.horizon
    ground = tones.natural(mix("#8b7461", tones.wall_deep, 0.4), 0.15)
    behind: list[Layer] = []
    if rng.random() < 0.6:
        behind.append(Layer(tiles(stage, shift(ground, 0.03), 0.0, 0.075), 0.02))
    else:
        behind.append(Layer(_boards(stage, ground), 0.02))
    lit_by_window = rng.random() < 0.6
    if lit_by_window:
        behind += window(stage, 0.7, 0.5)
    behind.append(Layer(_tools(stage, 0.46 * unit if lit_by_window else 0.0), 0.02))
    lamps, bulbs = "", ""
    for x in view.spots(rng, 3, 0.3, 1.1):
        shade, shine = pendant(x, floor - unit * rng.uniform(0.8, 0.95), 0.2 * unit, tones.dark)
        lamps, bulbs = lamps + shade, bulbs + shine
    behind += [Layer(lamps, 0.02), Layer(bulbs, 0.026, 1.0 + 1.2 * stage.light.lamps, glows=True)]
    behind.append(Layer(_bench_goods(stage), 0.013))
    bench = tones.wood(rng.uniform(0.5, 0.85))
    surface = surfaces.Surface(shift(bench, -0.02), shift(bench, 0.08), surfaces.planks(3), 0.40, 0.2, 0.25)
    return Scene(wall(stage, ground, shift(ground, -0.12)), tuple(behind), surface, haze=1.0)


def _boards(stage: Stage, ground: str) -> str:
    view, rng = stage.view, stage.rng
    marks, x = "", 0.0
    while x < view.width:
        wide = view.unit * rng.uniform(0.13, 0.18)
        marks += rect(x, 0, wide - 0.012 * view.unit, view.horizon, shift(ground, rng.uniform(-0.05, 0.05)))
        x += wide
    return rect(0, 0, view.width, view.horizon, shift(ground, -0.14)) + marks


def _tools(stage: Stage, clear: float) -> str:
    """Return tools hung in a row, except behind words; `clear` is the distance to keep from the window's middle."""
    view, tones, rng = stage.view, stage.tones, stage.rng
    unit, marks = view.unit, ""
    rail = view.horizon - 0.56 * unit
    for start, end in view.gaps(rail):
        if end - start < 0.3 * unit:
            continue
        x = start + 0.09 * unit
        while x < end - 0.06 * unit:
            if abs(x - view.light_x) >= clear:
                marks += _tool(
                    x, rail, unit * rng.uniform(0.22, 0.32), rng.randrange(4), tones, rng.choice(tones.accents)
                )
            x += unit * rng.uniform(0.11, 0.16)
    return marks


def _tool(x: float, y: float, long: float, kind: int, tones: Tones, handle: str) -> str:
    steel, wood = tones.natural("#b9bcbd", 0.06), tones.wood(0.35)
    if kind == 0:
        return lit_rect(x - long * 0.05, y, long * 0.1, long, wood, long * 0.04) + lit_rect(
            x - long * 0.22, y - long * 0.02, long * 0.44, long * 0.17, mix(steel, tones.dark, 0.4), long * 0.03
        )
    if kind == 1:
        return lit_rect(x - long * 0.03, y + long * 0.4, long * 0.06, long * 0.6, steel) + lit_rect(
            x - long * 0.08, y, long * 0.16, long * 0.45, handle, long * 0.06
        )
    if kind == 2:
        ring = disc(x, y + long * 0.1, long * 0.13, steel) + disc(x, y + long * 0.07, long * 0.065, tones.dark, 0.8)
        return ring + lit_rect(x - long * 0.055, y + long * 0.18, long * 0.11, long * 0.8, steel, long * 0.05)
    jaws = d("M", x - long * 0.1, y + long, "Q", x - long * 0.14, y + long * 0.5, x, y + long * 0.3)
    other = d("M", x + long * 0.1, y + long, "Q", x + long * 0.14, y + long * 0.5, x, y + long * 0.3)
    return (
        line(jaws, handle, long * 0.08)
        + line(other, handle, long * 0.08)
        + lit_rect(x - long * 0.07, y, long * 0.14, long * 0.34, steel, long * 0.05)
    )


def _bench_goods(stage: Stage) -> str:
    view, tones, rng = stage.view, stage.tones, stage.rng
    unit, y, marks = view.unit, view.horizon + 0.014 * view.unit, ""
    for x in view.spots(rng, 4, 0.34, 0.4):
        kind, colour = rng.choice(("tins", "planks", "box", "brushes")), rng.choice(tones.accents)
        if kind == "tins":
            marks += vessels.jar(x - 0.08 * unit, y, 0.22 * unit, colour, tones.natural("#b9bcbd"))
            marks += vessels.jar(x + 0.08 * unit, y, 0.16 * unit, tones.pale, tones.natural("#b9bcbd"))
        elif kind == "planks":
            for step in range(4):
                wide = unit * rng.uniform(0.3, 0.4)
                wood = tones.wood(rng.uniform(0.0, 0.4))
                marks += lit_rect(x - wide / 2, y - (step + 1) * 0.045 * unit, wide, 0.041 * unit, wood)
        elif kind == "box":
            marks += lit_rect(x - 0.17 * unit, y - 0.17 * unit, 0.34 * unit, 0.17 * unit, colour, 0.015 * unit)
            marks += rect(x - 0.17 * unit, y - 0.12 * unit, 0.34 * unit, 0.014 * unit, tones.dark, opacity=0.6)
            handle = d("M", x - 0.09 * unit, y - 0.17 * unit, "v", -0.05 * unit, "h", 0.18 * unit, "v", 0.05 * unit)
            marks += line(handle, tones.dark, 0.016 * unit)
        else:
            marks += vessels.utensils(x, y, 0.34 * unit, colour, tones.wood(0.25), rng)
    return marks
