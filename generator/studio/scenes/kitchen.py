"""A kitchen: glazed tiles, a shelf of stoneware, a counter of oak or marble."""

from bannerstream.generator.studio import surfaces, vessels
from bannerstream.generator.studio.colour import mix, shift
from bannerstream.generator.studio.foliage import potted
from bannerstream.generator.studio.interiors import pendant, shelf, tiles, wall, window
from bannerstream.generator.studio.scene import Layer, Scene, Stage


def draw(stage: Stage) -> Scene:
    """Return a kitchen seen from its counter."""
    view, tones, rng = stage.view, stage.tones, stage.rng
    unit, floor = view.unit, view.horizon
    oak = tones.wood(rng.uniform(0.1, 0.55))
    back = [Layer(tiles(stage, mix(tones.wall, tones.pale, 0.5), floor - rng.uniform(0.3, 0.4) * unit), 0.028)]
    back += window(stage, 0.85, 0.62)
    shelves = ""
    for start, end in view.gaps(floor - 0.62 * unit):
        if end - start > 0.45 * unit:
            wide = min(end - start, unit * rng.uniform(0.7, 1.0))
            left = start if start > view.width * 0.5 else end - wide
            if abs(left + wide / 2 - view.light_x) > 0.5 * unit:
                shelves += shelf(stage, left, floor - 0.42 * unit, wide, oak)
    back.append(Layer(shelves, 0.026))
    lamps, glow = "", ""
    for x in view.spots(rng, 2, 0.3, 1.2):
        shade, light = pendant(x, floor - unit * 0.78, 0.2 * unit, rng.choice((tones.dark, tones.accent)))
        lamps, glow = lamps + shade, glow + light
    back.append(Layer(lamps, 0.024))
    if stage.light.lamps > 0.3:
        back.append(Layer(glow, 0.03, 0.8 + stage.light.lamps, glows=True))
    back.append(Layer(_counter_goods(stage, oak), 0.014))
    return Scene(wall(stage, tones.wall, tones.wall_deep), tuple(back), _counter(stage), before=_fruit(stage))


def _counter_goods(stage: Stage, oak: str) -> str:
    view, tones, rng = stage.view, stage.tones, stage.rng
    unit, y = view.unit, view.horizon + 0.012 * view.unit
    marks = ""
    for x in view.spots(rng, 5, 0.27, 0.42):
        colour = rng.choice((*tones.accents, tones.pale, mix(tones.pale, tones.accent, 0.35)))
        size = rng.uniform(0.9, 1.15) * unit
        kind = rng.choice(("plant", "crock", "boards", "bottles", "fruit", "jars"))
        if kind == "plant":
            marks += potted(x, y, 0.42 * size, colour, tones, rng)
        elif kind == "crock":
            marks += vessels.utensils(x, y, 0.36 * size, colour, oak, rng)
        elif kind == "boards":
            marks += vessels.board(x, y, 0.40 * size, shift(oak, 0.05)) + vessels.jar(
                x + 0.1 * unit, y, 0.15 * size, colour, oak
            )
        elif kind == "bottles":
            marks += vessels.bottle(x, y, 0.36 * size, tones.leaf(0.7)) + vessels.bottle(
                x + 0.1 * unit, y, 0.28 * size, colour
            )
        elif kind == "fruit":
            marks += vessels.bowl(x, y, 0.13 * size, colour, tones.natural("#e0913f", 0.3), rng)
        else:
            marks += vessels.jar(x - 0.06 * unit, y, 0.26 * size, tones.pale, oak) + vessels.jar(
                x + 0.08 * unit, y, 0.18 * size, colour, oak
            )
    return marks


def _counter(stage: Stage) -> surfaces.Surface:
    tones, rng = stage.tones, stage.rng
    if rng.random() < 0.65:
        wood = tones.wood(rng.uniform(0.2, 0.62))
        return surfaces.Surface(
            shift(wood, -0.06), shift(wood, 0.07), surfaces.planks(rng.choice((1, 3, 4))), 0.26, 0.35, 0.22
        )
    stone = mix(tones.pale, tones.wall, 0.35)
    return surfaces.Surface(shift(stone, -0.06), stone, surfaces.marble, 0.22, 0.5, 0.12, warmth=(1.0, 1.0, 0.95))


def _fruit(stage: Stage) -> tuple[Layer, ...]:
    """Return a round object near the camera, in the corner away from the light, if no words are there."""
    view, tones, rng = stage.view, stage.tones, stage.rng
    x = view.width if view.light_side == "right" else 0.0
    if view.text.y + view.text.height > view.height * 0.9 and view.text.x < x < view.text.x + view.text.width:
        return ()
    return (Layer(potted(x, view.height + 0.25 * view.unit, 0.62 * view.unit, tones.accent, tones, rng), 0.05),)
