"""The plain studio: a paper sweep or plastered wall, a plinth's edge, and the shadow of a leaf or a window."""

import math

from bannerstream.generator.studio import surfaces, vessels
from bannerstream.generator.studio.colour import mix, shift
from bannerstream.generator.studio.foliage import branch, dried
from bannerstream.generator.studio.interiors import leaf_shade, wall, window_shade
from bannerstream.generator.studio.scene import Layer, Scene, Stage
from bannerstream.generator.studio.shapes import d, disc, path, rect


def draw(stage: Stage) -> Scene:
    """Return a studio set in one colour family."""
    tones, rng = stage.tones, stage.rng
    ground = mix(tones.wall, tones.accent, rng.uniform(0.06, 0.3))
    back = (Layer(_arch(stage, ground), 0.012), Layer(_props(stage, ground), 0.016))
    shadows = rng.choice((leaf_shade, leaf_shade, window_shade))(stage)
    top = mix(ground, tones.pale, 0.35)
    texture = rng.choice((surfaces.terrazzo, surfaces.smooth, surfaces.linen))
    surface = surfaces.Surface(mix(top, ground, 0.5), top, texture, 0.10, 0.12, 0.10, warmth=(0.9, 1.0, 1.1))
    return Scene(
        wall(stage, ground, mix(ground, tones.wall_deep, 0.55)), back, surface, shadows=shadows, shade=0.55, haze=0.55
    )


def _arch(stage: Stage, ground: str) -> str:
    """Return an arch, a sun or nothing; its edge is clear of words and product."""
    view, tones, rng = stage.view, stage.tones, stage.rng
    tone = mix(ground, rng.choice(tones.accents), 0.24)
    middle = view.product.x + view.product.width / 2 if view.product else view.width / 2
    half = max(0.36 * view.unit, (view.product.width * 0.72 if view.product else 0))
    kind = rng.choice(("arch", "sun", "none"))
    if kind == "arch":
        top = max(view.horizon - 0.62 * view.unit - 0.2 * half, 0.06 * view.height) + half
        shape = d(
            "M",
            middle - half,
            view.horizon + 2,
            "V",
            top,
            "A",
            half,
            half,
            0,
            0,
            1,
            middle + half,
            top,
            "V",
            view.horizon + 2,
            "Z",
        )
        return (
            path(shape, shift(tone, -0.05))
            + f'<g transform="translate({view.away * -0.025 * view.unit:.1f} 0)">{path(shape, tone)}</g>'
        )
    if kind == "sun":
        return disc(
            middle + view.away * 0.12 * view.unit,
            view.horizon - 0.42 * view.unit,
            half * 1.05,
            mix(tone, tones.pale, 0.25),
        )
    return ""


def _props(stage: Stage, ground: str) -> str:
    view, tones, rng = stage.view, stage.tones, stage.rng
    unit, y = view.unit, view.horizon + 0.02 * view.unit
    marks = ""
    for x in view.spots(rng, 2, 0.36, 0.6):
        colour = mix(ground, rng.choice((tones.pale, *tones.accents)), 0.65)
        kind = rng.choice(("branch", "dried", "blocks", "sphere"))
        if kind == "branch":
            for _ in range(3):
                marks += branch(x, y - 0.22 * unit, -math.pi / 2 + rng.uniform(-0.6, 0.6), 0.42 * unit, tones, rng)
            marks += vessels.vase(x, y, 0.26 * unit, colour)
        elif kind == "dried":
            marks += dried(x, y - 0.18 * unit, 0.46 * unit, mix("#e3d0ae", ground, 0.25), rng) + vessels.vase(
                x, y, 0.24 * unit, colour
            )
        elif kind == "blocks":
            marks += _block(x, y, 0.24 * unit, 0.2 * unit, colour) + _block(
                x + 0.16 * unit, y, 0.2 * unit, 0.10 * unit, shift(colour, -0.05)
            )
        else:
            marks += _block(x, y, 0.3 * unit, 0.07 * unit, colour)
            marks += disc(x, y - 0.16 * unit, 0.095 * unit, tones.accent) + disc(
                x, y - 0.16 * unit, 0.095 * unit, "url(#form)"
            )
    return marks


def _block(x: float, y: float, wide: float, tall: float, colour: str) -> str:
    return rect(x - wide / 2, y - tall, wide, tall, colour) + rect(x - wide / 2, y - tall, wide, tall, "url(#form)")
