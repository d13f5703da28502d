"""A bathroom: small glazed tiles, a round mirror, folded towels, a sprig of eucalyptus, stone."""

import math

from bannerstream.generator.studio import surfaces, vessels
from bannerstream.generator.studio.colour import mix, shift
from bannerstream.generator.studio.foliage import branch
from bannerstream.generator.studio.interiors import leaf_shade, tiles, wall
from bannerstream.generator.studio.scene import Layer, Scene, Stage
from bannerstream.generator.studio.shapes import disc, lit_rect


def draw(stage: Stage) -> Scene:
    """Return a bathroom shelf of stone."""
    view, tones, rng = stage.view, stage.tones, stage.rng
    unit, floor = view.unit, view.horizon
    ground = mix(tones.wall, tones.pale, 0.3)
    glaze = mix(tones.wall, rng.choice((tones.pale, tones.accent)), rng.uniform(0.15, 0.4))
    behind = [Layer(tiles(stage, glaze, floor - rng.uniform(0.5, 0.75) * unit, 0.085), 0.022)]
    mirror = view.clear_x(rng, 0.5, 0.95)
    if mirror is not None:
        high, brass = floor - 0.62 * unit, tones.natural("#c9a063", 0.1)
        round_glass = disc(mirror, high, 0.27 * unit, brass) + disc(
            mirror, high, 0.25 * unit, mix(tones.pale, "#dfe9ee", 0.5)
        )
        behind.append(Layer(round_glass, 0.024, 1.1))
    behind.append(Layer(_goods(stage), 0.013))
    if stage.light.lamps > 0.3:
        behind += _candles(stage)
    stone = rng.choice(
        (mix(tones.pale, tones.wall, 0.3), mix(tones.wall_deep, tones.pale, 0.35), tones.natural("#b7afa6", 0.1))
    )
    texture, strength = rng.choice(((surfaces.marble, 0.2), (surfaces.terrazzo, 0.12)))
    surface = surfaces.Surface(shift(stone, -0.06), stone, texture, strength, 0.55, 0.12, warmth=(1.0, 1.0, 0.96))
    return Scene(
        wall(stage, ground, mix(ground, tones.wall_deep, 0.35)),
        tuple(behind),
        surface,
        shadows=leaf_shade(stage, 0.5) if rng.random() < 0.6 else None,
        shade=0.35,
        haze=0.85,
    )


def _goods(stage: Stage) -> str:
    view, tones, rng = stage.view, stage.tones, stage.rng
    unit, y, marks = view.unit, view.horizon + 0.014 * view.unit, ""
    kinds = ["towels", "bottles", "sprig", "bowl", "towels"]
    rng.shuffle(kinds)
    for x, kind in zip(view.spots(rng, 4, 0.34, 0.5), kinds, strict=False):
        colour = rng.choice((*tones.accents, tones.pale))
        if kind == "towels":
            for step in range(3):
                cloth = mix(tones.pale, rng.choice(tones.accents), rng.choice((0.0, 0.25, 0.55)))
                marks += lit_rect(
                    x - 0.16 * unit, y - (step + 1) * 0.075 * unit, 0.32 * unit, 0.073 * unit, cloth, 0.034 * unit
                )
        elif kind == "bottles":
            amber = tones.natural("#8a5a33", 0.15)
            marks += _dispenser(x - 0.08 * unit, y, 0.3 * unit, amber, tones.dark)
            marks += _dispenser(x + 0.08 * unit, y, 0.24 * unit, mix(colour, tones.pale, 0.3), tones.dark)
        elif kind == "sprig":
            for _ in range(3):
                turn = -math.pi / 2 + rng.uniform(-0.6, 0.6)
                marks += branch(x, y - 0.18 * unit, turn, 0.38 * unit, tones, rng)
            marks += vessels.vase(x, y, 0.24 * unit, mix(tones.pale, colour, 0.3))
        else:
            marks += vessels.bowl(x, y, 0.10 * unit, tones.wood(0.2), mix(tones.pale, tones.accent, 0.15), rng)
    return marks


def _dispenser(x: float, y: float, tall: float, glass: str, pump: str) -> str:
    wide = tall * 0.42
    return (
        lit_rect(x - wide / 2, y - tall * 0.74, wide, tall * 0.74, glass, wide * 0.14)
        + lit_rect(x - wide * 0.08, y - tall * 0.95, wide * 0.16, tall * 0.25, pump)
        + lit_rect(x - wide * 0.12, y - tall, wide * 0.5, tall * 0.07, pump, tall * 0.02)
    )


def _candles(stage: Stage) -> tuple[Layer, ...]:
    """Return candles and their light, for dark hours."""
    view, rng = stage.view, stage.rng
    wax, flames = "", ""
    for x in view.spots(rng, 3, 0.2, 0.25):
        foot, tall = view.horizon + 0.03 * view.unit, rng.uniform(0.06, 0.11) * view.unit
        wax += vessels.candle(x, foot, tall, stage.tones.pale)
        flames += vessels.flame(x, foot, tall, view.unit)
    return Layer(wax, 0.012), Layer(flames, 0.012, 1.4, glows=True)
